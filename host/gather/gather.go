// Package gather puts requests for embeddings together that come at about the
// same time: one request goes to the provider, and each gets its part of the
// answer and of what it has cost.
package gather

import (
	"sync"
	"sync/atomic"
	"time"
)

// Key names what must be the same for requests to go together.
type Key [32]byte

// Limits of one batch.
type Limits struct {
	Window time.Duration // that the first waits for others
	Inputs int
	Bytes  int64 // of the inputs, 0: any
}

// Table holds the batches that are still open.
type Table[T any] struct {
	limits Limits
	mu     sync.Mutex
	open   map[Key]*Batch[T]

	calls, requests, alone, split atomic.Int64
}

// New returns a table for batches within limits.
func New[T any](l Limits) *Table[T] { return &Table[T]{limits: l, open: map[Key]*Batch[T]{}} }

// Batch is some requests that go together.
type Batch[T any] struct {
	Members  []T
	Requests []*Request
	// Done is closed when each member has what became of it.
	Done chan struct{}

	full   chan struct{} // closed when there is no room for more
	closed bool          // guarded by the table's lock
	inputs int
	bytes  int64
}

// Stats are a table's figures.
type Stats struct {
	Calls    int64 // that went to providers for several requests
	Requests int64 // that those were for
	Alone    int64 // requests that nobody came to join
	Split    int64 // batches that were refused, whose requests then went alone
}

// Stats returns the figures so far.
func (t *Table[T]) Stats() Stats {
	return Stats{t.calls.Load(), t.requests.Load(), t.alone.Load(), t.split.Load()}
}

// Add puts a request into the batch that is open for k, or begins one. Who
// begins one carries it: it calls Close, and closes Done.
func (t *Table[T]) Add(k Key, r *Request, member T) (b *Batch[T], carries bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b = t.open[k]
	if b != nil && (b.inputs+r.Inputs() > t.limits.Inputs || t.limits.Bytes > 0 && b.bytes+r.Bytes() > t.limits.Bytes) {
		t.shut(k, b)
		b = nil
	}
	if b == nil {
		b, carries = &Batch[T]{Done: make(chan struct{}), full: make(chan struct{})}, true
		t.open[k] = b
	}
	b.Members, b.Requests = append(b.Members, member), append(b.Requests, r)
	if b.inputs, b.bytes = b.inputs+r.Inputs(), b.bytes+r.Bytes(); b.inputs >= t.limits.Inputs {
		t.shut(k, b)
	}
	return b, carries
}

// shut lets nobody join b any more; t.mu is held.
func (t *Table[T]) shut(k Key, b *Batch[T]) {
	if !b.closed {
		b.closed = true
		close(b.full)
	}
	if t.open[k] == b {
		delete(t.open, k)
	}
}

// Close waits until b is full or its window over. Then nobody joins it any more.
func (t *Table[T]) Close(k Key, b *Batch[T]) {
	timer := time.NewTimer(t.limits.Window)
	defer timer.Stop()
	select {
	case <-b.full:
	case <-timer.C:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shut(k, b)
	if n := len(b.Members); n == 1 {
		t.alone.Add(1)
	} else {
		t.calls.Add(1)
		t.requests.Add(int64(n))
	}
}

// Split counts a batch whose requests have to go alone.
func (t *Table[T]) Split() { t.split.Add(1) }
