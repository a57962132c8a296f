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

// retainStep bounds the rows of a kind that one step takes.
const retainStep = 5000

// retainLock is the advisory lock of the one node that applies retention: "keep".
const retainLock = 0x6b656570

// Retain implements store.Retainer. Rows of requests go a day at a time, and
// last: they are what somebody may be reading.
func (s *Store) Retain(ctx context.Context, r call.Retention) (more bool, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		mine := false
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(retainLock)).Scan(&mine); err != nil || !mine {
			return err
		}
		for _, take := range []func(context.Context, pgx.Tx, call.Retention) (bool, error){rollHours, dropState, dropRequests} {
			if more, err = take(ctx, tx, r); more || err != nil {
				return err
			}
		}
		return nil
	})
	if code(err) == lockNotAvailable {
		return false, nil // somebody reads what is to go: the next time
	}
	if err != nil {
		return false, fmt.Errorf("cannot apply retention: %w", err)
	}
	return more, nil
}

// dropState lets go of what is no part of the ledger.
func dropState(ctx context.Context, tx pgx.Tx, r call.Retention) (more bool, err error) {
	for _, old := range []struct {
		before time.Time
		drop   string
	}{
		// One that is named meanwhile stays: what it is looked for by is looked at again.
		{r.Objects, `DELETE FROM kept WHERE (provider, id) IN (SELECT provider, id FROM kept WHERE greatest(created, used) < $1 LIMIT $2)
			AND greatest(created, used) < $1`},
		{r.Keys, "DELETE FROM key WHERE id IN (SELECT id FROM key WHERE revoked > 0 AND revoked < $1 LIMIT $2)"},
		{r.Pledges, "DELETE FROM pledge WHERE id IN (SELECT id FROM pledge WHERE redeemed AND at < $1 LIMIT $2)"},
	} {
		if old.before.IsZero() {
			continue
		}
		tag, err := tx.Exec(ctx, old.drop, millis(old.before), retainStep)
		if err != nil {
			return false, err
		}
		more = more || tag.RowsAffected() > 0
	}
	return more, nil
}

// dropRequests drops the oldest partition if all of it is too old.
func dropRequests(ctx context.Context, tx pgx.Tx, r call.Retention) (more bool, err error) {
	if r.Requests.IsZero() {
		return false, nil
	}
	var name string
	err = tx.QueryRow(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'request'::regclass AND c.relname < $1 ORDER BY c.relname LIMIT 1`, partitionName(r.Requests.Unix()/86400)).Scan(&name)
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
func rollHours(ctx context.Context, tx pgx.Tx, r call.Retention) (more bool, err error) {
	if r.Hours.IsZero() {
		return false, nil
	}
	first := r.Hours.Unix() / 86400 * 86400
	if _, err := tx.Exec(ctx, "UPDATE ledger_kept SET hours = greatest(hours, $1)", first); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, `WITH gone AS (DELETE FROM hour USING (SELECT hour, principal, flow, outcome, node FROM hour
		WHERE hour < $1 ORDER BY hour, principal, flow, outcome, node LIMIT $2) old
		WHERE (hour.hour, hour.principal, hour.flow, hour.outcome, hour.node) = (old.hour, old.principal, old.flow, old.outcome, old.node) RETURNING hour.*)
		INSERT INTO day SELECT `+report.DaySums+" FROM gone GROUP BY 1, 2, 3, 4 "+report.AddDay, first/3600, retainStep)
	return tag.RowsAffected() > 0, err
}
