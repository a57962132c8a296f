package limit

import (
	"iter"
	"math/bits"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Ticket is what one request has taken of the rates that hold for it. The zero
// Ticket has taken nothing. It is not for several at once.
type Ticket struct {
	limits *Limits
	chain  *Chain
	tokens int64 // taken
	open   bool
	held   bool            // it is one of those that run at once
	cell   [MaxRates]int64 // that it is counted in, -1: it is not counted
	far    [MaxRates]int64 // the same where nodes share the counter, or elsewhere, or untold
	lone   bool            // one of the counters is not to be waited for
	state  call.RateStates
	denied Denied
	soft   uint32 // limits that only warn and were passed, by their place in chain
}

// Denied says why a request is not let in.
type Denied struct {
	Limit call.Limit
	Need  int64         // what the request would take
	Wait  time.Duration // until it fits, as far as that is known
	Never bool          // the request alone is more than the limit
}

// worse makes d the worse one of d, unless it is the first, and e.
func (d *Denied) worse(first bool, e Denied) {
	if first || !d.Never && (e.Never || e.Wait > d.Wait) {
		*d = e
	}
}

// Where else than in a cell of what nodes share a request is counted.
const (
	elsewhere = -1 // not there at all
	untold    = -2 // this node has decided alone, and has yet to tell
)

// verdict is what comes of a look at the counters.
type verdict uint8

const (
	fits  verdict = iota
	over          // a limit would be passed
	short         // what this node holds of the shared counters does not suffice
)

// Take lets a request of about so many tokens in, or returns the limit that it
// has to wait for longest; nothing is taken then. now is when it came.
func (t *Ticket) Take(l *Limits, ch *Chain, now time.Time, tokens int64) *Denied {
	if ch == nil {
		return nil
	}
	t.limits, t.chain, t.tokens = l, ch, min(max(tokens, 0), maxCount)
	at := l.at(now)
	switch b := l.bank; {
	case b == nil || !b.up():
	case l.opt.Exact && b.away.Load() != 0: // the others are to hear first of what they do not know
		b.awake()
	default:
		return t.shared(at)
	}
	return t.local(at)
}

// local takes from this node's counters: all there is, or its part while what
// nodes share is gone.
func (t *Ticket) local(at int64) *Denied {
	v := t.try(at, false)
	t.chain.unlock(len(t.chain.rates))
	if v == fits {
		return nil
	}
	return &t.denied
}

// try takes if that fits. It leaves the counters locked.
func (t *Ticket) try(at int64, shared bool) verdict {
	for !t.chain.lock() {
		t.chain.renew(t.limits)
	}
	v := t.look(at, shared)
	if v == fits {
		t.take(at, shared)
		t.warned()
	}
	if v != short {
		t.report(at)
	}
	return v
}

// warned counts the soft limits that the request has passed.
func (t *Ticket) warned() {
	for i := range t.chain.rates {
		if r := &t.chain.rates[i]; t.soft&(1<<i) != 0 {
			t.limits.refused[1][r.kind][r.limit.Unit].Add(1)
		}
	}
}

// look tells whether the request fits. A limit that it would pass goes before
// one that this node holds too little of.
func (t *Ticket) look(at int64, shared bool) (v verdict) {
	t.denied, t.lone, t.soft = Denied{}, false, 0
	for i := range t.chain.rates {
		r := &t.chain.rates[i]
		c, need := r.counter.Load(), r.need(t.tokens)
		if c.unit != call.UnitConcurrent {
			c.window.turn(at)
		}
		if shared && t.remote(c) {
			continue
		}
		limit, wait := t.limits.part(c, r.limit.Max, at, shared), int64(0)
		one := fits
		t.lone = t.lone || shared && at < c.share.loneUntil
		switch {
		case !c.fits(need, limit):
			if one, wait = over, c.wait(at, need, limit); need > limit && limit < r.limit.Max {
				wait = aloneWait
			}
		case shared:
			one, wait = c.share.look(c, at, need)
		}
		if r.limit.OnExceed == call.OnWarn {
			if one == over {
				t.soft |= 1 << i
			}
			continue
		}
		if one == over {
			t.denied.worse(v != over, Denied{Limit: r.limit, Need: need, Wait: time.Duration(wait), Never: need > r.limit.Max})
		}
		if one == over || v == fits {
			v = one
		}
	}
	if v == over {
		t.limits.refuse(&t.denied)
	}
	return v
}

// remote reports whether c is asked for apart, for each request.
func (t *Ticket) remote(c *counter) bool { return t.limits.opt.Exact && c.unit != call.UnitConcurrent }

// wait is how long after at so many more fit below limit.
func (c *counter) wait(at, n, limit int64) int64 {
	if c.unit == call.UnitConcurrent || n > limit {
		return 0
	}
	return c.window.wait(at, n, limit)
}

// take counts the request in everywhere.
func (t *Ticket) take(at int64, shared bool) {
	t.open = true
	for i := range t.chain.rates {
		r := &t.chain.rates[i]
		c, need := r.counter.Load(), r.need(t.tokens)
		t.far[i] = elsewhere
		if shared && t.remote(c) {
			t.cell[i] = -1
			continue
		}
		t.cell[i] = c.take(need)
		if shared {
			t.far[i] = t.fromShare(r, c, at, need)
		} else if t.limits.bank != nil && c.unit != call.UnitConcurrent {
			t.far[i] = untold
			t.limits.bank.owe(c, need)
		}
		if c.unit == call.UnitConcurrent && !t.held {
			t.held = true
			t.limits.running.Add(1)
		}
	}
}

// fromShare takes from what this node holds of c. What a soft limit lacks is asked
// for, and not waited for.
func (t *Ticket) fromShare(r *rate, c *counter, at, need int64) (cell int64) {
	b := t.limits.bank
	if r.limit.OnExceed == call.OnWarn {
		if v, _ := c.share.look(c, at, need); v == short {
			c.share.ask(c, at, need, r.limit.Max)
			b.enqueue(c)
		}
	}
	return c.share.take(b, c, at, need, r.limit.Max)
}

// Settle corrects what was taken by what was used; the request no longer runs.
// It takes effect once.
func (t *Ticket) Settle(now time.Time, tokens int64) {
	t.settle(now, min(tokens, maxCount)-t.tokens, false)
}

// Leave ends the request as one that runs; what it has taken stays taken.
func (t *Ticket) Leave(now time.Time) { t.settle(now, 0, false) }

// Cancel gives all back, as if there had been no request.
func (t *Ticket) Cancel(now time.Time) { t.settle(now, -t.tokens, true) }

// Rest ends the request as one that runs. What it has taken can be corrected yet.
func (t *Ticket) Rest() {
	if !t.held {
		return
	}
	t.held = false
	t.limits.running.Add(-1)
	for i := range t.chain.rates {
		if c := t.chain.rates[i].counter.Load(); c.unit == call.UnitConcurrent {
			c.mu.Lock()
			c.running--
			c.mu.Unlock()
		}
	}
}

func (t *Ticket) settle(now time.Time, more int64, all bool) {
	if !t.open {
		return
	}
	t.open = false
	t.Rest()
	at := t.limits.at(now)
	for i := range t.chain.rates {
		r := &t.chain.rates[i]
		c := r.counter.Load()
		n := int64(0)
		switch {
		case c.unit == call.UnitConcurrent:
		case c.unit == call.UnitTokens:
			n = more
		case all:
			n = -1
		}
		if n == 0 {
			continue
		}
		c.mu.Lock()
		if cell := t.cell[i]; cell >= 0 {
			c.window.turn(at)
			if n > 0 { // it counts when it is known: where it was taken it may be forgotten by now
				cell = c.window.last
			}
			c.window.add(cell, n)
			if t.far[i] == untold {
				t.limits.bank.owe(c, n)
			}
		}
		c.mu.Unlock()
		if t.far[i] >= 0 {
			t.limits.bank.correct(c, t.far[i], n)
		}
	}
}

// Passed are the limits that only warn and that the request has passed.
func (t *Ticket) Passed() iter.Seq[*call.Limit] {
	return func(yield func(*call.Limit) bool) {
		for rest := t.soft; rest != 0; rest &= rest - 1 {
			if !yield(&t.chain.rates[bits.TrailingZeros32(rest)].limit) {
				return
			}
		}
	}
}

// Open reports whether there is something to settle.
func (t *Ticket) Open() bool { return t.open }

// State is where the caller stands with the tightest of its limits.
func (t *Ticket) State() call.RateStates { return t.state }

// report notes where the caller stands. It is called with the counters locked.
func (t *Ticket) report(at int64) {
	t.state = call.RateStates{}
	for i := range t.chain.rates {
		r := &t.chain.rates[i]
		s := &t.state.Requests
		switch {
		case r.limit.OnExceed == call.OnWarn || r.limit.Unit == call.UnitConcurrent:
			continue
		case r.limit.Unit == call.UnitTokens:
			s = &t.state.Tokens
		}
		c := r.counter.Load()
		left := r.limit.Max - c.window.sum
		if t.limits.bank != nil {
			left = min(left, c.share.seen(r.limit.Max))
		}
		if left = max(left, 0); !s.Set || left < s.Left {
			*s = call.RateState{Set: true, Limit: r.limit.Max, Left: left, Reset: time.Duration(c.window.reset(at))}
		}
	}
}

// part is what may be used of a limit: all, or this node's part of it while what
// nodes share is out of reach.
func (l *Limits) part(c *counter, limit, at int64, shared bool) int64 {
	if l.bank == nil || shared {
		return limit
	}
	return c.share.part(c, limit, at, l.bank)
}

func (l *Limits) refuse(d *Denied) { l.refused[0][kindOf(d.Limit.Scope)][d.Limit.Unit].Add(1) }
