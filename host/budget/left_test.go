package budget

import "testing"

func TestLeft(t *testing.T) {
	bank := newMemBank()
	p := openPool(t, t.TempDir(), bank, Options{})
	both := chain(t, p, limit("key/a", "day", 100), limit("org/o", "day", 1000))
	other := chain(t, p, limit("key/b", "day", 5000), limit("org/o", "day", 1000))
	f := func(ch *Chain, want, of int64) {
		t.Helper()
		left, limit, ok := p.Left(ch, testTime)
		if !ok || left != want || limit.Max != of {
			t.Errorf("%d of %d left, %v; want %d of %d", left, limit.Max, ok, want, of)
		}
	}
	if _, _, ok := p.Left(nil, testTime); ok {
		t.Error("nothing limits, and something is left of it")
	}
	f(both, 100, 100)
	f(other, 1000, 1000)
	var ticket Ticket
	if d := p.Reserve(&ticket, 1, both, testTime, usd(80)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	f(both, 20, 100)
	f(other, 920, 1000)
	ticket.Settle(usd(30))
	f(both, 70, 100)
	f(other, 970, 1000)
	if left, _, _ := p.Left(both, testTime.AddDate(0, 0, 1)); left != 100 {
		t.Errorf("%d left in the next window; want 100", left)
	}
	closePool(t, p)
}

func TestDry(t *testing.T) {
	p := openPool(t, t.TempDir(), newMemBank(), Options{})
	ch := chain(t, p, limit("key/a", "day", 100), limit("org/o", "day", 1000))
	if d := p.Dry(nil, testTime, usd(1)); d != nil {
		t.Errorf("nothing limits: %+v", *d)
	}
	if d := p.Dry(ch, testTime, usd(500)); d != nil { // whether it is enough, Reserve finds out
		t.Errorf("nothing is spent: %+v", *d)
	}
	var ticket Ticket
	if d := p.Reserve(&ticket, 1, ch, testTime, usd(100)); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	if d := p.Dry(ch, testTime, usd(1)); d == nil || d.Limit.Max != 100 || d.Scope != "key/a" || d.Until.IsZero() || d.Unavailable {
		t.Errorf("all is reserved: got %+v", d)
	}
	if d := p.Dry(ch, testTime, usd(0)); d != nil {
		t.Errorf("what costs nothing is refused: %+v", *d)
	}
	if d := p.Dry(ch, testTime.AddDate(0, 0, 1), usd(1)); d != nil {
		t.Errorf("in the next window: %+v", *d)
	}
	ticket.Settle(usd(99))
	if d := p.Dry(ch, testTime, usd(50)); d != nil {
		t.Errorf("something is left: %+v", *d)
	}
	closePool(t, p)
}
