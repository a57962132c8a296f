//go:build !race

package host

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/wasm/guests"
)

// TestKeepingAllocatesNothing once there is room.
func TestKeepingAllocatesNothing(t *testing.T) {
	h := keepingHost(t, config.Decisions{Sample: 1, PerSecond: 1 << 20, Max: 1 << 20})
	f := decidedFlight(h)
	r := record(f)
	if n := testing.AllocsPerRun(200, func() {
		f.Wants.Reset()
		h.sample(f)
		f.planBy(nil)
		f.outcome(&r)
		h.keep(f, &r)
	}); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}

// BenchmarkKeep is what a decision costs its request that is kept, and one that
// is not: path-ns, by the processor's time of the request's thread. The rest is
// what writes to disk meanwhile.
func BenchmarkKeep(b *testing.B) {
	for name, sample := range map[string]float64{"kept": 1, "not": 0} {
		b.Run(name, func(b *testing.B) {
			h := keepingHost(b, config.Decisions{Sample: sample, PerSecond: 1 << 23, Max: 1 << 20})
			f := decidedFlight(h)
			r := record(f)
			b.ReportAllocs()
			spent := guests.Spent()
			for b.Loop() {
				f.Wants.Reset()
				f.sampled = false
				h.sample(f)
				f.planBy(nil)
				f.outcome(&r)
				h.keep(f, &r)
			}
			b.ReportMetric(float64(spent().Nanoseconds())/float64(b.N), "path-ns")
		})
	}
}
