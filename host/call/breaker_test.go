package call

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const noonMS = 1_773_403_200_000

var half = &Breaker{Errors: .5, Attempts: 4, Window: 10 * time.Second, Rest: 5 * time.Second, MaxRest: 15 * time.Second}

// broken is a target with a breaker, and the clock of its test.
type broken struct {
	*Target
	t   *testing.T
	now int64
}

func newBroken(t *testing.T, b *Breaker) *broken {
	return &broken{&Target{Name: "a/m", Breaker: b, State: NewTargetState()}, t, noonMS}
}

// try makes one attempt of that outcome, and reports whether it was let in.
func (b *broken) try(class wire.Class) bool {
	p, ok := b.Enter(b.now)
	if ok {
		p.Judge(class, b.now)
		p.Leave()
	}
	return ok
}

func (b *broken) is(want Circuit) {
	b.t.Helper()
	if got := b.Circuit(b.now); got != want {
		b.t.Fatalf("the circuit is %s; want %s", got, want)
	}
}

func TestBreakerOpens(t *testing.T) {
	f := func(want Circuit, outcomes ...wire.Class) {
		t.Helper()
		b := newBroken(t, half)
		for _, class := range outcomes {
			b.try(class)
		}
		b.is(want)
	}
	const ok, bad = wire.ClassNone, wire.ClassServer
	f(CircuitClosed, bad, bad, bad)
	f(CircuitOpen, bad, bad, bad, bad)
	f(CircuitOpen, ok, ok, bad, bad)
	f(CircuitClosed, bad, bad, ok, ok) // the next failure would
	f(CircuitOpen, bad, bad, ok, ok, bad)
	f(CircuitClosed, ok, ok, ok, bad, bad)
	for _, class := range []wire.Class{wire.ClassTimeout, wire.ClassNetwork, wire.ClassOverloaded} {
		f(CircuitOpen, class, class, class, class)
	}
	for _, class := range []wire.Class{wire.ClassInvalid, wire.ClassContentFilter, wire.ClassContextLength, wire.ClassModelNotFound,
		wire.ClassRateLimit, wire.ClassQuota, wire.ClassAuth, wire.ClassPolicy} {
		f(CircuitClosed, class, class, class, class, class, class)
	}
	f(CircuitClosed, bad, bad, bad, wire.ClassRateLimit) // it says nothing
	f(CircuitClosed, wire.ClassInvalid, wire.ClassInvalid, wire.ClassInvalid, wire.ClassInvalid, bad, bad)

	never := newBroken(t, nil)
	for range 100 {
		never.try(bad)
	}
	never.is(CircuitClosed)
}

func TestBreakerForgets(t *testing.T) {
	b := newBroken(t, half)
	for range 3 {
		b.try(wire.ClassServer)
		b.now += 3100
	}
	b.now += 800 // the first is older than the window now
	b.try(wire.ClassServer)
	b.is(CircuitClosed)
	b.now += 100
	b.try(wire.ClassServer)
	b.is(CircuitOpen)
}

func TestBreakerRecovers(t *testing.T) {
	b := newBroken(t, half)
	for range 4 {
		b.try(wire.ClassServer)
	}
	rests := func(ms int64) {
		t.Helper()
		b.is(CircuitOpen)
		if got := b.Resting(b.now); got != ms || b.try(wire.ClassNone) {
			t.Fatalf("it rests for %d ms; want %d", got, ms)
		}
		b.now += ms - 1
		b.is(CircuitOpen)
		b.now++
		b.is(CircuitHalfOpen)
	}
	for _, ms := range []int64{5000, 10000, 15000, 15000} {
		rests(ms)
		p, ok := b.Enter(b.now)
		if !ok || b.try(wire.ClassNone) || b.Resting(b.now) == 0 {
			t.Fatal("not exactly one probe is let in")
		}
		p.Judge(wire.ClassTimeout, b.now)
		p.Leave()
	}
	rests(15000)
	p, _ := b.Enter(b.now)
	p.Leave() // its caller left: nothing is known
	b.is(CircuitHalfOpen)
	if !b.try(wire.ClassRateLimit) { // there, if busy
		t.Fatal("no second probe is let in")
	}
	b.is(CircuitClosed)
	for range 3 {
		b.try(wire.ClassServer)
	}
	b.is(CircuitClosed) // it begins anew
	b.try(wire.ClassServer)
	rests(5000)
	if b.State.Opened() != 2 || b.State.InFlight.Load() != 0 {
		t.Errorf("it has opened %d times, %d are in flight", b.State.Opened(), b.State.InFlight.Load())
	}
}

// TestLateOutcomes: what was there before the breaker opened says nothing of
// the target as it is now, and a probe that broke off later counts again.
func TestLateOutcomes(t *testing.T) {
	b := newBroken(t, half)
	early, _ := b.Enter(b.now)
	for range 4 {
		b.try(wire.ClassServer)
	}
	early.Judge(wire.ClassNone, b.now)
	b.is(CircuitOpen)
	b.now += 5000
	p, _ := b.Enter(b.now)
	early.Judge(wire.ClassServer, b.now)
	early.Leave()
	b.is(CircuitHalfOpen)
	stream := p // its copy lives on in the stream
	p.Judge(wire.ClassNone, b.now)
	b.is(CircuitClosed)
	stream.Judge(wire.ClassServer, b.now)
	stream.Leave()
	stream.Leave()
	for range 2 {
		b.try(wire.ClassServer)
	}
	b.is(CircuitClosed)
	b.try(wire.ClassServer)
	b.is(CircuitOpen)
	if n := b.State.InFlight.Load(); n != 0 {
		t.Errorf("%d are in flight", n)
	}
}

func TestForgottenProbeMakesWay(t *testing.T) {
	b := newBroken(t, half)
	for range 4 {
		b.try(wire.ClassServer)
	}
	b.now += 5000
	lost, _ := b.Enter(b.now)
	b.now += forgottenProbe.Milliseconds()
	if !b.try(wire.ClassNone) {
		t.Fatal("nobody is let in any more")
	}
	lost.Judge(wire.ClassServer, b.now)
	b.is(CircuitClosed)
}

// TestBreakerAtOnce: many threads never get two probes in, nor more than fit.
func TestBreakerAtOnce(t *testing.T) {
	b := newBroken(t, &Breaker{Errors: .5, Attempts: 10, Window: time.Second, Rest: time.Millisecond, MaxRest: 4 * time.Millisecond})
	b.MaxInFlight = 3
	var clock, there, probes atomic.Int64
	clock.Store(noonMS)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			for range 5000 {
				now := clock.Add(int64(rng.IntN(2)))
				p, ok := b.Enter(now)
				if !ok {
					continue
				}
				if n := there.Add(1); n > 3 {
					t.Errorf("%d are there at once", n)
				}
				if p.probe != 0 {
					if n := probes.Add(1); n > 1 {
						t.Errorf("%d probes at once", n)
					}
					probes.Add(-1)
				}
				p.Judge([]wire.Class{wire.ClassNone, wire.ClassServer, wire.ClassAuth}[rng.IntN(3)], now)
				there.Add(-1)
				p.Leave()
			}
		})
	}
	wg.Wait()
	if n := b.State.InFlight.Load(); n != 0 || b.State.Opened() == 0 {
		t.Errorf("%d are in flight, it has opened %d times", n, b.State.Opened())
	}
}

func TestRestingAndLeft(t *testing.T) {
	cred := func(benched, cooling int64, requests, tokens int64) *Credential {
		c := &Credential{}
		c.BenchedUntil.Store(benched)
		c.CooldownUntil.Store(cooling)
		if requests >= 0 {
			c.Rate.Note(RequestsRemaining, requests)
			c.Rate.Note(RequestsReset, noonMS+7000)
		}
		if tokens >= 0 {
			c.Rate.Note(TokensRemaining, tokens)
			c.Rate.Note(TokensReset, noonMS+9000)
		}
		return c
	}
	f := func(resting, requests, tokens int64, creds ...*Credential) {
		t.Helper()
		tgt := &Target{Name: "a/m", State: NewTargetState(), Provider: &Provider{Name: "a", Credentials: creds}}
		if got := tgt.Resting(noonMS); got != resting {
			t.Errorf("it rests for %d; want %d", got, resting)
		}
		if r, n := tgt.Left(noonMS); r != requests || n != tokens {
			t.Errorf("left are %d and %d; want %d and %d", r, n, requests, tokens)
		}
	}
	f(0, -1, -1)
	f(0, -1, -1, cred(0, 0, -1, -1))
	f(0, 5, 100, cred(0, 0, 5, 100))
	f(0, 8, 150, cred(0, 0, 5, 100), cred(0, 0, 3, 50))
	f(0, 5, 100, cred(0, 0, 5, 100), cred(noonMS+1, 0, 3, 50), cred(0, 0, 0, 50), cred(0, 0, 0, -1), cred(0, 0, -1, 0), cred(0, 0, 0, 0))
	f(0, -1, 100, cred(0, 0, 5, 50), cred(0, 0, -1, 50))
	f(3000, -1, -1, cred(noonMS+3000, 0, 5, 100))
	f(2000, -1, -1, cred(noonMS+3000, 0, -1, -1), cred(0, noonMS+2000, -1, -1))
	f(0, -1, -1, cred(noonMS+3000, 0, -1, -1), cred(0, noonMS, -1, -1))
	f(7000, -1, -1, cred(0, 0, 0, 100))
	f(9000, -1, -1, cred(0, 0, 0, 0))
}

func TestTakes(t *testing.T) {
	a, b := &Credential{}, &Credential{}
	a.Rate.Note(TokensRemaining, 100)
	a.Rate.Note(TokensLimit, 1000)
	a.Rate.Note(TokensReset, noonMS+1)
	b.BenchedUntil.Store(noonMS + 1)
	tgt := &Target{State: NewTargetState(), Provider: &Provider{Credentials: []*Credential{a, b}}}
	f := func(tokens, now int64, want bool) {
		t.Helper()
		if got := tgt.Takes(tokens, now); got != want {
			t.Errorf("%d tokens: got %v", tokens, got)
		}
	}
	f(100, noonMS, true)
	f(101, noonMS, false)
	f(1001, noonMS, true) // the provider may say so itself
	f(101, noonMS+1, true)
}

func TestNotTaken(t *testing.T) {
	f := func(tgt *Target, status int, code string, after time.Duration) {
		t.Helper()
		if e := NotTaken(tgt, noonMS); e.Status != status || e.Code != code || e.RetryAfter != after {
			t.Errorf("got %d %s after %s; want %d %s after %s", e.Status, e.Code, e.RetryAfter, status, code, after)
		}
	}
	target := func(change func(*Target, *Credential)) *Target {
		c := &Credential{}
		tgt := &Target{Name: "a/m", State: NewTargetState(), Breaker: half, MaxInFlight: 1, Provider: &Provider{Name: "a", Credentials: []*Credential{c}}}
		change(tgt, c)
		return tgt
	}
	f(target(func(t *Target, _ *Credential) { t.State.InFlight.Store(1) }), 429, "saturated", time.Second)
	f(target(func(t *Target, _ *Credential) { t.State.CooldownUntil.Store(noonMS + 4000) }), 429, "provider_rate_limited", 4*time.Second)
	f(target(func(_ *Target, c *Credential) { c.CooldownUntil.Store(noonMS + 4000) }), 429, "provider_rate_limited", 4*time.Second)
	f(target(func(_ *Target, c *Credential) { c.BenchedUntil.Store(noonMS + 60000) }), 502, "provider_credentials", time.Minute)
	f(target(func(_ *Target, c *Credential) { c.Minted = true }), 503, "provider_token", time.Second)
	f(target(func(t *Target, _ *Credential) { t.Provider.Publish(NewEndpoints(nil)) }), 503, "provider_down", time.Second)
	f(target(func(t *Target, _ *Credential) {
		b := broken{Target: t, now: noonMS}
		for range 4 {
			b.try(wire.ClassServer)
		}
	}), 503, "provider_resting", 5*time.Second)
}

func BenchmarkPass(b *testing.B) {
	t := &Target{Breaker: half, State: NewTargetState(), MaxInFlight: 10}
	b.ReportAllocs()
	for b.Loop() {
		p, _ := t.Enter(noonMS)
		p.Judge(wire.ClassNone, noonMS)
		p.Leave()
	}
}

func BenchmarkClosedBreaker(b *testing.B) {
	t := &Target{Breaker: half, State: NewTargetState()}
	c := &t.State.circuit
	b.ReportAllocs()
	for b.Loop() {
		c.allow(noonMS)
		c.count(half, false, noonMS)
	}
}

// TestClockSetBack: a rest is no longer than it was meant to be because the
// clock was set back, and what was counted later than now does not count.
func TestClockSetBack(t *testing.T) {
	b := newBroken(t, half)
	for range 4 {
		b.try(wire.ClassServer)
	}
	b.now -= 30_000 // requests came in a while before they look
	b.is(CircuitOpen)
	b.now -= 3_600_000
	b.is(CircuitHalfOpen)
	if b.Resting(b.now) != 0 || !b.try(wire.ClassServer) {
		t.Fatal("nobody is let in")
	}
	b.is(CircuitOpen)
	b.now += 10_000
	if !b.try(wire.ClassNone) {
		t.Fatal("nobody is let in after the rest")
	}
	b.is(CircuitClosed)

	b = newBroken(t, half)
	for range 3 {
		b.try(wire.ClassServer)
	}
	b.now -= 3_600_000
	b.try(wire.ClassServer)
	b.is(CircuitClosed)
}
