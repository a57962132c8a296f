package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store/report"
)

// dayOf is the day (UTC) that rows of id are kept with, since 1970.
func dayOf(id call.ID) int64 {
	s := id.Time().Unix()
	day := s / 86400
	if s%86400 < 0 { // of a clock that is decades slow
		day--
	}
	return day
}

func dayTime(day int64) time.Time { return time.Unix(day*86400, 0).UTC() }

func partitionName(day int64) string { return "request_" + dayTime(day).Format("20060102") }

// partitionLock is the advisory lock under which partitions are made: "part".
const partitionLock = 0x70617274

// partition sees to it that rows of the day have where to go. A table is made
// apart and attached, which nobody who reads or folds waits for.
func (s *Store) partition(ctx context.Context, day int64) error {
	f := &s.folder
	if f.days[day] {
		return nil
	}
	name := partitionName(day)
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(partitionLock)); err != nil {
			return err
		}
		there := false
		err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass($1))", name).Scan(&there)
		if err != nil || there {
			return err
		}
		if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+name+" (LIKE request INCLUDING ALL)"); err != nil {
			return err
		}
		from, to := call.FirstID(dayTime(day)), call.FirstID(dayTime(day+1))
		_, err = tx.Exec(ctx, fmt.Sprintf("ALTER TABLE request ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)", name, from, to))
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot make partition %s: %w", name, err)
	}
	if f.days == nil {
		f.days = map[int64]bool{}
	}
	f.days[day] = true
	return nil
}

// retainStep bounds the sums that one step takes.
const retainStep = 5000

// retainLock is the advisory lock of the one node that applies retention: "keep".
const retainLock = 0x6b656570

// Retain implements store.Ledger. Rows go a day at a time.
func (s *Store) Retain(ctx context.Context, r call.Retention) (more bool, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		mine := false
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(retainLock)).Scan(&mine); err != nil || !mine {
			return err
		}
		if !r.Requests.IsZero() {
			if more, err = dropRequests(ctx, tx, r.Requests); more || err != nil {
				return err
			}
		}
		if !r.Hours.IsZero() {
			more, err = rollHours(ctx, tx, r.Hours)
		}
		return err
	})
	if code(err) == lockNotAvailable {
		return false, nil // somebody reads what is to go: the next time
	}
	if err != nil {
		return false, fmt.Errorf("cannot apply retention to the ledger: %w", err)
	}
	return more, nil
}

// dropRequests drops the oldest partition if all of it is older than before.
func dropRequests(ctx context.Context, tx pgx.Tx, before time.Time) (more bool, err error) {
	var name string
	err = tx.QueryRow(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'request'::regclass AND c.relname < $1 ORDER BY c.relname LIMIT 1`, partitionName(before.Unix()/86400)).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	day, err := time.Parse("request_20060102", name)
	if err != nil {
		return false, fmt.Errorf("partition %q: %w", name, err)
	}
	if _, err := tx.Exec(ctx, "UPDATE ledger_kept SET requests = greatest(requests, $1)", day.AddDate(0, 0, 1).Unix()); err != nil {
		return false, err
	}
	// While it waits for a reader, folds wait behind it: not for long.
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '100ms'"); err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, "DROP TABLE "+pgx.Identifier{name}.Sanitize())
	return true, err
}

// rollHours makes sums of days of the first sums of hours. Hours go as whole days.
func rollHours(ctx context.Context, tx pgx.Tx, before time.Time) (more bool, err error) {
	first := before.Unix() / 86400 * 86400
	if _, err := tx.Exec(ctx, "UPDATE ledger_kept SET hours = greatest(hours, $1)", first); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, `WITH gone AS (DELETE FROM hour USING (SELECT hour, principal, flow, outcome, node FROM hour
		WHERE hour < $1 ORDER BY hour, principal, flow, outcome, node LIMIT $2) old
		WHERE (hour.hour, hour.principal, hour.flow, hour.outcome, hour.node) = (old.hour, old.principal, old.flow, old.outcome, old.node) RETURNING hour.*)
		INSERT INTO day SELECT `+report.DaySums+" FROM gone GROUP BY 1, 2, 3, 4 "+report.AddDay, first/3600, retainStep)
	return tag.RowsAffected() > 0, err
}
