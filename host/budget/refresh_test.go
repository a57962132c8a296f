package budget

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// TestOldBucketGivesBack: what a request gives back to a bucket that is over
// can be spent in the one that has begun.
func TestOldBucketGivesBack(t *testing.T) {
	now := testTime
	p := openPool(t, t.TempDir(), newMemBank(), Options{Now: func() time.Time { return now }})
	day := call.Limit{Scope: "key/a", Window: call.Window{Unit: "day", Size: 1, Rolling: true}, Max: 1000}
	ch := chain(t, p, day)
	var long, short Ticket
	if d := p.Reserve(&long, 1, ch, now, usd(900)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	now = now.Add(time.Hour)
	if d := p.Reserve(&short, 2, ch, now, usd(50)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	short.Settle(usd(50))
	long.Settle(usd(100))
	want := time.Now().Add(time.Minute)
	for p.Reserve(&short, 3, ch, now, usd(700)) != nil {
		if time.Now().After(want) {
			t.Fatal("850 of 1000 are left, and 700 are refused")
		}
		time.Sleep(time.Millisecond)
	}
	short.Release()
}

// TestScopesThatCannotBeAsked: scopes that were asked for while the bank was
// gone, or whose limit takes no request, keep no room from others.
func TestScopesThatCannotBeAsked(t *testing.T) {
	const room = 50
	bank := newMemBank()
	var down atomic.Bool
	bank.before = func() error {
		if down.Load() {
			return errDown
		}
		return nil
	}
	p := openPool(t, t.TempDir(), bank, Options{Accounts: room, Wait: time.Millisecond})
	ask := func(scope string, max int64) *Denied {
		var ticket Ticket
		d := p.Reserve(&ticket, 1, chain(t, p, limit(scope, "day", max)), testTime, usd(10))
		ticket.Release()
		return d
	}
	served := func(scope string) {
		t.Helper()
		until := time.Now().Add(time.Minute)
		for ask(scope, 1000) != nil {
			if time.Now().After(until) {
				t.Fatalf("%s is refused for good: %+v", scope, p.Stats())
			}
			time.Sleep(time.Millisecond)
		}
	}
	for i := range 2 * room {
		if d := ask("key/small"+strconv.Itoa(i), 5); d == nil || d.Unavailable && i < room/2 {
			t.Fatalf("a limit of 5 took 10: %+v", d)
		}
	}
	served("key/a")
	down.Store(true)
	for i := range 2 * room {
		if d := ask("key/"+strconv.Itoa(i), 1000); d == nil || !d.Unavailable {
			t.Fatalf("%+v; want it unavailable", d)
		}
	}
	down.Store(false)
	served("key/b")
}
