package budget

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// TestBankIsAskedSeldom: whatever requests reserve beside what they cost, and
// however near the limit, the bank hears of one in a hundred at most.
func TestBankIsAskedSeldom(t *testing.T) {
	f := func(name string, max, bound int64, crowd int, cost func() int64) {
		p := openPool(t, t.TempDir(), newMemBank(), Options{})
		ch := chain(t, p, limit("key/a", "day", max), limit("team/a", "day", max), limit("org/a", "month", 4*max))
		var wg sync.WaitGroup
		for g := range crowd {
			wg.Go(func() {
				var open [4]Ticket // requests that run at once
				for i := range 400 {
					ticket := &open[i%len(open)]
					ticket.Settle(usd(cost()))
					p.Reserve(ticket, call.ID(g+1), ch, testTime, usd(bound))
				}
				for i := range open {
					open[i].Settle(usd(cost()))
				}
			})
		}
		wg.Wait()
		s := p.Stats()
		asked, n := s.BankBatches, s.Reserved+s.Denied
		t.Logf("%s: %d requests, %d denied, the bank was asked %d times", name, n, s.Denied, asked)
		if n < 1000 || asked*100 > n {
			t.Errorf("%s: the bank was asked %d times for %d requests", name, asked, n)
		}
	}
	const usd5 = 5_000_000_000
	f("streams that may be long and are short", usd5, 9_800_000, 50, func() int64 { return 60_000 })
	f("streams that fill the budget", usd5, 9_800_000, 200, func() int64 { return 60_000 })
	f("what is reserved is spent", usd5, 500_000, 50, func() int64 { return 500_000 })
	f("until nothing is left", usd5/5, 500_000, 50, func() int64 { return rand.Int64N(500_000) })
}

// TestExcessGoesBack: what was needed for a crowd is not kept once that is gone.
func TestExcessGoesBack(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{Idle: 20 * time.Millisecond})
	ch := chain(t, p, limit("key/a", "day", 1_000_000_000))
	crowd := make([]Ticket, 1000)
	for i := range crowd {
		if d := p.Reserve(&crowd[i], call.ID(i+1), ch, testTime, usd(500_000)); d != nil {
			t.Fatalf("denied: %+v", *d)
		}
	}
	for i := range crowd {
		crowd[i].Settle(usd(1))
	}
	var one Ticket
	for p.Stats().Held > 100_000_000 {
		if d := p.Reserve(&one, 1, ch, testTime, usd(500_000)); d != nil {
			t.Fatalf("denied: %+v", *d)
		}
		one.Release() // it is in use all the time
		<-time.After(time.Millisecond)
	}
	closePool(t, p)
	if got := bank.total(t); got != 1000 {
		t.Errorf("the bank has %d out; want 1000", got)
	}
}

// TestBankHearsOfTheEnd: of what a node had and has spent to the last the bank
// hears too, though nothing is handed back: a fence would hand it out again.
func TestBankHearsOfTheEnd(t *testing.T) {
	f := func(end func(*Pool, *Ticket)) {
		t.Helper()
		bank := newMemBank()
		p := openPool(t, t.TempDir(), bank, Options{})
		ch := chain(t, p, limit("key/a", "day", 1500))
		var ticket Ticket
		if d := p.Reserve(&ticket, 1, ch, testTime, usd(1500)); d != nil {
			t.Fatalf("denied: %+v", *d)
		}
		end(p, &ticket)
		if got := bank.total(t); got != 1500 {
			t.Errorf("the bank has %d out; want 1500", got)
		}
		for row, n := range bank.told {
			if n != 0 {
				t.Errorf("row %d: the bank was told of %d last; want 0", row, n)
			}
		}
	}
	f(func(p *Pool, ticket *Ticket) {
		ticket.Settle(usd(1500))
		closePool(t, p)
	})
	f(func(p *Pool, ticket *Ticket) { // it runs while the lease is handed back
		if err := p.returnAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		ticket.Settle(usd(1500))
		closePool(t, p)
	})
}
