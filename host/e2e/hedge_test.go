package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestHedge: a module's plan asks a second target when the first is silent, and
// the caller gets the one answer that comes.
func TestHedge(t *testing.T) {
	module, err := filepath.Abs("../../plugins/routes/least-latency/least-latency.wasm")
	if err != nil {
		t.Fatal(err)
	}
	u := newFickle(t)
	g := newGateway(t, strings.NewReplacer(", PROBE", "", "limits: {attempts: 1}", "limits: {attempts: 2}").Replace(resilient(u.URL, `
routes: {fast: {module: `+module+`, config: {hedge_ms: 20}}}
models: {own: {route: fast, targets: [{model: up/a}, {model: up/b}]}}
`)))
	release := u.block("a")
	defer release()
	for range 20 {
		status, body, h := g.chatWith("own", "hello")
		if status != 200 || h.Get("X-Signalbox-Model") != "b" {
			t.Fatalf("status %d from model %q: %s", status, h.Get("X-Signalbox-Model"), body)
		}
	}
	asked := strings.Join(u.heard(), ",")
	if !strings.Contains(asked, "a hello") || strings.Count(asked, "b hello") != 20 {
		t.Errorf("the upstream was asked %s", asked)
	}
	text := g.metrics()
	if !strings.Contains(text, `outcome="lost"`) {
		t.Errorf("no attempt was lost:\n%s", text)
	}
}
