package host

import (
	"context"
	"fmt"
	"strings"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// recover settles the reservations that were open when the process before this
// one died: those that outlive processes and those whose bytes had left for an
// upstream at the whole, or at what the record says it cost, others at nothing.
func (h *Host) recover(ctx context.Context) error {
	orphans := h.budget.Orphans()
	if len(orphans) == 0 {
		return nil
	}
	owner, err := h.owners(ctx)
	if err != nil {
		return fmt.Errorf("cannot recover open requests: %w", err)
	}
	for _, o := range orphans {
		cost, found, err := h.ledger.Row(ctx, o.ID)
		if err != nil {
			return fmt.Errorf("cannot recover request %s: %w", o.ID, err)
		}
		pledged, err := h.store.Pledged(ctx, o.ID)
		if err != nil {
			return fmt.Errorf("cannot recover request %s: %w", o.ID, err)
		}
		spent := budget.Amounts{}
		switch {
		case pledged: // whoever redeems it gives back what is not spent
			spent = o.Amounts
		case found:
			spent = charged(&o, cost)
		case o.Sent:
			spent = o.Amounts
			r := crashed(o, owner)
			if err := h.ledger.Append(&r); err != nil {
				return fmt.Errorf("cannot recover request %s: %w", o.ID, err)
			}
		}
		h.budget.Resolve(o, spent)
	}
	h.log.Warn("settled what a crash had left open", "requests", len(orphans))
	return nil
}

// charged is what a request has taken whose record says what it did cost. Of
// tokens that does not say enough: one that was sent took all that it might.
func charged(o *budget.Orphan, cost int64) (spent budget.Amounts) {
	if o.Sent {
		spent = o.Amounts
	}
	spent[call.UnitUSD] = cost
	return spent
}

// owners maps the bank's accounts of keys to those keys.
func (h *Host) owners(ctx context.Context) (map[int64]*call.Principal, error) {
	keys, err := h.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	byID := map[string]*call.Principal{}
	for i := range keys {
		byID[keys[i].KeyID] = &keys[i].Principal
	}
	accounts, err := h.store.Bank().Accounts(ctx)
	if err != nil {
		return nil, err
	}
	out := map[int64]*call.Principal{}
	for _, a := range accounts {
		id, ok := strings.CutPrefix(a.Scope, "key/")
		if !ok {
			continue
		}
		if out[a.Row] = byID[id]; out[a.Row] == nil { // of the configuration
			out[a.Row] = &call.Principal{KeyID: id, KeyName: strings.TrimPrefix(id, "config-")}
		}
	}
	return out, nil
}

// crashed is the record of a request that nobody lived to write.
func crashed(o budget.Orphan, owner map[int64]*call.Principal) call.Record {
	r := call.Record{ID: o.ID, Op: wire.OpChat, Status: 500, Class: wire.ClassServer, Code: "gateway_crashed",
		Cost: o.Amounts[call.UnitUSD], Reserved: o.Amounts[call.UnitUSD], Provenance: call.CostEstimated}
	for _, row := range o.Rows {
		if p := owner[row]; p != nil {
			r.KeyID, r.KeyName, r.Org, r.Project, r.Team, r.User = p.KeyID, p.KeyName, p.Org, p.Project, p.Team, p.User
		}
	}
	return r
}
