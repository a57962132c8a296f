//go:build !race

package call

import (
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestPricesDoNotAllocate(t *testing.T) {
	p := &Price{Input: 1e9, Hour: 1, Image: 2, Sizes: &ImagePrices{{Size: "1024x1024", USD: 5}}}
	u := wire.Usage{Input: 10, AudioInput: 3, Millis: 5, Images: 1, Searches: 1}
	now, tier, size := time.Now(), []byte("priority"), []byte("1024x1024")
	if n := testing.AllocsPerRun(100, func() {
		q, _ := p.At(now).Tier(tier)
		_ = q.CostOf(&u, q.PerImage(size, nil))
	}); n != 0 {
		t.Errorf("pricing allocates %v times; want 0", n)
	}
}

func BenchmarkCost(b *testing.B) {
	p, u := &Price{Input: 1e9, CacheRead: 1e8, Output: 3e9, Reasoning: 3e9}, wire.Usage{Input: 1200, CacheRead: 300, Output: 250, Reasoning: 40}
	b.ReportAllocs()
	for b.Loop() {
		_ = p.CostOf(&u, 0)
	}
}

func TestPlacesDoNotAllocate(t *testing.T) {
	tgt := &Target{Breaker: half, State: NewTargetState(), MaxInFlight: 10}
	if n := testing.AllocsPerRun(100, func() {
		p, _ := tgt.Enter(noonMS)
		p.Judge(wire.ClassNone, noonMS)
		p.Leave()
	}); n != 0 {
		t.Errorf("a place at a target allocates %v times; want 0", n)
	}
}
