package host

import (
	"context"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// perToken is a price of one nano-dollar a token, whatever its kind.
func perToken() *call.Price { return &call.Price{Input: 1e6, Output: 1e6, Reasoning: 1e6} }

func TestPriceOfAttemptsInVain(t *testing.T) {
	h, f := moneyHost(t)
	f.Facts.Size, f.Facts.N, f.Facts.MaxTokens = 300, 1, 50
	g := func(name string, price *call.Price, used dispatch.Consumed, want int64, wantProvenance call.Provenance) {
		t.Helper()
		cand := call.Candidate{Target: &call.Target{Name: "a/b", Price: price}, Bound: 130}
		cost, p := h.Price(&f.Call, &cand, &used)
		if cost != want || p != wantProvenance {
			t.Errorf("%s: %d, %s; want %d, %s", name, cost, p, want, wantProvenance)
		}
	}
	told := wire.Usage{Input: 40, Output: 20}
	g("what was told", perToken(), dispatch.Consumed{Usage: told, Provenance: call.CostComputed}, 60, call.CostComputed)
	g("more than the bound", perToken(), dispatch.Consumed{Usage: wire.Usage{Input: 500}, Provenance: call.CostComputed}, 500, call.CostComputed)
	g("told in part", perToken(), dispatch.Consumed{Usage: wire.Usage{Input: 500}, Provenance: call.CostEstimated}, 130, call.CostEstimated)
	g("the provider's own figure", perToken(), dispatch.Consumed{Usage: wire.Usage{Input: 40, Cost: 77}, Provenance: call.CostComputed}, 77, call.CostReported)
	g("events alone", perToken(), dispatch.Consumed{Events: 12}, 100+12, call.CostEstimated)
	g("bytes alone", perToken(), dispatch.Consumed{Bytes: 300}, 130, call.CostEstimated)
	g("told, without a price", nil, dispatch.Consumed{Usage: told, Provenance: call.CostComputed}, 0, call.CostNone)
	f.Facts.Unbounded = true
	g("content without a bound", perToken(), dispatch.Consumed{Events: 12}, 130, call.CostEstimated)
}

// TestAttemptsInVainAreSettled: the record and the budget have the sum of all
// attempts, and as much trust as the weakest of them deserves.
func TestAttemptsInVainAreSettled(t *testing.T) {
	g := func(name string, attempts []call.Attempt, usage wire.Usage, wantCost int64, want call.Provenance) {
		t.Helper()
		h, f := moneyHost(t)
		target := &call.Target{Name: "a/b", Price: perToken()}
		for range attempts {
			if err := h.Cover(&f.Call, call.Bound{USD: 200}); err != nil {
				t.Fatal(err)
			}
		}
		f.Target, f.Attempts = target, attempts
		for i := range attempts {
			attempts[i].Target = target
		}
		if usage != (wire.Usage{}) {
			f.Usage, f.Provenance = usage, call.CostComputed
		}
		id := f.ID
		h.Finish(&f.Call)
		got := f.Provenance
		cost, found, err := h.ledger.Row(context.Background(), id)
		h.Done(&f.Call)
		if cost != wantCost || got != want || !found || err != nil || h.budget.Stats().Open != 0 {
			t.Errorf("%s: recorded %t at %d, %s (%v); want %d, %s", name, found, cost, got, err, wantCost, want)
		}
	}
	told := wire.Usage{Input: 10, Output: 5}
	rejected := call.Attempt{Status: 200, Rejected: "empty", Cost: 30, Provenance: call.CostComputed}
	lost := call.Attempt{Lost: true, Cost: 90, Provenance: call.CostEstimated}
	good := call.Attempt{Status: 200}
	g("rejected, then good", []call.Attempt{rejected, good}, told, 45, call.CostComputed)
	g("lost to a good one", []call.Attempt{lost, good}, told, 105, call.CostEstimated)
	g("rejected, then nothing", []call.Attempt{rejected}, wire.Usage{}, 30, call.CostComputed)
	g("rejected, then lost", []call.Attempt{rejected, lost}, wire.Usage{}, 120, call.CostEstimated)
}
