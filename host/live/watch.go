package live

import (
	"slices"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	// maxWatchers bounds those who watch at once.
	maxWatchers = 64
	// maxWaiting is how many requests wait for one of them.
	maxWaiting = 1024
)

// Watch is what one watcher is told. What it does not take in time it loses.
type Watch struct {
	hub     *Hub
	keep    func(*call.Record) bool
	rows    chan *call.LedgerRow
	seconds chan call.Passed
	ended   chan struct{}
	lost    atomic.Int64
}

// Watch tells of the requests that keep holds to, nil: of all. It returns nil
// where too many watch already, or the hub has ended.
func (h *Hub) Watch(keep func(*call.Record) bool) *Watch {
	w := &Watch{hub: h, keep: keep, rows: make(chan *call.LedgerRow, maxWaiting), seconds: make(chan call.Passed, 1), ended: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*Watch
	if old := h.watchers.Load(); old != nil {
		all = *old
	}
	if len(all) >= maxWatchers || h.ended {
		return nil
	}
	all = append(slices.Clip(all), w)
	h.watchers.Store(&all)
	return w
}

// Close ends w.
func (w *Watch) Close() {
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.watchers.Load()
	if old == nil {
		return
	}
	left := slices.DeleteFunc(slices.Clone(*old), func(o *Watch) bool { return o == w })
	if len(left) == 0 {
		h.watchers.Store(nil)
		return
	}
	h.watchers.Store(&left)
}

// Rows are requests as they finish. They are shared: nobody may change them.
func (w *Watch) Rows() <-chan *call.LedgerRow { return w.rows }

// Seconds are the figures of each second; who is slow sees the last one.
func (w *Watch) Seconds() <-chan call.Passed { return w.seconds }

// Ended is closed when the hub ends.
func (w *Watch) Ended() <-chan struct{} { return w.ended }

// Lost is how many requests w was too slow for since it was last asked.
func (w *Watch) Lost() int64 { return w.lost.Swap(0) }

// show tells those of all who keep r.
func (h *Hub) show(all []*Watch, r *call.Record) {
	var row *call.LedgerRow
	for _, w := range all {
		if w.keep != nil && !w.keep(r) {
			continue
		}
		if row == nil {
			row = h.row(r)
		}
		select {
		case w.rows <- row:
		default:
			w.lost.Add(1)
		}
	}
}

// tick gives w the figures of a second in place of those it has not taken.
func (w *Watch) tick(p call.Passed) {
	select {
	case <-w.seconds:
	default:
	}
	select {
	case w.seconds <- p:
	default: // the one goroutine that fills it is this one
	}
}

// part ends all that is watched.
func (h *Hub) part() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	if all := h.watchers.Swap(nil); all != nil {
		for _, w := range *all {
			close(w.ended)
		}
	}
}
