package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"zombiezen.com/go/sqlite"

	"github.com/signalbox-ai/signalbox/host/call"
)

// ledger is the writing side of the ledger's file.
type ledger struct {
	*db
	folding sync.Mutex // guards dict and usage
	dict    dict
	usage   map[usageKey]*sums // of the batch in hand
	insert  *sqlite.Stmt
	add     *sqlite.Stmt
	begin   *sqlite.Stmt
	unit    *sqlite.Stmt
	mark    *sqlite.Stmt
}

const insertRequest = `INSERT INTO request (id, principal, flow, outcome, duration_us, overhead_us, ttft_us,
	input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, cost, reserved, units, attempts)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) ON CONFLICT DO NOTHING`

// The sums are added by UPDATE, and INSERT where that found none: for an INSERT
// … ON CONFLICT DO UPDATE SQLite keeps an undo journal that costs more than the rest.
const addUsage = `UPDATE usage SET requests = requests + ?4, errors = errors + ?5, input = input + ?6,
	cache_read = cache_read + ?7, cache_write_5m = cache_write_5m + ?8, cache_write_1h = cache_write_1h + ?9,
	output = output + ?10, reasoning = reasoning + ?11, cost = cost + ?12
	WHERE hour = ?1 AND principal = ?2 AND target = ?3`
const newUsage = "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"

func newLedger(d *db) (*ledger, error) {
	l := &ledger{db: d, usage: map[usageKey]*sums{}}
	// A larger log is written back less often: 17 % less CPU per row.
	err := d.run("PRAGMA wal_autocheckpoint = 8000")
	prepare := func(into **sqlite.Stmt, query string) {
		if err == nil {
			*into, err = d.prepare(query)
		}
	}
	prepare(&l.insert, insertRequest)
	prepare(&l.add, addUsage)
	prepare(&l.begin, newUsage)
	prepare(&l.unit, addUnit)
	prepare(&l.mark, "UPDATE mark SET journal = ?1 WHERE id = 1 AND journal <= ?1")
	if err == nil {
		err = l.dict.prepare(d)
	}
	return l, err
}

// Fold adds rows and notes that the journal has been folded in up to upto, all
// in one transaction. Rows that are there already change nothing. When durable
// is set, this and every earlier fold are on the disk when it returns.
func (s *Store) Fold(ctx context.Context, upto int64, rows []call.Record, durable bool) error {
	l := s.ledger
	l.folding.Lock()
	defer l.folding.Unlock()
	if durable {
		// With FULL the commit syncs the log file, which holds the earlier
		// commits too, or the database they were written back to, synced by then.
		if err := l.synchronous(ctx, "FULL"); err != nil {
			return fmt.Errorf("cannot fold into ledger: %w", err)
		}
		defer func() { _ = l.synchronous(context.WithoutCancel(ctx), "NORMAL") }() // or all go on being durable
	}
	err := l.write(ctx, func() error { return l.fold(upto, rows) })
	if err != nil {
		l.dict.reset() // it may know of rows that were rolled back
		return fmt.Errorf("cannot fold into ledger: %w", err)
	}
	return nil
}

func (l *ledger) synchronous(ctx context.Context, mode string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run("PRAGMA synchronous=" + mode)
}

func (l *ledger) fold(upto int64, rows []call.Record) error {
	clear(l.usage)
	for i := range rows {
		if err := l.addRow(&rows[i]); err != nil {
			return fmt.Errorf("row %s: %w", rows[i].ID, err)
		}
	}
	for key, sum := range l.usage {
		if err := l.addUsage(key, sum); err != nil {
			return err
		}
	}
	l.mark.BindInt64(1, upto)
	if err := exec(l.mark); err != nil {
		return err
	}
	if l.conn.Changes() == 0 {
		return errors.New("the journal's mark would go back")
	}
	return nil
}

func (l *ledger) addRow(r *call.Record) error {
	principal, err := l.dict.principal(r)
	if err != nil {
		return err
	}
	flow, err := l.dict.flow(r)
	if err != nil {
		return err
	}
	outcome, err := l.dict.outcome(r)
	if err != nil {
		return err
	}
	u := &r.Usage
	for i, v := range [...]int64{int64(r.ID), principal, flow, outcome, r.DurationUS, r.OverheadUS, r.TTFTUS,
		u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning, r.Cost, r.Reserved} {
		l.insert.BindInt64(i+1, v)
	}
	bindUnits(l.insert, 16, r)
	if err := bindAttempts(l.insert, 17, r.Attempts); err != nil {
		return err
	}
	if err := exec(l.insert); err != nil {
		return err
	}
	if l.conn.Changes() > 0 {
		l.count(principal, r)
	}
	return nil
}

// attempt is how the ledger shows one.
type attempt struct {
	Target string `json:"target"`
	Status int    `json:"status,omitempty"`
	Class  string `json:"class,omitempty"`
	US     int64  `json:"us"`
	Cost   int64  `json:"cost,omitempty"`
}

// bindAttempts binds attempts as JSON; a single one says nothing that the row does not.
func bindAttempts(s *sqlite.Stmt, param int, attempts []call.Attempt) error {
	if len(attempts) < 2 {
		s.BindNull(param)
		return nil
	}
	list := make([]attempt, len(attempts))
	for i, a := range attempts {
		list[i] = attempt{Status: a.Status, Class: a.Class.String(), US: a.Duration.Microseconds(), Cost: a.Cost}
		if a.Target != nil {
			list[i].Target = a.Target.Name
		}
	}
	text, err := json.Marshal(list)
	s.BindText(param, string(text))
	return err
}

// exec runs a prepared statement to its end and readies it for the next use.
func exec(s *sqlite.Stmt) error {
	if _, err := s.Step(); err != nil {
		return err
	}
	return s.Reset()
}

// Folded tells how far the journal has been folded in and the highest id in the ledger.
func (s *Store) Folded(context.Context) (upto int64, last call.ID, err error) {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if upto, err = l.number("SELECT journal FROM mark"); err == nil {
		var id int64
		id, err = l.number("SELECT max(id) FROM request")
		last = call.ID(id)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read ledger: %w", err)
	}
	return upto, last, nil
}

// Cost is the cost of one request of the ledger.
func (s *Store) Cost(_ context.Context, id call.ID) (cost int64, found bool, err error) {
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.number("SELECT count(*) FROM request WHERE id = ?", int64(id))
	if err == nil && n > 0 {
		cost, err = l.number("SELECT cost FROM request WHERE id = ?", int64(id))
	}
	if err != nil {
		return 0, false, fmt.Errorf("cannot read ledger row %s: %w", id, err)
	}
	return cost, n > 0, nil
}
