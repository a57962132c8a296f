package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

var (
	sqliteWords   = strings.NewReplacer("$", "?", "{now}", "CAST(unixepoch('subsec') * 1000 AS INTEGER)", "{lock}", "", "{bytes}", "BLOB")
	postgresWords = strings.NewReplacer("{now}", "now_ms()", "{lock}", " FOR UPDATE", "{bytes}", "BYTEA")
)

// OpenSQLite opens the file at path, whose tables are there, and the folder of
// files beside it.
func OpenSQLite(ctx context.Context, path string, opt Options) (*Store, error) {
	s := &Store{opt: opt.withDefaults(), words: sqliteWords}
	dir := filepath.Join(filepath.Dir(path), "files")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s.content = &folder{dir: dir, s: s}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // as River's driver asks for
	s.db = db
	s.queue = &client[*sql.Tx]{driver: riversqlite.New(db), node: s.opt.Node, log: quiet(s.opt.Log)}
	s.again = "UPDATE river_job SET state = 'available' WHERE state = 'running' AND $1 = $1"
	return s.ready(ctx)
}

// OpenPostgres opens the database of pool, whose tables are there but for the queue's.
func OpenPostgres(ctx context.Context, pool *pgxpool.Pool, opt Options) (*Store, error) {
	s := &Store{opt: opt.withDefaults(), words: postgresWords}
	s.content = table{s}
	s.db = stdlib.OpenDBFromPool(pool)
	s.queue = &client[pgx.Tx]{driver: riverpgxv5.New(pool), node: s.opt.Node, log: quiet(s.opt.Log)}
	s.again = "UPDATE river_job SET state = 'available' WHERE state = 'running' AND attempted_by[array_length(attempted_by, 1)] = $1"
	s.freed = `UPDATE river_job j SET state = 'available' WHERE state = 'running' AND NOT EXISTS
		(SELECT 1 FROM node WHERE id = j.attempted_by[array_length(j.attempted_by, 1)] AND seen > now_ms() - 30000)`
	var ready *Store
	err := pool.AcquireFunc(ctx, func(c *pgxpool.Conn) (err error) {
		// Of nodes that start at once, one makes the queue's tables.
		if _, err = c.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(tablesLock)); err != nil {
			return err
		}
		ready, err = s.ready(ctx)
		_, uerr := c.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(tablesLock))
		return errors.Join(err, uerr)
	})
	return ready, err
}

// tablesLock is the advisory lock under which the queue's tables are made: "jobs".
const tablesLock = 0x6a6f6273

func (s *Store) ready(ctx context.Context) (*Store, error) {
	err := s.queue.migrate(ctx)
	if err == nil {
		s.begin, err = s.db.PrepareContext(ctx, s.sql(beginLine))
	}
	if err == nil {
		s.end, err = s.db.PrepareContext(ctx, s.sql(endLine))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open what is kept of batches: %w", err), s.Close())
	}
	return s, nil
}

// Close may be called twice.
func (s *Store) Close() error { return s.db.Close() }

// known reports whether there is a file of the id, expired or not.
func (s *Store) known(ctx context.Context, id string) (bool, error) {
	all, err := list(ctx, s, readText, "SELECT id FROM batch_file WHERE id = $1", id)
	return len(all) > 0, err
}

// quiet is log without what the queue says while all is well.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(warnings{log.Handler()}) }

// warnings passes on nothing below a warning.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
