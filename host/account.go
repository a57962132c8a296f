package host

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// ledgerRetry is what callers are told while records cannot be written.
const ledgerRetry = 5 * time.Second

// Cover implements dispatch.Account: the reservation holds the bound of every
// attempt that may be charged, this one included.
func (h *Host) Cover(c *call.Call, bound int64) *wire.Error {
	f := c.Owner.(*flight)
	f.spent = 0
	for i := range c.Attempts {
		f.spent += c.Attempts[i].Cost
	}
	need := f.spent + bound
	if f.chain == nil {
		f.reserved = max(f.reserved, need)
		return nil
	}
	var denied *budget.Denied
	if !f.covered {
		denied = h.budget.Reserve(&f.ticket, c.ID, f.chain, c.Received, need)
		f.covered = denied == nil
	} else if need > f.reserved {
		denied = f.ticket.Extend(need - f.reserved)
	}
	if denied != nil {
		return overBudget(denied, need, c.Received)
	}
	f.reserved = max(f.reserved, need)
	c.Reserved = f.reserved
	return nil
}

func overBudget(d *budget.Denied, need int64, now time.Time) *wire.Error {
	if d.Unavailable {
		e := wire.Errorf(503, "budget_unavailable", "the budget of %s cannot be checked now: try again", d.Scope)
		e.Class, e.RetryAfter = wire.ClassPolicy, time.Second
		return e
	}
	var usd, limit [32]byte
	e := wire.Errorf(402, "budget_exceeded",
		"the budget of %s (%s USD a %s) does not cover this request, which may cost up to %s USD: wait for the next window, lower max_tokens, or ask for a larger budget",
		d.Scope, call.AppendUSD(limit[:0], d.Limit.Max), d.Limit.Window.Unit, call.AppendUSD(usd[:0], need))
	e.Class = wire.ClassPolicy
	if !d.Until.IsZero() {
		e.RetryAfter = max(0, d.Until.Sub(now))
	}
	return e
}

// Sent implements dispatch.Account.
func (h *Host) Sent(c *call.Call) {
	if !c.SentUp {
		c.Owner.(*flight).ticket.Sent()
	}
}

// Finish implements dispatch.Account: the record is written first, then the
// reservation settled. A crash between the two is made good at the next start
// from the record.
func (h *Host) Finish(c *call.Call) {
	f := c.Owner.(*flight)
	if f.finished {
		return
	}
	f.finished = true
	h.price(f)
	r := record(f)
	if c.Principal != nil {
		if err := h.ledger.Append(&r); err != nil {
			h.log.Error("cannot record request", "request", c.ID, "err", err)
			if c.Err == nil {
				c.Err = wire.Errorf(503, "ledger_unavailable", "the request was served but could not be recorded: try again later")
			}
		}
	}
	f.ticket.Settle(c.Cost)
	h.metrics.Request(&r)
}

// price sets what the call cost: reported usage at the target's price, or what
// the provider itself says it cost, an estimate where an answer broke off
// unmetered, and the bounds of failed attempts that the upstream may charge.
func (h *Host) price(f *flight) {
	c := &f.Call
	f.spent = 0
	for i := range c.Attempts {
		f.spent += c.Attempts[i].Cost
	}
	if len(c.Attempts) > 0 && c.Attempts[len(c.Attempts)-1].Class == wire.ClassNone {
		f.answered()
	}
	if f.spent > 0 {
		c.Cost += f.spent
		c.Provenance = call.CostEstimated
	}
}

// answered prices an answer.
func (f *flight) answered() {
	c := &f.Call
	price, times := c.Target.Price.At(c.Received), int64(1)
	if price != nil {
		price, times = price.Tier(c.Facts.ServiceTier)
	}
	silent := c.Provenance == call.CostNone
	if silent {
		var size int64
		if !c.Streamed {
			size = int64(len(c.Buf))
		}
		c.Usage, c.Provenance = meter.Estimate(c.Op, price, &c.Facts, size, c.Events), call.CostEstimated
		if c.Usage == (wire.Usage{}) {
			c.Provenance = call.CostNone
		}
	}
	if price != nil {
		c.Cost = price.CostOf(&c.Usage, price.PerImage(c.Facts.ImageSize, c.Facts.Quality)) * times
		if c.Provenance == call.CostEstimated && c.Reserved > f.spent {
			c.Cost = min(c.Cost, c.Reserved-f.spent)
		}
	}
	switch {
	case c.Usage.Cost != 0 || c.Reserved <= f.spent:
	case opaque(c) && (price == nil || c.Provenance < call.CostComputed), silent && c.Facts.Unbounded: // it may have cost as much
		c.Cost, c.Provenance = c.Reserved-f.spent, call.CostEstimated
	}
	if c.Usage.Cost > 0 && c.Provenance == call.CostComputed {
		f.computed, c.Cost, c.Provenance = c.Cost, c.Usage.Cost, call.CostReported
	}
}

func record(f *flight) call.Record {
	c := &f.Call
	r := call.Record{
		ID: c.ID, Op: c.Op, Dialect: c.Dialect, Stream: c.Facts.Stream,
		TTFTUS: c.FirstByte.Microseconds(), Status: 200,
		Attempts: c.Attempts, Usage: c.Usage, Cost: c.Cost, Computed: f.computed, Reserved: c.Reserved, Provenance: c.Provenance,
		Route: c.Plan.Route,
	}
	took := time.Since(c.Received)
	r.DurationUS = took.Microseconds()
	r.OverheadUS = max(0, took-c.Upstream).Microseconds()
	if p := c.Principal; p != nil {
		r.KeyID, r.KeyName, r.Org, r.Project, r.Team, r.User = p.KeyID, p.KeyName, p.Org, p.Project, p.Team, p.User
	}
	if c.Model != nil {
		r.Asked = c.Model.Name
	}
	if c.Target != nil {
		r.Target = c.Target.Name
	}
	if c.Decision != nil {
		r.Policy = c.Decision.Revision
	}
	if c.Err != nil {
		r.Status, r.Class, r.Code = c.Err.Status, c.Err.Class, c.Err.Code
	}
	return r
}
