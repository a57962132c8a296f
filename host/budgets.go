package host

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// maxLines bounds the scopes that metrics tell of.
const maxLines = 200

// Budgets implements admin.Budgets: all accounts whose windows are not over, of
// this node as they stand, of others as they told last. The buckets of a window
// that rolls come down to one.
func (h *Host) Budgets(ctx context.Context) (list []admin.Budget, err error) {
	accounts, err := h.store.Bank().Accounts(ctx)
	if err != nil {
		return nil, err
	}
	now, at := time.Now(), map[[2]string]int{}
	held, err := h.budgetsSet(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range h.budget.Lines(now, math.MaxInt) {
		held[[2]string{l.Scope, l.Unit.String() + " " + l.Window}] = l
	}
	h.live(accounts)
	for i := range accounts {
		a := &accounts[i]
		if a.End.Unix() <= now.Unix() {
			continue
		}
		unit, window := budget.SplitName(a.Window)
		key := [2]string{a.Scope, unit.String() + " " + window}
		j, ok := at[key]
		if !ok {
			j = len(list)
			at[key] = j
			list = append(list, admin.Budget{Scope: a.Scope, Unit: unit.String(), Window: window, Max: a.Max, Leases: []store.Lease{}})
			terms(&list[j], held[key])
			if !strings.HasSuffix(window, " rolling") {
				list[j].Starts, list[j].Ends = moment(a.Start), moment(a.End)
			}
		}
		tally(&list[j], a)
	}
	return list, nil
}

// budgetsSet are the budgets that are set, by scope and by unit and window: of
// those that nobody has spent from lately this node holds nothing.
func (h *Host) budgetsSet(ctx context.Context) (map[[2]string]budget.Line, error) {
	_, all, err := h.known(ctx, h.gen.Load())
	if err != nil {
		return nil, err
	}
	out := map[[2]string]budget.Line{}
	for _, p := range all {
		for _, l := range h.held.Load().of(p) {
			name, err := budget.Name(l)
			if l.Rate || err != nil {
				continue
			}
			unit, window := budget.SplitName(name)
			key := [2]string{l.Scope, unit.String() + " " + window}
			line := out[key]
			bound := &line.Hard
			if l.OnExceed == call.OnWarn {
				bound = &line.Soft
			}
			if *bound == nil || l.Max < (*bound).Max {
				*bound = &l
			}
			out[key] = line
		}
	}
	return out, nil
}

// moment is t, unless it stands for none.
func moment(t time.Time) time.Time {
	if t.Unix() == 0 || t.Unix() == math.MaxInt64 {
		return time.Time{}
	}
	return t.UTC()
}

// live puts this node's leases as they stand into accounts.
func (h *Host) live(accounts []store.Account) {
	own, node := h.budget.Leases(), h.store.Node().ID
	for i := range accounts {
		a := &accounts[i]
		kept := a.Leases[:0]
		for _, l := range a.Leases {
			if l.Node != node && l.Node != "" {
				kept = append(kept, l)
			}
		}
		if l, ok := own[a.Row]; ok && l != (budget.Lease{}) {
			kept = append(kept, store.Lease{Node: node, Held: l.Held, Reserved: l.Reserved})
		}
		a.Leases = kept
	}
}

// terms fills in what holds for b, as this node knows it.
func terms(b *admin.Budget, l budget.Line) {
	if l.Soft != nil {
		b.Warns, b.Max = l.Soft.Max, 0
	}
	if l.Hard != nil {
		b.Max, b.OnExceed = l.Hard.Max, l.Hard.OnExceed.String()
	}
	if b.Max > math.MaxInt64/4 { // only soft limits watch it
		b.Max = 0
	}
}

// tally adds an account to b.
func tally(b *admin.Budget, a *store.Account) {
	b.Spent += a.Granted
	for _, l := range a.Leases {
		b.Spent -= l.Held + l.Reserved
		b.Leased += l.Held
		b.Reserved += l.Reserved
		known := false
		for i := range b.Leases {
			if m := &b.Leases[i]; m.Node == l.Node {
				m.Held, m.Reserved, known = m.Held+l.Held, m.Reserved+l.Reserved, true
			}
		}
		if !known {
			b.Leases = append(b.Leases, l)
		}
	}
}

// FenceNode implements admin.Budgets.
func (h *Host) FenceNode(ctx context.Context, node string, force bool) (int, error) {
	f, ok := h.store.(store.Fencer)
	if !ok {
		return 0, wire.Errorf(409, "not_shared", "the store is this gateway's alone: there is no other node to fence")
	}
	if node == h.store.Node().ID {
		return 0, wire.Errorf(409, "own_node", "node %q is the one that you are asking: ask another", node)
	}
	n, err := f.Fence(ctx, node, force)
	if err == nil {
		h.log.Warn("a node was fenced: it must not spend any more, and what it had leased is back", "node", node, "forced", force, "accounts", n)
	}
	return n, err
}

// budgetFamilies are the figures of budgets.
func (h *Host) budgetFamilies() []telemetry.Family {
	one := func(name, help string, value func(budget.Stats) float64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) { emit(value(h.budget.Stats())) }}
	}
	labels := []string{"scope", "unit", "window"}
	lines := func(value func(budget.Line) (int64, bool)) func(telemetry.Emit) {
		return func(emit telemetry.Emit) {
			for _, l := range h.budget.Lines(time.Now(), maxLines) {
				if n, ok := value(l); ok {
					emit(inUnits(l.Unit, n), l.Scope, l.Unit.String(), l.Window)
				}
			}
		}
	}
	return []telemetry.Family{
		one("budget_denied_total", "Reservations refused because a limit would be passed.", func(s budget.Stats) float64 { return float64(s.Denied) }),
		one("budget_unavailable_total", "Reservations refused because the bank could not be asked.", func(s budget.Stats) float64 { return float64(s.Unavailable) }),
		one("budget_passed_total", "Reservations made beyond a soft limit.", func(s budget.Stats) float64 { return float64(s.Passed) }),
		one("budget_overruns_total", "Requests that cost more than was reserved for them.", func(s budget.Stats) float64 { return float64(s.Overruns) }),
		one("budget_overrun_usd_total", "Dollars spent beyond reservations.", func(s budget.Stats) float64 { return float64(s.OverrunSum) / 1e9 }),
		one("budget_token_overruns_total", "Requests that took more tokens than were reserved for them.", func(s budget.Stats) float64 { return float64(s.TokenOverruns) }),
		one("budget_open_reservations", "Reservations of running requests.", func(s budget.Stats) float64 { return float64(s.Open) }),
		one("budget_bank_batches_total", "Batches that the bank was asked to carry out.", func(s budget.Stats) float64 { return float64(s.BankBatches) }),
		one("budget_bank_errors_total", "Of those, in vain.", func(s budget.Stats) float64 { return float64(s.BankErrors) }),
		one("budget_bank_down", "1 while the bank does not answer: what is leased can be spent.", func(s budget.Stats) float64 { return flag(s.BankDown) }),
		one("budget_fenced", "1 once this node must not spend any more.", func(s budget.Stats) float64 { return flag(s.Fenced) }),
		{Name: "budget_max", Help: "Limits of up to 200 scopes that this node has counted with, in dollars, tokens or requests.", Labels: labels,
			Collect: lines(func(l budget.Line) (int64, bool) {
				switch {
				case l.Hard != nil:
					return l.Hard.Max, true
				case l.Soft != nil:
					return l.Soft.Max, true
				}
				return 0, false
			})},
		{Name: "budget_used", Help: "What of them is spent or reserved, as far as this node knows.", Labels: labels,
			Collect: lines(func(l budget.Line) (int64, bool) { return max(0, l.Used-l.Held), true })},
	}
}

// flag is a truth as a figure.
func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// inUnits is n in dollars where it counts nano-dollars.
func inUnits(unit call.Unit, n int64) float64 {
	if unit == call.UnitUSD {
		return float64(n) / 1e9
	}
	return float64(n)
}
