package host

import (
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestWhatAnAnswerCosts: the provider's own figure comes before the list's,
// which is kept beside it; what nobody reported is estimated, what cannot
// cost anything is not.
func TestWhatAnAnswerCosts(t *testing.T) {
	long := &call.Price{Input: 1e9, Output: 2e9, Until: 1000}
	f := func(name string, price *call.Price, change func(*flight), cost, computed int64, want call.Provenance) {
		t.Helper()
		fl := &flight{}
		fl.Received, fl.Op, fl.Provenance = time.Now(), wire.OpChat, call.CostComputed
		fl.Target = &call.Target{Name: "a/b", Price: price}
		fl.Usage = wire.Usage{Input: 10, Output: 5}
		change(fl)
		fl.answered()
		if fl.Cost != cost || fl.computed != computed || fl.Provenance != want {
			t.Errorf("%s: cost %d, computed %d, %s; want %d, %d, %s", name, fl.Cost, fl.computed, fl.Provenance, cost, computed, want)
		}
	}
	p := &call.Price{Input: 1e9, Output: 2e9, Image: 7, Flex: &call.Price{Input: 5e8, Output: 1e9}}
	f("the list's", p, func(*flight) {}, 20_000, 0, call.CostComputed)
	f("the provider's", p, func(f *flight) { f.Usage.Cost = 33_333 }, 33_333, 20_000, call.CostReported)
	f("the provider's of what has no price", nil, func(f *flight) { f.Usage.Cost = 33_333 }, 33_333, 0, call.CostReported)
	f("broken off after the provider's", p, func(f *flight) { f.Usage.Cost, f.Provenance = 33_333, call.CostEstimated }, 20_000, 0, call.CostEstimated)
	f("a tier", p, func(f *flight) { f.Facts.ServiceTier = []byte("flex") }, 10_000, 0, call.CostComputed)
	f("an unknown tier", p, func(f *flight) { f.Facts.ServiceTier = []byte("x") }, 40_000, 0, call.CostComputed)
	f("no longer priced", long, func(*flight) {}, 0, 0, call.CostComputed)
	f("images nobody counted", p, func(f *flight) { f.Op, f.Provenance, f.Facts.N = wire.OpImages, call.CostNone, 3 }, 21, 0, call.CostEstimated)
	f("moderation nobody counted", p, func(f *flight) {
		f.Op, f.Provenance, f.Facts.Size, f.Usage = wire.OpModeration, call.CostNone, 30, wire.Usage{}
	}, 10_000, 0, call.CostEstimated)
	f("moderation that is free", &call.Price{}, func(f *flight) {
		f.Op, f.Provenance, f.Facts.Size, f.Usage = wire.OpModeration, call.CostNone, 30, wire.Usage{}
	}, 0, 0, call.CostNone)
	f("remote sound that nobody counted", &call.Price{Hour: 36e7}, func(f *flight) {
		f.Op, f.Provenance, f.Facts.Unbounded, f.Reserved, f.Usage = wire.OpTranscription, call.CostNone, true, 5e9, wire.Usage{}
	}, 5e9, 0, call.CostEstimated)
	f("remote sound, beside a hedge that cost nothing", &call.Price{Hour: 36e7}, func(f *flight) {
		f.Op, f.Provenance, f.Facts.Unbounded, f.Reserved, f.Usage = wire.OpTranscription, call.CostNone, true, 10e9, wire.Usage{}
		f.Candidates = []call.Candidate{{Target: f.Target, Bound: 5e9}}
	}, 5e9, 0, call.CostEstimated)
	f("an estimate, beside a hedge that cost nothing", p, func(f *flight) {
		f.Provenance, f.Reserved = call.CostEstimated, 20_000
		f.Candidates = []call.Candidate{{Target: f.Target, Bound: 12_000}}
	}, 12_000, 0, call.CostEstimated)
	f("counting", p, func(f *flight) { f.Op, f.Provenance = wire.OpCountTokens, call.CostNone }, 0, 0, call.CostNone)
}
