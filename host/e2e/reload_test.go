package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRouteOfARefusedReloadLoadsWithTheNextOne: what a refused configuration
// had read must not pass for what is running.
func TestRouteOfARefusedReloadLoadsWithTheNextOne(t *testing.T) {
	up := newUpstream(t)
	module, err := os.ReadFile(filepath.Join(bin, "plugins", "routes", "priority.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "mine.wasm")
	routed := config(up.URL, "100") + "routes: {priority: {module: " + file + "}}\n"
	write := func(custom string) { // a custom section makes another version of it
		t.Helper()
		if err := os.WriteFile(file, append(append([]byte(nil), module...), custom...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	g := newGateway(t, routed)
	version := func() string {
		t.Helper()
		status, body, h, err := g.chat(request("fast", "hi", false))
		if err != nil || status != 200 {
			t.Fatalf("status %d, %v: %s", status, err, body)
		}
		return h.Get("X-Signalbox-Route")
	}
	first := version()

	write("\x00\x02\x01x")
	g.write(strings.Replace(routed, "adapter: demo", "adapter: absent", 1))
	if status := g.reload(); status < 400 || version() != first {
		t.Errorf("a configuration with an absent adapter: reload answers %d, requests go by %s", status, version())
	}
	g.write(routed)
	if status := g.reload(); status != 200 || version() == first {
		t.Errorf("the repaired configuration: reload answers %d, requests still go by %s", status, version())
	}
}

// TestLimitsAreReloaded: attempts and timeouts hold from the next request on;
// what a server is made with takes a restart, and the refusal says so.
func TestLimitsAreReloaded(t *testing.T) {
	t.Parallel()
	with := func(more string) string {
		return strings.Replace(config("http://127.0.0.1:1", "100"), "models:", `models:
  patient: {targets: [{model: "demo/echo?fault=status_500"}, {model: demo/echo}]}
  hanging: {targets: [{model: "demo/echo?fault=hang"}]}`, 1) + more
	}
	g := newGateway(t, with(""))
	asks := func(model string, want int) {
		t.Helper()
		if status, body, _, err := g.chat(request(model, "hi", false)); status != want || err != nil {
			t.Errorf("%s: status %d, %v: %s; want %d", model, status, err, body, want)
		}
	}
	asks("patient", 200)
	g.write(with("limits: {attempts: 1}\ntimeouts: {first_byte: 50ms}\n"))
	if status := g.reload(); status != 200 {
		t.Fatalf("reload answers %d:\n%s", status, g.output())
	}
	asks("patient", 502)
	asks("hanging", 504)
	g.write(with("limits: {max_body: 1MB}\n"))
	if status, text := g.admire("POST", "/admin/reload", adminToken, ""); status < 400 || !strings.Contains(text, "limits.max_body") {
		t.Errorf("another max_body: reload answers %d %s", status, text)
	}
	asks("patient", 502) // as before
}

func (g *gateway) reload() int {
	g.t.Helper()
	req, _ := http.NewRequest("POST", g.admin+"/admin/reload", nil)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
