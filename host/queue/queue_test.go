package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func target(limit uint32) *call.Target {
	return &call.Target{Name: "a/m", State: call.NewTargetState(), MaxInFlight: limit}
}

// full returns a target with one place, which is taken.
func full(t *testing.T) (*call.Target, *call.Pass) {
	t.Helper()
	tgt := target(1)
	p, ok := tgt.Enter(time.Now().UnixMilli())
	if !ok {
		t.Fatal("an empty target takes no request")
	}
	return tgt, &p
}

func ask(tgt *call.Target, c Class, key string) *Ask {
	return &Ask{Model: "m", Class: c, Key: key, Targets: []*call.Target{tgt}, Until: time.Now().Add(time.Hour)}
}

// queued starts requests one after another and notes the order in which they
// are served, each for took.
type queued struct {
	room  *Room
	took  time.Duration
	wg    sync.WaitGroup
	mu    sync.Mutex
	order []string
}

func (q *queued) add(name string, a *Ask) {
	q.wg.Go(func() {
		p, refused := q.room.Wait(a)
		q.mu.Lock()
		if refused != nil {
			name += "!" + ReasonNames[refused.Reason]
		}
		q.order = append(q.order, name)
		q.mu.Unlock()
		if refused == nil {
			time.Sleep(q.took)
			p.Leave()
		}
	})
	synctest.Wait()
}

func (q *queued) want(t *testing.T, want ...string) {
	t.Helper()
	q.wg.Wait()
	if !slices.Equal(q.order, want) {
		t.Errorf("got  %v\nwant %v", q.order, want)
	}
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt, p := full(t)
		q := &queued{room: New(Options{Size: 100, Wait: time.Minute}), took: time.Millisecond}
		for i := range 3 {
			q.add(fmt.Sprintf("flood%d", i), ask(tgt, Normal, "flood"))
		}
		q.add("low", ask(tgt, Low, "other"))
		q.add("other0", ask(tgt, Normal, "other"))
		q.add("other1", ask(tgt, Normal, "other"))
		q.add("high", ask(tgt, High, "flood"))
		p.Leave()
		q.want(t, "high", "flood0", "other0", "flood1", "other1", "flood2", "low")
		if s := q.room.Stats(); s.Waits != 7 || s.Depth != [3]int{} || tgt.State.InFlight.Load() != 0 {
			t.Errorf("got %+v, %d in flight", s, tgt.State.InFlight.Load())
		}
	})
}

// TestAging: who has waited for long comes before the more urgent that come later.
func TestAging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt, p := full(t)
		q := &queued{room: New(Options{Size: 100, Wait: 8 * time.Second}), took: time.Millisecond}
		q.add("low", ask(tgt, Low, "a"))
		time.Sleep(2500 * time.Millisecond) // now normal
		q.add("normal", ask(tgt, Normal, "a"))
		time.Sleep(2500 * time.Millisecond) // now high, as the other is
		q.add("high", ask(tgt, High, "a"))
		p.Leave()
		q.want(t, "low", "normal", "high")
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt, p := full(t)
		defer p.Leave()
		f := func(opt Options, a *Ask, why Reason, after time.Duration) {
			t.Helper()
			_, refused := New(opt).Wait(a)
			if refused == nil || refused.Reason != why || refused.RetryAfter != after {
				t.Errorf("got %+v; want %s after %s", refused, ReasonNames[why], after)
			}
		}
		opt := Options{Size: 1, Wait: 10 * time.Second}
		f(Options{Wait: time.Second}, ask(tgt, Normal, "a"), Hopeless, time.Second)
		f(opt, ask(tgt, Normal, "a"), Late, time.Second)
		soon := ask(tgt, Normal, "a")
		soon.Until = time.Now().Add(-time.Second)
		f(opt, soon, Hopeless, time.Second)
		resting := target(0)
		resting.State.CooldownUntil.Store(time.Now().Add(30 * time.Second).UnixMilli())
		f(opt, ask(resting, Normal, "a"), Hopeless, 30*time.Second)
		both := ask(resting, Normal, "a")
		both.Targets = append(both.Targets, tgt)
		f(opt, both, Late, time.Second) // the other may be free in a moment
		stopped := New(opt)
		stopped.Stop()
		if _, refused := stopped.Wait(ask(tgt, Normal, "a")); refused == nil || refused.Reason != Stopped {
			t.Errorf("stopped: got %+v", refused)
		}
	})
}

// TestHopelessBySpeed: once it is known how fast requests are served, what would
// wait too long is told at once.
func TestHopelessBySpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt, p := full(t)
		q := &queued{room: New(Options{Size: 100, Wait: 10 * time.Second}), took: 3 * time.Second}
		q.add("1", ask(tgt, Normal, "a"))
		q.add("2", ask(tgt, Normal, "a"))
		time.Sleep(2900 * time.Millisecond) // not when the room looks by itself, which is no measure
		p.Leave()
		synctest.Wait()
		time.Sleep(time.Second)
		q.add("3", ask(tgt, Normal, "a"))
		q.add("4", ask(tgt, Normal, "a"))
		begin := time.Now()
		_, refused := q.room.Wait(ask(tgt, Normal, "a")) // three before it, 2.9 s each
		if refused == nil || refused.Reason != Hopeless || time.Since(begin) != 0 || refused.RetryAfter != 11600*time.Millisecond {
			t.Errorf("got %+v after %s", refused, time.Since(begin))
		}
		urgent := ask(tgt, High, "a")
		q.add("urgent", urgent)
		q.want(t, "1", "2", "urgent", "3", "4!late") // the urgent one came in between
	})
}

func TestMoreUrgentPushesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt, p := full(t)
		q := &queued{room: New(Options{Size: 3, Wait: time.Minute}), took: time.Millisecond}
		q.add("normal", ask(tgt, Normal, "a"))
		q.add("low1", ask(tgt, Low, "a"))
		q.add("low2", ask(tgt, Low, "b"))
		q.add("late", ask(tgt, Low, "a"))
		q.add("high", ask(tgt, High, "a"))
		q.add("normal2", ask(tgt, Normal, "a"))
		q.add("normal3", ask(tgt, Normal, "a"))
		p.Leave()
		q.want(t, "late!full", "low2!pushed", "low1!pushed", "normal3!full", "high", "normal", "normal2")
	})
}

func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt, p := full(t)
		q := &queued{room: New(Options{Size: 3, Wait: time.Minute})}
		gone := make(chan struct{})
		a := ask(tgt, Normal, "a")
		a.Gone = gone
		q.add("left", a)
		q.add("stays", ask(tgt, Normal, "a"))
		close(gone)
		synctest.Wait()
		if s := q.room.Stats(); s.Depth[Normal] != 1 {
			t.Errorf("%+v wait; want the one that stays", s.Depth)
		}
		p.Leave()
		q.want(t, "left!left", "stays")
	})
}

func TestStopRefusesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt, p := full(t)
		q := &queued{room: New(Options{Size: 3, Wait: time.Minute})}
		q.add("a", ask(tgt, Normal, "a"))
		q.room.Stop()
		q.room.Stop()
		q.want(t, "a!stopped")
		p.Leave()
	})
}

// TestWakes: whatever lets a target take requests again is noticed.
func TestWakes(t *testing.T) {
	breaker := &call.Breaker{Errors: .5, Attempts: 1, Window: 10 * time.Second, Rest: 5 * time.Second, MaxRest: time.Minute}
	f := func(name string, tgt *call.Target, after, most time.Duration, change func()) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			if change != nil {
				time.AfterFunc(after, change)
			}
			begin := time.Now()
			p, refused := New(Options{Size: 3, Wait: time.Minute}).Wait(ask(tgt, Normal, "a"))
			if took := time.Since(begin); refused != nil || took < after || took > most {
				t.Errorf("%s: got %+v after %s; want a place after %s", name, refused, took, after)
			}
			p.Leave()
		})
	}
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of a bubble
	at := func(d time.Duration) int64 { return start.Add(d).UnixMilli() }

	cool := target(0)
	cool.State.CooldownUntil.Store(at(3 * time.Second))
	f("cooldown", cool, 3*time.Second, 3*time.Second, nil)

	benched := target(0)
	cred := &call.Credential{}
	cred.BenchedUntil.Store(at(30 * time.Second))
	benched.Provider = &call.Provider{Credentials: []*call.Credential{cred}}
	f("renewal", benched, 4500*time.Millisecond, 6*time.Second, func() { cred.Renewed(&call.Token{}) })

	spent := target(0)
	limited := &call.Credential{}
	limited.Rate.Note(call.RequestsRemaining, 0)
	limited.Rate.Note(call.RequestsReset, at(2500*time.Millisecond))
	spent.Provider = &call.Provider{Credentials: []*call.Credential{limited}}
	f("rate limit", spent, 2500*time.Millisecond, 2500*time.Millisecond, nil)

	broken := target(0)
	broken.Breaker = breaker
	p, _ := broken.Enter(at(0))
	p.Judge(wire.ClassServer, at(0))
	p.Leave()
	f("breaker", broken, 5*time.Second, 5*time.Second, nil)
}

// TestOneProbeThenAll: of those that wait for a target whose breaker is open
// one goes to see, and the rest when it has come back.
func TestOneProbeThenAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt := target(0)
		tgt.Breaker = &call.Breaker{Errors: .5, Attempts: 1, Window: 10 * time.Second, Rest: 5 * time.Second, MaxRest: time.Minute}
		p, _ := tgt.Enter(time.Now().UnixMilli())
		p.Judge(wire.ClassServer, time.Now().UnixMilli())
		p.Leave()
		r := New(Options{Size: 100, Wait: time.Minute})
		var there, most atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				p, refused := r.Wait(ask(tgt, Normal, "a"))
				if refused != nil {
					t.Errorf("got %+v", refused)
					return
				}
				if n := there.Add(1); time.Now().UnixMilli()%1000 == 0 {
					most.Store(max(most.Load(), n))
				}
				time.Sleep(100 * time.Millisecond)
				p.Judge(wire.ClassNone, time.Now().UnixMilli())
				there.Add(-1)
				p.Leave()
			})
		}
		wg.Wait()
		if most.Load() != 1 || tgt.Circuit(time.Now().UnixMilli()) != call.CircuitClosed {
			t.Errorf("%d went to see at once; want 1", most.Load())
		}
	})
}

// TestNothingIsLost: many that come, leave, are served and wait for several
// targets at random: never are there more than may be, and none waits for a
// place that is free.
func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { shuffle(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func shuffle(t *testing.T, rng *rand.Rand) {
	targets := []*call.Target{target(1), target(2), target(3)}
	var there [3]atomic.Int32
	r := New(Options{Size: 50, Wait: time.Hour})
	var wg sync.WaitGroup
	for i := range 300 {
		a := ask(targets[0], Class(rng.IntN(3)), fmt.Sprint(rng.IntN(5)))
		a.Until = time.Now().Add(2 * time.Hour)
		a.Targets = nil
		for _, at := range rng.Perm(3)[:1+rng.IntN(3)] {
			a.Targets = append(a.Targets, targets[at])
		}
		a.Model = fmt.Sprint(i % 2)
		took, come := time.Duration(rng.IntN(20))*time.Millisecond, time.Duration(rng.IntN(400))*time.Millisecond
		gone := make(chan struct{})
		a.Gone = gone
		if rng.IntN(4) == 0 {
			time.AfterFunc(come+time.Duration(rng.IntN(20))*time.Millisecond, func() { close(gone) })
		}
		wg.Go(func() {
			time.Sleep(come)
			p, refused := r.Wait(a)
			if refused != nil {
				if why := refused.Reason; why == Late || why == Stopped {
					t.Errorf("one was refused: %s", ReasonNames[why])
				}
				return
			}
			for i, tgt := range targets {
				if p.At(tgt) {
					if n := there[i].Add(1); n > int32(tgt.MaxInFlight) {
						t.Errorf("%d at target %d", n, i)
					}
					time.Sleep(took)
					there[i].Add(-1)
				}
			}
			p.Leave()
		})
	}
	wg.Wait()
	s := r.Stats()
	if s.Depth != [3]int{} || len(r.doors) != 0 || len(r.states) != 0 || s.Sheds[Late] != 0 {
		t.Errorf("left over: %+v, %d doors", s, len(r.doors))
	}
	for i, tgt := range targets {
		if n := tgt.State.InFlight.Load(); n != 0 {
			t.Errorf("%d are still at target %d", n, i)
		}
	}
}

// TestRealThreads is for the race detector: places are taken and given back by
// some that do not wait as well.
func TestRealThreads(t *testing.T) {
	tgt := target(2)
	r := New(Options{Size: 10000, Wait: time.Minute})
	defer r.Stop()
	var there atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 300 {
				p, ok := tgt.Enter(time.Now().UnixMilli())
				if !ok || i%2 == 0 {
					p.Leave()
					var refused *Refusal
					if p, refused = r.Wait(ask(tgt, Normal, fmt.Sprint(i))); refused != nil {
						t.Errorf("refused: %+v", refused)
						return
					}
				}
				if n := there.Add(1); n > 2 {
					t.Errorf("%d at once", n)
				}
				there.Add(-1)
				p.Leave()
			}
		})
	}
	wg.Wait()
}

// TestSlowTimesPass: a time in which nothing was served does not turn requests
// away for good.
func TestSlowTimesPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt, p := full(t)
		q := &queued{room: New(Options{Size: 100, Wait: 10 * time.Second}), took: time.Millisecond}
		for i := range 5 { // one comes before the one before it gives up
			q.add(fmt.Sprint(i), ask(tgt, Normal, "a"))
			time.Sleep(9 * time.Second)
		}
		q.add("5", ask(tgt, Normal, "a"))
		p.Leave()
		q.want(t, "0!late", "1!late", "2!late", "3!late", "4", "5")

		again, _ := tgt.Enter(time.Now().UnixMilli())
		q.order = nil
		q.add("alone", ask(tgt, Normal, "a"))
		again.Leave()
		q.want(t, "alone")

		q.room.Configure(Options{Size: 100, Wait: time.Second})
		again, _ = tgt.Enter(time.Now().UnixMilli())
		q.order = nil
		q.add("alone, with less patience", ask(tgt, Normal, "a"))
		again.Leave()
		q.want(t, "alone, with less patience")
	})
}
