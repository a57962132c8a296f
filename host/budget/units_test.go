package budget

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

func inUnit(l call.Limit, unit call.Unit, way call.OnExceed) call.Limit {
	l.Unit, l.OnExceed = unit, way
	return l
}

// TestUnitsAllOrNothing: each limit takes the amount of its own unit, and a
// request that one has no room for takes nothing of the others.
func TestUnitsAllOrNothing(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{})
	ch := chain(t, p, limit("key/a", "day", 1000), inUnit(limit("key/a", "day", 500), call.UnitTokens, 0), inUnit(limit("key/a", "day", 3), call.UnitRequests, 0))
	f := func(need Amounts, unit call.Unit, passes bool, spent Amounts) {
		t.Helper()
		var ticket Ticket
		d := p.Reserve(&ticket, 1, ch, testTime, need)
		if (d == nil) != passes || d != nil && (d.Unavailable || d.Limit.Unit != unit) {
			t.Errorf("%v: got %+v; want a refusal by %s: %t", need, d, unit, !passes)
		}
		ticket.Settle(spent)
	}
	f(Amounts{1001, 1, 1}, call.UnitUSD, false, Amounts{})
	f(Amounts{1, 501, 1}, call.UnitTokens, false, Amounts{})
	f(Amounts{900, 500, 1}, 0, true, Amounts{100, 400, 1})
	f(Amounts{900, 101, 1}, call.UnitTokens, false, Amounts{})
	f(Amounts{900, 100, 1}, 0, true, Amounts{900, 0, 1})
	f(Amounts{1, 1, 1}, call.UnitUSD, false, Amounts{})
	f(Amounts{0, 100, 1}, 0, true, Amounts{}) // released: the request counts no more
	f(Amounts{0, 100, 1}, 0, true, Amounts{0, 100, 1})
	f(Amounts{0, 0, 1}, call.UnitRequests, false, Amounts{})
	closePool(t, p)
	if got := bank.total(t); got != 1000+500+3 {
		t.Errorf("the bank has %d out; want 1503", got)
	}
}

// TestUnitsSurviveAKill: what an orphan holds of each unit is known.
func TestUnitsSurviveAKill(t *testing.T) {
	dir, bank := t.TempDir(), newMemBank()
	p := openPool(t, dir, bank, Options{})
	limits := []call.Limit{limit("key/a", "day", 1000), inUnit(limit("key/a", "day", 500), call.UnitTokens, 0), inUnit(limit("org/o", "total", 9), call.UnitRequests, 0)}
	var ticket Ticket
	if d := p.Reserve(&ticket, 7, chain(t, p, limits...), testTime, Amounts{60, 30, 1}); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	ticket.Sent()
	crash(p)
	p = openPool(t, dir, bank, Options{})
	all := p.Orphans()
	if len(all) != 1 || all[0].Amounts != (Amounts{60, 30, 1}) || !all[0].Sent {
		t.Fatalf("orphans %+v", all)
	}
	p.Resolve(all[0], Amounts{50, 30, 1})
	closePool(t, p)
	if got := bank.total(t); got != 50+30+1 {
		t.Errorf("the bank has %d out; want 81", got)
	}
}

func TestStrictestHolds(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{})
	clamp, deny, warn := inUnit(limit("key/a", "day", 10), 0, call.OnClamp), limit("key/a", "day", 20), inUnit(limit("key/a", "day", 5), 0, call.OnWarn)
	ch := chain(t, p, clamp, deny, warn)
	if b := ch.limits[0]; len(ch.limits) != 1 || b.limit.Max != 10 || b.limit.OnExceed != call.OnDeny || b.soft.Max != 5 {
		t.Errorf("merged to %+v", ch.limits)
	}
	// Of several that refuse, the strictest is what the caller hears of.
	both := chain(t, p, inUnit(limit("key/b", "day", 1), 0, call.OnStream), inUnit(limit("team/b", "day", 2), 0, call.OnClamp), limit("org/b", "day", 3))
	f := func(n int64, scope string) {
		t.Helper()
		var ticket Ticket
		if d := p.Reserve(&ticket, 1, both, testTime, usd(n)); d == nil || d.Scope != scope {
			t.Errorf("%d: got %+v; want a refusal by %s", n, d, scope)
		}
	}
	f(2, "key/b")
	f(3, "team/b")
	f(4, "org/b")
	if ch := chain(t, p, call.Limit{Scope: "key/a", Unit: call.UnitRequests, Rate: true, Max: 1}); ch != nil {
		t.Error("a rate is held as a budget")
	}
}

// TestSoftLimits: they never refuse, tell when they are passed, and go on when
// the bank is gone, which books what was spent when it is back.
func TestSoftLimits(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{Wait: 20 * time.Millisecond})
	soft := inUnit(limit("team/a", "day", 100), 0, call.OnWarn)
	ch := chain(t, p, soft)
	var ticket Ticket
	f := func(n int64, passed bool) {
		t.Helper()
		if d := p.Reserve(&ticket, 1, ch, testTime, usd(n)); d != nil {
			t.Fatalf("a soft limit refuses: %+v", *d)
		}
		if l, ok := ticket.Passed(); ok != passed || ok && l.Max != 100 {
			t.Errorf("at %d: passed %t, %+v; want %t", n, ok, l, passed)
		}
		ticket.Settle(usd(n))
	}
	f(60, false)
	f(40, false)
	f(1, true)
	bank.mu.Lock()
	bank.before = func() error { return errDown }
	bank.mu.Unlock()
	f(1_000_000, true)
	for !p.Stats().BankDown {
		awaitRound(p)
	}
	f(1000, true)
	unknown := chain(t, p, inUnit(limit("team/b", "day", 100), 0, call.OnWarn)) // the bank was never asked of it
	if d := p.Reserve(&ticket, 1, unknown, testTime, usd(5)); d != nil {
		t.Fatalf("a soft limit refuses: %+v", *d)
	}
	ticket.Settle(usd(5))
	hard := chain(t, p, soft, limit("key/a", "day", 100))
	if d := p.Reserve(&ticket, 1, hard, testTime, usd(5)); d == nil || !d.Unavailable || d.Scope != "key/a" {
		t.Fatalf("a hard limit beside it gives %+v; want unavailable", d)
	}
	bank.mu.Lock()
	bank.before = nil
	bank.max[1] = 1 << 62
	bank.mu.Unlock()
	closePool(t, p)
	if got := bank.total(t); got != 60+40+1+1_000_000+1000 {
		t.Errorf("the bank has %d out; want 1001101", got)
	}
}

// TestRollingIsNeverPassed spends as fast as it may over a clock that jumps, and
// looks at every stretch of a window's length.
func TestRollingIsNeverPassed(t *testing.T) {
	for _, w := range []call.Window{{Unit: "hour", Size: 1, Rolling: true}, {Unit: "day", Size: 1, Rolling: true}, {Unit: "day", Size: 30, Rolling: true},
		{Unit: "minute", Size: 5, Rolling: true}, {Unit: "week", Size: 1, Rolling: true, TZ: "Europe/Berlin"}, {Unit: "month", Size: 1, Rolling: true}} {
		bank := newMemBank()
		p := openPool(t, t.TempDir(), bank, Options{})
		ch := chain(t, p, call.Limit{Scope: "key/a", Window: w, Max: 1000})
		length := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 168 * time.Hour, "month": 720 * time.Hour}[w.Unit] * time.Duration(w.Size)
		type spending struct {
			at time.Time
			n  int64
		}
		var all []spending
		rnd := rand.New(rand.NewPCG(3, uint64(length)))
		now, sum := time.Date(2024, 2, 28, 22, 0, 0, 0, time.UTC), int64(0) // over a leap day and days on which clocks change
		for range 400 {
			now = now.Add(time.Duration(rnd.Int64N(int64(length / 12))))
			var ticket Ticket
			n := 1 + rnd.Int64N(200)
			if p.Reserve(&ticket, 1, ch, now, usd(n)) == nil {
				ticket.Settle(usd(n))
				all = append(all, spending{now, n})
				sum += n
			}
		}
		for i, first := range all {
			in := int64(0)
			for _, s := range all[i:] {
				if s.at.Sub(first.at) < length {
					in += s.n
				}
			}
			if in > 1000 {
				t.Errorf("%+v: %d were spent within %v of %v", w, in, length, first.at)
			}
		}
		// All of it comes back: over so many windows nearly as many limits are spent.
		if windows := int64(now.Sub(all[0].at) / length); sum < windows*800 {
			t.Errorf("%+v: %d were spent in %d windows of 1000", w, sum, windows)
		}
	}
}

// TestSharedChainsAtOnce has many goroutines build chains and reserve on them.
func TestSharedChainsAtOnce(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				ch := chain(t, p, limit("key/a", "day", 1<<40), inUnit(limit("key/a", "day", 1<<40), call.UnitTokens, 0))
				var ticket Ticket
				if d := p.Reserve(&ticket, 1, ch, testTime, Amounts{5, 6, 1}); d != nil {
					t.Errorf("denied: %+v", *d)
				}
				ticket.Settle(Amounts{5, 6, 1})
				p.Lines(testTime, 10)
				p.Room(ch, testTime)
			}
		})
	}
	wg.Wait()
}
