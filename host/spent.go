package host

import (
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Price implements dispatch.Pricing: what an attempt has cost whose answer the
// caller does not get, by the rules that hold for answers.
func (h *Host) Price(c *call.Call, cand *call.Candidate, used *dispatch.Consumed) (int64, call.Provenance) {
	price, times := cand.Target.Price.At(c.Received), int64(1)
	if price != nil {
		price, times = price.Tier(c.Facts.ServiceTier)
	}
	u, p := used.Usage, used.Provenance
	if p == call.CostNone {
		u, p = meter.Estimate(c.Op, price, &c.Facts, used.Bytes, used.Events), call.CostEstimated
	}
	switch {
	case u.Cost > 0 && p == call.CostComputed:
		return u.Cost, call.CostReported
	case p == call.CostEstimated && (price == nil || c.Facts.Unbounded): // it may have cost as much
		return cand.Bound, p
	case price == nil:
		return 0, call.CostNone
	}
	cost := price.CostOf(&u, price.PerImage(c.Facts.ImageSize, c.Facts.Quality)) * times
	if p == call.CostEstimated {
		cost = min(cost, cand.Bound)
	}
	return cost, p
}

// spentOn sums up what attempts have cost whose answers the caller does not get,
// and how far the weakest of those costs can be trusted.
func spentOn(attempts []call.Attempt) (sum int64, weakest call.Provenance) {
	for i := range attempts {
		a := &attempts[i]
		if a.Cost == 0 {
			continue
		}
		sum += a.Cost
		p := max(a.Provenance, call.CostEstimated)
		if weakest == call.CostNone || p < weakest {
			weakest = p
		}
	}
	return sum, weakest
}

// gave reports whether the last attempt of c is the one whose answer the caller
// gets.
func gave(c *call.Call) bool {
	n := len(c.Attempts)
	if n == 0 {
		return false
	}
	last := &c.Attempts[n-1]
	return last.Class == wire.ClassNone && !last.Lost && last.Rejected == ""
}
