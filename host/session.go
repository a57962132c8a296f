package host

import (
	"strings"
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

// Permitted implements dispatch.Permitting: what ends the key or token of a
// caller ends its session, within seconds and on every node.
func (h *Host) Permitted(c *call.Call) *wire.Error {
	p := c.Principal
	if p.Auth != "jwt" {
		return h.keys.Standing(p.KeyID, time.Now())
	}
	issuer, _, _ := strings.Cut(strings.TrimPrefix(p.KeyID, "jwt/"), "/")
	if _, ok := h.gen.Load().cfg.OIDC[issuer]; !ok {
		return wire.Errorf(401, "token_issuer_unknown", "the token's issuer is none of this gateway's any more: get a token from one of them")
	}
	_, err := h.settleToken(p)
	return err
}
