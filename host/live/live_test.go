package live

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func row(r *call.Record) *call.LedgerRow {
	return &call.LedgerRow{ID: r.ID, KeyName: r.KeyName, Status: int64(r.Status)}
}

func answered(id call.ID, took time.Duration) *call.Record {
	return &call.Record{ID: id, Status: 200, Target: "demo/echo", DurationUS: took.Microseconds(), OverheadUS: 40, Usage: wire.Usage{Input: 10, CacheRead: 2, Output: 5}, Cost: 1000}
}

// open starts a hub at the beginning of a minute.
func open(t *testing.T) *Hub {
	t.Helper()
	time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
	h := New(row)
	h.Start()
	t.Cleanup(h.Stop)
	return h
}

func TestSecondsAndMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		w := h.Watch(nil)
		defer w.Close()
		began := time.Now()
		h.Began()
		for i := range 100 {
			h.Finished(answered(call.ID(i), time.Duration(i+1)*time.Millisecond))
		}
		h.Finished(&call.Record{ID: 7, Status: 502, Class: wire.ClassServer, Target: "demo/echo", DurationUS: 10_000_000})
		h.Finished(&call.Record{ID: 8, Status: 403, Class: wire.ClassPolicy, Target: "demo/echo"})
		h.Finished(&call.Record{ID: 9, Status: 401, Class: wire.ClassAuth})
		h.Finished(&call.Record{ID: 10, Status: 200, Target: "demo/echo", Cached: call.CacheExact, DurationUS: 1000})
		p := <-w.Seconds()
		near := func(what string, got, want time.Duration) {
			t.Helper()
			if got < want*31/32 || got > want*33/32 {
				t.Errorf("%s is %s; want about %s", what, got, want)
			}
		}
		near("p50", p.P50, 50*time.Millisecond)
		near("p95", p.P95, 96*time.Millisecond)
		near("overhead", p.Overhead, 40*time.Microsecond)
		p50, p95, overhead := p.P50, p.P95, p.Overhead
		want := call.Passed{From: began, Requests: 104, Errors: 3, Refused: 2, Cached: 1, Input: 1200, Output: 500, Cost: 100_000, P50: p50, P95: p95, Overhead: overhead, Running: 1}
		if p.From = p.From.Local(); p != want {
			t.Errorf("the second is %+v; want %+v", p, want)
		}
		h.Ended()
		if p = <-w.Seconds(); p.Requests != 0 || p.P50 != 0 || p.Running != 0 {
			t.Errorf("a second in which nothing passed is %+v", p)
		}
		time.Sleep(2 * time.Minute)
		h.Finished(answered(1, time.Millisecond))
		all := h.Series(60)
		if len(all) != 3 {
			t.Fatalf("there are %d minutes; want 3", len(all))
		}
		for i, n := range []int64{104, 0, 1} {
			if p := all[i]; p.Requests != n || !p.From.Equal(began.Add(time.Duration(i)*time.Minute)) {
				t.Errorf("minute %d is %+v; want %d requests", i, p, n)
			}
		}
		if all[0].P95 != p95 || all[0].Cost != 100_000 {
			t.Errorf("the first minute is %+v", all[0])
		}
	})
}

func TestADayIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.Finished(answered(1, time.Millisecond))
		time.Sleep(24*time.Hour - time.Second)
		if all := h.Series(Minutes + 1); len(all) != Minutes || all[0].Requests != 1 {
			t.Errorf("there are %d minutes, the first is %+v", len(all), all[0])
		}
		time.Sleep(time.Minute)
		if all := h.Series(Minutes); len(all) != Minutes || all[0].Requests != 0 {
			t.Errorf("after a day there are %d minutes, the first is %+v", len(all), all[0])
		}
		if all := h.Series(2); len(all) != 2 {
			t.Errorf("of two minutes there are %d", len(all))
		}
	})
}

func TestSlowWatchersLose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		slow, keen := h.Watch(nil), h.Watch(func(r *call.Record) bool { return r.KeyName == "mine" })
		defer slow.Close()
		defer keen.Close()
		for i := range maxWaiting + 5 {
			h.Finished(&call.Record{ID: call.ID(i), KeyName: "other"})
		}
		h.Finished(&call.Record{ID: 77, KeyName: "mine"})
		if n := slow.Lost(); n != 6 {
			t.Errorf("the slow one lost %d; want 6", n)
		}
		if n := slow.Lost(); n != 0 {
			t.Errorf("it is told again of %d", n)
		}
		if r := <-keen.Rows(); r.ID != 77 || len(keen.Rows()) != 0 || keen.Lost() != 0 {
			t.Errorf("the other one was told of %s, %d more wait", r.ID, len(keen.Rows()))
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if p := <-slow.Seconds(); p.From.Second() != 4 {
			t.Errorf("who is slow sees the second %d; want the last one", p.From.Second())
		}
	})
}

func TestWatchersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		var all []*Watch
		for range maxWatchers {
			all = append(all, h.Watch(nil))
		}
		if h.Watch(nil) != nil {
			t.Error("one more may watch")
		}
		all[3].Close()
		all[3].Close()
		if w := h.Watch(nil); w == nil {
			t.Error("nobody may watch in the place of who left")
		}
		h.Stop()
		<-all[0].Ended()
		if h.Watch(nil) != nil {
			t.Error("what has ended is watched")
		}
		for _, w := range all {
			w.Close()
		}
	})
}

func TestAllAtOnce(t *testing.T) {
	h := New(row)
	h.Start()
	defer h.Stop()
	const each, many = 2000, 8
	var all sync.WaitGroup
	for n := range many {
		all.Go(func() {
			for i := range each {
				h.Began()
				h.Finished(answered(call.ID(i), time.Millisecond))
				h.Ended()
				if i%100 == n {
					w := h.Watch(nil)
					h.Series(2)
					w.Close()
				}
			}
		})
	}
	all.Wait()
	sum := int64(0)
	for _, p := range h.Series(Minutes) {
		sum += p.Requests
	}
	if sum != each*many || h.watchers.Load() != nil || h.running.Load() != 0 {
		t.Errorf("%d requests were counted; want %d", sum, each*many)
	}
}

func TestBuckets(t *testing.T) {
	last := 0
	for us := int64(0); us < 1<<32; us += 1 + us/50 {
		b := bucket(us)
		if b < last || b >= numBuckets {
			t.Fatalf("%d µs are in bucket %d, after %d", us, b, last)
		}
		last = b
		if off := middle(b).Nanoseconds() - us*1000; off > us*1000/32 || -off > us*1000/32 {
			t.Fatalf("%d µs are shown as %s", us, middle(b))
		}
	}
	if bucket(-5) != 0 || bucket(1<<40) != numBuckets-1 {
		t.Errorf("what is out of bounds is in %d and %d", bucket(-5), bucket(1<<40))
	}
}
