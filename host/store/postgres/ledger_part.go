package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/call"
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
