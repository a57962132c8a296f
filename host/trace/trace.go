// Package trace makes spans of finished requests, by OpenTelemetry's GenAI
// conventions, and exports them over OTLP. A request leaves one flat item in a
// bounded queue; spans are built of it by the exporter's goroutine, so that the
// path of requests neither waits nor keeps spans alive.
package trace

import (
	"context"
	"encoding/binary"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Options of a Tracer. Zero fields get defaults, except where zero says something.
type Options struct {
	// Export takes the spans; nil: there are none, contexts alone go on.
	Export   sdktrace.SpanExporter
	Resource *resource.Resource

	Sample float64 // share of requests, 0 to 1, that nobody has decided on before
	// Trust: a caller's traceparent is gone on with, and its decision holds, for
	// as many requests a second as CallerRate, 0: for none.
	Trust      bool
	CallerRate int
	// Errors and Slow keep what was not sampled once it has failed, or taken as
	// long, 0: never; at most TailRate a second.
	Errors   bool
	Slow     time.Duration
	TailRate int

	Queue int           // requests that wait to be exported; default 2048
	Batch int           // requests in one export; default 256
	Every time.Duration // longest wait for a batch to fill; default 5s
	Stop  time.Duration // longest wait for the last export; default 5s
	// Counts are what the tracer adds to, where it goes on for another; nil: its own.
	Counts *Counts
	Log    *slog.Logger
}

// Counts are what tracers have come to. They only grow.
type Counts struct {
	dropped atomic.Int64 // requests that found the queue full
	failed  atomic.Int64 // requests whose export failed
	sent    atomic.Int64 // requests that were exported
	spans   atomic.Int64
}

func (o Options) withDefaults() Options {
	if o.Queue <= 0 {
		o.Queue = 2048
	}
	if o.Batch <= 0 {
		o.Batch = 256
	}
	if o.Every <= 0 {
		o.Every = 5 * time.Second
	}
	if o.Stop <= 0 {
		o.Stop = 5 * time.Second
	}
	if o.Counts == nil {
		o.Counts = &Counts{}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Tracer decides what is traced and exports it. A nil Tracer traces nothing.
type Tracer struct {
	opt    Options
	caller quota
	tail   quota
	queue  chan *Item
	items  sync.Pool
	stop   chan struct{}
	done   chan struct{}
	hurry  context.Context // ends when Close has waited long enough
	cancel context.CancelFunc
	once   sync.Once
	counts *Counts
	notice notice
}

// New returns a tracer that runs until Close.
func New(opt Options) *Tracer {
	t := &Tracer{opt: opt.withDefaults(), stop: make(chan struct{}), done: make(chan struct{})}
	t.caller.most, t.tail.most = t.opt.CallerRate, t.opt.TailRate
	t.notice.log, t.counts = t.opt.Log, t.opt.Counts
	t.hurry, t.cancel = context.WithCancel(context.Background())
	t.items.New = func() any { return &Item{} }
	if t.opt.Export == nil {
		close(t.done)
		return t
	}
	t.queue = make(chan *Item, t.opt.Queue)
	go t.run()
	return t
}

// Begin gives c, which a caller has made, its place in a trace: the caller's, if
// it tells one that is trusted, or a new one. What somebody unknown wants
// sampled is not, so that nobody without a key uses up what there is for callers.
func (t *Tracer) Begin(c *call.Call) {
	if t.opt.Trust && c.Header != nil {
		if parent := c.Header.Peek("traceparent"); len(parent) > 0 {
			if tr, ok := call.ParseTrace(parent, c.Header.Peek("tracestate")); ok {
				tr.Span = call.NewSpanID()
				if t.opt.Export != nil {
					tr.Sampled = tr.Sampled && c.Principal != nil && t.caller.take(c.Received)
				}
				c.Trace = tr
				return
			}
		}
	}
	if t.opt.Export == nil {
		return // nobody has begun a trace, and nobody would see one
	}
	c.Trace = call.Trace{ID: call.NewTraceID(), Span: call.NewSpanID()}
	c.Trace.Sampled = t.chosen(c.Trace.ID)
}

// chosen decides by the trace's id, as OpenTelemetry's TraceIdRatioBased does:
// others that sample by it choose the same traces.
func (t *Tracer) chosen(id call.TraceID) bool {
	switch s := t.opt.Sample; {
	case s >= 1:
		return true
	case s <= 0:
		return false
	default:
		return binary.BigEndian.Uint64(id[8:])>>1 < uint64(s*(1<<63))
	}
}

// Outcome is what decides about a request that was not sampled.
type Outcome struct {
	Failed bool
	Took   time.Duration
	At     time.Time
}

// Wants reports whether a finished request is exported.
func (t *Tracer) Wants(tr *call.Trace, o Outcome) bool {
	switch {
	case t.opt.Export == nil || !tr.On():
		return false
	case tr.Sampled:
		return true
	}
	return (t.opt.Errors && o.Failed || t.opt.Slow > 0 && o.Took >= t.opt.Slow) && t.tail.take(o.At)
}

// Item returns an empty item to fill and Send.
func (t *Tracer) Item() *Item { return t.items.Get().(*Item) }

// Send hands it over, which is the tracer's from now on. It never waits: false
// says that there was no room for it.
func (t *Tracer) Send(it *Item) bool {
	select {
	case t.queue <- it:
		return true
	default:
		t.counts.dropped.Add(1)
		t.free(it)
		return false
	}
}

func (t *Tracer) free(it *Item) {
	it.reset()
	t.items.Put(it)
}

// Stats are a tracer's figures, with those of its Options.Counts from before.
type Stats struct {
	Sent    int64 // requests exported
	Spans   int64 // of them
	Dropped int64 // requests that found the queue full
	Failed  int64 // requests that could not be exported
	Waiting int   // in the queue
}

// Stats returns the figures.
func (t *Tracer) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	c := t.counts
	return Stats{Sent: c.sent.Load(), Spans: c.spans.Load(), Dropped: c.dropped.Load(), Failed: c.failed.Load(), Waiting: len(t.queue)}
}

// quota lets so many pass in each second.
type quota struct {
	most  int
	state atomic.Uint64 // second in the upper half, count in the lower
}

func (q *quota) take(now time.Time) bool {
	if q.most <= 0 {
		return false
	}
	second := uint64(uint32(now.Unix()))
	for {
		old := q.state.Load()
		n := old & 0xffffffff
		if old>>32 != second {
			n = 0
		}
		if n >= uint64(q.most) {
			return false
		}
		if q.state.CompareAndSwap(old, second<<32|(n+1)) {
			return true
		}
	}
}

// notice logs what goes on at most once a minute.
type notice struct {
	log  *slog.Logger
	last atomic.Int64 // Unix seconds
}

func (n *notice) warn(now time.Time, msg string, args ...any) {
	last := n.last.Load()
	if now.Unix()-last < 60 || !n.last.CompareAndSwap(last, now.Unix()) {
		return
	}
	n.log.Warn(msg, args...)
}
