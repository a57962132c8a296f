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
	accounts [maxChain]*account
	slot     int
	amount   int64
	open     bool // guarded by pool.mu
	denied   Denied
}

// Denied says why a reservation was refused.
type Denied struct {
	Scope string
	Limit call.Limit
	Until time.Time // end of the window; zero: there is none
	// Unavailable: the limit may not be reached, but the bank could not be
	// asked, or the pool has no room. The caller may try again soon.
	Unavailable bool
}

// verdict is the outcome of one try at a reservation.
type verdict uint8

const (
	fits   verdict = iota
	over           // a limit would be passed
	short          // the lease is used up, the bank may have more
	closed         // nothing can be had: pool closed or fenced, or no slot or word is free
)

// Reserve takes amount nano-dollars from every limit of ch, or from none, and
// binds it to t until t is settled or released. Most calls do not wait; one that
// finds a lease used up waits for the bank, at most Options.Wait. The result is
// nil, or valid until t's next use.
func (p *Pool) Reserve(t *Ticket, id call.ID, ch *Chain, now time.Time, amount int64) *Denied {
	if t.open {
		panic("BUG: ticket reserved twice")
	}
	if ch == nil {
		t.pool = nil
		return nil
	}
	amount = max(amount, 0)
	p.mu.Lock()
	t.pool, t.chain, t.accounts = p, ch, [maxChain]*account{}
	v, at := t.enter(id, now, amount)
	if v == short && !p.bankDown {
		v, at = p.await(t, amount, func() (verdict, int) { return t.enter(id, now, amount) })
	}
	d := t.conclude(v, at)
	p.mu.Unlock()
	return d
}

// Extend takes amount more from every limit, for another attempt or a longer
// answer; it is reserved in the windows that the ticket began in.
func (t *Ticket) Extend(amount int64) *Denied {
	p := t.pool
	if p == nil || amount <= 0 {
		return nil
	}
	p.mu.Lock()
	v, at := t.more(amount)
	if v == short && !p.bankDown {
		v, at = p.await(t, amount, func() (verdict, int) { return t.more(amount) })
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

// Settle replaces the reservation by what was spent, also where that is more.
// After the first Settle or Release, both do nothing.
func (t *Ticket) Settle(spent int64) {
	p := t.pool
	if p == nil {
		return
	}
	p.mu.Lock()
	if t.open && !p.closed {
		p.settle(t.slot, t.accounts[:len(t.chain.limits)], t.amount, max(spent, 0))
	}
	t.open = false
	p.mu.Unlock()
}

// Release gives all of the reservation back.
func (t *Ticket) Release() { t.Settle(0) }

// enter tries to open t; on refusal it also tells which limit refused.
func (t *Ticket) enter(id call.ID, now time.Time, amount int64) (verdict, int) {
	p, limits := t.pool, t.chain.limits
	if p.draining || p.fenced || len(p.freeSlots) == 0 {
		return closed, 0
	}
	for i := range limits {
		if t.accounts[i] = p.current(limits[i].counter, now); t.accounts[i] == nil {
			return closed, i
		}
	}
	if v, at := t.check(amount); v != fits {
		return v, at
	}
	last := len(p.freeSlots) - 1
	t.slot = p.freeSlots[last]
	p.freeSlots = p.freeSlots[:last]
	t.amount, t.open = amount, true
	p.stats.Reserved++

	// The slot is free, so what it says does not count before its state changes.
	im, held := p.im, [maxChain / 2]int64{}
	for i := range limits {
		a := t.accounts[i]
		a.open++
		held[i/2] |= int64(a.word+1) << (32 * (i % 2))
	}
	im.m[im.slot(t.slot, slotID)] = int64(id)
	copy(im.m[im.slot(t.slot, slotWords):], held[:])
	im.set(im.slot(t.slot, slotAmount), amount)
	im.set(im.slot(t.slot, slotState), slotOpen)
	t.take(amount)
	return fits, 0
}

// more tries to add amount to an open ticket. One that is no longer open, or
// whose pool has closed, has nothing to add to.
func (t *Ticket) more(amount int64) (verdict, int) {
	p := t.pool
	if p.draining || p.fenced || !t.open {
		return closed, 0
	}
	if v, at := t.check(amount); v != fits {
		return v, at
	}
	t.amount += amount
	p.im.set(p.im.slot(t.slot, slotAmount), t.amount)
	t.take(amount)
	return fits, 0
}

// check tells whether amount fits into every limit. A limit that it would pass
// goes before one whose lease is used up: no bank could help.
func (t *Ticket) check(amount int64) (v verdict, at int) {
	p := t.pool
	for i := range t.chain.limits {
		a, limit := t.accounts[i], t.chain.limits[i].limit.Max
		switch {
		case amount > limit, a.row != 0 && amount > limit-p.spent(a):
			return over, i
		case a.row == 0 || amount > p.avail(a):
			v, at = short, i
		}
	}
	return v, at
}

// take moves amount out of every account, commits, and asks for more ahead of need.
func (t *Ticket) take(amount int64) {
	p := t.pool
	for i := range t.chain.limits {
		a := t.accounts[i]
		cell := p.im.word(a.word, wordAvail)
		left := p.im.m[cell] - amount
		p.im.set(cell, left)
		a.touched = true
		if limit := t.chain.limits[i].limit.Max; left < a.last/4 && a.granted < limit && !a.queued {
			a.max = limit
			p.enqueue(a)
		}
	}
	p.im.commit()
}

// settle frees a slot that holds amount in accounts and books what was spent.
func (p *Pool) settle(slot int, accounts []*account, amount, spent int64) {
	im := p.im
	im.set(im.slot(slot, slotState), slotFree)
	for _, a := range accounts {
		cell := im.word(a.word, wordAvail)
		left := im.m[cell] + amount - spent
		im.set(cell, left)
		a.open--
		if left < 0 || (a.retired && a.open == 0) {
			p.enqueue(a)
		}
	}
	im.commit()
	p.freeSlots = append(p.freeSlots, slot)
	if spent > amount {
		p.stats.Overruns++
		p.stats.OverrunSum += spent - amount
	}
}

// await has the banker fetch what t lacks and tries again after each of its
// rounds. It is called, and returns, with the lock held.
func (p *Pool) await(t *Ticket, amount int64, try func() (verdict, int)) (verdict, int) {
	timer := time.NewTimer(p.opts.Wait)
	defer timer.Stop()
	for {
		t.demand(amount)
		round := p.round
		p.mu.Unlock()
		expired := false
		select {
		case <-round:
		case <-timer.C:
			expired = true
		}
		p.mu.Lock()
		v, again := try()
		if v != short || expired || p.bankDown {
			return v, again
		}
	}
}

// demand registers what each account lacks.
func (t *Ticket) demand(amount int64) {
	p := t.pool
	for i := range t.chain.limits {
		a := t.accounts[i]
		if a.row != 0 && amount <= p.avail(a) {
			continue
		}
		limit := t.chain.limits[i].limit.Max
		if a.demand < limit-amount {
			a.demand += amount
		} else {
			a.demand = max(a.demand, limit)
		}
		a.max, a.waited = max(a.max, limit), true
		p.enqueue(a)
	}
}

// conclude counts a verdict and turns it into the caller's answer.
func (t *Ticket) conclude(v verdict, at int) *Denied {
	switch v {
	case fits:
		return nil
	case over:
		t.pool.stats.Denied++
	default:
		t.pool.stats.Unavailable++
	}
	limit := t.chain.limits[at].limit
	t.denied = Denied{Scope: limit.Scope, Limit: limit, Unavailable: v != over}
	if a := t.accounts[at]; a != nil && a.end != never {
		t.denied.Until = time.Unix(a.end, 0)
	}
	return &t.denied
}
