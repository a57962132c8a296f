package budget

import "github.com/signalbox-ai/signalbox/host/call"

// Parts is what an open ticket holds, by account. Whoever has noted it where it
// lasts may settle the ticket at the whole: the bank takes back what is not
// spent in the end.
func (t *Ticket) Parts() (parts []call.PledgePart) {
	p := t.pool
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range t.chain.limits {
		a, c := t.accounts[i], t.chain.limits[i].counter
		if a == nil || !t.open {
			continue
		}
		parts = append(parts, call.PledgePart{Scope: c.scope, Window: c.name, Start: a.start, Unit: c.unit, Amount: t.amounts[c.unit]})
	}
	return parts
}

// Reserved is what an open ticket holds.
func (t *Ticket) Reserved() Amounts {
	if t.pool == nil {
		return Amounts{}
	}
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	return t.amounts
}
