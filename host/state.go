package host

import (
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"

	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/disk"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
	"github.com/signalbox-ai/signalbox/host/store/sqlite"
)

// The files of a node's own folder.
const (
	lockFile = "node.lock"
	nodeFile = "node" // its id
)

// openStore takes the node's folder and opens the store that cfg names.
func (h *Host) openStore(ctx context.Context, cfg config.Store) (err error) {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	if h.lock, err = disk.NewLock(filepath.Join(h.dir, lockFile)); err != nil {
		return err
	}
	id, _, err := config.Keep(filepath.Join(h.dir, nodeFile), rand.Text)
	if err != nil {
		return err
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "gateway"
	}
	node := store.Node{ID: id.Reveal(), Name: cmp.Or(cfg.Node, machine), Version: h.opt.Version}
	url := cfg.URL.Reveal()
	if !cfg.Shared() {
		h.store, err = opened(sqlite.Open(ctx, url, sqlite.Options{Log: h.log, Node: node}))
		return err
	}
	h.store, err = opened(postgres.Open(ctx, url, postgres.Options{Log: h.log, Node: node,
		Timeout: cfg.Timeout, Poll: cfg.Poll, Conns: cfg.Connections}))
	return err
}

// opened is s as a store, nil on error.
func opened[S store.Store](s S, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
