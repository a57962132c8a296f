//go:build !race

package budget

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestNoAllocations(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{})
	ch := chain(t, p, limit("key/k", "day", 1<<50), limit("key/t", "day", 1<<50), limit("key/p", "day", 1<<50), limit("org/o", "month", 1<<50),
		inUnit(limit("key/k", "day", 1<<50), call.UnitTokens, call.OnClamp), inUnit(limit("key/k", "month", 1<<50), call.UnitRequests, call.OnWarn))
	tight := chain(t, p, limit("key/none", "day", 0))
	ticket := new(Ticket)
	id := call.ID(0)
	pass := func() {
		id++
		if p.Reserve(ticket, id, ch, testTime, Amounts{1000, 500, 1}) != nil {
			t.Fatal("denied")
		}
		ticket.Sent()
		if ticket.Extend(Amounts{10, 5}) != nil {
			t.Fatal("denied")
		}
		ticket.Settle(Amounts{900, 400, 1})
		ticket.Release()
	}
	refuse := func() {
		if p.Reserve(ticket, 1, tight, testTime, usd(1)) == nil {
			t.Fatal("passed")
		}
	}
	for range 100 {
		pass()
	}
	// The banker refills in the background, once in about 1e7 reservations here.
	if n := testing.AllocsPerRun(1000, pass); n != 0 {
		t.Errorf("a reservation's life makes %v allocations; want 0", n)
	}
	if n := testing.AllocsPerRun(1000, refuse); n != 0 {
		t.Errorf("a refusal makes %v allocations; want 0", n)
	}
}
