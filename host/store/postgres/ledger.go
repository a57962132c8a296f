package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/report"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// folder is what folding remembers from one batch to the next.
type folder struct {
	mu    sync.Mutex
	dicts dicts
	days  map[int64]bool // partitions that are known to be there
	mark  int64          // the journal's, as of the last fold; 0: not known
	copy  copyBuffer
	sums  map[sumKey]*report.Sums
	keys  []sumKey
	args  [numSums][]int64
}

// sumKey is what sums are kept by, for one node.
type sumKey struct{ hour, principal, flow, outcome int64 }

// numSums are the columns of hour.
const numSums = 5 + 3 + wire.NumBuckets

var copyRequest = "COPY %s (id, principal, flow, outcome, duration_us, overhead_us, ttft_us, input, cache_read, cache_write_5m, " +
	"cache_write_1h, output, reasoning, cost, reserved, count, saved, units, attempts, address, parent) FROM STDIN BINARY"

// addSums adds to the sums of this node, in the order of their keys.
var addSums = func() string {
	columns := "hour, principal, flow, outcome, node, requests, cost, saved, " + report.Columns
	var add, from strings.Builder
	for i, name := range strings.Split(columns, ", ") {
		if i > 0 {
			from.WriteString(", ")
		}
		fmt.Fprintf(&from, "$%d::bigint[]", i+1)
		if i >= 5 {
			if i > 5 {
				add.WriteString(", ")
			}
			fmt.Fprintf(&add, "%[1]s = hour.%[1]s + excluded.%[1]s", name)
		}
	}
	return "INSERT INTO hour (" + columns + ") SELECT * FROM unnest(" + from.String() + ") ON CONFLICT (hour, principal, flow, outcome, node) DO UPDATE SET " + add.String()
}()

// Fold implements store.Ledger. The rows go in by COPY; where one of them is
// there already, which takes a restored or copied journal, the batch goes in
// once more, by way of a table that lets them be told apart. Every commit is
// durable: the server may crash without this process, which would not fold again.
func (s *Store) Fold(ctx context.Context, upto int64, rows []call.Record, _ bool) error {
	f := &s.folder
	f.mu.Lock()
	defer f.mu.Unlock()
	err := s.ready(ctx, rows)
	if err == nil {
		err = s.folding(ctx, func(ctx context.Context, tx pgx.Tx) error { return s.fold(ctx, tx, upto, rows) })
	}
	switch code(err) {
	case noPartition: // retention has dropped it
		f.days = nil
		if err = s.ready(ctx, rows); err == nil {
			err = s.folding(ctx, func(ctx context.Context, tx pgx.Tx) error { return s.fold(ctx, tx, upto, rows) })
		}
	case uniqueViolation:
		err = s.folding(ctx, func(ctx context.Context, tx pgx.Tx) error { return s.foldAgain(ctx, tx, upto, rows) })
	}
	if err != nil {
		f.forget()
		return fmt.Errorf("cannot fold into ledger: %w", err)
	}
	f.mark = upto
	return nil
}

// folding is a transaction that gives up waiting for a lock before it is late: a
// ledger that somebody has locked, as VACUUM FULL does, is no database that does
// not answer, and the breaker must not keep others out for it.
func (s *Store) folding(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = "+milliseconds(s.timeout/2)); err != nil {
			return err
		}
		return f(ctx, tx)
	})
}

// forget is for when the database may be another than it was: one that has taken
// over may lack what had been learnt, and give its numbers to something else.
func (f *folder) forget() { f.dicts, f.days, f.mark = dicts{}, nil, 0 }

// Errors of PostgreSQL that are told apart.
const (
	uniqueViolation  = "23505"
	noPartition      = "23514" // a check violation: request has no other checks
	lockNotAvailable = "55P03"
	readOnly         = "25006" // the server is a standby, or the session reads only
)

// code is that of PostgreSQL's error, "" if err is none.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// ready makes what rows refer to and the partitions that they go to, each in a
// transaction of its own: what other nodes could have to wait for is short.
func (s *Store) ready(ctx context.Context, rows []call.Record) error {
	return s.within(ctx, s.timeout, func(ctx context.Context) error {
		for i := range rows {
			if err := s.partition(ctx, dayOf(rows[i].ID)); err != nil {
				return err
			}
		}
		return s.folder.dicts.learn(ctx, s.pool, rows)
	})
}

func (s *Store) fold(ctx context.Context, tx pgx.Tx, upto int64, rows []call.Record) error {
	if err := s.moveMark(ctx, tx, upto, rows); err != nil {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	if err := s.copyRows(ctx, tx, "request", rows); err != nil {
		return err
	}
	return s.addUp(ctx, tx, rows, nil)
}

// foldAgain is fold where some of the rows are there.
func (s *Store) foldAgain(ctx context.Context, tx pgx.Tx, upto int64, rows []call.Record) error {
	if err := s.moveMark(ctx, tx, upto, rows); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "CREATE TEMP TABLE incoming (LIKE request) ON COMMIT DROP"); err != nil {
		return err
	}
	if err := s.copyRows(ctx, tx, "incoming", rows); err != nil {
		return err
	}
	got, err := tx.Query(ctx, "INSERT INTO request SELECT DISTINCT ON (id) * FROM incoming ORDER BY id ON CONFLICT DO NOTHING RETURNING id")
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(got, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	fresh := make(map[call.ID]bool, len(ids))
	for _, id := range ids {
		fresh[call.ID(id)] = true
	}
	return s.addUp(ctx, tx, rows, fresh)
}

// moveMark notes how far the node's journal is in.
func (s *Store) moveMark(ctx context.Context, tx pgx.Tx, upto int64, rows []call.Record) error {
	last := call.ID(0)
	for i := range rows {
		last = max(last, rows[i].ID)
	}
	var before int64
	err := tx.QueryRow(ctx, `WITH before AS (SELECT journal FROM ledger_mark WHERE node = $1)
		INSERT INTO ledger_mark VALUES ($1, $2, $3) ON CONFLICT (node) DO UPDATE
		SET journal = excluded.journal, last = greatest(ledger_mark.last, excluded.last) WHERE ledger_mark.journal <= excluded.journal
		RETURNING coalesce((SELECT journal FROM before), 0)`, s.node.ID, upto, int64(last)).Scan(&before)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errors.New("the journal's mark would go back")
	case err == nil && before < s.folder.mark:
		return errors.New("the database has gone back: it lacks rows that it had taken")
	}
	return err
}

func (s *Store) copyRows(ctx context.Context, tx pgx.Tx, table string, rows []call.Record) error {
	b := &s.folder.copy
	b.begin()
	for i := range rows {
		if err := b.row(&rows[i], &s.folder.dicts); err != nil {
			return err
		}
	}
	b.end()
	_, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(b.data), fmt.Sprintf(copyRequest, table))
	if err != nil {
		b.data = nil // when a connection is lost, what sends may still read it
	}
	return err
}

// addUp adds rows to the sums of their hours; fresh: those among them that are
// new, nil: all.
func (s *Store) addUp(ctx context.Context, tx pgx.Tx, rows []call.Record, fresh map[call.ID]bool) error {
	f := &s.folder
	f.sums, f.keys = map[sumKey]*report.Sums{}, f.keys[:0]
	for i := range rows {
		r := &rows[i]
		if fresh != nil {
			if !fresh[r.ID] {
				continue
			}
			delete(fresh, r.ID) // of two in one batch, one counts
		}
		p, fl, o := f.dicts.of(r)
		key := sumKey{report.Hour(r), p, fl, o}
		sum := f.sums[key]
		if sum == nil {
			sum = &report.Sums{}
			f.sums[key] = sum
			f.keys = append(f.keys, key)
		}
		sum.Add(r)
	}
	slices.SortFunc(f.keys, func(a, b sumKey) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.principal, b.principal), cmp.Compare(a.flow, b.flow), cmp.Compare(a.outcome, b.outcome))
	})
	for i := range f.args {
		f.args[i] = f.args[i][:0]
	}
	for _, k := range f.keys {
		sum := f.sums[k]
		for i, v := range [...]int64{k.hour, k.principal, k.flow, k.outcome, int64(s.node.Number), sum.Requests, sum.Cost, sum.Saved} {
			f.args[i] = append(f.args[i], v)
		}
		for i, v := range sum.Usage.Buckets() {
			f.args[8+i] = append(f.args[8+i], *v)
		}
	}
	args := make([]any, numSums)
	for i := range args {
		args[i] = f.args[i]
	}
	_, err := tx.Exec(ctx, addSums, args...)
	return err
}

// Folded implements store.Ledger.
func (s *Store) Folded(ctx context.Context) (upto int64, last call.ID, err error) {
	err = s.use(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		err := c.QueryRow(ctx, "SELECT journal, last FROM ledger_mark WHERE node = $1", s.node.ID).Scan(&upto, &last)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read ledger: %w", err)
	}
	return upto, last, nil
}

// Cost implements store.Ledger.
func (s *Store) Cost(ctx context.Context, id call.ID) (cost int64, found bool, err error) {
	err = s.use(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		err := c.QueryRow(ctx, "SELECT cost FROM request WHERE id = $1", int64(id)).Scan(&cost)
		found = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("cannot read ledger row %s: %w", id, err)
	}
	return cost, found, nil
}
