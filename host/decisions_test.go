package host

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/decision"
	"github.com/signalbox-ai/signalbox/host/hint"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// keepingHost is a host that keeps decisions, and has a generation.
func keepingHost(t testing.TB, s config.Decisions) *Host {
	t.Helper()
	h, _ := testHost(t)
	h.hints = hint.New(nil)
	var err error
	if h.decisions, err = decision.Open(filepath.Join(h.dir, "decisions"), keeps(s), decision.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.decisions.Close(); err != nil {
			t.Error(err)
		}
	})
	h.gen.Store(&generation{cfg: &config.Config{Decisions: s}, tags: []string{"eu"}, handles: map[string]*route.Handle{}})
	return h
}

var keepAll = config.Decisions{Sample: 1, PerSecond: 1000, Max: 1 << 20}

// decidedFlight has two candidates, two attempts and an answer.
func decidedFlight(h *Host) *flight {
	f := &flight{gen: h.gen.Load()}
	a, b := &call.Target{Name: "a/one", Priority: 1}, &call.Target{Name: "b/two", Tags: 1}
	f.Owner, f.Find = f, h.find
	f.ID, f.Received, f.Op, f.Dialect = call.FirstID(time.Now()), time.Now(), wire.OpChat, wire.OpenAIChat
	f.Body = []byte(`{"messages":[{"role":"user","content":"the prompt"}],"user":"u"}`)
	f.Model = &call.Model{Name: "fast", Targets: []*call.Target{a, b}}
	f.Principal = &call.Principal{KeyID: "k-1", KeyName: "dev", Org: "acme", Attrs: map[string]string{"tier": "gold", "priority": "low"}}
	f.Decision = &call.Decision{Allow: true, Revision: "r1", Restricted: true, Targets: []string{"a/one", "b/two"}}
	f.Candidates = []call.Candidate{{Target: a}, {Target: b}}
	f.Attempts = []call.Attempt{{Target: b, Status: 503, Class: wire.ClassOverloaded, Duration: time.Second, Credential: "main"},
		{Target: a, Status: 200, Start: time.Second, Duration: time.Second}}
	f.Target, f.Cost, f.Usage, f.Provenance = a, 42, wire.Usage{Input: 3, Output: 4}, call.CostComputed
	f.Verdicts = []call.Verdict{{Filter: "pii", Version: "pii@0", Action: 2, Findings: 1, Count: 2}}
	return f
}

func TestDecisionsAreExplained(t *testing.T) {
	h := keepingHost(t, keepAll)
	f := decidedFlight(h)
	h.sample(f)
	f.planBy(nil)
	r := record(f)
	h.keep(f, &r)
	got, err := h.explain(context.Background(), f.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	x := got.(*explanation)
	if x.Again == nil || x.Again.Result != "same" || x.Plan.By != "builtin" || len(x.Plan.Attempts) != 2 || x.Plan.Attempts[0].Target != "b/two" {
		t.Errorf("plan %+v, again %+v", x.Plan, x.Again)
	}
	if len(x.Attempts) != 2 || x.Attempts[0].Class != "overloaded" || x.Attempts[0].Credential != "main" || x.Attempts[1].StartMS != 1000 {
		t.Errorf("attempts %+v", x.Attempts)
	}
	if x.Outcome.Cost != 42 || x.Outcome.Provenance != "computed" || x.Outcome.Usage["output"] != 4 || x.Outcome.Target != "a/one" {
		t.Errorf("outcome %+v", x.Outcome)
	}
	if len(x.Candidates) != 2 || x.Candidates[1].Tags[0] != "eu" || x.Facts.Session == "" || x.Facts.Prefix == "" || x.Facts.Priority != 2 || x.Policy.Revision != "r1" {
		t.Errorf("candidates %+v, facts %+v", x.Candidates, x.Facts)
	}
	if len(x.Filters) != 1 || x.Filters[0].Action != "replace" || x.Filters[0].On != "request" {
		t.Errorf("filters %+v", x.Filters)
	}
	text, err := json.Marshal(x)
	if err != nil || strings.Contains(string(text), "the prompt") || strings.Contains(string(text), "gold") {
		t.Errorf("%v: what callers write is kept: %s", err, text)
	}
}

func TestWhyDecisionsAreUnknown(t *testing.T) {
	f := func(h *Host, id, code, why string) {
		t.Helper()
		_, err := h.explain(context.Background(), id)
		e, ok := err.(*wire.Error)
		if !ok || e.Code != code || !strings.Contains(e.Message, why) {
			t.Errorf("%s: got %v; want %s: %s", id, err, code, why)
		}
	}
	h := keepingHost(t, keepAll)
	old, next := call.ID(1), call.FirstID(time.Now().Add(time.Minute))
	f(h, "req_x", "invalid_request", "x-signalbox-request-id")
	f(h, next.String(), "decision_unknown", "at another node")
	fl := decidedFlight(h)
	h.sample(fl)
	r := record(fl)
	h.keep(fl, &r)
	f(h, old.String(), "decision_unknown", "older than what is kept")
	f(keepingHost(t, config.Decisions{Sample: 0, PerSecond: 1, Max: 1 << 20}), next.String(), "decision_unknown", "decisions.sample or decisions.per_second is 0")
	f(keepingHost(t, config.Decisions{Sample: 0.1, PerSecond: 1, Max: 1 << 20}), next.String(), "decision_unknown", "decisions.sample is 0.1")
	few := keepingHost(t, config.Decisions{Sample: 1, PerSecond: 1, Max: 1 << 20})
	few.sample(decidedFlight(few))
	fl = decidedFlight(few)
	if few.sample(fl); fl.sampled {
		t.Error("two in a second were sampled")
	}
	f(few, fl.ID.String(), "decision_unknown", "decisions.per_second")
}

// TestWhatIsFound fills in what modules ask for, each by itself.
func TestWhatIsFound(t *testing.T) {
	h := keepingHost(t, keepAll)
	f := decidedFlight(h)
	var err error
	f.chain, err = h.budget.Chain([]call.Limit{{Scope: "key/k-1", Unit: call.UnitUSD, Window: call.Window{Unit: "day", Size: 1}, Max: 500}})
	if err != nil {
		t.Fatal(err)
	}
	w := &f.Wants
	if f.Need(call.NeedBudget); w.Budget != 500 || w.BudgetMax != 500 || w.Session != 0 {
		t.Errorf("budget: %+v", w)
	}
	if f.Need(call.NeedSession); w.Session == 0 || w.Prefix == 0 || w.Last != "" {
		t.Errorf("session: %+v", w)
	}
	if f.Need(call.NeedMetadata); string(w.Meta) != "priority=low\ntier=gold" {
		t.Errorf("metadata: %q", w.Meta)
	}
	if f.Need(call.NeedFeatures); w.Features.UserBytes == 0 {
		t.Errorf("features: %+v", w.Features)
	}
	w.Budget = 1
	if f.Need(call.NeedBudget); w.Budget != 1 {
		t.Error("it was found twice")
	}
	h.hints.Answered(&f.Call)
	h.responded(&f.Call, []byte(`{"type":"response.completed","response":{"id":"resp_1"}}`))
	next := decidedFlight(h)
	next.Dialect, next.Body = wire.OpenAIResponses, []byte(`{"input":"x","previous_response_id":"resp_1"}`)
	if next.Need(call.NeedSession); next.Wants.Last != "a/one" || next.Wants.Session != w.Session {
		t.Errorf("what goes on with a response: %+v; want session %x", next.Wants, w.Session)
	}
}

func TestUpstreamsFailures(t *testing.T) {
	f := func(want bool, err *wire.Error) {
		t.Helper()
		if got := upstreams(err); got != want {
			t.Errorf("%+v: %v; want %v", err, got, want)
		}
	}
	f(false, nil)
	f(false, &wire.Error{Status: 400, Class: wire.ClassInvalid})
	f(false, &wire.Error{Status: 402, Class: wire.ClassPolicy})
	f(false, &wire.Error{Status: 499, Class: wire.ClassNetwork})
	f(true, &wire.Error{Status: 502, Class: wire.ClassNetwork})
	f(true, &wire.Error{Status: 429, Class: wire.ClassRateLimit})
	f(true, &wire.Error{Status: 401, Class: wire.ClassAuth})
}
