package host

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/objective"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestTickets count once, and none but the playground's is one.
func TestTickets(t *testing.T) {
	p := &playground{tickets: map[string]*ticket{playPrefix + "a": {}}}
	f := func(name string, want bool) {
		t.Helper()
		if got := p.redeem([]byte(name)) != nil; got != want {
			t.Errorf("redeem(%q): %v; want %v", name, got, want)
		}
	}
	f("", false)
	f("sb-key", false)
	f(playPrefix, false)
	f(playPrefix+"b", false)
	f("x"+playPrefix+"a", false)
	f(playPrefix+"a", true)
	f(playPrefix+"a", false)
	if (*playground)(nil).redeem([]byte(playPrefix+"a")) != nil {
		t.Error("where there is no playground there is a ticket")
	}
}

// TestTicketsLeave: who asked in the browser leaves, and the call hears of it, as
// long as it is this one.
func TestTicketsLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tk := &ticket{ctx: ctx, who: &call.Principal{KeyID: playID}, remote: netip.MustParseAddr("192.0.2.1"), tls: true}
		f := &flight{}
		if err := tk.enter(nil, f); err != nil {
			t.Fatal(err)
		}
		if f.Principal.KeyID != playID || f.Origin != "playground" || f.Remote != tk.remote || !f.TLS || f.ticketed != tk {
			t.Errorf("the call is %+v", &f.Call)
		}
		cancel()
		synctest.Wait()
		select {
		case <-f.Gone.Done():
		default:
			t.Error("the call has not heard that its caller left")
		}
		f.ticketed.done()

		later, cancel := context.WithCancel(t.Context())
		tk = &ticket{ctx: later, who: tk.who}
		next := &flight{}
		if err := tk.enter(nil, next); err != nil {
			t.Fatal(err)
		}
		next.ticketed.done()
		cancel()
		synctest.Wait()
		select {
		case <-next.Gone.Done():
			t.Error("a call that has ended hears of who left")
		default:
		}
		(*ticket)(nil).done()
	})
}

// TestFared: attempts count for their own targets; those that were ended before
// they could answer, and those that lost against a hedge, for nobody.
func TestFared(t *testing.T) {
	w := &watch{Keeper: objective.New()}
	target := func(name string) *call.Target {
		return &call.Target{Name: name + "/m", Provider: &call.Provider{Name: name}}
	}
	a, b := target("a"), target("b")
	f := &flight{}
	f.Received = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	f.Attempts = []call.Attempt{
		{Target: a, Class: wire.ClassServer},
		{Target: a, Class: wire.ClassNone},
		{Target: b, Class: wire.ClassNone, FirstByte: time.Millisecond, Lost: true},
		{Target: b, Class: wire.ClassNone, FirstByte: time.Millisecond},
		{Class: wire.ClassServer},
	}
	w.fared(f, &call.Record{})
	f.Attempts, f.Model = nil, &call.Model{Targets: []*call.Target{a, b}}
	w.fared(f, &call.Record{Code: codeDown})
	w.fared(f, &call.Record{Code: "policy_denied"})
	check := func(name string, attempts, failed int64) {
		t.Helper()
		p := w.Minutes(f.Received, name, 1, 1)
		if len(p) != 1 || p[0].Attempts != attempts || p[0].Failed != failed {
			t.Errorf("%s: %+v; want %d attempts, %d failed", name, p, attempts, failed)
		}
	}
	check("a", 2, 2)
	check("a/m", 2, 2)
	check("b", 1, 0)
}
