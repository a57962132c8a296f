// Package limit holds rates: requests and tokens within a window, and requests
// at once. A request is let in by all limits that hold for it, or by none. What
// was taken is counted in memory or, where several gateways share a Redis,
// there; a crash may lose it, which money must never be: budgets are host/budget.
package limit

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// MaxRates is the most rates that hold for one request.
const MaxRates = 32

// maxCount is what a shared counter can hold exactly.
const maxCount = 1 << 52

// longest is the longest window of a rate.
const longest = 366 * 24 * time.Hour

var units = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}

// Check says why l cannot be held as a rate.
func Check(l *call.Limit) error {
	switch {
	case !l.Rate:
		return errors.New("it is a budget: write per in place of window for a rate")
	case l.Unit == call.UnitUSD:
		return errors.New("money is a budget, never a rate: write window in place of per")
	case l.Max < 0 || l.Max > maxCount:
		return fmt.Errorf("it is %d: give 0 to %d", l.Max, int64(maxCount))
	case l.OnExceed != call.OnDeny && l.OnExceed != call.OnWarn:
		return fmt.Errorf("on_exceed is %s: of a rate it is deny or warn", l.OnExceed)
	case l.Unit == call.UnitConcurrent:
		return nil
	case l.Window.TZ != "":
		return errors.New("per has a time zone: a rate is over the last so much time, wherever that is; leave tz out")
	}
	length, ok := units[l.Window.Unit]
	if !ok {
		return fmt.Errorf("per is %q: give minute, hour, day or week; %s is for budgets", l.Window.Unit, l.Window.Unit)
	}
	if l.Window.Size < 1 || time.Duration(l.Window.Size) > longest/length {
		return fmt.Errorf("per is %d times a %s: give at most a year", l.Window.Size, l.Window.Unit)
	}
	return nil
}

// Options of Limits. Zero values are defaults.
type Options struct {
	// Remote is what nodes share, nil: there is one node.
	Remote Remote
	// Exact asks Remote for every request, in place of leases.
	Exact bool
	// Timeout is what one answer of Remote may take; default 100 ms. Requests wait
	// for as many in a row as it takes to give Remote up.
	Timeout time.Duration
	// Nodes is by how many a limit is divided while Remote is gone, 0: as many as were seen last.
	Nodes int
	// Node is the name of this one among those that share Remote.
	Node string
	Log  *slog.Logger
}

// Limits are a node's counters.
type Limits struct {
	opt      Options
	epoch    time.Time
	counters counters
	bank     *banker // nil: there is nothing to share

	refused [2][numKinds][4]atomic.Int64 // hard and soft, by kind of scope and unit
	running atomic.Int64
}

// numKinds has one place more than there are kinds of scopes: for others.
const numKinds = 9

// New returns limits that count nothing yet. Stop ends them.
func New(opt Options) *Limits {
	if opt.Timeout <= 0 {
		opt.Timeout = 100 * time.Millisecond
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l := &Limits{opt: opt, epoch: time.Now()}
	if opt.Remote != nil {
		l.bank = newBanker(l)
	}
	return l
}

// Stop gives back to others what this node holds and has not used. It may be called twice.
func (l *Limits) Stop() {
	if l.bank != nil {
		l.bank.stop()
	}
}

// at is t on the clock that counters go by, which no change of the wall's moves.
func (l *Limits) at(t time.Time) int64 { return int64(t.Sub(l.epoch)) }

// Chain is the rates that a request must fit into, resolved.
type Chain struct{ rates []rate }

type rate struct {
	limit   call.Limit
	kind    int // of its scope
	key     string
	counter atomic.Pointer[counter]
}

// Chain resolves those of limits that are rates; without any it is nil. Of the
// same scope, unit and window one remains: call.Strictest has seen to that.
func (l *Limits) Chain(limits []call.Limit) (*Chain, error) {
	var list []call.Limit
	for _, lim := range limits {
		if !lim.Rate {
			continue
		}
		if err := Check(&lim); err != nil {
			return nil, fmt.Errorf("cannot use limit on %q: %w", lim.Scope, err)
		}
		list = append(list, lim)
	}
	switch {
	case len(list) == 0:
		return nil, nil
	case len(list) > MaxRates:
		return nil, fmt.Errorf("cannot use %d rates for one request: %d are the most; merge or drop some", len(list), MaxRates)
	}
	slices.SortFunc(list, func(a, b call.Limit) int { return strings.Compare(keyOf(&a), keyOf(&b)) })
	ch := &Chain{rates: make([]rate, len(list))}
	for i := range list {
		r := &ch.rates[i]
		r.limit, r.key, r.kind = list[i], keyOf(&list[i]), kindOf(list[i].Scope)
	}
	ch.renew(l)
	return ch, nil
}

// renew finds the counters that hold now.
func (ch *Chain) renew(l *Limits) {
	now := l.at(time.Now())
	for i := range ch.rates {
		r := &ch.rates[i]
		r.counter.Store(l.counters.of(r.key, now, func() *counter {
			c := &counter{key: r.key, unit: r.limit.Unit}
			if c.unit != call.UnitConcurrent {
				c.window.step = int64(lengthOf(r.limit.Window) / cells)
			}
			return c
		}))
	}
}

// lock locks the counters; false: one has been forgotten, and none is locked.
func (ch *Chain) lock() bool {
	for i := range ch.rates {
		c := ch.rates[i].counter.Load()
		c.mu.Lock()
		if c.dead {
			ch.unlock(i + 1)
			return false
		}
	}
	return true
}

// unlock unlocks the first n counters.
func (ch *Chain) unlock(n int) {
	for i := range n {
		ch.rates[i].counter.Load().mu.Unlock()
	}
}

// need is what a request of so many tokens takes of r.
func (r *rate) need(tokens int64) int64 {
	if r.limit.Unit == call.UnitTokens {
		return tokens
	}
	return 1
}

func lengthOf(w call.Window) time.Duration { return time.Duration(w.Size) * units[w.Unit] }

// keyOf is the same for limits that count the same.
func keyOf(l *call.Limit) string {
	if l.Unit == call.UnitConcurrent {
		return l.Unit.String() + ":" + l.Scope
	}
	return fmt.Sprintf("%s:%s:%d", l.Unit, l.Scope, lengthOf(l.Window)/time.Second)
}

func kindOf(scope string) int {
	kind, _, _ := strings.Cut(scope, "/")
	if i := slices.Index(call.ScopeKinds, kind); i >= 0 && i < numKinds-1 {
		return i
	}
	return numKinds - 1
}
