package budget

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	// recallPause is between two questions whether other nodes have handed back
	// what they hold.
	recallPause = 15 * time.Millisecond
	// recallWait is for how long they are waited for.
	recallWait = 500 * time.Millisecond
	// A refusal by the bank stands for refused, one for want of what others hold
	// and do not hand back for unanswered: each request would have to wait for it.
	refused    = 100 * time.Millisecond
	unanswered = 2 * time.Second
	// tightFor is for how long nothing is fetched ahead of need after a recall.
	tightFor = 3 * time.Second
)

// await has the banker fetch what t lacks and tries again after each of its
// rounds. It is called, and returns, with the lock held.
func (p *Pool) await(t *Ticket, amounts *Amounts, try func() (verdict, int)) (v verdict, at int) {
	timer := time.NewTimer(p.opts.Wait)
	defer timer.Stop()
	for v = short; v == short && !p.bankDown; v, at = try() {
		recalling := t.demand(amounts)
		round := p.round
		p.mu.Unlock()
		expired := false
		select {
		case <-round:
		case <-timer.C:
			expired = true
		}
		if recalling && !expired {
			select {
			case <-time.After(recallPause):
			case <-timer.C:
				expired = true
			}
		}
		p.mu.Lock()
		if expired {
			return t.last(try)
		}
	}
	if v == short {
		return t.last(try)
	}
	return v, at
}

// last is the try after which a request does not wait any longer: what soft
// limits watch and nobody can count goes uncounted.
func (t *Ticket) last(try func() (verdict, int)) (verdict, int) {
	v, at := try()
	if v != short || t.chain.limits[at].hasHard {
		return v, at
	}
	t.hurry = true
	v, at = try()
	t.hurry = false
	return v, at
}

// demand registers what each account lacks. It reports whether other nodes are
// being asked to hand something back.
func (t *Ticket) demand(amounts *Amounts) (recalling bool) {
	p := t.pool
	for i := range t.chain.limits {
		a, b := t.accounts[i], &t.chain.limits[i]
		if a == nil {
			continue
		}
		n, limit := amounts[b.counter.unit], b.limit.Max
		if !b.hasHard {
			n = 0 // it can be booked later
		}
		if a.row != 0 && n <= p.avail(a) {
			continue
		}
		if a.demand < limit-n {
			a.demand += n
		} else {
			a.demand = max(a.demand, limit)
		}
		if !a.waited || n < a.least {
			a.least = n
		}
		a.max, a.waited = max(a.max, limit), true
		p.enqueue(a)
		recalling = recalling || !a.others.asking.IsZero()
	}
	return recalling
}

// elsewhere reports whether more of a's limit may be had from other nodes.
func (p *Pool) elsewhere(a *account) bool {
	return p.shared != nil && a.others.held+a.others.reserved > 0 && time.Now().After(a.others.quiet)
}

// noteShare keeps what a grant says of other nodes, and how long a refusal stands.
func (a *account) noteShare(op *call.BankOp, g *call.BankGrant, now time.Time) {
	a.others.held, a.others.reserved = g.Held, g.Reserved
	a.others.recall = a.others.recall || g.Recall
	if op.Need == 0 || g.Amount >= op.Least && g.Amount > 0 {
		a.others.asking = time.Time{}
		return
	}
	switch {
	case g.Held == 0:
		a.others.asking, a.others.quiet = time.Time{}, now.Add(refused)
	case a.others.asking.IsZero():
		a.others.asking = now
	case now.Sub(a.others.asking) > recallWait:
		a.others.asking, a.others.quiet = time.Time{}, now.Add(unanswered)
	}
}
