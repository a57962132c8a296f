package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// newTroubled is an upstream whose providers each have their own trouble, told
// by the first part of the path.
func newTroubled(t *testing.T) *httptest.Server {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasPrefix(r.URL.Path, "/down/"):
			w.WriteHeader(http.StatusInternalServerError)
		case strings.HasPrefix(r.URL.Path, "/refused/"):
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"message":"no such key","type":"invalid_request_error","code":"invalid_api_key"}}`)
		default: // it says that it has said more than it may
			fmt.Fprint(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":500000,"total_tokens":500000}}`)
		}
	}))
	t.Cleanup(up.Close)
	return up
}

func troubledConfig(up, hook, bundle string) string {
	host := strings.TrimPrefix(up, "http://")
	text := `
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
`
	text += fmt.Sprintf("policy: {bundle: %q}\nproviders:\n  demo: {adapter: demo}\n", bundle)
	for _, name := range []string{"dear", "down", "refused"} {
		text += fmt.Sprintf("  %s: {adapter: openai, config: {base_url: %q}, hosts: [%q], credentials: [{name: main, value: \"${env:PROVIDER_KEY}\"}]}\n", name, up+"/"+name+"/v1", host)
	}
	return text + fmt.Sprintf(`
prices: {"dear/m": {input_per_mtok: 0, output_per_mtok: 10, max_output: 1000}, "down/m": {input_per_mtok: 0, output_per_mtok: 10, max_output: 1000}, "refused/m": {input_per_mtok: 0, output_per_mtok: 10, max_output: 1000}}
keys: [{name: dev, value: "${env:SIGNALBOX_DEV_KEY}", budgets: [{usd: 1000, window: month}, {usd: 0.000001, window: day, on_exceed: warn}]}]
alerts: {every: 1s, forecast: false, to: {ops: {webhook: %q, secret: hush}}}
`, hook)
}

// TestEveryTroubleIsTold provokes what alerts are for, one after the other.
func TestEveryTroubleIsTold(t *testing.T) {
	t.Parallel()
	up, told, bundle := newTroubled(t), newHooks(t), t.TempDir()
	unit := filepath.Join(bundle, "u.rego")
	rego := func(text string) {
		t.Helper()
		if err := os.WriteFile(unit, []byte("package signalbox.units.u\n\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rego("default permit := false\n\npermit if input.principal.key_id != \"\"\n")
	g := newGateway(t, troubledConfig(up.URL, told.URL, bundle))
	ask := func(model string) {
		t.Helper()
		if _, _, _, err := g.chat(request(model, "hi", false)); err != nil {
			t.Fatal(err)
		}
	}
	f := func(want string, provoke func()) {
		t.Helper()
		provoke()
		for !told.heard(want) {
			told.wait(t)
		}
	}
	f("soft_limit node/", func() { ask("dear/m"); ask("dear/m") })
	f("underestimate node/", func() { ask("dear/m") })
	f("credential refused/main", func() { ask("refused/m") })
	f("breaker down/m", func() {
		for range 20 {
			ask("down/m")
		}
	})
	f("policy policy", func() { rego("permit if {") })
	f("adapter demo", func() {
		for range 5 {
			ask("demo/echo") // it is up again
			if err := syscall.Kill(adapterPID(t, g, "demo"), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	})
	f("audit node/", func() {
		g.tamper(`DROP TABLE audit_head`)
		if status := g.call("POST", "/admin/keys", map[string]any{"name": "unseen"}, nil); status != 503 {
			t.Fatalf("what cannot be recorded: %d", status)
		}
	})
}

// heard reports whether a message has come that begins so.
func (h *hooks) heard(begin string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.marks {
		if strings.HasPrefix(m, begin) {
			return true
		}
	}
	return false
}
