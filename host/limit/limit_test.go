package limit

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestMain(m *testing.M) {
	// rueidis looks at a cluster's nodes a second after a connection broke.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

func requests(scope string, n int64, unit string) call.Limit {
	return call.Limit{Scope: scope, Unit: call.UnitRequests, Max: n, Rate: true, Window: call.Window{Unit: unit, Size: 1}}
}

func tokens(scope string, n int64, unit string) call.Limit {
	l := requests(scope, n, unit)
	l.Unit = call.UnitTokens
	return l
}

func atOnce(scope string, n int64) call.Limit {
	return call.Limit{Scope: scope, Unit: call.UnitConcurrent, Max: n, Rate: true}
}

func chainOf(t testing.TB, l *Limits, limits ...call.Limit) *Chain {
	t.Helper()
	ch, err := l.Chain(limits)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// logged is the exact sliding log of what was let in.
type logged struct {
	length time.Duration
	at     []time.Time
	n      []int64
}

func (g *logged) add(at time.Time, n int64) { g.at, g.n = append(g.at, at), append(g.n, n) }

// within is what was let in within the window that ends with now, now included.
func (g *logged) within(now time.Time) (sum int64) {
	for i := len(g.at) - 1; i >= 0; i-- {
		if g.at[i].After(now.Add(-g.length)) {
			sum += g.n[i]
		}
	}
	return sum
}

// TestNeverMoreThanTheLog lets requests of all kinds of patterns in and
// compares with an exact log: no window ever holds more than its limit, and
// what is refused would not have fitted into a window that is a cell longer.
func TestNeverMoreThanTheLog(t *testing.T) {
	f := func(unit string, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			length := units[unit]
			l := New(Options{})
			maxReq, maxTok := 1+rnd.Int64N(50), 100+rnd.Int64N(1000)
			ch := chainOf(t, l, requests("key/a", maxReq, unit), tokens("key/a", maxTok, unit))
			reqs, toks := logged{length: length}, logged{length: length}
			longer := length + length/cells
			passed := 0
			for range 3000 {
				if rnd.IntN(8) == 0 {
					time.Sleep(time.Duration(rnd.Int64N(int64(length) / 2)))
				} else {
					time.Sleep(time.Duration(rnd.Int64N(int64(length) / (4 * maxReq))))
				}
				now, n := time.Now(), rnd.Int64N(maxTok/4)
				var tk Ticket
				denied := tk.Take(l, ch, now, n)
				if denied == nil {
					passed++
					reqs.add(now, 1)
					toks.add(now, n)
					if r, k := reqs.within(now), toks.within(now); r > maxReq || k > maxTok {
						t.Fatalf("%s: a window holds %d requests of %d and %d tokens of %d", unit, r, maxReq, k, maxTok)
					}
					continue
				}
				r, k := logged{longer, reqs.at, reqs.n}, logged{longer, toks.at, toks.n}
				if r.within(now)+1 <= maxReq && k.within(now)+n <= maxTok {
					t.Fatalf("%s: refused by %v, though %d of %d and %d+%d of %d are in a window a cell longer", unit, denied.Limit, r.within(now), maxReq, k.within(now), n, maxTok)
				}
				if denied.Wait <= 0 || denied.Wait > longer {
					t.Fatalf("%s: the wait is %s", unit, denied.Wait)
				}
			}
			if passed == 0 || passed == 3000 {
				t.Errorf("%s: %d of 3000 passed: the pattern tests nothing", unit, passed)
			}
		})
	}
	for seed := range uint64(4) {
		f("minute", seed)
		f("hour", seed)
		f("day", seed)
	}
}

// TestWaitIsEnough: whoever comes back after the time that was told is let in.
func TestWaitIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		ch := chainOf(t, l, requests("key/a", 10, "hour"), tokens("key/a", 1000, "minute"))
		rnd, refused := rand.New(rand.NewPCG(3, 3)), 0
		for range 500 {
			time.Sleep(time.Duration(rnd.Int64N(int64(4 * time.Minute))))
			var tk Ticket
			n := rnd.Int64N(900)
			if d := tk.Take(l, ch, time.Now(), n); d != nil {
				refused++
				time.Sleep(d.Wait)
				if again := tk.Take(l, ch, time.Now(), n); again != nil {
					t.Fatalf("refused again by %v after the wait of %s, for %s more", again.Limit, d.Wait, again.Wait)
				}
			}
		}
		if refused == 0 {
			t.Error("nothing was refused")
		}
	})
}

// TestTenAnHour: of 200 that come at once ten pass, and none of the next ones
// before the hour is over; then ten again.
func TestTenAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		ch := chainOf(t, l, requests("key/a", 10, "hour"))
		burst := func() int64 {
			var passed atomic.Int64
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(func() {
					var tk Ticket
					if tk.Take(l, ch, time.Now(), 0) == nil {
						passed.Add(1)
					}
				})
			}
			wg.Wait()
			return passed.Load()
		}
		time.Sleep(59 * time.Minute) // bursts at both sides of a full hour
		if n := burst(); n != 10 {
			t.Fatalf("%d of 200 passed; want 10", n)
		}
		for range 59 {
			time.Sleep(time.Minute)
			if n := burst(); n != 0 {
				t.Fatalf("%d more passed within the hour", n)
			}
		}
		time.Sleep(2 * time.Minute)
		if n := burst(); n != 10 {
			t.Errorf("%d passed after the hour; want 10", n)
		}
	})
}

// TestAllOrNothing: what one limit refuses takes nothing of the others.
func TestAllOrNothing(t *testing.T) {
	l := New(Options{})
	wide := chainOf(t, l, requests("team/a", 100, "minute"))
	both := chainOf(t, l, requests("team/a", 100, "minute"), requests("key/a", 1, "minute"), atOnce("key/a", 5))
	now := time.Now()
	passed := 0
	for range 50 {
		var tk Ticket
		if tk.Take(l, both, now, 0) == nil {
			passed++
			tk.Leave(now)
		}
	}
	for range 200 {
		var tk Ticket
		if tk.Take(l, wide, now, 0) == nil {
			passed++
		}
	}
	if passed != 100 {
		t.Errorf("%d passed; want 100, what is refused takes nothing", passed)
	}
}

// TestTightest: the limit that has to be waited for longest is the one named.
func TestTightest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		ch := chainOf(t, l, requests("team/a", 1, "hour"), requests("key/a", 1, "minute"), tokens("key/a", 10, "day"))
		var tk Ticket
		tk.Take(l, ch, time.Now(), 1)
		if d := tk.Take(l, ch, time.Now(), 1); d == nil || d.Limit.Scope != "team/a" || d.Wait < time.Hour {
			t.Errorf("got %+v; want the team's limit and an hour", d)
		}
		if d := tk.Take(l, ch, time.Now(), 11); d == nil || d.Limit.Unit != call.UnitTokens || !d.Never {
			t.Errorf("got %+v; want the limit of tokens, which never takes as many", d)
		}
	})
}

// TestCorrection: what was estimated is corrected both ways, and what is known
// late counts when it is known.
func TestCorrection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		ch := chainOf(t, l, tokens("key/a", 1000, "minute"))
		left := func(want int64) {
			t.Helper()
			var tk Ticket
			if d := tk.Take(l, ch, time.Now(), 0); d != nil {
				t.Fatalf("refused: %+v", d)
			}
			if got := tk.State().Tokens.Left; got != want {
				t.Errorf("%d tokens are left; want %d", got, want)
			}
		}
		var a, b, c Ticket
		a.Take(l, ch, time.Now(), 900)
		left(100)
		a.Settle(time.Now(), 200)
		a.Settle(time.Now(), 999) // only the first counts
		left(800)
		b.Take(l, ch, time.Now(), 100)
		b.Cancel(time.Now())
		left(800)
		c.Take(l, ch, time.Now(), 100)
		time.Sleep(5 * time.Minute)
		left(1000)
		c.Settle(time.Now(), 700)
		left(400)
		c = Ticket{}
		c.Take(l, ch, time.Now(), 10)
		time.Sleep(5 * time.Minute)
		c.Settle(time.Now(), 0) // gives back what is forgotten by now
		left(1000)
	})
}

// TestCancelledRequest gives its place in the window back.
func TestCancelledRequest(t *testing.T) {
	l := New(Options{})
	ch := chainOf(t, l, requests("key/a", 1, "minute"), atOnce("key/a", 1))
	now := time.Now()
	for range 3 {
		var tk Ticket
		if d := tk.Take(l, ch, now, 0); d != nil {
			t.Fatalf("refused: %+v", d)
		}
		tk.Cancel(now)
	}
	var tk, other Ticket
	tk.Take(l, ch, now, 0)
	if d := other.Take(l, ch, now, 0); d == nil {
		t.Error("two requests passed")
	}
}

// TestAtOnce: never more run than may, whatever ends them.
func TestAtOnce(t *testing.T) {
	l := New(Options{})
	ch := chainOf(t, l, atOnce("key/a", 4), atOnce("team/a", 6))
	var running, most, passed atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for range 200 {
				var tk Ticket
				if tk.Take(l, ch, time.Now(), 0) != nil {
					continue
				}
				passed.Add(1)
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				running.Add(-1)
				if i%2 == 0 {
					tk.Settle(time.Now(), 0)
				} else {
					tk.Cancel(time.Now())
				}
				tk.Leave(time.Now())
			}
		})
	}
	wg.Wait()
	if most.Load() > 4 || passed.Load() == 0 {
		t.Errorf("%d ran at once of %d that passed; want 4 at most", most.Load(), passed.Load())
	}
	if s := l.Stats(); s.Running != 0 {
		t.Errorf("%d still run", s.Running)
	}
}

// TestWarn: a soft limit lets all through and counts what is beyond.
func TestWarn(t *testing.T) {
	l := New(Options{})
	soft := requests("team/a", 2, "minute")
	soft.OnExceed = call.OnWarn
	ch := chainOf(t, l, soft)
	for range 5 {
		var tk Ticket
		if d := tk.Take(l, ch, time.Now(), 0); d != nil {
			t.Fatalf("refused: %+v", d)
		}
	}
	var n int64
	l.Refusals(func(v int64, kind, unit string, soft bool) {
		if kind == "team" && unit == "requests" && soft {
			n = v
		}
	})
	if n != 3 {
		t.Errorf("%d were beyond the soft limit; want 3", n)
	}
}

// TestForgotten: counters that count nothing are let go of, and a chain that
// holds one finds the one that took its place.
func TestForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		old := chainOf(t, l, requests("key/a", 1, "minute"))
		var tk Ticket
		tk.Take(l, old, time.Now(), 0)
		time.Sleep(2 * time.Minute)
		l.counters.mu.Lock()
		l.counters.forget(l.at(time.Now()))
		n := len(l.counters.m)
		l.counters.mu.Unlock()
		if n != 0 {
			t.Fatalf("%d counters are kept that count nothing", n)
		}
		fresh := chainOf(t, l, requests("key/a", 1, "minute"))
		if d := tk.Take(l, fresh, time.Now(), 0); d != nil {
			t.Fatalf("refused: %+v", d)
		}
		if d := tk.Take(l, old, time.Now(), 0); d == nil {
			t.Error("the old chain counts apart from the new one")
		}
	})
}

func TestCheck(t *testing.T) {
	f := func(l call.Limit, good bool) {
		t.Helper()
		if err := Check(&l); (err == nil) != good {
			t.Errorf("%+v: %v", l, err)
		}
	}
	f(requests("key/a", 0, "minute"), true)
	f(requests("key/a", 5, "week"), true)
	f(atOnce("key/a", 5), true)
	f(requests("key/a", 5, "month"), false)
	f(requests("key/a", -1, "minute"), false)
	f(call.Limit{Scope: "key/a", Unit: call.UnitUSD, Rate: true, Window: call.Window{Unit: "minute", Size: 1}}, false)
	f(call.Limit{Scope: "key/a", Unit: call.UnitRequests, Window: call.Window{Unit: "minute", Size: 1}}, false)
	f(call.Limit{Scope: "key/a", Unit: call.UnitRequests, Rate: true, Window: call.Window{Unit: "minute", Size: 1, TZ: "Europe/Berlin"}}, false)
	f(call.Limit{Scope: "key/a", Unit: call.UnitRequests, Rate: true, Window: call.Window{Unit: "week", Size: 54}}, false)
	f(call.Limit{Scope: "key/a", Unit: call.UnitRequests, Rate: true, Window: call.Window{Unit: "day"}}, false)
	f(call.Limit{Scope: "key/a", Unit: call.UnitTokens, Rate: true, OnExceed: call.OnClamp, Window: call.Window{Unit: "day", Size: 1}}, false)
}

func four(t testing.TB, l *Limits) *Chain {
	return chainOf(t, l, requests("key/a", 1<<40, "minute"), tokens("key/a", 1<<40, "minute"), requests("team/a", 1<<40, "hour"), atOnce("org/a", 1<<20))
}

func TestTakeAllocatesNothing(t *testing.T) {
	l := New(Options{})
	ch, now := four(t, l), time.Now()
	var tk Ticket
	if n := testing.AllocsPerRun(1000, func() {
		tk.Take(l, ch, now, 100)
		tk.Settle(now, 80)
	}); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkTake(b *testing.B) {
	l := New(Options{})
	ch, now := four(b, l), time.Now()
	b.ReportAllocs()
	var tk Ticket
	for b.Loop() {
		tk.Take(l, ch, now, 100)
		tk.Settle(now, 80)
	}
}

func BenchmarkTakeParallel(b *testing.B) {
	l := New(Options{})
	ch, now := four(b, l), time.Now()
	b.RunParallel(func(pb *testing.PB) {
		var tk Ticket
		for pb.Next() {
			tk.Take(l, ch, now, 100)
			tk.Settle(now, 80)
		}
	})
}

// TestWhatIsLeasedIsNoPartOfARefusal: what was refused was asked for beyond what
// is leased; less than that is asked for again.
func TestWhatIsLeasedIsNoPartOfARefusal(t *testing.T) {
	s, c := share{leases: [2]lease{{left: 1, end: 100}}, dryFrom: 2, dryUntil: 50, wait: 7}, &counter{unit: call.UnitTokens}
	for need, want := range map[int64]verdict{1: fits, 2: short, 3: over} {
		if v, _ := s.look(c, 10, need); v != want {
			t.Errorf("%d: got %v; want %v", need, v, want)
		}
	}
}
