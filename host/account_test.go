package host

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// moneyHost is a host that can account, and a call on a budget of a dollar.
func moneyHost(t *testing.T) (*Host, *flight) {
	t.Helper()
	h, _ := testHost(t)
	h.metrics = telemetry.New()
	var err error
	if h.ledger, err = ledger.Open(context.Background(), h.dir, h.store, ledger.Options{Log: h.log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.ledger.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	h.flights.New = func() any { f := &flight{}; f.Owner = f; return f }
	f := h.New().Owner.(*flight)
	f.gen, f.ID, f.Received, f.Op = &generation{}, call.NewIDs(0, 0).Next(time.Now()), time.Now(), wire.OpChat
	f.Principal = &call.Principal{KeyID: "k-1", KeyName: "dev"}
	f.chain, err = h.budget.Chain([]call.Limit{{Scope: "key/k-1", Window: call.Window{Unit: "day", Size: 1}, Max: 1e9}})
	if err != nil {
		t.Fatal(err)
	}
	return h, f
}

// TestFreeAttemptsAreReservedOnce: a model that costs nothing opens the ticket
// too, and an attempt after it extends the same one.
func TestFreeAttemptsAreReservedOnce(t *testing.T) {
	h, f := moneyHost(t)
	for _, bound := range []int64{0, 0, 7, 7} {
		if err := h.Cover(&f.Call, call.Bound{USD: bound}); err != nil {
			t.Fatal(err)
		}
	}
	if f.Reserved != 7 || h.budget.Stats().Open != 1 {
		t.Errorf("reserved %d, %d reservations open", f.Reserved, h.budget.Stats().Open)
	}
	h.Finish(&f.Call)
	h.Done(&f.Call)
	if open := h.budget.Stats().Open; open != 0 {
		t.Errorf("%d reservations stay open", open)
	}
}

// TestNothingLeftEndsACallBeforeFilters: filters, and the guards that they ask,
// do not look at what no budget has anything left for; they do at what is free.
func TestNothingLeftEndsACallBeforeFilters(t *testing.T) {
	h, f := moneyHost(t)
	defer h.Done(&f.Call)
	f.Decision = &call.Decision{Filters: []string{"absent"}} // is asked for, and found missing
	dear, free := &call.Target{Name: "a/b", Price: &call.Price{Input: 1e9, Output: 1e9, MaxOutput: 100}}, &call.Target{Name: "a/c", Price: &call.Price{}}
	f.Body, f.Facts.Size = []byte("{}"), 100
	ask := func(want string, targets ...*call.Target) {
		t.Helper()
		f.Model = &call.Model{Name: "m", Targets: targets}
		if err := h.filter(f); err == nil || err.Code != want {
			t.Errorf("got %v; want %s", err, want)
		}
	}
	ask("policy_error", dear)
	var all budget.Ticket
	if d := h.budget.Reserve(&all, 1, f.chain, f.Received, budget.Amounts{1e9, 0, 1}); d != nil {
		t.Fatalf("denied: %+v", *d)
	}
	ask("budget_exceeded", dear)
	ask("policy_error", dear, free)
	all.Settle(budget.Amounts{9e8, 0, 1})
	ask("policy_error", dear)
}

// TestPanickedCallIsSettled: a call that nobody finished is recorded, and paid
// as far as it may have been served.
func TestPanickedCallIsSettled(t *testing.T) {
	for _, sent := range []bool{false, true} {
		h, f := moneyHost(t)
		if err := h.Cover(&f.Call, call.Bound{USD: 100}); err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		if sent {
			h.Sent(&f.Call)
			f.SentUp, want = true, 100
		}
		f.Target = &call.Target{Name: "a/b"}
		id := f.ID
		h.Done(&f.Call)
		cost, found, err := h.ledger.Row(context.Background(), id)
		if cost != want || !found || err != nil || h.budget.Stats().Open != 0 {
			t.Errorf("sent %t: recorded %t at %d (%v), %d reservations open; want %d", sent, found, cost, err, h.budget.Stats().Open, want)
		}
	}
}

func TestCallersNamesDoNotGrowTheHost(t *testing.T) {
	s := states{byName: map[string]*call.TargetState{}}
	for i := range 3 * maxStates {
		if s.of(fmt.Sprint("openai/", i)) == nil {
			t.Fatal("no state")
		}
	}
	if len(s.byName) > maxStates {
		t.Errorf("%d states are remembered", len(s.byName))
	}
	g := &generation{models: map[string]*call.Model{"a/b": {Name: "a/b"}}}
	_, err := g.model([]byte(strings.Repeat("x", 1<<20)))
	if err == nil || err.Status != 404 || len(err.Message) > 1000 {
		t.Errorf("got %.200v", err)
	}
}

// TestPanicCostsNoMoreThanIsReserved: what attempts before it have cost is part
// of what was reserved.
func TestPanicCostsNoMoreThanIsReserved(t *testing.T) {
	h, f := moneyHost(t)
	if err := h.Cover(&f.Call, call.Bound{USD: 200}); err != nil { // two beside each other
		t.Fatal(err)
	}
	h.Sent(&f.Call)
	f.SentUp, f.Target = true, &call.Target{Name: "a/b"}
	f.Attempts = append(f.Attempts, call.Attempt{Target: f.Target, Lost: true, Cost: 90, Provenance: call.CostEstimated})
	id := f.ID
	h.Done(&f.Call)
	cost, found, err := h.ledger.Row(context.Background(), id)
	if cost != 200 || !found || err != nil || h.budget.Stats().Open != 0 || h.budget.Stats().Overruns != 0 {
		t.Errorf("recorded %t at %d (%v), %+v; want 200", found, cost, err, h.budget.Stats())
	}
}
