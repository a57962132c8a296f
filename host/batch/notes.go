package batch

import (
	"context"
	"errors"
	"sync"

	"github.com/signalbox-ai/signalbox/host/store"
)

// notes brings what becomes of lines to the disk: all that comes while one
// commit runs shares the next.
type notes struct {
	store store.Lines
	wake  chan struct{}
	work  sync.WaitGroup

	mu     sync.Mutex
	open   *commit
	closed bool
}

// commit is what goes to the disk at once.
type commit struct {
	changes []store.LineChange
	counted []bool
	err     error
	done    chan struct{}
}

// maxCommit is how many changes one commit has at most: each may hold a long answer.
const maxCommit = 256

func newNotes(s store.Lines) *notes {
	return &notes{store: s, wake: make(chan struct{}, 1)}
}

func (n *notes) start() {
	n.work.Go(func() {
		for range n.wake {
			n.mu.Lock()
			c := n.open
			n.open = nil
			n.mu.Unlock()
			if c != nil {
				n.commit(c)
			}
		}
	})
}

func (n *notes) commit(c *commit) {
	defer close(c.done)
	for from := 0; from < len(c.changes) && c.err == nil; from += maxCommit {
		var counted []bool
		counted, c.err = n.store.Note(context.Background(), c.changes[from:min(from+maxCommit, len(c.changes))])
		c.counted = append(c.counted, counted...)
	}
}

var errClosed = errors.New("cannot note what became of a request: the gateway is being stopped")

// stop waits for what is underway; what comes later fails.
func (n *notes) stop() {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.wake)
	}
	n.mu.Unlock()
	n.work.Wait()
}

// note makes the change durable and tells whether it counts.
func (n *notes) note(change store.LineChange) (bool, error) {
	c, at := n.join(change)
	if c == nil {
		return false, errClosed
	}
	<-c.done
	if c.err != nil {
		return false, c.err
	}
	return c.counted[at], nil
}

// join adds the change to the next commit, nil: there will be none.
func (n *notes) join(change store.LineChange) (c *commit, at int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, 0
	}
	if n.open == nil {
		n.open = &commit{done: make(chan struct{})}
	}
	c, at = n.open, len(n.open.changes)
	c.changes = append(c.changes, change)
	select {
	case n.wake <- struct{}{}:
	default: // it is awake
	}
	return c, at
}
