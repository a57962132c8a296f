package call

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Pass is a request's place at a target, from Enter to Leave. The zero Pass is
// none. It belongs to one goroutine at a time.
type Pass struct {
	target *Target
	probe  int64 // its name, where it is to see whether the target is well again
	over   *atomic.Bool
}

// Waker hears of a target that may take a request again.
type Waker interface{ Freed(s *TargetState) }

// Enter takes a place for one attempt at t. It fails while t has as many
// requests as it may have, or its breaker is open, or half-open with another
// request there to see; cooldowns are for the caller to heed. Who enters must
// leave.
func (t *Target) Enter(nowMS int64) (Pass, bool) {
	s := t.State
	if !s.acquire(t.MaxInFlight) {
		return Pass{}, false
	}
	probe, ok := s.circuit.allow(nowMS)
	if !ok {
		s.release()
		return Pass{}, false
	}
	return Pass{target: t, probe: probe}, true
}

// Held reports whether p is a place.
func (p *Pass) Held() bool { return p.target != nil }

// At reports whether p is a place at t, under whatever name.
func (p *Pass) At(t *Target) bool { return p.target != nil && p.target.State == t.State }

// Judge tells the breaker what came of the attempt; ClassNone: t answers. It
// may be told again, as when an answer that had begun breaks off. An attempt of
// a caller that left is not judged.
func (p *Pass) Judge(class wire.Class, nowMS int64) {
	if p.target == nil {
		return
	}
	v := verdictOf(class)
	c := &p.target.State.circuit
	p.target.State.lastUse.Store(nowMS)
	if p.probe != 0 {
		if v == silent && class != wire.ClassRateLimit {
			return
		}
		name := p.probe
		p.probe = 0
		if c.probed(p.target.Breaker, name, v != ill, nowMS) { // it is there, if busy
			p.target.State.wake()
			return
		}
	}
	if v != silent && c.until.Load() == 0 { // what was there before it opened says nothing of now
		c.count(p.target.Breaker, v == ill, nowMS)
	}
}

// Leave gives the place up. More than once is like once.
func (p *Pass) Leave() {
	if p.target == nil {
		return
	}
	s := p.target.State
	if p.probe != 0 { // nothing came of it: the next one may try
		s.circuit.probe.CompareAndSwap(p.probe, 0)
	}
	if p.over != nil {
		p.over.Store(true)
	}
	*p = Pass{}
	s.release()
}

// Gate is asked for each attempt, after there is a place for it; false: t is not
// for c now. It is called by one goroutine at a time. What it returns, if not
// nil, is set when the attempt is over.
type Gate func(c *Call, t *Target) (over *atomic.Bool, ok bool)

// Enter takes a place at t for one attempt of c: the one that c holds since it
// has waited for it, or another.
func (c *Call) Enter(t *Target, nowMS int64) (p Pass, ok bool) {
	if c.Place.At(t) {
		p, ok = c.Place, true
		c.Place = Pass{}
	} else {
		p, ok = t.Enter(nowMS)
	}
	if ok && c.Gate != nil {
		over, ok := c.Gate(c, t)
		if !ok {
			p.Leave()
			return Pass{}, false
		}
		p.over = over
	}
	return p, ok
}

// acquire counts a request in unless there are limit already; 0 is no limit.
func (s *TargetState) acquire(limit uint32) bool {
	if limit == 0 || limit > math.MaxInt32 {
		s.InFlight.Add(1)
		return true
	}
	for {
		n := s.InFlight.Load()
		if n >= int32(limit) {
			return false
		}
		if s.InFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *TargetState) release() {
	s.InFlight.Add(-1)
	s.wake()
}

// wake tells whoever waits. It comes after the change that may let a waiter in,
// as the waiter looks once more after it has made itself known: one of the two
// sees the other.
func (s *TargetState) wake() {
	if w := s.waker.Load(); w != nil {
		(*w).Freed(s)
	}
}

// Watch has w told when a place may be free; nil: nobody waits any more.
func (s *TargetState) Watch(w *Waker) { s.waker.Store(w) }

// Awaited reports whether requests wait for the target: others come after them.
func (s *TargetState) Awaited() bool { return s != nil && s.waker.Load() != nil }

// LastUse is the Unix ms of the last attempt that told something, 0: none did.
func (s *TargetState) LastUse() int64 { return s.lastUse.Load() }

// Opened is how often the target's breaker has opened.
func (s *TargetState) Opened() int64 { return s.circuit.opened.Load() }

// Circuit is the state of t's breaker at nowMS (Unix ms).
func (t *Target) Circuit(nowMS int64) Circuit {
	if t.State == nil {
		return CircuitClosed
	}
	return t.State.Circuit(nowMS)
}

// Circuit is the state of the breaker at nowMS (Unix ms).
func (s *TargetState) Circuit(nowMS int64) Circuit { return s.circuit.state(nowMS) }

// Full reports whether t has as many requests as it may have.
func (t *Target) Full() bool {
	return t.MaxInFlight > 0 && t.State != nil && t.State.InFlight.Load() >= int32(min(t.MaxInFlight, math.MaxInt32))
}

// Resting is for how many ms from nowMS t is not to be used: its own pause, its
// breaker's, and that of its credentials where none is usable. 0: it may be.
func (t *Target) Resting(nowMS int64) int64 {
	var until int64
	if s := t.State; s != nil {
		open := s.circuit.end(nowMS)
		until = max(s.CooldownUntil.Load(), open)
		if open != 0 && s.circuit.probing(nowMS) {
			until = max(until, nowMS+probeWait) // until that is judged nobody knows
		}
	}
	if t.Provider != nil {
		until = max(until, t.Provider.usableAt(nowMS))
	}
	return max(0, until-nowMS)
}

// probeWait is what is reckoned for a probe that is on its way, in ms.
const probeWait = 1000

// Left is how many requests and tokens t's provider still takes before its own
// limit: the sum over the credentials that are usable. -1: it has not said.
func (t *Target) Left(nowMS int64) (requests, tokens int64) {
	requests, tokens = -1, -1
	if t.State != nil {
		requests, tokens = t.State.RequestsLeft.Load(), t.State.TokensLeft.Load()
	}
	if t.Provider == nil {
		return requests, tokens
	}
	first := true
	for _, c := range t.Provider.Credentials {
		if !c.Usable(nowMS) {
			continue
		}
		r, _, rok := c.Rate.Requests(nowMS)
		n, _, nok := c.Rate.Tokens(nowMS)
		requests, tokens = sum(requests, r, rok, first), sum(tokens, n, nok, first)
		first = false
	}
	return requests, tokens
}

// sum adds what one credential has left; where one does not say, all do not.
func sum(total, n int64, known, first bool) int64 {
	switch {
	case first && known:
		return n
	case first || !known || total < 0:
		return -1
	}
	return total + n
}

// Takes reports whether one credential of t's may still send tokens, as far as
// the provider has said.
func (t *Target) Takes(tokens, nowMS int64) bool {
	if t.Provider == nil || len(t.Provider.Credentials) == 0 {
		return true
	}
	for _, c := range t.Provider.Credentials {
		// A prompt beyond the whole limit is the provider's to refuse.
		if left, limit, ok := c.Rate.Tokens(nowMS); ok && left < tokens && (limit <= 0 || tokens <= limit) {
			continue
		}
		if c.Usable(nowMS) {
			return true
		}
	}
	return false
}

// usableAt is the Unix ms from which one of p's credentials is usable, 0 if one
// is now, or none is needed.
func (p *Provider) usableAt(nowMS int64) int64 {
	if len(p.Credentials) == 0 {
		return 0
	}
	soonest := int64(math.MaxInt64)
	for _, c := range p.Credentials {
		at := c.usableAt(nowMS)
		if at <= nowMS {
			return 0
		}
		soonest = min(soonest, at)
	}
	return soonest
}

// tokenWait is what is reckoned for a token that is being made.
const tokenWait = time.Second

// usableAt is the Unix ms from which c is usable, as far as that is known.
func (c *Credential) usableAt(nowMS int64) int64 {
	at := max(c.BenchedUntil.Load(), c.CooldownUntil.Load(), c.Rate.renewed(nowMS))
	if !c.Ready(nowMS) {
		at = max(at, nowMS+tokenWait.Milliseconds())
	}
	return at
}

// renewed is the Unix ms at which a spent limit is whole again, 0 if none is spent.
func (r *Rate) renewed(nowMS int64) (at int64) {
	if r.requests.spent(nowMS) {
		at = r.requests.reset.Load()
	}
	if r.tokens.spent(nowMS) {
		at = max(at, r.tokens.reset.Load())
	}
	return at
}
