package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/jobs"
)

// jobsFile is a file of its own beside the state: the queue's library wants a
// driver of another kind, and answers of batches are large. It is there once
// somebody has used batches.
type jobsFile struct {
	mu     sync.Mutex
	open   *jobs.Store
	closed bool
}

// Batches implements store.Store.
func (s *Store) Batches(ctx context.Context, make bool) (store.Batches, error) {
	j := &s.jobs
	j.mu.Lock()
	defer j.mu.Unlock()
	path := filepath.Join(s.dir, jobsName)
	switch _, err := os.Stat(path); {
	case j.closed:
		return nil, errors.New("cannot open what is kept of batches: the store is closed")
	case j.open != nil:
		return j.open, nil
	case errors.Is(err, fs.ErrNotExist) && !make:
		return nil, nil
	}
	d, err := openDB(path, "FULL", "jobs") // for its tables
	if err == nil {
		err = d.close()
	}
	if err == nil {
		j.open, err = jobs.OpenSQLite(ctx, path, jobs.Options{Log: s.log, Node: s.node.ID})
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open %q: %w", path, err)
	}
	return j.open, nil
}

func (j *jobsFile) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.open == nil {
		return nil
	}
	err := j.open.Close()
	j.open = nil
	return err
}
