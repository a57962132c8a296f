package store

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// usageKey is what the ledger's sums are kept by.
type usageKey struct {
	hour, principal int64
	target          string
}

type sums struct {
	requests, errors, cost int64
	usage                  wire.Usage
}

// count adds r to the sums of the batch in hand.
func (l *ledger) count(principal int64, r *call.Record) {
	key := usageKey{r.ID.Time().Unix() / 3600, principal, r.Target}
	s := l.usage[key]
	if s == nil {
		s = &sums{}
		l.usage[key] = s
	}
	s.requests++
	if r.Status >= 400 || r.Class != wire.ClassNone {
		s.errors++
	}
	s.cost += r.Cost
	s.usage.Add(&r.Usage)
}

// addUsage adds s to the sums of key, which it makes where there are none.
func (l *ledger) addUsage(key usageKey, s *sums) error {
	bindUsage(l.add, key, s)
	err := exec(l.add)
	if err == nil && l.conn.Changes() == 0 {
		bindUsage(l.begin, key, s)
		err = exec(l.begin)
	}
	for i, v := range s.usage.Buckets() {
		if i < textBuckets || *v == 0 || err != nil {
			continue
		}
		l.unit.BindInt64(1, key.hour)
		l.unit.BindInt64(2, key.principal)
		l.unit.BindText(3, key.target)
		l.unit.BindInt64(4, int64(i))
		l.unit.BindInt64(5, *v)
		err = exec(l.unit)
	}
	return err
}

func bindUsage(st *sqlite.Stmt, key usageKey, s *sums) {
	u := &s.usage
	st.BindInt64(1, key.hour)
	st.BindInt64(2, key.principal)
	st.BindText(3, key.target)
	for i, v := range [...]int64{s.requests, s.errors, u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning, s.cost} {
		st.BindInt64(i+4, v)
	}
}

// UsageQuery selects usage. Empty fields select all.
type UsageQuery struct {
	Key   string // id or name
	Team  string
	Model string // provider/model
	// From and To bound the time, to the hour: From ≤ t < To. Zero is unbounded.
	From, To time.Time
}

// UsageRow is what one key used of one model on one day (UTC).
type UsageRow struct {
	Day      string // 2026-05-20
	KeyID    string
	KeyName  string
	Team     string
	Model    string // provider/model, "" for requests that reached none
	Requests int64
	Errors   int64
	Usage    wire.Usage
	Cost     int64 // nano-dollars
}

const selectUsage = `SELECT strftime('%Y-%m-%d', hour * 3600, 'unixepoch'), key_id, key_name, team, target,
	sum(requests), sum(errors), sum(input), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h),
	sum(output), sum(reasoning), sum(cost)
	FROM usage JOIN principal ON principal.id = usage.principal
	WHERE hour >= :from AND hour < :to AND (:key = '' OR key_id = :key OR key_name = :key)
	AND (:team = '' OR team = :team) AND (:model = '' OR target = :model)
	GROUP BY hour / 24, key_id, key_name, team, target ORDER BY hour / 24, key_name, key_id, team, target`

// Usage sums the ledger up by day, key, team and model.
func (s *Store) Usage(ctx context.Context, q UsageQuery) ([]UsageRow, error) {
	conn, err := s.reads.Take(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot query usage: %w", err)
	}
	defer s.reads.Put(conn)
	from, to := int64(0), int64(1)<<40
	if !q.From.IsZero() {
		from = q.From.Unix() / 3600
	}
	if !q.To.IsZero() {
		to = (q.To.Unix() + 3599) / 3600
	}
	var rows []UsageRow
	args := map[string]any{":from": from, ":to": to, ":key": q.Key, ":team": q.Team, ":model": q.Model}
	err = sqlitex.Execute(conn, selectUsage, &sqlitex.ExecOptions{
		Named: args,
		ResultFunc: func(st *sqlite.Stmt) error {
			n := st.ColumnInt64
			rows = append(rows, UsageRow{
				Day: st.ColumnText(0), KeyID: st.ColumnText(1), KeyName: st.ColumnText(2), Team: st.ColumnText(3), Model: st.ColumnText(4),
				Requests: n(5), Errors: n(6), Cost: n(13),
				Usage: wire.Usage{Input: n(7), CacheRead: n(8), CacheWrite5m: n(9), CacheWrite1h: n(10), Output: n(11), Reasoning: n(12)},
			})
			return nil
		},
	})
	if err == nil {
		err = queryUnits(conn, args, rows)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot query usage: %w", err)
	}
	return rows, nil
}
