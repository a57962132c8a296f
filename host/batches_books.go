package host

import (
	"context"
	"time"

	"github.com/signalbox-ai/signalbox/host/batch"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// nativeBooks keep the money of batches that providers carry out. A reservation
// is made as that of any request. Then what it holds is noted in the bank, where
// any gateway can give back what was not spent, and for this one's pool it is
// spent: after a crash between the two the pool settles it at the whole.
type nativeBooks struct{ h *Host }

// Reserve implements batch.Books.
func (n nativeBooks) Reserve(ctx context.Context, id string, groups []batch.Group) *wire.Error {
	tickets := make([]budget.Ticket, len(groups))
	now := time.Now()
	for i, g := range groups {
		chain, _ := g.Chain.(*budget.Chain)
		need := budget.Amounts(g.Need)
		if denied := n.h.budget.Reserve(&tickets[i], g.ID, chain, now, need); denied != nil {
			err := overBudget(denied, need, now)
			for j := range tickets[:i] {
				tickets[j].Release()
			}
			return err
		}
	}
	for i, g := range groups {
		if err := n.pledge(ctx, id, g.ID, &tickets[i]); err != nil {
			n.h.log.Error("cannot keep what a batch has reserved", "batch", id, "err", err)
			for j := range tickets[i:] {
				n.undo(groups[i+j].ID, &tickets[i+j])
			}
			e := wire.Errorf(503, "budget_unavailable", "what the batch may cost cannot be reserved now")
			e.Class, e.RetryAfter = wire.ClassPolicy, storeRetry
			return e // what is pledged is redeemed by whoever hears of it
		}
	}
	return nil
}

// pledge notes what a ticket holds and settles it.
func (n nativeBooks) pledge(ctx context.Context, owner string, id call.ID, t *budget.Ticket) error {
	parts := t.Parts()
	if len(parts) == 0 {
		t.Release()
		return nil
	}
	put, err := n.h.store.PutPledge(ctx, call.Pledge{ID: id, Owner: "batch/" + owner, Parts: parts})
	switch {
	case err != nil:
		return err
	case put:
		t.Settle(t.Reserved())
	default: // another has ended it before it began
		t.Release()
	}
	return nil
}

// undo ends a ticket of which it is not known whether it was pledged.
func (n nativeBooks) undo(id call.ID, t *budget.Ticket) {
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	if was, err := n.h.store.RedeemPledge(ctx, id, nil); err == nil && !was {
		t.Release()
		return
	}
	t.Settle(t.Reserved()) // the bank has it back, or it is spent: never too little
}

// Redeem implements batch.Books.
func (n nativeBooks) Redeem(ctx context.Context, id call.ID, spent [3]int64) error {
	_, err := n.h.store.RedeemPledge(ctx, id, spent[:])
	return err
}

// Book implements batch.Books.
func (n nativeBooks) Book(b *call.Batch, r *batch.Row) error {
	e := batch.EndpointOf(b.Endpoint)
	row := call.Record{ID: r.ID, Op: e.Op, Dialect: e.Dialect, Asked: r.Asked, Target: r.Target, Status: r.Status, Class: r.Class, Code: r.Code,
		Usage: r.Usage, Cost: r.Cost, KeyID: b.Key, KeyName: b.KeyName, Origin: "batch/" + b.ID}
	switch {
	case r.Estimated:
		row.Provenance = call.CostEstimated
	case r.Usage != (wire.Usage{}):
		row.Provenance = call.CostComputed
	}
	if p := b.Native; p != nil {
		row.Org, row.Project, row.Team, row.User = p.Org, p.Project, p.Team, p.User
	}
	if err := n.h.ledger.Append(&row); err != nil {
		return err
	}
	n.h.metrics.Unhurried(&row)
	return nil
}
