// Package decision keeps a sample of routing decisions on disk, each with what
// it was made from and what came of it: to be explained, and to be repeated on
// another module. What is kept is bounded; the oldest goes first. Entries are
// lost rather than waited for: they are copied to a buffer that one goroutine
// writes out, and dropped, counted, where it has no room.
package decision

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Settings may change while the log is open.
type Settings struct {
	Sample    float64 // share of requests, 0 to 1
	PerSecond int     // at most
	Max       int64   // bytes of all that is kept
}

// Options of a Log. Zero values are defaults.
type Options struct {
	Log   *slog.Logger
	Every time.Duration // entries wait no longer than this to be written; 100 ms
	Room  int           // bytes of entries that wait, at most; 1 MiB
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Every <= 0 {
		o.Every = 100 * time.Millisecond
	}
	if o.Room <= 0 {
		o.Room = 1 << 20
	}
	return o
}

// Stats is a snapshot of a log's counters.
type Stats struct {
	Kept    uint64 // entries taken
	Dropped uint64 // that were sampled, and lost: no room, or the disk refused them
	Limited uint64 // requests beyond what a second may have
	Bytes   int64  // on disk
	Files   int
}

// Log is an open log of decisions. A nil Log samples nothing.
type Log struct {
	opt      Options
	dir      string
	settings atomic.Pointer[sampling]
	second   atomic.Uint64 // Unix second, and in the lower 24 bits how many were sampled in it
	limited  atomic.Uint64

	mu      sync.Mutex // held for the copy of an entry
	waiting []byte     // frames, without their checksums
	closed  bool
	kept    uint64
	dropped uint64

	files sync.Mutex // held while files are written or listed
	spare []byte     // what waiting is swapped with
	segs  []*segment // oldest first; the last is written to
	file  *os.File   // of the last, nil: another is to be begun
	bytes int64
	sick  bool // the last write failed: said once

	wake, full chan struct{}
	stop       chan struct{}
	done       chan struct{}
}

type sampling struct {
	Settings
	under uint64 // hashes below are sampled, all where it is 2^64-1
}

// ErrUnknown is answered where the log has no such entry.
var ErrUnknown = errors.New("there is no such decision")

// Open opens the log in dir, which is made, and begins to take entries.
func Open(dir string, s Settings, o Options) (*Log, error) {
	o = o.withDefaults()
	l := &Log{opt: o, dir: dir, wake: make(chan struct{}, 1), full: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		waiting: make([]byte, 0, o.Room), spare: make([]byte, 0, o.Room)}
	l.Set(s)
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("cannot open the decision log: %w", err)
	}
	go l.work()
	return l, nil
}

// Set changes what is sampled and kept from now on.
func (l *Log) Set(s Settings) {
	under := uint64(math.MaxUint64)
	if s.Sample < 1 {
		under = uint64(s.Sample * (1 << 63) * 2)
	}
	l.settings.Store(&sampling{s, under})
}

// Sampled decides whether the decision on a request is kept. It follows from
// the id, as long as the second has room.
func (l *Log) Sampled(id call.ID, now time.Time) bool {
	if l == nil {
		return false
	}
	s := l.settings.Load()
	if s.under != math.MaxUint64 && mix(uint64(id)) >= s.under {
		return false
	}
	const low = 1<<24 - 1
	for {
		old := l.second.Load()
		next := uint64(now.Unix())<<24 | 1
		if old>>24 == next>>24 {
			next = old + 1
		}
		if next&low > uint64(s.PerSecond) || s.PerSecond <= 0 {
			l.limited.Add(1)
			return false
		}
		if l.second.CompareAndSwap(old, next) {
			return true
		}
	}
}

// mix spreads an id over all bits. Its constants are others than those that
// routing draws from, so that what is sampled says nothing of what is drawn.
func mix(x uint64) uint64 {
	x ^= 0x2545f4914f6cdd1d
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return x ^ x>>32
}

// Append copies e. It waits for nothing and allocates nothing.
func (l *Log) Append(e *Entry) {
	size := bound(e)
	l.mu.Lock()
	at := len(l.waiting)
	if l.closed || size > cap(l.waiting)-at {
		l.dropped++
		l.mu.Unlock()
		signal(l.full)
		return
	}
	l.kept++
	l.waiting = appendEntry(l.waiting[:at+frameHead], e)
	putLength(l.waiting[at:])
	half := len(l.waiting) > cap(l.waiting)/2
	l.mu.Unlock()
	switch {
	case half:
		signal(l.full)
	case at == 0:
		signal(l.wake)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// work writes out what has been appended, until stop.
func (l *Log) work() {
	defer close(l.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.full:
		case <-l.wake:
			timer.Reset(l.opt.Every)
			select {
			case <-l.stop:
				return
			case <-l.full:
			case <-timer.C:
			}
		}
		_ = l.Flush() // it has been logged
	}
}

// Stats returns the counters as they stand.
func (l *Log) Stats() Stats {
	if l == nil {
		return Stats{}
	}
	l.mu.Lock()
	s := Stats{Kept: l.kept, Dropped: l.dropped, Limited: l.limited.Load()}
	l.mu.Unlock()
	l.files.Lock()
	defer l.files.Unlock()
	s.Bytes, s.Files = l.bytes, len(l.segs)
	return s
}

// Close writes out what waits and ends the log. It tolerates nil and being
// called twice.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	close(l.stop)
	<-l.done
	err := l.Flush()
	l.files.Lock()
	defer l.files.Unlock()
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
		l.file = nil
	}
	return err
}
