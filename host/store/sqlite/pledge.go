package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
)

// PutPledge implements store.Pledges.
func (s *Store) PutPledge(ctx context.Context, p call.Pledge) (put bool, err error) {
	parts, err := json.Marshal(p.Parts)
	if err == nil {
		now := time.Now()
		err = s.state.write(ctx, func() error {
			err := s.state.run("INSERT INTO pledge VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING", int64(p.ID), p.Owner, string(parts), now.UnixMilli())
			put = s.state.conn.Changes() > 0
			return err
		})
	}
	if err != nil {
		return false, fmt.Errorf("cannot keep what %q has reserved: %w", p.Owner, err)
	}
	return put, nil
}

// Pledged implements store.Pledges.
func (s *Store) Pledged(ctx context.Context, id call.ID) (bool, error) {
	var n int64
	err := s.state.write(ctx, func() (err error) {
		n, err = s.state.number("SELECT count(*) FROM pledge WHERE id = ? AND parts <> ''", int64(id))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("cannot look up reservation %s: %w", id, err)
	}
	return n > 0, nil
}

// RedeemPledge implements store.Pledges.
func (s *Store) RedeemPledge(ctx context.Context, id call.ID, spent []int64) (was bool, err error) {
	err = s.state.write(ctx, func() error {
		var text string
		redeemed := false
		err := sqlitex.ExecuteTransient(s.state.conn, "SELECT parts, redeemed FROM pledge WHERE id = ?", &sqlitex.ExecOptions{
			Args: []any{int64(id)}, ResultFunc: func(st *sqlite.Stmt) error {
				text, redeemed = st.ColumnText(0), st.ColumnInt64(1) != 0
				return nil
			}})
		was = text != ""
		if err != nil || redeemed {
			return err
		}
		err = s.state.run(`INSERT INTO pledge VALUES (?1, '', '', ?2, 1) ON CONFLICT DO UPDATE SET redeemed = 1, at = ?2`, int64(id), time.Now().UnixMilli())
		if err != nil || !was {
			return err
		}
		var parts []call.PledgePart
		if err := json.Unmarshal([]byte(text), &parts); err != nil {
			return err
		}
		for i := range parts {
			p := &parts[i]
			err := s.state.run("UPDATE account SET granted = granted - ? WHERE scope = ? AND window = ? AND window_start = ?", p.Back(spent), p.Scope, p.Window, p.Start)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("cannot give back what was not spent of reservation %s: %w", id, err)
	}
	return was, nil
}

// pledges are those that are not redeemed.
func (b *Bank) pledges() (all []call.Pledge, err error) {
	err = b.query("SELECT id, owner, parts FROM pledge WHERE redeemed = 0 ORDER BY id", nil, func(s *sqlite.Stmt) error {
		p := call.Pledge{ID: call.ID(s.ColumnInt64(0)), Owner: s.ColumnText(1)}
		all = append(all, p)
		return json.Unmarshal([]byte(s.ColumnText(2)), &all[len(all)-1].Parts)
	})
	return all, err
}
