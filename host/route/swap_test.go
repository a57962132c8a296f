package route

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// numbered is a module whose plans say which of many it is: by their timeout.
func numbered(n int) []byte {
	plan := planBytes(0)
	with(plan, abi.PlanSize+4, uint32(n))
	return fussy(answer(badPlan, uint32(len(plan))), plan)
}

// traffic asks m from several goroutines until stop, and looks at every plan.
type traffic struct {
	calls  atomic.Int64
	newest atomic.Int64 // version of any plan that has been given
	labels sync.Map     // of versions, by number
	wrong  atomic.Int64
	stale  atomic.Int64
}

// ask makes one call and reports how long it took.
func (tr *traffic) ask(t testing.TB, l lanes, id int, key string) time.Duration {
	c := requestFor(id, key, true)
	before := tr.newest.Load()
	begin := time.Now()
	l.Plan("m", c)
	took := time.Since(begin)
	n := c.Plan.Attempts[0].Timeout.Milliseconds()
	label, known := tr.labels.Load(n)
	switch {
	case c.Plan.N != 1 || !known || label != c.Plan.Route:
		if tr.wrong.Add(1) == 1 {
			t.Errorf("plan of %d attempts, number %d by %s; want %v", c.Plan.N, n, c.Plan.Route, label)
		}
	case n < before:
		if tr.stale.Add(1) == 1 {
			t.Errorf("version %d answers after %d has", n, before)
		}
	}
	for {
		seen := tr.newest.Load()
		if n <= seen || tr.newest.CompareAndSwap(seen, n) {
			break
		}
	}
	tr.calls.Add(1)
	return took
}

// swap puts version n in use, and closes the one before the previous.
func (tr *traffic) swap(l lanes, n int, old *lane.Version) *lane.Version {
	l.t.Helper()
	v, err := l.Compile("m", lane.Source{Code: numbered(n)})
	if err != nil {
		l.t.Fatal(err)
	}
	tr.labels.Store(int64(n), v.Label)
	l.Put("m", lane.Lanes{Active: v})
	if old != nil {
		old.Close()
	}
	return v
}

// run asks from workers goroutines while versions are swapped every so often,
// and returns how long calls took.
func (tr *traffic) run(l lanes, workers, swaps int, every time.Duration) []time.Duration {
	tick := time.NewTicker(every)
	defer tick.Stop()
	stop := make(chan struct{})
	took := make([][]time.Duration, workers)
	last := tr.swap(l, 1, nil)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				took[w] = append(took[w], tr.ask(l.t, l, i, fmt.Sprint(w)))
			}
		})
	}
	for n := range swaps {
		<-tick.C
		last = tr.swap(l, n+2, last)
	}
	close(stop)
	wg.Wait()
	l.Put("m", lane.Lanes{})
	last.Close()
	return slices.Concat(took...)
}

// TestSwapsGoForward swaps every 10 ms: every plan is whole, of a version that
// was in use, and of none older than one that has answered already.
// BenchmarkSwaps does it for longer.
func TestSwapsGoForward(t *testing.T) {
	l, tr := newLanes(t), &traffic{}
	tr.run(l, 4, 40, 10*time.Millisecond)
	if s := l.Handle("m").Stats(); s.Calls != tr.calls.Load() || s.Swaps != 42 || tr.newest.Load() < 40 {
		t.Errorf("%d calls counted of %d, %d swaps, version %d answered last", s.Calls, tr.calls.Load(), s.Swaps, tr.newest.Load())
	}
}

// BenchmarkSwaps measures calls without swaps, with one every 100 ms, and with
// one every 10 ms, for 3 s each.
func BenchmarkSwaps(b *testing.B) {
	for _, every := range []time.Duration{0, 100 * time.Millisecond, 10 * time.Millisecond} {
		name := "none"
		if every > 0 {
			name = "every " + every.String()
		}
		b.Run(name, func(b *testing.B) {
			l, tr := newLanes(b), &traffic{}
			swaps, pace := 1, 3*time.Second
			if every > 0 {
				swaps, pace = int(3*time.Second/every), every
			}
			took := tr.run(l, 2, swaps, pace)
			slices.Sort(took)
			b.ReportMetric(float64(len(took)), "calls")
			b.ReportMetric(float64(tr.wrong.Load()), "wrong")
			b.ReportMetric(float64(tr.stale.Load()), "backwards")
			b.ReportMetric(float64(l.Handle("m").Stats().Swaps), "swaps")
			for _, p := range []int{50, 99} {
				b.ReportMetric(float64(took[len(took)*p/100].Nanoseconds()), fmt.Sprintf("p%d-ns", p))
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
