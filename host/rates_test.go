package host

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/limit"
	"github.com/signalbox-ai/signalbox/host/live"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func rateOf(scope string, unit call.Unit, n int64) call.Limit {
	l := call.Limit{Scope: scope, Unit: unit, Max: n, Rate: true}
	if unit != call.UnitConcurrent {
		l.Window = call.Window{Unit: "minute", Size: 1}
	}
	return l
}

// ratedFlight is a call of someone with limits, policy's on top.
func ratedFlight(h *Host, p *call.Principal, d *call.Decision) *flight {
	f := h.New().Owner.(*flight)
	f.Principal, f.Decision, f.Received, f.Op = p, d, time.Now(), wire.OpChat
	f.Model = &call.Model{Name: "fast"}
	return f
}

func ratedHost() *Host {
	h := &Host{limits: limit.New(limit.Options{}), passing: live.New(rowOf)}
	h.flights.New = func() any { f := &flight{}; f.Owner, f.gate = f, h.enter; return f }
	return h
}

// TestPanicGivesPlaceBack: a call that nobody has settled leaves no place taken.
func TestPanicGivesPlaceBack(t *testing.T) {
	h := ratedHost()
	p := &call.Principal{Limits: []call.Limit{rateOf("key/a", call.UnitConcurrent, 1), rateOf("provider/up", call.UnitConcurrent, 1)}}
	up := &call.Target{Name: "up/m", Provider: &call.Provider{Name: "up"}, State: call.NewTargetState()}
	for range 3 {
		f := ratedFlight(h, p, &call.Decision{})
		if err := h.rate(f); err != nil {
			t.Fatal(err)
		}
		if _, ok := f.Enter(up, 0); !ok {
			t.Fatalf("the target is not entered: %v", f.refused)
		}
		other := ratedFlight(h, p, &call.Decision{})
		if err := h.rate(other); err == nil || err.Code != "too_many_concurrent" {
			t.Errorf("a second one runs: %v", err)
		}
		h.Done(&other.Call)
		h.Done(&f.Call)
	}
	if s := h.limits.Stats(); s.Running != 0 {
		t.Errorf("%d still run", s.Running)
	}
}

// TestHedgesCountApart: two attempts at one target that run at once are two, and
// one that is over makes room for the next.
func TestHedgesCountApart(t *testing.T) {
	h := ratedHost()
	p := &call.Principal{Limits: []call.Limit{rateOf("provider/up", call.UnitConcurrent, 1)}}
	up := &call.Target{Name: "up/m", Provider: &call.Provider{Name: "up"}, State: call.NewTargetState()}
	other := &call.Target{Name: "other/m", Provider: &call.Provider{Name: "other"}, State: call.NewTargetState()}
	f := ratedFlight(h, p, &call.Decision{})
	if err := h.rate(f); err != nil {
		t.Fatal(err)
	}
	first, ok := f.Enter(up, 0)
	if _, hedge := f.Enter(up, 0); !ok || hedge {
		t.Errorf("the first attempt: %v, a hedge beside it: %v; want the first alone", ok, hedge)
	}
	first.Leave()
	second, ok := f.Enter(up, 0)
	if !ok {
		t.Fatal("the place of an attempt that is over is taken")
	}
	second.Leave()
	if _, ok := f.Enter(other, 0); !ok || h.limits.Stats().Running != 0 {
		t.Errorf("at another target %v, %d still run at the first", ok, h.limits.Stats().Running)
	}
	h.Done(&f.Call)
}

// TestFailedAttemptsTakeTokens: what attempts took whose answers nobody gets
// counts, for the caller and where it was taken.
func TestFailedAttemptsTakeTokens(t *testing.T) {
	h := ratedHost()
	p := &call.Principal{Limits: []call.Limit{rateOf("key/a", call.UnitTokens, 10_000), rateOf("provider/up", call.UnitTokens, 10_000), rateOf("provider/other", call.UnitTokens, 10_000)}}
	up := &call.Target{Name: "up/m", Provider: &call.Provider{Name: "up"}, State: call.NewTargetState()}
	other := &call.Target{Name: "other/m", Provider: &call.Provider{Name: "other"}, State: call.NewTargetState()}
	f := ratedFlight(h, p, &call.Decision{})
	if err := h.rate(f); err != nil {
		t.Fatal(err)
	}
	for _, at := range []*call.Target{up, up, other} {
		pass, ok := f.Enter(at, 0)
		if !ok {
			t.Fatal(f.refused)
		}
		pass.Leave()
	}
	f.SentUp, f.Target = true, other
	f.Attempts = []call.Attempt{{Target: up, Class: wire.ClassServer, Tokens: 1000}, {Target: up, Class: wire.ClassServer, Tokens: 200}, {Target: other}}
	f.Usage.Input, f.Usage.Output = 30, 4
	h.settleRates(f)
	h.Done(&f.Call)
	left := func(scope string, want int64) {
		t.Helper()
		ch, err := h.limits.Chain([]call.Limit{rateOf(scope, call.UnitTokens, 10_000)})
		if err != nil {
			t.Fatal(err)
		}
		var tk limit.Ticket
		tk.Take(h.limits, ch, time.Now(), 0)
		if got := tk.State().Tokens.Left; got != want {
			t.Errorf("%s has %d tokens left; want %d", scope, got, want)
		}
	}
	left("key/a", 10_000-1234)
	left("provider/up", 10_000-1200)
	left("provider/other", 10_000-34)
}

// TestSoftRatesWarn: the answer tells of soft rates that were passed.
func TestSoftRatesWarn(t *testing.T) {
	h := ratedHost()
	soft := rateOf("team/a", call.UnitRequests, 1)
	soft.OnExceed, soft.Window.Unit = call.OnWarn, "hour"
	p := &call.Principal{Limits: []call.Limit{soft}}
	for _, want := range []string{"", "team/a: 1 request an hour"} {
		f := ratedFlight(h, p, &call.Decision{})
		if err := h.rate(f); err != nil || f.Warned != want {
			t.Errorf("%v, warned of %q; want %q", err, f.Warned, want)
		}
		h.Done(&f.Call)
	}
}

// TestInnerCallsCountForNobody: what the gateway asks of itself takes nothing.
func TestInnerCallsCountForNobody(t *testing.T) {
	h := ratedHost()
	p := &call.Principal{Limits: []call.Limit{rateOf("key/a", call.UnitRequests, 1)}}
	for range 5 {
		f := ratedFlight(h, p, &call.Decision{})
		f.inner = &innerCall{Decision: permitted}
		if err := h.rate(f); err != nil {
			t.Fatal(err)
		}
		f.inner = nil
		h.Done(&f.Call)
	}
	if err := h.rate(ratedFlight(h, p, &call.Decision{})); err != nil {
		t.Error(err)
	}
}

// TestPolicyRates: the strictest of policy and key holds, and their counter is one.
func TestPolicyRates(t *testing.T) {
	h := ratedHost()
	p := &call.Principal{Limits: []call.Limit{rateOf("key/a", call.UnitRequests, 5)}}
	strict := &call.Decision{Limits: []call.Limit{rateOf("key/a", call.UnitRequests, 2)}}
	passed := 0
	for range 5 {
		if h.rate(ratedFlight(h, p, strict)) == nil {
			passed++
		}
	}
	for range 10 {
		if h.rate(ratedFlight(h, p, &call.Decision{})) == nil {
			passed++
		}
	}
	if passed != 5 {
		t.Errorf("%d passed; want 2 under the policy and 3 more of the key's 5", passed)
	}
	odd := &call.Decision{Limits: []call.Limit{rateOf("key/a", call.UnitTokens, 2)}}
	odd.Limits[0].OnExceed = call.OnClamp
	h.log = slog.New(slog.DiscardHandler)
	if err := h.rate(ratedFlight(h, &call.Principal{}, odd)); err == nil || err.Code != "policy_error" {
		t.Errorf("a rate that cannot be held: %v; want policy_error", err)
	}
}

// TestNotSentIsGivenBack: a request refused before anything left for an upstream
// takes nothing, and one that was sent stays counted.
func TestNotSentIsGivenBack(t *testing.T) {
	h := ratedHost()
	p := &call.Principal{Limits: []call.Limit{rateOf("key/a", call.UnitRequests, 2)}}
	left := func(sent bool) int64 {
		f := ratedFlight(h, p, &call.Decision{})
		if err := h.rate(f); err != nil {
			t.Fatal(err)
		}
		n := f.Rates.Requests.Left
		f.SentUp = sent
		h.settleRates(f)
		h.Done(&f.Call)
		return n
	}
	for i, want := range []int64{1, 1, 1, 0} {
		if got := left(i == 2); got != want {
			t.Errorf("request %d: %d are left; want %d", i, got, want)
		}
	}
}

// TestManyTargetsHaveRates: what limits models and providers counts for those
// alone that a request goes to, and a caller's own rates are bounded.
func TestManyTargetsHaveRates(t *testing.T) {
	h := ratedHost()
	held := &heldLimits{config: map[string][]call.Limit{}, stored: map[string][]call.Limit{}}
	for i := range 100 {
		held.targets = append(held.targets, rateOf(fmt.Sprint("provider/p", i), call.UnitRequests, 1))
	}
	p := &call.Principal{KeyID: "a", Budgets: []call.Limit{rateOf("key/a", call.UnitRequests, 5)}}
	p.Limits = held.of(p)
	if err := h.checkRates(p.Limits); err != nil || len(p.Limits) != 101 {
		t.Fatalf("%d limits: %v", len(p.Limits), err)
	}
	f := ratedFlight(h, p, &call.Decision{})
	if err := h.rate(f); err != nil {
		t.Fatal(err)
	}
	up := &call.Target{Name: "p7/m", Provider: &call.Provider{Name: "p7"}, State: call.NewTargetState()}
	if _, ok := f.Enter(up, 0); !ok {
		t.Errorf("the target is not entered: %v", f.refused)
	}
	if _, ok := f.Enter(up, 0); ok || f.refused == nil || f.refused.Code != "rate_limit_exceeded" {
		t.Errorf("the target is entered beyond its rate: %v", f.refused)
	}
	for i := range mostRates + 1 {
		l := rateOf("key/a", call.UnitRequests, 5)
		l.Window.Size = i + 1
		p.Limits = append(p.Limits, l)
	}
	if err := h.checkRates(p.Limits); err == nil {
		t.Errorf("%d rates hold for one caller", mostRates+2)
	}
}

func TestRatesAllocateNothing(t *testing.T) {
	h := ratedHost()
	p := &call.Principal{Limits: []call.Limit{rateOf("key/a", call.UnitRequests, 1<<40), rateOf("key/a", call.UnitTokens, 1<<40),
		rateOf("key/a", call.UnitConcurrent, 4), rateOf("provider/up", call.UnitRequests, 1<<40)}}
	d, m := &call.Decision{}, &call.Model{Name: "fast"}
	up := &call.Target{Name: "up/m", Provider: &call.Provider{Name: "up"}, State: call.NewTargetState()}
	now := time.Now()
	f := ratedFlight(h, p, d)
	once := func() {
		f.Principal, f.Decision, f.Received, f.Op, f.Model, f.SentUp = p, d, now, wire.OpChat, m, true
		if err := h.rate(f); err != nil {
			t.Fatal(err)
		}
		pass, _ := f.Enter(up, 0)
		h.settleRates(f)
		pass.Leave()
		f.leaveRates()
	}
	once()
	if n := testing.AllocsPerRun(1000, once); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func TestTokensWanted(t *testing.T) {
	f := func(op wire.Op, maxTokens, n, most int64, size int, want int64) {
		t.Helper()
		fl := &flight{}
		fl.Op, fl.Decision = op, &call.Decision{MaxTokens: most}
		fl.Facts.MaxTokens, fl.Facts.N, fl.Facts.Size = maxTokens, n, size
		if got := fl.tokensWanted(); got != want {
			t.Errorf("%s with max_tokens %d × %d, capped at %d, of %d bytes: %d; want %d", op, maxTokens, n, most, size, got, want)
		}
	}
	f(wire.OpChat, 100, 1, 0, 400, 200)
	f(wire.OpChat, 100, 3, 0, 400, 400)
	f(wire.OpChat, 0, 0, 0, 400, 100+usualAnswer)
	f(wire.OpChat, 1000, 1, 50, 400, 150)
	f(wire.OpChat, 0, 1, 50, 400, 150)
	f(wire.OpEmbeddings, 0, 0, 0, 400, 100)
	f(wire.OpFiles, 0, 0, 0, 400, 0)
	f(wire.OpChat, 1<<62, 8, 0, 400, 100+mostTokens*8)
	f(wire.OpChat, 1<<62, 1<<62, 0, 400, 100+mostTokens*mostTokens)
}
