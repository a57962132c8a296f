package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
)

// alertsKept is for how long after their windows alerts are remembered.
const alertsKept = 30 * 24 * time.Hour

// RaiseAlert implements store.Alerts.
func (s *Store) RaiseAlert(ctx context.Context, a call.Alert, to []string) (raised bool, err error) {
	err = s.state.write(ctx, func() error {
		if err := s.forgetAlerts(a.Time.Add(-alertsKept)); err != nil {
			return err
		}
		id, err := s.state.number("INSERT INTO alert VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
			a.Kind, a.Scope, a.Window, a.Start, a.End, a.Mark, millis(a.Time), a.Body)
		if err != nil || id == 0 {
			return err
		}
		raised = true
		for _, name := range to {
			if err := s.state.run("INSERT INTO delivery VALUES (NULL, ?, ?, 0, ?, 0, '')", id, name, millis(a.Time)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("cannot keep an alert about %q: %w", a.Scope, err)
	}
	return raised, nil
}

func (s *Store) forgetAlerts(before time.Time) error {
	if err := s.state.run("DELETE FROM delivery WHERE alert IN (SELECT id FROM alert WHERE window_end < ?)", before.Unix()); err != nil {
		return err
	}
	return s.state.run("DELETE FROM alert WHERE window_end < ?", before.Unix())
}

const deliveryColumns = "SELECT d.id, receiver, tries, next, done, err, alert.id, kind, scope, window, window_start, window_end, mark, time, body"

func readDelivery(st *sqlite.Stmt) call.Delivery {
	return call.Delivery{ID: st.ColumnInt64(0), To: st.ColumnText(1), Tries: st.ColumnInt(2), Next: moment(st.ColumnInt64(3)),
		Done: moment(st.ColumnInt64(4)), Err: st.ColumnText(5), Alert: &call.Alert{ID: st.ColumnInt64(6), Kind: st.ColumnText(7), Scope: st.ColumnText(8),
			Window: st.ColumnText(9), Start: st.ColumnInt64(10), End: st.ColumnInt64(11), Mark: st.ColumnText(12), Time: moment(st.ColumnInt64(13)), Body: blob(st, 14)}}
}

// ClaimDeliveries implements store.Alerts.
func (s *Store) ClaimDeliveries(ctx context.Context, now, until time.Time, most int) (list []call.Delivery, err error) {
	err = s.state.write(ctx, func() error {
		const sql = deliveryColumns + " FROM delivery d JOIN alert ON alert.id = d.alert WHERE next > 0 AND next <= ? ORDER BY next, d.id LIMIT ?"
		err := sqlitex.ExecuteTransient(s.state.conn, sql, &sqlitex.ExecOptions{Args: []any{millis(now), most}, ResultFunc: func(st *sqlite.Stmt) error {
			list = append(list, readDelivery(st))
			return nil
		}})
		for i := 0; i < len(list) && err == nil; i++ {
			err = s.state.run("UPDATE delivery SET next = ? WHERE id = ?", millis(until), list[i].ID)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot take alerts to be delivered: %w", err)
	}
	return list, nil
}

// SettleDelivery implements store.Alerts.
func (s *Store) SettleDelivery(ctx context.Context, d call.Delivery) error {
	err := s.state.write(ctx, func() error {
		return s.state.run("UPDATE delivery SET tries = ?, next = ?, done = ?, err = ? WHERE id = ?", d.Tries, millis(d.Next), millis(d.Done), d.Err, d.ID)
	})
	if err != nil {
		return fmt.Errorf("cannot keep what became of an alert to %q: %w", d.To, err)
	}
	return nil
}

// Alerts implements store.Alerts.
func (s *Store) Alerts(ctx context.Context, most int) (list []call.Alert, err error) {
	err = s.state.write(ctx, func() error {
		const sql = "SELECT id, kind, scope, window, window_start, window_end, mark, time, body FROM alert ORDER BY id DESC LIMIT ?"
		err := sqlitex.ExecuteTransient(s.state.conn, sql, &sqlitex.ExecOptions{Args: []any{most}, ResultFunc: func(st *sqlite.Stmt) error {
			list = append(list, call.Alert{ID: st.ColumnInt64(0), Kind: st.ColumnText(1), Scope: st.ColumnText(2), Window: st.ColumnText(3),
				Start: st.ColumnInt64(4), End: st.ColumnInt64(5), Mark: st.ColumnText(6), Time: moment(st.ColumnInt64(7)), Body: blob(st, 8)})
			return nil
		}})
		for i := 0; i < len(list) && err == nil; i++ {
			err = s.deliveries(&list[i])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list alerts: %w", err)
	}
	return list, nil
}

func (s *Store) deliveries(a *call.Alert) error {
	const sql = deliveryColumns + " FROM delivery d JOIN alert ON alert.id = d.alert WHERE d.alert = ? ORDER BY d.id"
	return sqlitex.ExecuteTransient(s.state.conn, sql, &sqlitex.ExecOptions{Args: []any{a.ID}, ResultFunc: func(st *sqlite.Stmt) error {
		a.Deliveries = append(a.Deliveries, readDelivery(st))
		return nil
	}})
}
