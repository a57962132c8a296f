package budget

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Denied says why a reservation was refused.
type Denied struct {
	Scope string
	Limit call.Limit
	Until time.Time // end of the window; zero: there is none
	// Unavailable: the limit may not be reached, but the bank could not be
	// asked, or the pool has no room. The caller may try again soon.
	Unavailable bool
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
	b := &t.chain.limits[at]
	limit := b.limit
	if !b.hasHard {
		limit = b.soft
	}
	t.denied = Denied{Scope: limit.Scope, Limit: limit, Unavailable: v != over}
	if a := t.accounts[at]; a != nil && a.end != never {
		t.denied.Until = time.Unix(a.end, 0)
	}
	return &t.denied
}

// leave has those of a refused reservation's accounts looked at that the bank
// knows nothing of: they must not keep their words.
func (t *Ticket) leave() {
	for _, a := range t.accounts[:len(t.chain.limits)] {
		if a != nil && a.row == 0 {
			t.pool.enqueue(a)
		}
	}
}
