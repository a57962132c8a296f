package budget

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestExactlyHundredOfThousandPass(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{})
	ch := chain(t, p, limit("key/a", "day", 100_000))
	var passed, over atomic.Int64
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			var ticket Ticket
			if d := p.Reserve(&ticket, call.ID(i+1), ch, testTime, usd(1000)); d != nil {
				if d.Unavailable || d.Scope != "key/a" || !d.Until.Equal(testTime.Add(12*time.Hour)) {
					t.Errorf("denied with %+v", *d)
				}
				over.Add(1)
				return
			}
			passed.Add(1)
			ticket.Sent()
			ticket.Settle(usd(1000))
		})
	}
	wg.Wait()
	if passed.Load() != 100 || over.Load() != 900 {
		t.Errorf("passed %d, denied %d; want 100 and 900", passed.Load(), over.Load())
	}
	closePool(t, p)
	if got := bank.total(t); got != 100_000 {
		t.Errorf("the bank has %d out; want 100000", got)
	}
}

// TestNestedScopesStayBelowLimits lets many goroutines reserve, extend, settle
// and release over scopes that share an organisation, and compares the books.
func TestNestedScopesStayBelowLimits(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{})
	const org, team, key = 3_000_000, 900_000, 300_000
	var spentOrg atomic.Int64
	var spentTeam [4]atomic.Int64
	var spentKey [16]atomic.Int64
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			k := g % 16
			ch := chain(t, p, limit("key/"+string(rune('a'+k)), "day", key),
				limit("team/"+string(rune('a'+k%4)), "month", team), limit("org/o", "total", org))
			var ticket Ticket
			for range 500 {
				if p.Reserve(&ticket, call.ID(g+1), ch, testTime, usd(1+rnd.Int64N(400))) != nil {
					continue
				}
				amount := ticket.amounts[0]
				if rnd.IntN(4) == 0 && ticket.Extend(usd(200)) == nil {
					amount += 200
				}
				if rnd.IntN(5) == 0 {
					ticket.Release()
					ticket.Settle(usd(amount)) // too late to count
					continue
				}
				ticket.Sent()
				actual := rnd.Int64N(amount + 1)
				ticket.Settle(usd(actual))
				ticket.Release()
				spentOrg.Add(actual)
				spentTeam[k%4].Add(actual)
				spentKey[k].Add(actual)
			}
		})
	}
	wg.Wait()
	s := p.Stats()
	if s.Open != 0 || s.Overruns != 0 || s.Unavailable != 0 {
		t.Errorf("stats are %+v; want no open reservations, overruns or unavailable answers", s)
	}
	closePool(t, p)
	if got, want := bank.total(t), 3*spentOrg.Load(); got != want {
		t.Errorf("the bank has %d out; want %d", got, want)
	}
	for k := range spentKey {
		if got := spentKey[k].Load(); got > key {
			t.Errorf("key %d spent %d of %d", k, got, int64(key))
		}
	}
	for i := range spentTeam {
		if got := spentTeam[i].Load(); got > team {
			t.Errorf("team %d spent %d of %d", i, got, int64(team))
		}
	}
}

func TestAllOrNothing(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{})
	tight, wide := limit("key/a", "day", 100), limit("org/o", "day", 1000)
	both := chain(t, p, tight, wide)
	var a, b Ticket
	if d := p.Reserve(&a, 1, both, testTime, usd(80)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	if d := p.Reserve(&b, 2, both, testTime, usd(80)); d == nil || d.Scope != "key/a" || d.Unavailable {
		t.Fatalf("second reservation got %+v; want a refusal by key/a", d)
	}
	if d := a.Extend(usd(30)); d == nil || d.Scope != "key/a" {
		t.Fatalf("extension got %+v; want a refusal by key/a", d)
	}
	if d := a.Extend(usd(20)); d != nil {
		t.Fatalf("extension denied: %+v", *d)
	}
	a.Settle(usd(10))
	if d := p.Reserve(&b, 3, chain(t, p, wide), testTime, usd(990)); d != nil {
		t.Fatalf("what a refused reservation took is gone: %+v", *d)
	}
	b.Release()
	closePool(t, p)
	if got := bank.total(t); got != 20 {
		t.Errorf("the bank has %d out; want 20", got)
	}
}

func TestFreeRequests(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{})
	var ticket Ticket
	for _, max := range []int64{0, 100} {
		ch := chain(t, p, limit("key/a", "day", max))
		if d := p.Reserve(&ticket, 1, ch, testTime, usd(0)); d != nil {
			t.Errorf("limit %d: a request that costs nothing was denied: %+v", max, *d)
		}
		ticket.Settle(usd(0))
		if d := p.Reserve(&ticket, 1, ch, testTime, usd(max+1)); d == nil || d.Unavailable {
			t.Errorf("limit %d: got %+v; want a refusal", max, d)
		}
	}
}

func TestWindowTurns(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{})
	ch := chain(t, p, limit("key/a", "minute", 100))
	var old, next Ticket
	if d := p.Reserve(&old, 1, ch, testTime, usd(100)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	if d := p.Reserve(&next, 2, ch, testTime.Add(time.Minute), usd(100)); d != nil {
		t.Fatalf("denied in the next window: %+v", *d)
	}
	old.Settle(usd(60)) // books into the window that it began in
	next.Settle(usd(70))
	if d := p.Reserve(&next, 3, ch, testTime.Add(time.Minute), usd(31)); d == nil || d.Unavailable {
		t.Fatalf("got %+v; want a refusal", d)
	}
	closePool(t, p)
	if got := bank.total(t); got != 130 {
		t.Errorf("the bank has %d out; want 130", got)
	}
	if len(bank.rows) != 2 {
		t.Errorf("the bank has %d rows; want 2", len(bank.rows))
	}
}

// TestLateRequestFindsWindowsTurned reserves by a time of a window that others
// still hold, when the one after it has come and gone.
func TestLateRequestFindsWindowsTurned(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{Idle: time.Millisecond})
	ch := chain(t, p, limit("key/a", "minute", 1000))
	var long, next, late Ticket
	reserve := func(ticket *Ticket, at time.Time, n int64) {
		t.Helper()
		if d := p.Reserve(ticket, 1, ch, at, usd(n)); d != nil {
			t.Fatalf("denied: %+v", *d)
		}
	}
	reserve(&long, testTime, 100)
	reserve(&next, testTime.Add(time.Minute), 100)
	next.Settle(usd(50))
	for p.Stats().Accounts > 1 {
		awaitRound(p) // until the idle account is forgotten
	}
	reserve(&late, testTime, 100)
	long.Settle(usd(60))
	late.Settle(usd(70))
	closePool(t, p)
	if got := bank.total(t); got != 180 {
		t.Errorf("the bank has %d out; want 180", got)
	}
}

func TestLimitChanges(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{})
	var ticket Ticket
	spend := func(max, amount int64) *Denied {
		d := p.Reserve(&ticket, 1, chain(t, p, limit("key/a", "day", max)), testTime, usd(amount))
		ticket.Settle(usd(amount))
		return d
	}
	if d := spend(100, 60); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	if d := spend(50, 1); d == nil || d.Unavailable {
		t.Fatalf("lowered limit: got %+v; want a refusal", d)
	}
	if d := spend(70, 10); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	if d := spend(70, 1); d == nil {
		t.Fatal("spent more than the lowered limit")
	}
	if d := spend(1000, 930); d != nil {
		t.Fatalf("raised limit: denied: %+v", *d)
	}
	if d := spend(1000, 1); d == nil {
		t.Fatal("spent more than the raised limit")
	}
}

func TestOverrunIsBookedInFull(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{})
	ch := chain(t, p, limit("key/a", "day", 1000))
	var ticket Ticket
	if d := p.Reserve(&ticket, 1, ch, testTime, usd(100)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	ticket.Settle(usd(1500))
	if s := p.Stats(); s.Overruns != 1 || s.OverrunSum != 1400 {
		t.Errorf("stats are %+v; want one overrun of 1400", s)
	}
	if d := p.Reserve(&ticket, 2, ch, testTime, usd(1)); d == nil || d.Unavailable {
		t.Errorf("got %+v; want a refusal", d)
	}
	closePool(t, p)
	if got := bank.granted[1]; got != 1500 {
		t.Errorf("the bank has %d out; want 1500", got)
	}
}

func TestBankDown(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{})
	ch := chain(t, p, limit("key/a", "day", 1_000_000))
	var ticket, other Ticket
	if d := p.Reserve(&ticket, 1, ch, testTime, usd(1000)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	ticket.Release()
	bank.mu.Lock()
	bank.before = func() error { return errDown }
	bank.mu.Unlock()
	if d := p.Reserve(&ticket, 2, ch, testTime, usd(1000)); d != nil {
		t.Fatalf("the lease that is held is not usable: %+v", *d)
	}
	if d := p.Reserve(&other, 3, ch, testTime, usd(900_000)); d == nil || !d.Unavailable {
		t.Fatalf("got %+v; want unavailable", d)
	}
	bank.mu.Lock()
	bank.before = nil
	bank.mu.Unlock()
	for d := p.Reserve(&other, 4, ch, testTime, usd(900_000)); d != nil; d = p.Reserve(&other, 4, ch, testTime, usd(900_000)) {
		if !d.Unavailable {
			t.Fatalf("got %+v; want to pass once the bank is back", *d)
		}
		awaitRound(p)
	}
	ticket.Settle(usd(5))
	other.Settle(usd(7))
	closePool(t, p)
	if got := bank.total(t); got != 12 {
		t.Errorf("the bank has %d out; want 12", got)
	}
}

// awaitRound returns when the banker has ended a round.
func awaitRound(p *Pool) {
	p.mu.Lock()
	round := p.round
	p.mu.Unlock()
	<-round
}

func TestLostAnswersCountOnce(t *testing.T) {
	bank := newMemBank()
	var n int
	bank.after = func() error {
		if n++; n%2 == 1 {
			return errDown
		}
		return nil
	}
	p := openPool(t, t.TempDir(), bank, Options{})
	ch := chain(t, p, limit("key/a", "day", 1000))
	var ticket Ticket
	passed := int64(0)
	for {
		d := p.Reserve(&ticket, 1, ch, testTime, usd(100))
		if d == nil {
			ticket.Settle(usd(100))
			passed++
			continue
		}
		if !d.Unavailable {
			break
		}
		awaitRound(p)
	}
	if passed != 10 {
		t.Errorf("passed %d; want 10", passed)
	}
	bank.after = nil
	closePool(t, p)
	if got := bank.total(t); got != 1000 {
		t.Errorf("the bank has %d out; want 1000", got)
	}
}

func TestBankSetBack(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{})
	ch := chain(t, p, limit("key/a", "day", 1000), limit("key/b", "day", 1000))
	var ticket Ticket
	if d := p.Reserve(&ticket, 1, ch, testTime, usd(100)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	ticket.Settle(usd(100))
	bank.mu.Lock()
	bank.seq = 0
	bank.mu.Unlock()
	if d := p.Reserve(&ticket, 2, ch, testTime, usd(500)); d == nil || !d.Unavailable {
		t.Fatalf("got %+v; want unavailable", d)
	}
	if d := p.Reserve(&ticket, 3, ch, testTime, usd(0)); d == nil || !d.Unavailable {
		t.Fatalf("the pool goes on with a bank that was set back: %+v", d)
	}
	if !p.Stats().Fenced {
		t.Error("stats do not say so")
	}
	if err := p.Close(); err == nil {
		t.Error("close does not say so")
	}
}

func TestChainErrors(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{})
	f := func(want string, limits ...call.Limit) {
		t.Helper()
		_, err := p.Chain(limits)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want an error with %q", err, want)
		}
	}
	f("scope is empty", limit("", "day", 1))
	f("must not be negative", limit("key/a", "day", -1))
	f("window unit", limit("key/a", "fortnight", 1))
	f("can be budgeted", call.Limit{Scope: "key/a", Unit: call.UnitConcurrent, Window: call.Window{Unit: "day", Size: 1}})
	f("of kind \"squad\"", limit("squad/a", "day", 1))
	f("names no team", limit("team/", "day", 1))
	f("names no team", limit("team", "day", 1))
	f("cannot roll", call.Limit{Scope: "key/a", Window: call.Window{Unit: "total", Size: 1, Rolling: true}})
	var many []call.Limit
	for _, s := range strings.Split("abcdefghijklm", "") {
		many = append(many, limit("key/"+s, "day", 1))
	}
	f("12", many...)
	if ch := chain(t, p); ch != nil {
		t.Error("no limits give a chain")
	}
	if ch := chain(t, p, limit("key/a", "day", 5), limit("key/a", "day", 3)); len(ch.limits) != 1 || ch.limits[0].limit.Max != 3 {
		t.Errorf("twice the same scope gives %+v; want the lower limit alone", ch.limits)
	}
}

func TestNoLimitsNoTicket(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{})
	var ticket Ticket
	if d := p.Reserve(&ticket, 1, nil, testTime, usd(1<<62)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	if d := ticket.Extend(usd(5)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	ticket.Sent()
	ticket.Settle(usd(3))
	ticket.Release()
}

func TestRoomRunsOut(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{Slots: 1, Accounts: 1})
	a, b := chain(t, p, limit("key/a", "day", 100)), chain(t, p, limit("key/b", "day", 100))
	var one, two Ticket
	if d := p.Reserve(&one, 1, a, testTime, usd(1)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	if d := p.Reserve(&two, 2, a, testTime, usd(1)); d == nil || !d.Unavailable {
		t.Errorf("without a free slot: got %+v; want unavailable", d)
	}
	one.Release()
	if d := p.Reserve(&two, 3, b, testTime, usd(1)); d == nil || !d.Unavailable {
		t.Errorf("without a free account: got %+v; want unavailable", d)
	}
}

func TestIdleLeaseGoesBack(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{Accounts: 1, Idle: time.Millisecond})
	var ticket Ticket
	for i, scope := range []string{"key/a", "key/b", "key/a", "key/c"} {
		ch := chain(t, p, limit(scope, "day", 100_000))
		for d := p.Reserve(&ticket, 1, ch, testTime, usd(10)); d != nil; d = p.Reserve(&ticket, 1, ch, testTime, usd(10)) {
			if !d.Unavailable {
				t.Fatalf("round %d: denied: %+v", i, *d)
			}
			awaitRound(p) // until the idle account's word is free
		}
		ticket.Settle(usd(10))
	}
	closePool(t, p)
	if got := bank.total(t); got != 40 {
		t.Errorf("the bank has %d out; want 40", got)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir, bank := t.TempDir(), newMemBank()
	p := openPool(t, dir, bank, Options{})
	if _, err := Open(context.Background(), dir, bank, Options{}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("got %v; want an error that names the other process", err)
	}
	closePool(t, p)
	closePool(t, p)
	openPool(t, dir, bank, Options{})
}
