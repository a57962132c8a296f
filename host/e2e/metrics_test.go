package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/trace/otlptest"
)

const observability = "../../examples/observability/"

// promtool runs it and returns what it says.
func promtool(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// query is one of a dashboard's.
type query struct{ panel, expr string }

// queries are all that the shipped dashboard asks.
func queries(t *testing.T) (list []query) {
	t.Helper()
	text, err := os.ReadFile(observability + "grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			list = append(list, query{p.Title, q.Expr})
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
	}
	return list
}

// asGrafana fills in what Grafana does.
var asGrafana = strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$job", "signalbox", "$instance", ".*")

var (
	ownName    = regexp.MustCompile(`\b(signalbox|process|go)_[a-z0-9_]+`)
	listedName = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|")
	typedName  = regexp.MustCompile(`(?m)^# TYPE ([a-z0-9_]+) `)
)

// TestMetricsAreInOrder: what a gateway tells is well formed and listed, and
// dashboard and alerts ask for nothing else.
func TestMetricsAreInOrder(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "100"))
	g.told(nil, request("fast", "hi", true))
	g.told(nil, request("own", "hi", false))
	g.chat(`{"model":"nosuch","messages":[]}`)
	figures := g.must("GET", "/metrics", "")
	if out := promtool(t, figures, "check", "metrics"); strings.Contains(out, "signalbox_") {
		t.Errorf("promtool has something to say:\n%s", out)
	}
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range listedName.FindAllStringSubmatch(string(page), -1) {
		known[m[1]] = true
	}
	for _, m := range typedName.FindAllStringSubmatch(figures, -1) {
		if strings.HasPrefix(m[1], "signalbox_") && !known[m[1]] {
			t.Errorf("docs/metrics.md does not list %s", m[1])
		}
		known[m[1]] = true
	}
	rules, err := os.ReadFile(observability + "rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asked := append(queries(t), query{"rules.yaml", string(rules)})
	var file strings.Builder
	file.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, q := range asked {
		for _, name := range ownName.FindAllString(q.expr, -1) {
			if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); !known[name] && !known[base] {
				t.Errorf("%s asks for %s, which there is not", q.panel, name)
			}
		}
		if q.panel != "rules.yaml" {
			fmt.Fprintf(&file, "      - {record: \"q%d\", expr: %q}\n", i, asGrafana.Replace(q.expr))
		}
	}
	path := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", path)
	if len(asked) < 40 {
		t.Errorf("the dashboard asks %d questions", len(asked))
	}
}

func TestAlertRules(t *testing.T) {
	promtool(t, "", "check", "rules", observability+"rules.yaml")
	promtool(t, "", "test", "rules", observability+"rules_test.yaml")
	promtool(t, "", "check", "config", observability+"prometheus.yaml")
}

// TestPrometheus: the shipped example scrapes a real gateway, answers the
// dashboard's questions, leads to a trace, and an alert fires.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	up, c := newUpstream(t), otlptest.New(t)
	g := newGateway(t, config(up.URL, "0.001")+fmt.Sprintf("telemetry: {traces: {endpoint: %q}}\n", c.HTTP+"/v1/traces")) // for one request
	_, told := g.told(nil, request("fast", "hi", false))
	dir := t.TempDir()
	for _, name := range []string{"run.sh", "prometheus.yaml", "rules.yaml", "rules_test.yaml"} {
		text, err := os.ReadFile(observability + name)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("15s"), []byte("250ms"))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	addr := freeAddr(t)
	var log bytes.Buffer
	cmd := exec.Command(filepath.Join(dir, "run.sh"), strings.TrimPrefix(g.admin, "http://"), addr)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus: %s", &log)
		}
	})
	ask := func(path string) string {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			return "" // it is not there yet
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	until := time.Now().Add(60 * time.Second)
	wait := func(path string, signs ...string) {
		t.Helper()
		for {
			got := ask(path)
			if !slices.ContainsFunc(signs, func(s string) bool { return !strings.Contains(got, s) }) {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("%s: %s; want %q", path, got, signs)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	wait("/api/v1/alerts", `"alertname":"SignalboxBudgetNearlySpent"`, `"state":"firing"`, `100% of the budget of key/config-dev`)
	wait("/api/v1/query?query=signalbox_requests_total", `"outcome":"ok"`, `"target":"up/m"`)
	from := time.Now().Add(-time.Hour).Unix()
	wait(fmt.Sprintf("/api/v1/query_exemplars?query=signalbox_request_duration_seconds_bucket&start=%d&end=%d", from, from+7200), `"trace_id":"`+told.Get("X-Signalbox-Trace-Id")+`"`, `"target":"up/m"`)
}
