package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/call"
)

// alertsKept is for how long after their windows alerts are remembered.
const alertsKept = 30 * 24 * time.Hour

// RaiseAlert implements store.Alerts.
func (s *Store) RaiseAlert(ctx context.Context, a call.Alert, to []string) (raised bool, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		raised = false
		long := a.Time.Add(-alertsKept).Unix()
		if _, err := tx.Exec(ctx, "DELETE FROM delivery USING alert WHERE alert.id = delivery.alert AND window_end < $1", long); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM alert WHERE window_end < $1", long); err != nil {
			return err
		}
		var id int64
		err := tx.QueryRow(ctx, `INSERT INTO alert (kind, scope, span, window_start, window_end, mark, time, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT DO NOTHING RETURNING id`, a.Kind, a.Scope, a.Window, a.Start, a.End, a.Mark, millis(a.Time), a.Body).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		for i := 0; i < len(to) && err == nil; i++ {
			_, err = tx.Exec(ctx, "INSERT INTO delivery (alert, receiver, tries, next, done, err) VALUES ($1, $2, 0, $3, 0, '')", id, to[i], millis(a.Time))
		}
		raised = err == nil
		return err
	})
	if err != nil {
		return false, fmt.Errorf("cannot keep an alert about %q: %w", a.Scope, err)
	}
	return raised, nil
}

const deliveryColumns = "d.id, d.receiver, d.tries, d.next, d.done, d.err, a.id, a.kind, a.scope, a.span, a.window_start, a.window_end, a.mark, a.time, a.body"

func readDelivery(row pgx.CollectableRow) (d call.Delivery, err error) {
	a := &call.Alert{}
	var next, done, at int64
	err = row.Scan(&d.ID, &d.To, &d.Tries, &next, &done, &d.Err, &a.ID, &a.Kind, &a.Scope, &a.Window, &a.Start, &a.End, &a.Mark, &at, &a.Body)
	d.Next, d.Done, a.Time, d.Alert = moment(next), moment(done), moment(at), a
	return d, err
}

// ClaimDeliveries implements store.Alerts.
func (s *Store) ClaimDeliveries(ctx context.Context, now, until time.Time, most int) ([]call.Delivery, error) {
	const sql = `WITH due AS (SELECT id FROM delivery WHERE next > 0 AND next <= $1 ORDER BY next, id LIMIT $3 FOR UPDATE SKIP LOCKED),
		d AS (UPDATE delivery SET next = $2 FROM due WHERE delivery.id = due.id RETURNING delivery.*)
		SELECT ` + deliveryColumns + ` FROM d JOIN alert a ON a.id = d.alert ORDER BY d.id`
	claimed, err := list(ctx, s.db, sql, []any{millis(now), millis(until), most}, readDelivery)
	if err != nil {
		return nil, fmt.Errorf("cannot take alerts to be delivered: %w", err)
	}
	return claimed, nil
}

// SettleDelivery implements store.Alerts.
func (s *Store) SettleDelivery(ctx context.Context, d call.Delivery) error {
	err := s.exec(ctx, "UPDATE delivery SET tries = $1, next = $2, done = $3, err = $4 WHERE id = $5", d.Tries, millis(d.Next), millis(d.Done), d.Err, d.ID)
	if err != nil {
		return fmt.Errorf("cannot keep what became of an alert to %q: %w", d.To, err)
	}
	return nil
}

// Alerts implements store.Alerts.
func (s *Store) Alerts(ctx context.Context, most int) (alerts []call.Alert, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		alerts, err = collect(ctx, tx, "SELECT id, kind, scope, span, window_start, window_end, mark, time, body FROM alert ORDER BY id DESC LIMIT $1", []any{most},
			func(row pgx.CollectableRow) (a call.Alert, err error) {
				var at int64
				err = row.Scan(&a.ID, &a.Kind, &a.Scope, &a.Window, &a.Start, &a.End, &a.Mark, &at, &a.Body)
				a.Time = moment(at)
				return a, err
			})
		for i := 0; i < len(alerts) && err == nil; i++ {
			alerts[i].Deliveries, err = collect(ctx, tx, "SELECT "+deliveryColumns+" FROM delivery d JOIN alert a ON a.id = d.alert WHERE d.alert = $1 ORDER BY d.id",
				[]any{alerts[i].ID}, readDelivery)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list alerts: %w", err)
	}
	return alerts, nil
}
