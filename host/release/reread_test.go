package release

import (
	"context"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/lane"
)

// refresh takes in what the other gateways have done.
func (h *house) refresh() {
	h.t.Helper()
	if err := h.Refresh(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// TestTwoGateways has the steps that one takes hold on the other.
func TestTwoGateways(t *testing.T) {
	a := newHouse(t)
	ctx := t.Context()
	a.configure(picks(0), "")
	b := a.beside(picks(0))
	b.is(0)
	v := a.push(picks(1), "")
	a.must(a.Promote(ctx, "m", v.Label[2:], Act{Who: "admin", Force: true}))
	a.is(1)
	b.is(0) // it has not heard yet
	b.refresh()
	b.is(1)
	if a.story() != b.story() || b.state(v.Label) != Active {
		t.Errorf("histories:\n%s\n%s", a.story(), b.story())
	}
	b.must(b.Rollback(ctx, "m", "", admin))
	b.is(0)
	if _, err := a.Promote(ctx, "m", "", admin); code(err) != "not_found" { // it looks first
		t.Errorf("promoted what was no canary any more: %v", err)
	}
	a.is(0)
	a.must(a.Canary(ctx, "m", v.Label[2:], Split{Share: 1, Guard: lane.DefaultGuard}, Act{Who: "admin", Force: true}))
	b.refresh()
	b.is(1)
	swaps := b.router.Handle("m").Stats().Swaps
	b.refresh() // nothing has changed
	if n := b.router.Handle("m").Stats().Swaps; n != swaps {
		t.Errorf("%d swaps for nothing", n-swaps)
	}
}

// TestStepsAtOnce has two gateways take a step each at the same moment.
func TestStepsAtOnce(t *testing.T) {
	a := newHouse(t)
	ctx := t.Context()
	a.configure(picks(0), "")
	b := a.beside(picks(0))
	v := a.push(picks(1), "")
	a.disk.meet = func() { b.push(picks(2), "") }
	if _, err := a.Shadow(ctx, "m", v.Label[2:], admin); err != errMeanwhile {
		t.Errorf("got %v; want %v", err, errMeanwhile)
	}
	a.must(a.Shadow(ctx, "m", v.Label[2:], admin))
	a.opt.Replay = func(context.Context, string, lane.Source, Query) (*Proof, error) {
		b.push(picks(7), "") // while it runs
		return a.proof, nil
	}
	if _, err := a.Replay(ctx, "m", v.Label[2:], Query{}, admin); err != nil {
		t.Error(err)
	}
	a.disk.meet = func() { b.push(picks(8), "") }
	a.configure(picks(3), "") // nobody has asked for it: it is tried again
	a.is(3)
	b.refresh()
	b.is(3)
}

// TestFaultsElsewhere has a version fail at one gateway while another takes a step.
func TestFaultsElsewhere(t *testing.T) {
	a := newHouse(t)
	ctx := t.Context()
	a.configure(picks(0), "")
	b := a.beside(picks(0))
	bad := a.push(picks(-1), "")
	a.must(a.Canary(ctx, "m", bad.Label[2:], Split{Share: 1, Guard: lane.DefaultGuard}, Act{Who: "admin", Force: true}))
	b.refresh()
	other := b.push(picks(2), "") // a does not hear of it
	for i := range 30 {
		a.serves(string(rune('a'+i%5)), i)
	}
	list, err := a.List("m") // writes down what has left
	if err != nil || list[0].Canary != "" || a.state(bad.Label) != Quarantined || a.state(other.Label) != Pushed {
		t.Errorf("%+v, %v", list, err)
	}
	b.refresh()
	b.is(0)
	if b.state(bad.Label) != Quarantined {
		t.Errorf("elsewhere it is %s", b.state(bad.Label))
	}
}

// TestWhatCannotRunHere has one gateway take into use what another does not trust.
func TestWhatCannotRunHere(t *testing.T) {
	a := newHouse(t)
	ctx := t.Context()
	a.configure(picks(0), "")
	b := a.beside(picks(0))
	v := a.push(picks(1), "")
	a.must(a.Promote(ctx, "m", v.Label[2:], Act{Who: "admin", Force: true}))
	b.keys.Required = true
	for range 2 { // it is tried again and again
		if err := b.Refresh(ctx); code(err) != "module_refused" {
			t.Errorf("got %v", err)
		}
		b.is(0)
	}
	b.keys.Required = false
	b.refresh()
	b.is(1)
}

// TestStartAtOnce has gateways with one new configuration start together.
func TestStartAtOnce(t *testing.T) {
	a := newHouse(t)
	a.configure(picks(0), "")
	b, c := a.beside(picks(0)), a.beside(picks(0))
	var wg sync.WaitGroup
	for _, h := range []*house{a, b, c} {
		wg.Go(func() { h.configure(picks(3), "") })
	}
	wg.Wait()
	for _, h := range []*house{a, b, c} {
		h.refresh()
		h.is(3)
	}
}
