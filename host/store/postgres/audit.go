package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/call"
)

// auditLock is the advisory lock under which the log grows: "audt".
const auditLock = 0x61756474

// AppendAudit implements store.Audit.
func (s *Store) AppendAudit(ctx context.Context, add func(call.AuditHead) ([]call.AuditRow, call.AuditHead, error)) error {
	err := s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(auditLock)); err != nil {
			return err
		}
		head, err := auditHead(ctx, tx)
		if err != nil {
			return err
		}
		rows, head, err := add(head)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for _, r := range rows {
			batch.Queue("INSERT INTO audit (seq, time, body, hash) VALUES ($1, $2, $3, $4)", r.Seq, millis(r.Time), r.Body, r.Hash)
		}
		batch.Queue("INSERT INTO audit_head (id, seq, hash, mac) VALUES (1, $1, $2, $3) ON CONFLICT (id) DO UPDATE SET seq = $1, hash = $2, mac = $3",
			head.Seq, head.Hash, head.MAC)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("cannot write the audit log: %w", err)
	}
	return nil
}

func auditHead(ctx context.Context, tx pgx.Tx) (head call.AuditHead, err error) {
	err = tx.QueryRow(ctx, "SELECT seq, hash, mac FROM audit_head").Scan(&head.Seq, &head.Hash, &head.MAC)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return head, err
}

// AuditRows implements store.Audit.
func (s *Store) AuditRows(ctx context.Context, q call.AuditQuery) ([]call.AuditRow, error) {
	return s.auditRows(ctx, "", nil, "ORDER BY seq", q)
}

// AuditBack implements store.Audit.
func (s *Store) AuditBack(ctx context.Context, before int64, q call.AuditQuery) ([]call.AuditRow, error) {
	return s.auditRows(ctx, " AND seq < $2", []any{before}, "ORDER BY seq DESC", q)
}

// auditRows asks for no more than q does: a plan that is made for bounds that
// may be any could read by time and sort, where the last rows are wanted.
func (s *Store) auditRows(ctx context.Context, where string, args []any, order string, q call.AuditQuery) ([]call.AuditRow, error) {
	args = append([]any{q.After}, args...)
	and := func(text string, v any) {
		args = append(args, v)
		where += fmt.Sprintf(text, len(args))
	}
	if !q.From.IsZero() {
		and(" AND time >= $%d", millis(q.From))
	}
	if !q.To.IsZero() {
		and(" AND time < $%d", millis(q.To))
	}
	where += " " + order
	if q.Most > 0 {
		and(" LIMIT $%d", q.Most)
	}
	rows, err := list(ctx, s.db, "SELECT seq, time, body, hash FROM audit WHERE seq > $1"+where, args,
		func(row pgx.CollectableRow) (r call.AuditRow, err error) {
			var ms int64
			err = row.Scan(&r.Seq, &ms, &r.Body, &r.Hash)
			r.Time = moment(ms)
			return r, err
		})
	if err != nil {
		return nil, fmt.Errorf("cannot read the audit log: %w", err)
	}
	return rows, nil
}

// AuditMarks implements store.Audit.
func (s *Store) AuditMarks(ctx context.Context) (head call.AuditHead, anchors []call.AuditAnchor, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		if head, err = auditHead(ctx, tx); err != nil {
			return err
		}
		anchors, err = collect(ctx, tx, "SELECT seq, cut, time, hash, mac FROM audit_anchor ORDER BY seq, cut", nil,
			func(row pgx.CollectableRow) (a call.AuditAnchor, err error) {
				var ms int64
				err = row.Scan(&a.Seq, &a.Cut, &ms, &a.Hash, &a.MAC)
				a.Time = moment(ms)
				return a, err
			})
		return err
	})
	if err != nil {
		return head, nil, fmt.Errorf("cannot read the anchors of the audit log: %w", err)
	}
	return head, anchors, nil
}

// AnchorAudit implements store.Audit.
func (s *Store) AnchorAudit(ctx context.Context, a call.AuditAnchor) error {
	err := s.tx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if a.Cut {
			if _, err := tx.Exec(ctx, "DELETE FROM audit WHERE seq <= $1", a.Seq); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "DELETE FROM audit_anchor WHERE seq < $1", a.Seq); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO audit_anchor (seq, cut, time, hash, mac) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
			a.Seq, a.Cut, millis(a.Time), a.Hash, a.MAC)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot keep an anchor of the audit log: %w", err)
	}
	return nil
}
