package sqlite

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
)

// AppendAudit implements store.Audit.
func (s *Store) AppendAudit(ctx context.Context, add func(call.AuditHead) ([]call.AuditRow, call.AuditHead, error)) error {
	err := s.state.write(ctx, func() error {
		head, err := s.auditHead()
		if err != nil {
			return err
		}
		rows, head, err := add(head)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := s.state.run("INSERT INTO audit VALUES (?, ?, ?, ?)", r.Seq, millis(r.Time), r.Body, r.Hash); err != nil {
				return err
			}
		}
		return s.state.run("INSERT INTO audit_head VALUES (1, ?1, ?2, ?3) ON CONFLICT DO UPDATE SET seq = ?1, hash = ?2, mac = ?3",
			head.Seq, head.Hash, head.MAC)
	})
	if err != nil {
		return fmt.Errorf("cannot write the audit log: %w", err)
	}
	return nil
}

func (s *Store) auditHead() (head call.AuditHead, err error) {
	err = sqlitex.ExecuteTransient(s.state.conn, "SELECT seq, hash, mac FROM audit_head", &sqlitex.ExecOptions{ResultFunc: func(st *sqlite.Stmt) error {
		head = call.AuditHead{Seq: st.ColumnInt64(0), Hash: blob(st, 1), MAC: blob(st, 2)}
		return nil
	}})
	return head, err
}

// AuditRows implements store.Audit.
func (s *Store) AuditRows(ctx context.Context, q call.AuditQuery) ([]call.AuditRow, error) {
	return s.auditRows(ctx, "", nil, " ORDER BY seq", q)
}

// AuditBack implements store.Audit.
func (s *Store) AuditBack(ctx context.Context, before int64, q call.AuditQuery) ([]call.AuditRow, error) {
	return s.auditRows(ctx, " AND seq < ?", []any{before}, " ORDER BY seq DESC", q)
}

// auditRows asks for no more than q does, so that the rows are read in their order.
func (s *Store) auditRows(ctx context.Context, where string, args []any, order string, q call.AuditQuery) (list []call.AuditRow, err error) {
	args = append([]any{q.After}, args...)
	and := func(text string, v any) { where, args = where+text, append(args, v) }
	if !q.From.IsZero() {
		and(" AND time >= ?", millis(q.From))
	}
	if !q.To.IsZero() {
		and(" AND time < ?", millis(q.To))
	}
	where += order
	if q.Most > 0 {
		and(" LIMIT ?", q.Most)
	}
	err = s.state.write(ctx, func() error {
		sql := "SELECT seq, time, body, hash FROM audit WHERE seq > ?" + where
		return sqlitex.ExecuteTransient(s.state.conn, sql, &sqlitex.ExecOptions{Args: args, ResultFunc: func(st *sqlite.Stmt) error {
			list = append(list, call.AuditRow{Seq: st.ColumnInt64(0), Time: moment(st.ColumnInt64(1)), Body: blob(st, 2), Hash: blob(st, 3)})
			return nil
		}})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the audit log: %w", err)
	}
	return list, nil
}

// AuditMarks implements store.Audit.
func (s *Store) AuditMarks(ctx context.Context) (head call.AuditHead, anchors []call.AuditAnchor, err error) {
	err = s.state.write(ctx, func() (err error) {
		if head, err = s.auditHead(); err != nil {
			return err
		}
		const sql = "SELECT seq, cut, time, hash, mac FROM audit_anchor ORDER BY seq, cut"
		return sqlitex.ExecuteTransient(s.state.conn, sql, &sqlitex.ExecOptions{ResultFunc: func(st *sqlite.Stmt) error {
			anchors = append(anchors, call.AuditAnchor{Seq: st.ColumnInt64(0), Cut: st.ColumnInt64(1) == 1, Time: moment(st.ColumnInt64(2)),
				Hash: blob(st, 3), MAC: blob(st, 4)})
			return nil
		}})
	})
	if err != nil {
		return head, nil, fmt.Errorf("cannot read the anchors of the audit log: %w", err)
	}
	return head, anchors, nil
}

// AnchorAudit implements store.Audit.
func (s *Store) AnchorAudit(ctx context.Context, a call.AuditAnchor) error {
	err := s.state.write(ctx, func() error {
		cut := 0
		if a.Cut {
			cut = 1
			if err := s.state.run("DELETE FROM audit WHERE seq <= ?", a.Seq); err != nil {
				return err
			}
			if err := s.state.run("DELETE FROM audit_anchor WHERE seq < ?", a.Seq); err != nil {
				return err
			}
		}
		return s.state.run("INSERT INTO audit_anchor VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", a.Seq, cut, millis(a.Time), a.Hash, a.MAC)
	})
	if err != nil {
		return fmt.Errorf("cannot keep an anchor of the audit log: %w", err)
	}
	return nil
}
