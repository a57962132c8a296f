// Package ledger writes down every request before its answer ends.
//
// Append stores the row in a file that is mapped into memory and allocated in
// full: the kernel has it when Append returns, so a killed process loses
// nothing. Every SyncEvery (100 ms) the file is synced to the disk: that, and
// the time the sync takes, is what a power cut can lose. A worker folds rows
// into the store in batches, together with how far it has come: exactly once,
// wherever it is killed. A segment of the journal is deleted when all of it has
// been folded in by commits that are known to be on the disk.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/disk"
)

// Sink is the store that rows are folded into.
type Sink interface {
	// Fold adds rows and notes that the journal is in up to upto, in one
	// transaction; rows whose id is there already change nothing. If durable,
	// this and all earlier folds have reached the disk when it returns.
	Fold(ctx context.Context, upto int64, rows []call.Record, durable bool) error
	// Folded tells how far the journal is in and the highest id of all rows.
	Folded(ctx context.Context) (upto int64, last call.ID, err error)
	// Cost is the cost of the row with the given id.
	Cost(ctx context.Context, id call.ID) (cost int64, found bool, err error)
}

// Options configure a Ledger. Zero values are defaults.
type Options struct {
	Log       *slog.Logger
	Segment   int64         // bytes of one file of the journal
	Batch     int           // most rows folded in one transaction
	FoldEvery time.Duration // rows wait no longer than this to be folded, if the store can
	SyncEvery time.Duration // what a power cut can lose
	Max       int64         // bytes of the journal; beyond, the ledger is not healthy until the store takes rows again
	Strangers int           // rows a second of callers without a valid key; -1: none

	wakeAt int // bytes appended at which the worker is woken early
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Segment <= 0 {
		o.Segment = 4 << 20
	}
	o.Segment = max(o.Segment, 2*rowsBound) &^ 4095
	if o.Batch <= 0 {
		o.Batch = 2048
	}
	if o.FoldEvery <= 0 {
		o.FoldEvery = 500 * time.Millisecond
	}
	if o.SyncEvery <= 0 {
		o.SyncEvery = 100 * time.Millisecond
	}
	if o.Max <= 0 {
		o.Max = 1 << 30
	}
	o.Max = max(o.Max, 4*o.Segment)
	if o.Strangers == 0 {
		o.Strangers = 10
	}
	if o.wakeAt <= 0 {
		o.wakeAt = o.Batch * usualRow
	}
	return o
}

// usualRow is about what a row takes: the worker is woken when a batch is there.
const usualRow = 192

// ErrFull says that a row could not be written down: the disk is full, or the
// journal has grown to its bound.
var ErrFull = errors.New("cannot append to the ledger: no space for another journal segment")

var errBound = errors.New("the store takes no rows, and the journal has grown to its bound")

var errClosed = errors.New("cannot append to the ledger: it is closed")

// Ledger is the open journal and its worker.
type Ledger struct {
	opts Options
	dir  string
	sink Sink
	lock *disk.Lock

	mu       sync.Mutex
	segments []*segment // oldest first; the last one is written to
	spare    *segment
	next     uint64 // number of the next segment
	last     call.ID
	waiting  int  // bytes appended since the worker was last woken
	renamed  bool // a segment has been named since the last sync
	closed   bool
	spareErr error
	syncErr  error
	stats    Stats
	tally    *tally

	second    int64 // that strangers are counted in
	strangers int   // rows of them in that second
	shownHour int64 // that what they show is remembered of
	shown     map[string]bool

	syncMu sync.Mutex // held while files are synced, and while one is deleted
	foldMu sync.Mutex // held while folding
	doubt  bool       // the last fold failed: the store may have less than it had
	dec    decoder
	rows   []call.Record

	stop    context.CancelFunc
	workers sync.WaitGroup
	wake    chan struct{} // the folder
	turned  chan struct{} // the keeper
}

// Stats is a snapshot of a ledger's counters.
type Stats struct {
	Appended   uint64
	Refused    uint64 // rows that could not be written down
	Folded     uint64
	FoldErrors uint64
	Skipped    uint64 // words of unfinished or damaged rows passed over at Open
	LeftOut    uint64 // requests that were counted without a row of their own
	Segments   int
	Backlog    int // bytes not folded yet
}

// Open opens the journal in dir, folds what an earlier process left, and
// starts the workers.
func Open(ctx context.Context, dir string, sink Sink, opts Options) (*Ledger, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot open ledger: %w", err)
	}
	lock, err := disk.NewLock(filepath.Join(dir, "journal.lock"))
	if err != nil {
		return nil, fmt.Errorf("cannot open ledger: %w", err)
	}
	l := &Ledger{opts: opts.withDefaults(), dir: dir, sink: sink, lock: lock,
		wake: make(chan struct{}, 1), turned: make(chan struct{}, 1)}
	if err := l.recover(ctx); err != nil {
		for _, s := range l.segments {
			err = errors.Join(err, s.Close())
		}
		if l.tally != nil {
			err = errors.Join(err, l.tally.file.Close())
		}
		lock.Unlock()
		return nil, fmt.Errorf("cannot open ledger: %w", err)
	}
	ctx, l.stop = context.WithCancel(context.Background())
	l.workers.Go(func() { l.keep(ctx) })
	l.workers.Go(func() { l.work(ctx) })
	return l, nil
}

// recover folds and deletes the segments that are there and begins a new one.
func (l *Ledger) recover(ctx context.Context) error {
	upto, last, err := l.sink.Folded(ctx)
	if err != nil {
		return err
	}
	numbers, sizes, err := findSegments(l.dir)
	if err != nil {
		return err
	}
	at, off := uint64(upto>>32), int(upto&(1<<32-1))
	l.last, l.next = last, at+1
	for i, n := range numbers {
		l.next = max(l.next, n+1)
		path := segmentPath(l.dir, n)
		if n < at || sizes[i] < rowsBound {
			if err := os.Remove(path); err != nil { // folded for good, or never begun
				return fmt.Errorf("cannot delete journal segment: %w", err)
			}
			continue
		}
		m, _, err := disk.Map(path, sizes[i])
		if err != nil {
			return err
		}
		s := &segment{Mapping: m, number: n, path: path, tail: len(m.Data) &^ (wordSize - 1)}
		if n == at {
			s.folded = min(off, s.tail)
		}
		l.segments = append(l.segments, s)
	}
	if l.tally, err = openTally(l.dir); err != nil {
		return err
	}
	if err := l.turn(); err != nil {
		return err
	}
	if err := l.fold(ctx); err != nil {
		return err
	}
	if err := l.recoverTally(ctx); err != nil {
		return err
	}
	return l.fold(ctx)
}

// Append writes r down. When it returns nil, only a power cut within the next
// SyncEvery can still lose the row.
func (l *Ledger) Append(r *call.Record) error {
	l.mu.Lock()
	err := l.put(r)
	due := err == nil && l.waiting >= l.opts.wakeAt
	if due {
		l.waiting = 0
	}
	l.mu.Unlock()
	if due {
		signal(l.wake)
	}
	return err
}

// put writes r at the end of the journal.
func (l *Ledger) put(r *call.Record) error {
	if l.closed {
		return errClosed
	}
	active := l.segments[len(l.segments)-1]
	if !active.hasRoom() {
		if err := l.turn(); err != nil {
			l.stats.Refused++
			return err
		}
		active = l.segments[len(l.segments)-1]
	}
	before := active.tail
	active.put(r)
	l.last = max(l.last, r.ID)
	l.stats.Appended++
	l.waiting += active.tail - before
	return nil
}

// turn goes on in a new segment. The keeper has one ready but when the disk is
// full, or it could not keep up.
func (l *Ledger) turn() error {
	if int64(len(l.segments)) >= l.opts.Max/l.opts.Segment {
		return fmt.Errorf("%w: %w", ErrFull, errBound)
	}
	if l.spare == nil {
		s, err := createSegment(l.dir, l.opts.Segment)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		l.spare = s
	}
	if err := l.spare.begin(l.dir, l.next); err != nil {
		return err
	}
	l.segments = append(l.segments, l.spare)
	l.spare, l.renamed = nil, true
	l.next++
	signal(l.turned)
	return nil
}

// Healthy is false when rows might soon not be written down: no segment could
// be made ready, the last sync failed, or the journal is close to its bound.
// What runs can still be appended.
func (l *Ledger) Healthy() bool { return l.Err() == nil }

// Err is why the ledger is not healthy.
func (l *Ledger) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return errClosed
	case l.spareErr != nil:
		return l.spareErr
	case l.full():
		return errBound
	}
	return l.syncErr
}

// full reports whether the journal is close to its bound: there is room for
// what runs.
func (l *Ledger) full() bool { return int64(len(l.segments)) >= l.opts.Max/l.opts.Segment-1 }

// Last is the highest id that this ledger, in any of its lives, has seen.
func (l *Ledger) Last() call.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Row is the cost of the request with the given id, folded or not.
func (l *Ledger) Row(ctx context.Context, id call.ID) (cost int64, found bool, err error) {
	if err := l.Fold(ctx); err != nil {
		return 0, false, err
	}
	return l.sink.Cost(ctx, id)
}

// Stats returns the counters as they stand.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Segments = len(l.segments)
	for _, seg := range l.segments {
		s.Backlog += seg.tail - seg.folded
	}
	return s
}

// Close stops the workers, folds all rows and deletes the journal; what the
// store does not take stays for the next Open. It tolerates being called twice.
func (l *Ledger) Close(ctx context.Context) error {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		_ = l.settleTally() // what does not fit stays for the next Open
	}
	l.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.stop()
	l.workers.Wait()
	err := l.fold(ctx)
	for _, s := range l.segments {
		err = errors.Join(err, s.Sync(), s.Close())
	}
	err = errors.Join(err, l.tally.file.Sync(), l.tally.file.Close())
	if l.spare != nil {
		err = errors.Join(err, l.spare.remove())
	}
	l.lock.Unlock()
	if err != nil {
		return fmt.Errorf("cannot close ledger: %w", err)
	}
	return nil
}

// signal wakes the reader of c, if it is not awake already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
