package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// Documents implements store.Documents.
func (s *Store) Documents(ctx context.Context, kind string) (list []call.Document, err error) {
	err = s.state.write(ctx, func() error {
		const q = "SELECT name, revision, body, changed FROM document WHERE kind = ? ORDER BY name"
		return sqlitex.Execute(s.state.conn, q, &sqlitex.ExecOptions{Args: []any{kind}, ResultFunc: func(st *sqlite.Stmt) error {
			list = append(list, call.Document{Kind: kind, Name: st.ColumnText(0), Revision: st.ColumnInt64(1),
				Body: blob(st, 2), Changed: moment(st.ColumnInt64(3))})
			return nil
		}})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list documents of kind %q: %w", kind, err)
	}
	return list, nil
}

// PutDocument implements store.Documents.
func (s *Store) PutDocument(ctx context.Context, d call.Document) (revision int64, err error) {
	err = s.state.write(ctx, func() error {
		now, err := s.revision(d.Kind, d.Name)
		if err != nil {
			return err
		}
		if now != d.Revision {
			return call.ErrRevision
		}
		revision, err = s.state.number("INSERT INTO document_revision VALUES (?, 1) ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last", d.Kind)
		if err != nil {
			return err
		}
		return s.state.run("INSERT INTO document VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET revision = ?3, body = ?4, changed = ?5",
			d.Kind, d.Name, revision, notNull(d.Body), millis(time.Now()))
	})
	if err != nil {
		return 0, fmt.Errorf("cannot keep %s %q: %w", d.Kind, d.Name, err)
	}
	s.changed(store.TopicDocuments + d.Kind)
	return revision, nil
}

// DeleteDocument implements store.Documents.
func (s *Store) DeleteDocument(ctx context.Context, kind, name string, revision int64) error {
	err := s.state.write(ctx, func() error {
		now, err := s.revision(kind, name)
		switch {
		case err != nil:
			return err
		case now == 0:
			return call.ErrNoDocument
		case revision != 0 && now != revision:
			return call.ErrRevision
		}
		return s.state.run("DELETE FROM document WHERE kind = ? AND name = ?", kind, name)
	})
	if err != nil {
		return fmt.Errorf("cannot remove %s %q: %w", kind, name, err)
	}
	s.changed(store.TopicDocuments + kind)
	return nil
}

// revision is that of a document, 0 if there is none.
func (s *Store) revision(kind, name string) (int64, error) {
	return s.state.number("SELECT revision FROM document WHERE kind = ? AND name = ?", kind, name)
}
