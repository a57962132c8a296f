package budget

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func benchChain(b *testing.B, p *Pool) *Chain {
	return chain(b, p, limit("key/k", "day", 1<<60), limit("key/t", "day", 1<<60), limit("key/p", "day", 1<<60), limit("org/o", "month", 1<<60))
}

// BenchmarkReserveSettle is a request's dealings with four scopes.
func BenchmarkReserveSettle(b *testing.B) {
	p := openPool(b, b.TempDir(), newMemBank(), Options{})
	ch := benchChain(b, p)
	ticket := new(Ticket)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if p.Reserve(ticket, call.ID(i), ch, testTime, usd(1000)) != nil {
			b.Fatal("denied")
		}
		ticket.Sent()
		ticket.Settle(usd(900))
	}
}

func BenchmarkReserveSettleParallel(b *testing.B) {
	p := openPool(b, b.TempDir(), newMemBank(), Options{})
	ch := benchChain(b, p)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ticket := new(Ticket)
		for pb.Next() {
			if p.Reserve(ticket, 1, ch, testTime, usd(1000)) != nil {
				b.Error("denied")
				return
			}
			ticket.Sent()
			ticket.Settle(usd(900))
		}
	})
}

func BenchmarkRefused(b *testing.B) {
	p := openPool(b, b.TempDir(), newMemBank(), Options{})
	ch := chain(b, p, limit("key/k", "day", 1<<60), limit("org/o", "month", 0))
	ticket := new(Ticket)
	b.ReportAllocs()
	for b.Loop() {
		if p.Reserve(ticket, 1, ch, testTime, usd(1000)) == nil {
			b.Fatal("passed")
		}
	}
}
