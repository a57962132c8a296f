// Package trail logs the decisions of policy in the format of OPA's decision
// log: to the console, to a file, to a server. Decisions are put into a bounded
// ring on the path of the request, and written down off it.
package trail

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/policy"
)

// Options of a Log.
type Options struct {
	Console io.Writer // nil: none
	File    *File     // nil: none
	Upload  *Upload   // nil: none
	Sample  float64   // share of what is allowed that is logged
	Buffer  int       // decisions, rounded up to a power of two
	Labels  map[string]string
	Log     *slog.Logger
}

// File is written to until it holds Max bytes; then it is put aside.
type File struct {
	Path string
	Max  int64
	Keep int // older ones
}

// Upload sends what is logged to a server, as OPA does.
type Upload struct {
	Client *http.Client
	URL    string // without /logs
	Done   func() // when nothing more is sent, nil: nothing
}

// Stats are a log's counters; all only grow.
type Stats struct {
	Logged   uint64 // decisions written down
	Dropped  uint64 // for which there was no room
	Masked   uint64 // that the bundle's rules left out
	Failed   uint64 // whose rules failed: logged without input and result
	Uploads  uint64 // chunks that the server took
	Retries  uint64
	Lost     uint64 // decisions that a sink could not take
	Rotation uint64
}

// Log is an open log. A nil Log records nothing.
type Log struct {
	opt   Options
	under uint64 // hashes of ids below are logged
	slots []slot
	mask  uint64
	head  atomic.Uint64 // the next to be filled
	tail  atomic.Uint64 // the next to be written down
	wake  chan struct{}
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once
	sinks []sink
	form  former

	logged, dropped, masked, failed, uploads, retries, lost, rotated atomic.Uint64
}

// slot is one place of the ring. Its turn says whose it is: that of the filler
// whose position it equals, or of the writer, one more.
type slot struct {
	turn  atomic.Uint64
	event policy.Event
	took  time.Duration
}

// sink takes events, whole JSON objects. With an error come the events that it
// has lost, of those that it took before too.
type sink interface {
	put(event []byte, denied bool) (lost int, err error)
	// flush passes on what waits, as far as it goes without waiting itself,
	// unless last is set.
	flush(last bool) (lost int, err error)
	close() error
}

// Open begins to write down what Record is told.
func Open(opt Options) (*Log, error) {
	size := uint64(1)
	for size < uint64(max(opt.Buffer, 64)) {
		size *= 2
	}
	l := &Log{opt: opt, under: math.MaxUint64, slots: make([]slot, size), mask: size - 1,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	for i := range l.slots {
		l.slots[i].turn.Store(uint64(i))
	}
	if opt.Sample < 1 {
		l.under = uint64(opt.Sample * math.MaxUint64)
	}
	l.form.labels(opt.Labels)
	if opt.Console != nil {
		l.sinks = append(l.sinks, &lines{w: opt.Console})
	}
	if opt.File != nil {
		f, err := openFile(*opt.File, &l.rotated)
		if err != nil {
			return nil, err
		}
		l.sinks = append(l.sinks, f)
	}
	if opt.Upload != nil {
		l.sinks = append(l.sinks, newUploader(*opt.Upload, l))
	}
	go l.work()
	return l, nil
}

// Record puts the decision on c into the ring. It reports false if there is no
// room: the last quarter is for denials and for what must be logged.
func (l *Log) Record(e *policy.Engine, c *call.Call, d *call.Decision, took time.Duration) bool {
	if l == nil {
		return true
	}
	vital := !d.Allow || d.LogRequired
	if !vital && l.under != math.MaxUint64 && uint64(c.ID)*0x9e3779b97f4a7c15 >= l.under {
		return true
	}
	pos := l.head.Load()
	for {
		if !vital && crowded(pos, l.tail.Load(), len(l.slots)) {
			l.dropped.Add(1)
			return false
		}
		s := &l.slots[pos&l.mask]
		switch turn := s.turn.Load(); {
		case turn == pos && l.head.CompareAndSwap(pos, pos+1):
			e.Capture(&s.event, c, d)
			s.took = took
			s.turn.Store(pos + 1)
			if pos&wakeMask == 0 {
				l.rouse()
			}
			return true
		case turn < pos && pos == l.head.Load():
			l.dropped.Add(1)
			l.rouse()
			return false
		}
		pos = l.head.Load()
	}
}

// crowded reports whether what is left of the ring is for what is vital. tail may
// have passed a position that was read before it.
func crowded(pos, tail uint64, slots int) bool { return int64(pos-tail) > int64(slots)*3/4 }

// The writer looks every so often, and whenever so many more have come.
const (
	lookEvery = 200 * time.Millisecond
	wakeMask  = 1<<8 - 1
)

func (l *Log) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *Log) work() {
	defer close(l.done)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		l.drain()
		l.flush(false)
		select {
		case <-tick.C:
		case <-l.wake:
		case <-l.stop:
			l.drain()
			return
		}
	}
}

func (l *Log) drain() {
	for pos := l.tail.Load(); ; pos++ {
		s := &l.slots[pos&l.mask]
		if s.turn.Load() != pos+1 {
			return
		}
		l.write(&s.event, s.took)
		s.event.Clear()
		s.turn.Store(pos + uint64(len(l.slots)))
		l.tail.Store(pos + 1)
	}
}

func (l *Log) write(ev *policy.Event, took time.Duration) {
	event, keep, err := l.form.event(ev, took)
	if err != nil {
		l.failed.Add(1)
		l.opt.Log.Error("policy: a decision is logged without input and result, for the bundle's log rules failed", "request", ev.ID, "error", err)
	}
	if !keep {
		l.masked.Add(1)
		return
	}
	l.logged.Add(1)
	for _, s := range l.sinks {
		l.tell(s.put(event, !ev.Decision.Allow))
	}
}

func (l *Log) flush(last bool) {
	for _, s := range l.sinks {
		l.tell(s.flush(last))
	}
}

// tell counts the decisions that a sink could not take.
func (l *Log) tell(lost int, err error) {
	l.lost.Add(uint64(lost))
	if err != nil {
		l.opt.Log.Error("policy: decisions cannot be logged", "lost", lost, "error", err)
	}
}

// Close writes down what waits. It may be called twice, and of nil.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	var errs []error
	l.once.Do(func() {
		close(l.stop)
		<-l.done
		l.flush(true)
		for _, s := range l.sinks {
			errs = append(errs, s.close())
		}
	})
	return errors.Join(errs...)
}

// Stats returns the counters as they are now.
func (l *Log) Stats() Stats {
	if l == nil {
		return Stats{}
	}
	return Stats{Logged: l.logged.Load(), Dropped: l.dropped.Load(), Masked: l.masked.Load(), Failed: l.failed.Load(),
		Uploads: l.uploads.Load(), Retries: l.retries.Load(), Lost: l.lost.Load(), Rotation: l.rotated.Load()}
}
