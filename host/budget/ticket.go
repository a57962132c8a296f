package budget

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Ticket is one request's reservation. The zero Ticket holds nothing and all
// its methods do nothing. It may be used again once settled or released, and
// by several goroutines in between.
type Ticket struct {
	pool     *Pool
	chain    *Chain
	accounts [maxChain]*account // nil: a soft limit that cannot be counted now
	slot     int
	amounts  Amounts
	open     bool // guarded by pool.mu
	hurry    bool // it waits no longer for what soft limits watch
	passed   int  // index of a soft limit that has been passed, from 1
	denied   Denied
}

// verdict is the outcome of one try at a reservation.
type verdict uint8

const (
	fits   verdict = iota
	over           // a limit would be passed
	short          // the lease is used up, the bank may have more
	closed         // nothing can be had: pool closed or fenced, or no slot or word is free
)

// Reserve takes amounts from every limit of ch, or from none, and binds them to
// t until t is settled or released. Most calls do not wait; one that finds a
// lease used up waits for the bank, at most Options.Wait. The result is nil, or
// valid until t's next use.
func (p *Pool) Reserve(t *Ticket, id call.ID, ch *Chain, now time.Time, amounts Amounts) *Denied {
	if t.open {
		panic("BUG: ticket reserved twice")
	}
	t.passed = 0
	if ch == nil {
		t.pool = nil
		return nil
	}
	amounts.floor()
	p.mu.Lock()
	t.pool, t.chain, t.accounts = p, ch, [maxChain]*account{}
	v, at := t.enter(id, now, &amounts)
	if v == short {
		v, at = p.await(t, &amounts, func() (verdict, int) { return t.enter(id, now, &amounts) })
	}
	if v == short || v != fits && len(p.freeWords) < p.im.words/2 {
		t.leave()
	}
	d := t.conclude(v, at)
	p.mu.Unlock()
	return d
}

func (a *Amounts) floor() {
	for u := range a {
		a[u] = max(a[u], 0)
	}
}

// Extend takes amounts more from every limit, for another attempt or a longer
// answer; they are reserved in the windows that the ticket began in.
func (t *Ticket) Extend(amounts Amounts) *Denied {
	p := t.pool
	amounts.floor()
	if p == nil || amounts == (Amounts{}) {
		return nil
	}
	p.mu.Lock()
	v, at := t.more(&amounts)
	if v == short {
		v, at = p.await(t, &amounts, func() (verdict, int) { return t.more(&amounts) })
	}
	d := t.conclude(v, at)
	p.mu.Unlock()
	return d
}

// Sent notes that bytes of the request have left for an upstream: after a crash
// the whole amount is then taken as spent.
func (t *Ticket) Sent() {
	p := t.pool
	if p == nil {
		return
	}
	p.mu.Lock()
	if t.open && !p.closed {
		p.im.m[p.im.slot(t.slot, slotState)] = slotSent
	}
	p.mu.Unlock()
}

// Passed is the soft limit that this reservation has passed, if any.
func (t *Ticket) Passed() (limit call.Limit, ok bool) {
	if t.pool == nil || t.passed == 0 {
		return limit, false
	}
	return t.chain.limits[t.passed-1].soft, true
}

// Settle replaces the reservation by what was spent, also where that is more.
// After the first Settle or Release, both do nothing.
func (t *Ticket) Settle(spent Amounts) {
	p := t.pool
	if p == nil {
		return
	}
	spent.floor()
	p.mu.Lock()
	if t.open && !p.closed {
		p.settle(t.slot, t.accounts[:len(t.chain.limits)], &t.amounts, &spent)
		p.noteOverrun(&t.chain.hard, &t.amounts, &spent)
	}
	t.open = false
	p.mu.Unlock()
}

// Release gives all of the reservation back.
func (t *Ticket) Release() { t.Settle(Amounts{}) }

// enter tries to open t; on refusal it also tells which limit refused.
func (t *Ticket) enter(id call.ID, now time.Time, amounts *Amounts) (verdict, int) {
	p, limits := t.pool, t.chain.limits
	if p.draining || p.fenced || len(p.freeSlots) == 0 {
		return closed, 0
	}
	for i := range limits {
		if t.accounts[i] = p.current(limits[i].counter, now); t.accounts[i] == nil && limits[i].hasHard {
			return closed, i
		}
	}
	if v, at := t.check(amounts); v != fits {
		return v, at
	}
	last := len(p.freeSlots) - 1
	t.slot = p.freeSlots[last]
	p.freeSlots = p.freeSlots[:last]
	t.amounts, t.open = *amounts, true
	p.stats.Reserved++

	// The slot is free, so what it says does not count before its state changes.
	im, held := p.im, [maxChain / 2]int64{}
	for i := range limits {
		a := t.accounts[i]
		if a == nil {
			continue
		}
		a.open++
		held[i/2] |= hold(a.word, a.unit) << (32 * (i % 2))
	}
	im.m[im.slot(t.slot, slotID)] = int64(id)
	copy(im.m[im.slot(t.slot, slotHolds):], held[:])
	for u, n := range amounts {
		im.set(im.slot(t.slot, slotAmounts+u), n)
	}
	im.set(im.slot(t.slot, slotState), slotOpen)
	t.take(amounts)
	return fits, 0
}

// more tries to add to an open ticket. One that is no longer open, or whose
// pool has closed, has nothing to add to.
func (t *Ticket) more(amounts *Amounts) (verdict, int) {
	p := t.pool
	if p.draining || p.fenced || !t.open {
		return closed, 0
	}
	if v, at := t.check(amounts); v != fits {
		return v, at
	}
	for u, n := range amounts {
		t.amounts[u] += n
		p.im.set(p.im.slot(t.slot, slotAmounts+u), t.amounts[u])
	}
	t.take(amounts)
	return fits, 0
}

// check tells whether amounts fit into every limit. A limit that they would
// pass goes before one whose lease is used up, as no bank could help, and of
// several the strictest. What only soft limits watch always fits; where the
// bank has never been asked of it and cannot be, it goes uncounted.
func (t *Ticket) check(amounts *Amounts) (v verdict, at int) {
	p := t.pool
	for i := range t.chain.limits {
		a, b := t.accounts[i], &t.chain.limits[i]
		if a == nil {
			continue
		}
		n, limit := amounts[b.counter.unit], b.limit.Max
		switch {
		case !b.hasHard && a.row != 0:
		case !b.hasHard && (t.hurry || p.bankDown):
			t.accounts[i] = nil
		case n > limit, a.row != 0 && n > limit-p.spent(a):
			if n <= limit && p.elsewhere(a) {
				if v != over {
					v, at = short, i
				}
			} else if v != over || b.limit.OnExceed < t.chain.limits[at].limit.OnExceed {
				v, at = over, i
			}
		case a.row == 0 || n > p.avail(a):
			if v != over {
				v, at = short, i
			}
		}
	}
	return v, at
}

// take moves amounts out of every account, commits, and asks for more ahead of need.
func (t *Ticket) take(amounts *Amounts) {
	p := t.pool
	for i := range t.chain.limits {
		a, b := t.accounts[i], &t.chain.limits[i]
		if a == nil {
			continue
		}
		n := amounts[b.counter.unit]
		cell := p.im.word(a.word, wordAvail)
		left := p.im.m[cell] - n
		p.im.set(cell, left)
		a.reserved += n
		a.peak = max(a.peak, a.reserved)
		a.touched, a.others.report = true, true
		if limit := b.limit.Max; (left < a.last/4 || left < 0) && a.granted < limit && !a.queued {
			a.max = limit
			p.enqueue(a)
		}
		if b.hasSoft && a.granted-left-a.others.held > b.soft.Max {
			t.passed = i + 1
			p.stats.Passed++
		}
	}
	p.im.commit()
}

// settle frees a slot that holds amounts in accounts and books what was spent.
func (p *Pool) settle(slot int, accounts []*account, amounts, spent *Amounts) {
	im := p.im
	im.set(im.slot(slot, slotState), slotFree)
	for _, a := range accounts {
		if a == nil {
			continue
		}
		cell := im.word(a.word, wordAvail)
		left := im.m[cell] + amounts[a.unit] - spent[a.unit]
		im.set(cell, left)
		a.reserved -= amounts[a.unit]
		a.open--
		if left < 0 || (a.retired && a.open == 0) {
			p.enqueue(a)
		}
	}
	im.commit()
	p.freeSlots = append(p.freeSlots, slot)
}

// noteOverrun counts what was spent beyond a reservation in units that limits
// bound which can refuse: of others the bound may not have been known.
func (p *Pool) noteOverrun(bounded *[units]bool, amounts, spent *Amounts) {
	if by := spent[call.UnitUSD] - amounts[call.UnitUSD]; by > 0 && bounded[call.UnitUSD] {
		p.stats.Overruns++
		p.stats.OverrunSum += by
	}
	if spent[call.UnitTokens] > amounts[call.UnitTokens] && bounded[call.UnitTokens] {
		p.stats.TokenOverruns++
	}
}
