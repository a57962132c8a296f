package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

// filtered is a configuration with filters of a module that replaces e-mail
// addresses and does what texts in brackets tell it to.
func filtered(t *testing.T, policy string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mask.wasm")
	if err := os.WriteFile(file, wasmtest.BuildGo(t, "../filter/testdata/mask"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
policy: {bundle: %q}
providers: {demo: {adapter: demo}}
filters:
  mask: {module: %q, guard: demo/moderate}
  in: {module: %q, on: [request]}
  out: {module: %q, on: [answer], guard: demo/moderate}
  short: {module: "builtin:length", config: {max_prompt_chars: 60}}
models:
  plain: {targets: [{model: demo/echo}]}
  both: {targets: [{model: demo/echo}], filters: [mask, short]}
  in: {targets: [{model: demo/echo}], filters: [in]}
  out: {targets: [{model: demo/echo}], filters: [out]}
  vectors: {targets: [{model: demo/embed}], filters: [mask]}
prices: {"demo/echo": {input_per_mtok: 10, output_per_mtok: 10, max_output: 1000}}
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}", team: core, budgets: [{usd: 100, window: day}]}]
`, policy, file, file, file)
}

func (g *gateway) post(path, body string) (int, string) {
	g.t.Helper()
	req, _ := http.NewRequest("POST", g.data+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+callerKey)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body) // of a stream that is cut, what came
	return resp.StatusCode, string(b)
}

// asked are requests for text in each dialect, by path.
func asked(model, text string, stream bool) map[string]string {
	gemini := ":generateContent"
	if stream {
		gemini = ":streamGenerateContent?alt=sse"
	}
	return map[string]string{
		"/v1/chat/completions":             fmt.Sprintf(`{"model":%q,"max_tokens":100,"stream":%t,"messages":[{"role":"user","content":%q}]}`, model, stream, text),
		"/v1/messages":                     fmt.Sprintf(`{"model":%q,"max_tokens":100,"stream":%t,"messages":[{"role":"user","content":%q}]}`, model, stream, text),
		"/v1/responses":                    fmt.Sprintf(`{"model":%q,"max_output_tokens":100,"stream":%t,"input":%q}`, model, stream, text),
		"/v1beta/models/" + model + gemini: fmt.Sprintf(`{"contents":[{"role":"user","parts":[{"text":%q}]}]}`, text),
	}
}

func TestFilters(t *testing.T) {
	g := newGateway(t, filtered(t, "builtin:default"))
	f := func(model, text string, status int, has, lacks string) {
		t.Helper()
		for _, stream := range []bool{false, true} {
			for path, body := range asked(model, text, stream) {
				got, answer := g.post(path, body)
				if got != status || !strings.Contains(strings.ReplaceAll(answer, `\u003c`, "<"), has) || lacks != "" && strings.Contains(answer, lacks) {
					t.Errorf("%s of %s, stream %t: %q is answered %d %s", path, model, stream, text, got, answer)
				}
			}
		}
	}
	f("plain", "write to jo@example.com", 200, "jo@", "[MAIL]")
	f("in", "write to jo@example.com", 200, "[MAIL]", "example.com")
	f("out", "write to jo@example.com", 200, "[MAIL]", "example.com")
	f("both", "write to jo@example.com", 200, "[MAIL]", "example.com")
	f("both", strings.Repeat("too long ", 8), 403, "content_blocked", "")
	f("both", "now (block) it", 403, "content_blocked", "")
	f("both", "now (trap) it", 403, "filter_failed", "")
	f("both", "now (ask) about it", 200, "about", "")             // the guard has nothing against it
	f("both", "now (ask) about hate", 403, "content_blocked", "") // it has
	if got := g.usage(); got.Requests == 0 {
		t.Error("nothing is recorded")
	}

	got, answer := g.post("/v1/embeddings", `{"model":"vectors","input":"jo@example.com"}`)
	if got != 200 {
		t.Errorf("embeddings: %d %s", got, answer)
	}
	got, answer = g.post("/v1/embeddings", `{"model":"vectors","input":[1,2,3]}`)
	if got != 403 || !strings.Contains(answer, "content_unreadable") {
		t.Errorf("tokens: %d %s", got, answer)
	}

	metrics := g.metrics()
	for _, line := range []string{`signalbox_filter_verdicts_total{action="block",filter="mask"}`, `signalbox_filter_faults_total{filter="mask",kind="trap"}`,
		`signalbox_filter_verdicts_total{action="replace",filter="out"}`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func (g *gateway) metrics() string {
	g.t.Helper()
	req, _ := http.NewRequest("GET", g.admin+"/metrics", nil)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// TestBlockedRequestsCostNothing: what a filter ends before it leaves is
// recorded without cost; an answer that is cut costs what it consumed.
func TestBlockedRequestsCostNothing(t *testing.T) {
	g := newGateway(t, filtered(t, "builtin:default"))
	for path, body := range asked("both", "(block)", true) {
		if status, answer := g.post(path, body); status != 403 {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if got := g.usage(); got.Requests != 4 || got.Nano != 0 {
		t.Errorf("recorded %+v; want four requests for nothing", got)
	}
	for path, body := range asked("out", "a few words before (block) and a few behind", true) {
		status, answer := g.post(path, body)
		if status != 200 || !strings.Contains(answer, "content_blocked") || strings.Contains(answer, "behind") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if got := g.usage(); got.Requests != 8 || got.Nano == 0 {
		t.Errorf("recorded %+v; want eight requests that cost something", got)
	}
	before := g.usage()
	status, answer := g.post("/v1/chat/completions", asked("out", "(block)", false)["/v1/chat/completions"])
	if status != 403 || g.usage().Nano == before.Nano {
		t.Errorf("a whole answer that is blocked: %d %s", status, answer)
	}
}

// TestPolicyRequiresFilters: what policy requires is looked at whatever the
// model says, and a filter that there is none of lets nothing pass.
func TestPolicyRequiresFilters(t *testing.T) {
	bundle := t.TempDir()
	write := func(name string) {
		t.Helper()
		unit := fmt.Sprintf("package signalbox.units.guarded\n\ndefault permit := false\n\npermit if input.principal.key_id != \"\"\n\nobligations[\"filters\"] := [%q]\n", name)
		if err := os.WriteFile(filepath.Join(bundle, "guarded.rego"), []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("mask")
	g := newGateway(t, filtered(t, bundle))
	if status, answer := g.post("/v1/chat/completions", request("plain", "jo@example.com", false)); status != 200 || !strings.Contains(answer, "[MAIL]") {
		t.Errorf("got %d %s", status, answer)
	}
	write("absent")
	g.reload()
	// The bundle before may stay in use; what nobody looks at does not pass.
	if status, answer := g.post("/v1/chat/completions", request("plain", "jo@example.com", false)); status == 200 && !strings.Contains(answer, "[MAIL]") {
		t.Errorf("a filter that is not there: %d %s", status, answer)
	}
}

// TestFiltersReload: another configuration of a filter holds for the next request.
func TestFiltersReload(t *testing.T) {
	config := filtered(t, "builtin:default")
	g := newGateway(t, config)
	ask := func() int {
		status, _ := g.post("/v1/chat/completions", request("both", strings.Repeat("long ", 10), false))
		return status
	}
	if got := ask(); got != 200 {
		t.Fatalf("got %d", got)
	}
	g.write(strings.Replace(config, "max_prompt_chars: 60", "max_prompt_chars: 10", 1))
	if status := g.reload(); status != 200 || ask() != 403 {
		t.Errorf("the reload answers %d", status)
	}
	g.write(strings.Replace(config, "filters: [mask, short]", "filters: [mask]", 1))
	if status := g.reload(); status != 200 || ask() != 200 {
		t.Errorf("the reload answers %d", status)
	}
}
