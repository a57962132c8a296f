package route

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// goFaults are the ways in which testdata/endless never decides.
var goFaults = []struct {
	name   string
	facts  scan.Facts
	faults []string // any of these
}{
	{"loops", scan.Facts{Stream: true}, []string{"fuel"}},
	{"makes garbage", scan.Facts{Tools: [][]byte{nil}}, []string{"fuel"}},
	{"hoards", scan.Facts{In: scan.Image}, []string{"fuel", "memory"}},
	{"recurses", scan.Facts{In: scan.Audio}, []string{"fuel"}},
	{"panics", scan.Facts{In: scan.File}, []string{"trap"}},
}

func endlessCall(facts scan.Facts) *call.Call {
	c := someCall(rand.New(rand.NewPCG(1, 2)), 8)
	c.Facts = facts
	return c
}

func TestBadGoGuestCostsOneRequest(t *testing.T) {
	h := load(t, "endless", guest(t, "endless"))
	for _, f := range goFaults {
		t.Run(f.name, func(t *testing.T) {
			before := h.Stats().Faults
			c := endlessCall(f.facts)
			if h.Plan(c); c.Plan.Route != "builtin" || !slices.Equal(order(c), builtinOrder(c)) {
				t.Errorf("got %v by %s; want the built-in order", order(c), c.Plan.Route)
			}
			var n int64
			for _, kind := range f.faults {
				n += h.Stats().Faults[kind] - before[kind]
			}
			if n != 1 {
				t.Errorf("faults were %v and are %v; want one more of %v", before, h.Stats().Faults, f.faults)
			}
			if h.Plan(endlessCall(scan.Facts{})); h.Stats().Instances != 1 {
				t.Errorf("%d instances after the next call; want 1", h.Stats().Instances)
			}
		})
	}
}

// BenchmarkEndlessGo measures how long a call of a Go guest can take: the pause
// that garbage collection of the process may wait. The next instance, 4 ms, is
// not counted.
func BenchmarkEndlessGo(b *testing.B) {
	h := load(b, "endless", guest(b, "endless"))
	for _, f := range goFaults {
		b.Run(f.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				h.Plan(endlessCall(scan.Facts{}))
				b.StartTimer()
				h.Plan(endlessCall(f.facts))
			}
		})
	}
}

// BenchmarkChasingGo is the longest that a Go guest is known to take: its memory
// is larger than near caches.
func BenchmarkChasingGo(b *testing.B) {
	h := load(b, "chasing", guest(b, "chasing"))
	c, idle := endlessCall(scan.Facts{}), endlessCall(scan.Facts{})
	idle.Principal = nil
	for b.Loop() {
		b.StopTimer()
		h.Plan(idle)
		b.StartTimer()
		h.Plan(c)
	}
	if h.Stats().Faults["fuel"] == 0 {
		b.Fatalf("got %+v; want faults", h.Stats())
	}
}
