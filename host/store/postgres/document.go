package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// Documents implements store.Documents.
func (s *Store) Documents(ctx context.Context, kind string) ([]call.Document, error) {
	docs, err := list(ctx, s.db, `SELECT name, revision, body, changed FROM document WHERE kind = $1 ORDER BY name COLLATE "C"`, []any{kind},
		func(row pgx.CollectableRow) (call.Document, error) {
			d := call.Document{Kind: kind}
			var changed int64
			err := row.Scan(&d.Name, &d.Revision, &d.Body, &changed)
			d.Body, d.Changed = some(d.Body), moment(changed)
			return d, err
		})
	if err != nil {
		return nil, fmt.Errorf("cannot list documents of kind %q: %w", kind, err)
	}
	return docs, nil
}

// PutDocument implements store.Documents.
func (s *Store) PutDocument(ctx context.Context, d call.Document) (revision int64, err error) {
	err = s.change(ctx, store.TopicDocuments+d.Kind, func(ctx context.Context, tx pgx.Tx) error {
		// This row is locked till the end: one change of a kind at a time.
		err := tx.QueryRow(ctx, `INSERT INTO document_revision (kind, last) VALUES ($1, 1)
			ON CONFLICT (kind) DO UPDATE SET last = document_revision.last + 1 RETURNING last`, d.Kind).Scan(&revision)
		if err != nil {
			return err
		}
		now, err := revisionOf(ctx, tx, d.Kind, d.Name)
		if err != nil {
			return err
		}
		if now != d.Revision {
			return call.ErrRevision
		}
		_, err = tx.Exec(ctx, `INSERT INTO document (kind, name, revision, body, changed) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (kind, name) DO UPDATE SET revision = $3, body = $4, changed = $5`,
			d.Kind, d.Name, revision, notNull(d.Body), millis(time.Now()))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cannot keep %s %q: %w", d.Kind, d.Name, err)
	}
	return revision, nil
}

// DeleteDocument implements store.Documents.
func (s *Store) DeleteDocument(ctx context.Context, kind, name string, revision int64) error {
	err := s.change(ctx, store.TopicDocuments+kind, func(ctx context.Context, tx pgx.Tx) error {
		now, err := revisionOf(ctx, tx, kind, name)
		switch {
		case err != nil:
			return err
		case now == 0:
			return call.ErrNoDocument
		case revision != 0 && now != revision:
			return call.ErrRevision
		}
		_, err = tx.Exec(ctx, "DELETE FROM document WHERE kind = $1 AND name = $2", kind, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot remove %s %q: %w", kind, name, err)
	}
	return nil
}

// revisionOf is that of a document, which it locks; 0 if there is none.
func revisionOf(ctx context.Context, tx pgx.Tx, kind, name string) (n int64, err error) {
	err = tx.QueryRow(ctx, "SELECT revision FROM document WHERE kind = $1 AND name = $2 FOR UPDATE", kind, name).Scan(&n)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return n, err
}
