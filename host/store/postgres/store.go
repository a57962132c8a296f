// Package postgres keeps what must last in a PostgreSQL that several gateways
// share. Every call is bounded in time, and one that finds the database slow or
// gone again and again makes those after it fail at once for a while: a
// gateway waits for its database in the background, never at a request.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/jobs"
)

// Options configure a Store.
type Options struct {
	Log *slog.Logger
	// Node is who opens the store: ID, Name and Version are taken, the rest is
	// the store's to give.
	Node store.Node
	// Timeout bounds each call, the wait for a connection included; 0: 5s.
	Timeout time.Duration
	// Poll is how often a watcher looks for changes that it was not told of; 0: 5s.
	Poll time.Duration
	// Conns is how many connections are open at most, without the watcher's; 0: 8.
	Conns int
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Poll == 0 {
		o.Poll = 5 * time.Second
	}
	if o.Conns == 0 {
		o.Conns = 8
	}
	return o
}

// Store is the open database, as one node sees it.
type Store struct {
	*db
	opt    Options
	log    *slog.Logger
	node   store.Node
	folder folder

	jobsMu sync.Mutex
	jobs   *jobs.Store // nil: not opened yet
}

var _ store.Store = (*Store)(nil)

// Open opens the database at url, "postgres://…", brings its tables to this
// program's version and gives the node its number.
func Open(ctx context.Context, url string, opt Options) (*Store, error) {
	opt = opt.withDefaults()
	if opt.Node.ID == "" {
		return nil, errors.New("BUG: a store is opened for no node; want Options.Node.ID")
	}
	d, err := openDB(ctx, url, opt)
	if err != nil {
		return nil, fmt.Errorf("cannot open store.url: %w", err)
	}
	s := &Store{db: d, opt: opt, log: opt.Log}
	if err = s.migrate(ctx, migrations); err == nil {
		err = s.enter(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open store.url: %w", err), s.Close())
	}
	return s, nil
}

// Close may be called twice.
func (s *Store) Close() error {
	s.jobsMu.Lock()
	defer s.jobsMu.Unlock()
	var err error
	if s.jobs != nil {
		err = s.jobs.Close()
		s.jobs = nil
	}
	s.pool.Close()
	return err
}

// announce tells all nodes, when tx commits, that what topic names has changed.
// Until then others that announce the same wait. Versions are of the clock, so
// that none is given anew by a standby that took over without the last ones.
func announce(ctx context.Context, tx pgx.Tx, topic string) error {
	_, err := tx.Exec(ctx, `INSERT INTO change (topic, version) VALUES ($1, $2)
		ON CONFLICT (topic) DO UPDATE SET version = greatest(change.version + 1, excluded.version)`, topic, time.Now().UnixMicro())
	if err == nil {
		_, err = tx.Exec(ctx, "SELECT pg_notify($1, '')", channel)
	}
	return err
}

// channel is what watchers listen on. What changed, they read in the table.
const channel = "signalbox"
