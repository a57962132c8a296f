// Package live shows what passes: requests as they finish to whoever watches,
// and the figures of each second and of each minute of the last day. All of it
// is of this node and in memory.
package live

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Minutes is how many minutes are kept.
const Minutes = 24 * 60

// Hub hears of every finished request.
type Hub struct {
	row      func(*call.Record) *call.LedgerRow
	running  atomic.Int64
	watchers atomic.Pointer[[]*Watch] // nil: nobody watches
	shards   [numShards]shard

	mu      sync.Mutex // guards all below
	since   time.Time
	seen    sums // what of shards has been added up
	second  sums // since the last tick
	minute  sums
	current int64 // Unix minute that minute is of
	minutes [Minutes]call.Passed
	ended   bool

	end           sync.Once
	stop, stopped chan struct{}
}

// New returns a hub. row makes a record one that can be kept: it is called
// where somebody watches.
func New(row func(*call.Record) *call.LedgerRow) *Hub {
	h := &Hub{row: row, since: time.Now(), stop: make(chan struct{}), stopped: make(chan struct{})}
	h.current = h.since.Unix() / 60
	return h
}

// Start begins to tell of seconds, until Stop.
func (h *Hub) Start() { go h.run() }

// Stop ends a hub that was started, and what is watched of it. It may be called
// of none.
func (h *Hub) Stop() {
	if h == nil {
		return
	}
	h.end.Do(func() { close(h.stop) })
	<-h.stopped
}

// Began counts a request that runs from now on.
func (h *Hub) Began() { h.running.Add(1) }

// Ended counts one that runs no more.
func (h *Hub) Ended() { h.running.Add(-1) }

// Finished tells of a request. It does not wait, and allocates only where
// somebody watches; r is the caller's again afterwards.
func (h *Hub) Finished(r *call.Record) {
	h.shards[uint64(r.ID)%numShards].add(r)
	if all := h.watchers.Load(); all != nil {
		h.show(*all, r)
	}
}

func (h *Hub) run() {
	defer close(h.stopped)
	for {
		now := time.Now()
		next := time.NewTimer(now.Truncate(time.Second).Add(time.Second).Sub(now))
		select {
		case at := <-next.C:
			h.tick(at)
		case <-h.stop:
			next.Stop()
			h.part()
			return
		}
	}
}

// tick ends a second.
func (h *Hub) tick(now time.Time) {
	h.mu.Lock()
	h.collect(now)
	p := h.second.passed(now.Add(-time.Second).Truncate(time.Second), h.running.Load())
	h.second = sums{}
	h.mu.Unlock()
	if all := h.watchers.Load(); all != nil {
		for _, w := range *all {
			w.tick(p)
		}
	}
}

// collect adds up what has come since the last time.
func (h *Hub) collect(now time.Time) {
	m, n := now.Unix()/60, h.requests()
	if m == h.current && n == h.seen.counters[requests] {
		return
	}
	if m != h.current {
		h.current = m
		h.minute = sums{}
	}
	var all sums
	for i := range h.shards {
		h.shards[i].into(&all)
	}
	h.second.grow(&all, &h.seen)
	h.minute.grow(&all, &h.seen)
	h.seen = all
	h.minutes[h.current%Minutes] = h.minute.passed(time.Unix(h.current*60, 0).UTC(), 0)
}

// requests are all that have finished; what else they count for is there by
// the time that they are in it.
func (h *Hub) requests() (n int64) {
	for i := range h.shards {
		n += h.shards[i].counters[requests].Load()
	}
	return n
}

// Series are the last n minutes, the one that runs included, oldest first. The
// first one is at the earliest that in which the hub began.
func (h *Hub) Series(n int) []call.Passed {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.collect(time.Now())
	from := max(h.current-int64(min(n, Minutes))+1, h.since.Unix()/60)
	var out []call.Passed
	for m := from; m <= h.current; m++ {
		p := h.minutes[m%Minutes]
		if at := time.Unix(m*60, 0).UTC(); !p.From.Equal(at) {
			p = call.Passed{From: at} // nothing was counted, as the clock went ahead
		}
		out = append(out, p)
	}
	return out
}

// Since is when the hub began.
func (h *Hub) Since() time.Time { return h.since }
