package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/call"
)

// PutPledge implements store.Pledges.
func (s *Store) PutPledge(ctx context.Context, p call.Pledge) (put bool, err error) {
	parts, err := json.Marshal(p.Parts)
	if err == nil {
		err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, "INSERT INTO pledge VALUES ($1, $2, $3, now_ms(), false) ON CONFLICT DO NOTHING", int64(p.ID), p.Owner, string(parts))
			put = tag.RowsAffected() > 0
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
	got, err := list(ctx, s.db, "SELECT 1 FROM pledge WHERE id = $1 AND parts <> ''", []any{int64(id)}, pgx.RowTo[int])
	if err != nil {
		return false, fmt.Errorf("cannot look up reservation %s: %w", id, err)
	}
	return len(got) > 0, nil
}

// RedeemPledge implements store.Pledges.
func (s *Store) RedeemPledge(ctx context.Context, id call.ID, spent []int64) (was bool, err error) {
	err = s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var text string
		var redeemed bool
		if _, err := tx.Exec(ctx, "INSERT INTO pledge VALUES ($1, '', '', now_ms(), true) ON CONFLICT DO NOTHING", int64(id)); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, "SELECT parts, redeemed FROM pledge WHERE id = $1 FOR UPDATE", int64(id)).Scan(&text, &redeemed)
		was = text != ""
		if err != nil || redeemed {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE pledge SET redeemed = true, at = now_ms() WHERE id = $1", int64(id)); err != nil {
			return err
		}
		var parts []call.PledgePart
		if err := json.Unmarshal([]byte(text), &parts); err != nil {
			return err
		}
		return giveBack(ctx, tx, parts, spent)
	})
	if err != nil {
		return false, fmt.Errorf("cannot give back what was not spent of reservation %s: %w", id, err)
	}
	return was, nil
}

// giveBack locks accounts in the order that bank_apply does.
func giveBack(ctx context.Context, tx pgx.Tx, parts []call.PledgePart, spent []int64) error {
	var scopes, windows []string
	var starts, backs []int64
	for i := range parts {
		p := &parts[i]
		scopes, windows = append(scopes, p.Scope), append(windows, p.Window)
		starts, backs = append(starts, p.Start), append(backs, p.Back(spent))
	}
	const named = `FROM unnest($1::text[], $2::text[], $3::bigint[]) AS o(s, w, st) WHERE a.scope = s AND a."window" = w AND a.window_start = st`
	if _, err := tx.Exec(ctx, "SELECT 1 FROM account a WHERE EXISTS (SELECT 1 "+named+") ORDER BY a.id FOR UPDATE", scopes, windows, starts); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE account a SET granted = a.granted - b FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS o(s, w, st, b)
		WHERE a.scope = s AND a."window" = w AND a.window_start = st`, scopes, windows, starts, backs)
	return err
}

// pledges are those that are not redeemed.
func (b bank) pledges(ctx context.Context) ([]call.Pledge, error) {
	return list(ctx, b.s.db, "SELECT id, owner, parts FROM pledge WHERE NOT redeemed ORDER BY id", nil, func(row pgx.CollectableRow) (p call.Pledge, err error) {
		var text string
		if err := row.Scan(&p.ID, &p.Owner, &text); err != nil {
			return p, err
		}
		return p, json.Unmarshal([]byte(text), &p.Parts)
	})
}
