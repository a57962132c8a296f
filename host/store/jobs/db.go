// Package jobs keeps files, batches and their queue in a SQL database, in one
// wording for SQLite and PostgreSQL. The queue is River's.
package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

// Options of a Store.
type Options struct {
	Log *slog.Logger
	// Node is the id of who opens it.
	Node string
	// Within runs what asks the database, nil: as it is.
	Within func(ctx context.Context, f func(context.Context) error) error
}

// Store is store.Batches in a database.
type Store struct {
	opt     Options
	db      *sql.DB
	words   *strings.Replacer
	content content
	queue   queue

	begin, end *sql.Stmt
	again      string // makes what the node $1 had in hand available
	freed      string // makes what dead nodes had in hand available, "": there are no others
}

var _ store.Batches = (*Store)(nil)

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Within == nil {
		o.Within = func(ctx context.Context, f func(context.Context) error) error { return f(ctx) }
	}
	return o
}

// sql is query in the words of the database; {now} is its clock in ms, {lock}
// what keeps others from changing the rows that are read.
func (s *Store) sql(query string) string { return s.words.Replace(query) }

// tx runs f in a transaction.
func (s *Store) tx(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	return s.opt.Within(ctx, func(ctx context.Context) error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // of what was committed it does nothing
		if err := f(ctx, tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// exec runs one statement and tells how many rows it has changed.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.opt.Within(ctx, func(ctx context.Context) error {
		res, err := s.db.ExecContext(ctx, s.sql(query), args...)
		if err == nil {
			n, err = res.RowsAffected()
		}
		return err
	})
	return n, err
}

// row is what a result is read from.
type row interface{ Scan(to ...any) error }

// list returns what read makes of the rows of a query.
func list[T any](ctx context.Context, s *Store, read func(row) (T, error), query string, args ...any) (all []T, err error) {
	err = s.opt.Within(ctx, func(ctx context.Context) error {
		rows, err := s.db.QueryContext(ctx, s.sql(query), args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for all = nil; rows.Next(); {
			one, err := read(rows)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// page is the end of a query for a page of table, of rows that are as where
// says. Its parameters are the tenant, one for where, and the id before the page.
func page(table string, q call.FilesQuery, where string) string {
	cmp, dir := "<", "DESC"
	if q.Ascending {
		cmp, dir = ">", "ASC"
	}
	after := fmt.Sprintf("($3 = '' OR seq %s (SELECT seq FROM %s WHERE id = $3))", cmp, table)
	return fmt.Sprintf(" FROM %s WHERE ($1 = '' OR tenant = $1) AND %s AND %s ORDER BY seq %s LIMIT %d", table, where, after, dir, q.Most)
}
