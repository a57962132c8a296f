//go:build !race

package budget

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestNoAllocations(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{})
	ch := chain(t, p, limit("k", "day", 1<<50), limit("t", "day", 1<<50), limit("p", "day", 1<<50), limit("o", "month", 1<<50))
	tight := chain(t, p, limit("none", "day", 0))
	ticket := new(Ticket)
	id := call.ID(0)
	pass := func() {
		id++
		if p.Reserve(ticket, id, ch, testTime, 1000) != nil {
			t.Fatal("denied")
		}
		ticket.Sent()
		if ticket.Extend(10) != nil {
			t.Fatal("denied")
		}
		ticket.Settle(900)
		ticket.Release()
	}
	refuse := func() {
		if p.Reserve(ticket, 1, tight, testTime, 1) == nil {
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
