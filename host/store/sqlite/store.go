// Package sqlite keeps what must last: the bank of budgets, virtual keys and
// secrets in one SQLite file, where every commit is on the disk before it
// counts, and the ledger in another, where a commit may be lost to a power cut
// until the ledger asks for durability (its journal still has the rows then).
// One process at a time owns the directory.
package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/signalbox-ai/signalbox/host/disk"
	"github.com/signalbox-ai/signalbox/host/store"
)

//go:embed state/*.sql ledger/*.sql jobs/*.sql
var migrations embed.FS

// Options configure a Store.
type Options struct {
	Log *slog.Logger
	// Node is who opens the store.
	Node store.Node
}

// Store is the open data directory.
type Store struct {
	log    *slog.Logger
	dir    string
	lock   *disk.Lock
	state  *db
	ledger *ledger
	reads  *sqlitex.Pool // of the ledger

	lookups *sqlitex.Pool // of the state, by requests

	jobs jobsFile

	modules  map[string]int64 // revisions by kind, since the start; guarded by state
	watching watchers
	node     store.Node
}

// readers is how many usage queries, and lookups of requests, run at once.
const readers = 2

// Open opens the store at url, "sqlite:" and the path of a file, and creates
// or upgrades it as needed. The file's directory becomes the data directory.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok || path == "" {
		return nil, fmt.Errorf("cannot open store %q: its url must be sqlite: and the path of a file", url)
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open store %q: %w", url, err)
	}
	s := &Store{log: opts.Log, dir: filepath.Dir(path), node: opts.Node, modules: map[string]int64{}}
	s.node.Epoch, s.node.Started, s.node.Seen = 1, moment(millis(time.Now())), moment(millis(time.Now()))
	if err := s.open(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open store %q: %w", url, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string) (err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if s.lock, err = disk.NewLock(path + ".lock"); err != nil {
		return err
	}
	if s.state, err = openDB(path, "FULL", "state"); err != nil {
		return err
	}
	if s.lookups, err = sqlitex.NewPool(path, sqlitex.PoolOptions{Flags: sqlite.OpenReadOnly, PoolSize: readers}); err != nil {
		return err
	}
	ledgerPath := ledgerOf(path)
	d, err := openDB(ledgerPath, "NORMAL", "ledger")
	if err != nil {
		return err
	}
	if s.ledger, err = newLedger(d); err != nil {
		return errors.Join(err, d.close())
	}
	s.reads, err = sqlitex.NewPool(ledgerPath, sqlitex.PoolOptions{Flags: sqlite.OpenReadOnly, PoolSize: readers})
	return err
}

// Dir is the data directory.
func (s *Store) Dir() string { return s.dir }

// Close closes both files and gives the directory up. It tolerates being called twice.
func (s *Store) Close() error {
	var errs []error
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
		s.reads = nil
	}
	errs = append(errs, s.jobs.close())
	if s.lookups != nil {
		errs = append(errs, s.lookups.Close())
		s.lookups = nil
	}
	if s.ledger != nil {
		errs = append(errs, s.ledger.close())
		s.ledger = nil
	}
	if s.state != nil {
		errs = append(errs, s.state.close())
		s.state = nil
	}
	s.lock.Unlock()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot close store: %w", err)
	}
	return nil
}
