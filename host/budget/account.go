package budget

import (
	"fmt"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// maxChain is the most limits that bound one request.
const maxChain = 8

// Chain is a set of limits, resolved, that a request must fit into.
type Chain struct{ limits []bound }

type bound struct {
	limit   call.Limit
	counter *counter
}

// counter is a scope with a kind of window; it lives as long as the pool.
type counter struct {
	scope  string
	window window
	now    *account // of the newest window in use, nil at first
}

type counterKey struct{ scope, window string }

// account is a counter in one window: what a row of the bank and a word of the
// pool file are about. Pool.mu guards it.
type account struct {
	counter    *counter // nil for one that a former process left
	word       int
	row        int64 // 0 until the bank has been asked
	start, end int64 // of the window, Unix seconds
	granted    int64 // out of the bank in all, leased or spent
	max        int64 // the limit, as the last request that needed money had it
	last       int64 // the last grant's amount
	demand     int64 // lacked by requests that wait for the round's end
	waited     bool  // whether there are such requests
	open       int   // slots that hold it
	queued     bool
	retired    bool // its window is over, or it is an orphan's: hand back, then forget
	touched    bool // since the last look for idle accounts
}

// Chain resolves limits. Two on the same scope and window come down to the
// lower one. An empty list gives a nil Chain, which bounds nothing.
func (p *Pool) Chain(limits []call.Limit) (*Chain, error) {
	ch := &Chain{}
	for _, l := range limits {
		if err := p.add(ch, l); err != nil {
			return nil, fmt.Errorf("cannot use limit on %q: %w", l.Scope, err)
		}
	}
	if len(ch.limits) == 0 {
		return nil, nil
	}
	return ch, nil
}

func (p *Pool) add(ch *Chain, l call.Limit) error {
	if l.Scope == "" {
		return fmt.Errorf("its scope is empty; name whose budget it is")
	}
	if l.Unit != call.UnitUSD {
		return fmt.Errorf("unit %q is not supported; only money (%q) can be budgeted", l.Unit, call.UnitUSD)
	}
	if l.Max < 0 {
		return fmt.Errorf("its maximum is %d nano-dollars; it must not be negative", l.Max)
	}
	w, err := newWindow(l.Window)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := counterKey{l.Scope, w.name}
	c := p.counters[key]
	if c == nil {
		c = &counter{scope: l.Scope, window: w}
		p.counters[key] = c
	}
	for i := range ch.limits {
		if b := &ch.limits[i]; b.counter == c {
			b.limit.Max = min(b.limit.Max, l.Max)
			return nil
		}
	}
	if len(ch.limits) == maxChain {
		return fmt.Errorf("it is one more than the %d that can bound a request; merge or drop some", maxChain)
	}
	ch.limits = append(ch.limits, bound{l, c})
	return nil
}

// current returns c's account for the window that now lies in, nil when the
// pool has no room for another. A clock that steps back stays in the window.
func (p *Pool) current(c *counter, now time.Time) *account {
	if a := c.now; a != nil && now.Unix() < a.end {
		return a
	}
	if len(p.freeWords) == 0 {
		return nil
	}
	if old := c.now; old != nil {
		old.retired = true
		p.enqueue(old)
	}
	start, end := c.window.bounds(now)
	a := &account{counter: c, start: start, end: end, word: p.freeWords[len(p.freeWords)-1]}
	p.freeWords = p.freeWords[:len(p.freeWords)-1]
	c.now = a
	return a
}

func (p *Pool) avail(a *account) int64 { return p.im.m[p.im.word(a.word, wordAvail)] }

// spent is what of a's limit is reserved, settled, or leased elsewhere.
func (p *Pool) spent(a *account) int64 {
	return a.granted - p.avail(a) - p.im.m[p.im.word(a.word, wordReturning)]
}

// enqueue has the banker look at a.
func (p *Pool) enqueue(a *account) {
	if !a.queued {
		a.queued = true
		p.queue = append(p.queue, a)
	}
	p.banker.wake()
}

// forget frees a's word; the caller commits.
func (p *Pool) forget(a *account) {
	p.im.set(p.im.word(a.word, wordRow), 0)
	if a.row != 0 {
		delete(p.byRow, a.row)
	}
	if a.counter != nil && a.counter.now == a {
		a.counter.now = nil
	}
	p.freeWords = append(p.freeWords, a.word)
	a.word = -1
}
