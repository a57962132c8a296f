//go:build !race

package live

import (
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestNobodyWatchingCostsNothing(t *testing.T) {
	h := New(func(*call.Record) *call.LedgerRow { panic("BUG: a row is made for nobody") })
	r := answered(1, time.Millisecond)
	f := func(what string) {
		t.Helper()
		if n := testing.AllocsPerRun(1000, func() { h.Began(); h.Finished(r); h.Ended() }); n != 0 {
			t.Errorf("%s, a request allocates %v times; want 0", what, n)
		}
	}
	f("while nobody watches")
	w := h.Watch(func(*call.Record) bool { return false })
	f("while somebody watches others")
	w.Close()
	f("when nobody watches any more")
}

func BenchmarkFinished(b *testing.B) {
	h := New(nil)
	r := answered(1, time.Millisecond)
	b.ReportAllocs()
	for b.Loop() {
		h.Finished(r)
	}
}
