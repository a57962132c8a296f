package host

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Running implements dispatch.Running: the reservation of a session stays as
// far ahead of what it has cost as it was at its beginning.
func (h *Host) Running(c *call.Call) *wire.Error {
	f := c.Owner.(*flight)
	price := c.Target.Price.At(c.Received)
	if f.chain == nil || price == nil {
		return nil
	}
	need := f.spent + price.CostOf(&c.Usage, 0) + f.gen.unbounded
	if denied := h.reserve(f, budget.Amounts{call.UnitUSD: need}); denied != nil {
		return overBudget(denied, budget.Amounts{call.UnitUSD: need}, time.Now())
	}
	return nil
}
