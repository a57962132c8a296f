package telemetry

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func sample() *call.Record {
	return &call.Record{
		DurationUS: 1500, OverheadUS: 30, TTFTUS: 900, Op: wire.OpChat, Target: "demo/echo", Status: 200,
		Attempts: []call.Attempt{
			{Target: &call.Target{Name: "openai/gpt-4o"}, Class: wire.ClassOverloaded},
			{Target: &call.Target{Name: "demo/echo"}},
		},
		Usage: wire.Usage{Input: 10, CacheRead: 5, Output: 7}, Cost: 2_500_000, Reserved: 2_000_000, Provenance: call.CostComputed,
	}
}

func scrape(t testing.TB, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func expect(t *testing.T, m *Metrics, lines ...string) {
	t.Helper()
	text := scrape(t, m)
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

func TestUnits(t *testing.T) {
	m := New()
	r := sample()
	r.Usage = wire.Usage{AudioInput: 3, CacheReadImage: 4, Characters: 5, Millis: 1500, Images: 2, Searches: 1, Cost: 5_000_000}
	r.Computed = 4_000_000
	m.Request(r, call.TraceID{})
	r.Computed = 7_000_000
	m.Request(r, call.TraceID{})
	expect(t, m,
		`signalbox_tokens_total{kind="audio_input",target="demo/echo"} 6`,
		`signalbox_tokens_total{kind="cache_read_image",target="demo/echo"} 8`,
		`signalbox_units_total{target="demo/echo",unit="characters"} 10`,
		`signalbox_units_total{target="demo/echo",unit="audio_seconds"} 3`,
		`signalbox_units_total{target="demo/echo",unit="images"} 4`,
		`signalbox_units_total{target="demo/echo",unit="searches"} 2`,
		`signalbox_cost_error_usd_total{direction="under",target="demo/echo"} 0.001`,
		`signalbox_cost_error_usd_total{direction="over",target="demo/echo"} 0.002`)
	if text := scrape(t, m); strings.Contains(text, `unit="pages"`) || strings.Contains(text, "reported_cost") {
		t.Error("units that did not occur are shown, or money is")
	}
}

func TestRequest(t *testing.T) {
	m := New()
	m.Request(sample(), call.TraceID{})
	m.Request(sample(), call.TraceID{})
	m.Request(&call.Record{Status: 401, Class: wire.ClassAuth}, call.TraceID{})
	expect(t, m,
		`signalbox_requests_total{op="chat",outcome="ok",target="demo/echo"} 2`,
		`signalbox_requests_total{op="",outcome="auth",target="none"} 1`,
		`signalbox_attempts_total{outcome="overloaded",target="openai/gpt-4o"} 2`,
		`signalbox_attempts_total{outcome="ok",target="demo/echo"} 2`,
		`signalbox_tokens_total{kind="input",target="demo/echo"} 20`,
		`signalbox_tokens_total{kind="cache_read",target="demo/echo"} 10`,
		`signalbox_tokens_total{kind="output",target="demo/echo"} 14`,
		`signalbox_cost_usd_total{provenance="computed",target="demo/echo"} 0.005`,
		`signalbox_bound_overruns_total{target="demo/echo"} 2`,
		`signalbox_request_duration_seconds_count{target="demo/echo"} 2`,
		`signalbox_time_to_first_byte_seconds_bucket{target="demo/echo",le="0.005"} 2`,
		`signalbox_overhead_seconds_count 3`,
	)
}

func TestReload(t *testing.T) {
	m := New()
	expect(t, m, "signalbox_config_last_reload_ok 1")
	m.Reload(false)
	expect(t, m, "signalbox_config_last_reload_ok 0", `signalbox_config_reloads_total{result="failed"} 1`)
	m.Reload(true)
	expect(t, m, "signalbox_config_last_reload_ok 1", `signalbox_config_reloads_total{result="ok"} 1`)
}

func TestFamilies(t *testing.T) {
	m := New()
	m.Add(
		Family{Name: "policy_hits_total", Help: "h", Labels: []string{"unit"}, Collect: func(emit Emit) { emit(3, "a"); emit(4, "b") }},
		Family{Name: "budget_slots", Help: "h", Collect: func(emit Emit) { emit(5) }},
	)
	expect(t, m, `signalbox_policy_hits_total{unit="a"} 3`, `signalbox_policy_hits_total{unit="b"} 4`, "# TYPE signalbox_policy_hits_total counter",
		"signalbox_budget_slots 5", "# TYPE signalbox_budget_slots gauge", "# TYPE go_goroutines gauge")
}

func TestTargetsAreBounded(t *testing.T) {
	m := New()
	for i := range maxTargets + 100 {
		m.Request(&call.Record{Target: fmt.Sprintf("openai/made-up-%d", i)}, call.TraceID{})
	}
	if n := len(*m.targets.Load()); n > maxTargets+1 {
		t.Errorf("%d targets have series; want at most %d", n, maxTargets+1)
	}
	expect(t, m, `signalbox_requests_total{op="",outcome="ok",target="other"} 100`)
}

func TestCountingAtOnce(t *testing.T) {
	m := New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				m.Request(sample(), call.TraceID{})
			}
		})
	}
	wg.Wait()
	expect(t, m, `signalbox_requests_total{op="chat",outcome="ok",target="demo/echo"} 4000`)
}

func BenchmarkRequest(b *testing.B) {
	m, r := New(), sample()
	m.Request(r, call.TraceID{})
	b.ReportAllocs()
	for b.Loop() {
		m.Request(r, call.TraceID{})
	}
}

func TestAttemptsInVain(t *testing.T) {
	m := New()
	r := sample()
	to := &call.Target{Name: "demo/echo"}
	r.Attempts = []call.Attempt{{Target: to, Lost: true}, {Target: to, Rejected: "empty"}, {Target: to}}
	m.Request(r, call.TraceID{})
	expect(t, m,
		`signalbox_attempts_total{outcome="lost",target="demo/echo"} 1`,
		`signalbox_attempts_total{outcome="rejected",target="demo/echo"} 1`,
		`signalbox_attempts_total{outcome="ok",target="demo/echo"} 1`)
}

func TestTeams(t *testing.T) {
	m := New()
	m.Request(&call.Record{Class: wire.ClassPolicy}, call.TraceID{})
	for i := range maxTeams + 49 {
		m.Request(&call.Record{Team: fmt.Sprintf("team-%d", i), Cost: 1_000_000}, call.TraceID{})
	}
	expect(t, m,
		`signalbox_team_requests_total{outcome="ok",team="team-7"} 1`,
		`signalbox_team_cost_usd_total{team="team-7"} 0.001`,
		`signalbox_team_requests_total{outcome="policy",team="none"} 1`,
		`signalbox_team_requests_total{outcome="ok",team="other"} 50`)
}

func TestList(t *testing.T) {
	m := New()
	m.Add(Family{Name: "a_total", Help: "h", Labels: []string{"x"}, Collect: func(Emit) {}})
	list := m.List()
	if got := list[0]; got.Name != "signalbox_a_total" || got.Kind != "counter" || got.Labels[0] != "x" || len(list) < 12 {
		t.Errorf("got %+v of %d", got, len(list))
	}
}

// TestExemplars: who asks for OpenMetrics is told of traces, in a form that is
// valid, and nobody else is.
func TestExemplars(t *testing.T) {
	m := New()
	m.Add(Family{Name: "policy_hits_total", Help: "h", Labels: []string{"unit"}, Collect: func(emit Emit) { emit(3, "a") }})
	m.Request(sample(), call.TraceID{})
	if text := openMetrics(t, m); strings.Contains(text, "trace_id") {
		t.Error("a request that was not exported is referred to")
	}
	id := call.NewTraceID()
	m.Request(sample(), id)
	text := openMetrics(t, m)
	for _, sign := range []string{`signalbox_request_duration_seconds_bucket{target="demo/echo",le="0.005"} 2 # {trace_id="` + id.String() + `"} 0.0015 `,
		`signalbox_time_to_first_byte_seconds_bucket{target="demo/echo",le="0.005"} 2 # {trace_id="` + id.String() + `"} 0.0009 `,
		`signalbox_overhead_seconds_bucket{le="5e-05"} 2 # {trace_id="` + id.String() + `"} 3e-05 `} {
		if !strings.Contains(text, sign) {
			t.Errorf("there is no %q", sign)
		}
	}
	if strings.Contains(scrape(t, m), "trace_id") {
		t.Error("the text form has no exemplars")
	}
}

// openMetrics scrapes as Prometheus does.
func openMetrics(t *testing.T, m *Metrics) string {
	t.Helper()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	text := w.Body.String()
	if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "application/openmetrics-text; version=1.0.0") || !strings.HasSuffix(text, "\n# EOF\n") {
		t.Errorf("%s ends with %q", kind, text[max(len(text)-40, 0):])
	}
	return text
}

// TestNamesThatAreNoText: whatever a caller calls a model, it is counted.
func TestNamesThatAreNoText(t *testing.T) {
	m := New()
	m.Request(&call.Record{Target: "openai/\xff", Team: "\xfe"}, call.TraceID{})
	expect(t, m, "signalbox_requests_total{op=\"\",outcome=\"ok\",target=\"openai/\uFFFD\"} 1", "signalbox_team_requests_total{outcome=\"ok\",team=\"\uFFFD\"} 1")
}
