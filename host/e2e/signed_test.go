package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/trust/trusttest"
)

// asked posts to the admin API and returns how it answers.
func (g *gateway) asked(path string, body any) (int, string) {
	g.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		g.t.Fatal(err)
	}
	req, err := http.NewRequest("POST", g.admin+path, bytes.NewReader(b))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// TestSignedModules asks for signatures of the configuration's own module and
// of what is pushed, through reloads and a restart.
func TestSignedModules(t *testing.T) {
	up := newUpstream(t)
	code, err := os.ReadFile(filepath.Join(bin, "plugins", "routes", "priority.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := trusttest.New(), trusttest.New()
	manifest := func(version string) []byte {
		return fmt.Appendf(nil, `{"name":"priority","version":%q,"kind":"route","abi":"sb/1","grants":["log","counters","metrics"],"sha256":"%x"}`, version, sha256.Sum256(code))
	}
	folder := t.TempDir()
	lay := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lay("own.wasm", code)
	lay("own.json", manifest("1.0.0"))
	settings := func(key string, required bool, more string) string {
		return config(up.URL, "1000") + fmt.Sprintf("plugins: {trusted_keys: [%q], require_signature: %t}\nroutes: {priority: {module: %q}}\n%s", key, required, filepath.Join(folder, "own.wasm"), more)
	}
	lay("own.json.minisig", []byte(ours.Sign(manifest("1.0.0"))))
	g := newGateway(t, settings(ours.Key, true, ""))
	by := func() string {
		t.Helper()
		status, body, header, err := g.chat(request("fast", "hi", false))
		if err != nil || status != 200 {
			t.Fatalf("status %d, %v: %s", status, err, body)
		}
		return header.Get("X-Signalbox-Route")
	}
	own := by()

	push := func(m []byte, signature string) (int, string) {
		t.Helper()
		return g.asked("/admin/routes/priority/versions", map[string]any{"code": code, "manifest": m, "signature": []byte(signature)})
	}
	f := func(what string, m []byte, signature string, status int, want string) {
		t.Helper()
		if got, body := push(m, signature); got != status || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s; want %d, %s", what, got, body, status, want)
		}
	}
	m := manifest("2.0.0")
	f("not signed", m, "", 422, "is not signed")
	f("signed by another", m, theirs.Sign(m), 422, "not among plugins.trusted_keys")
	f("signed for another manifest", m, ours.Sign(manifest("1.0.0")), 422, "not of this content")
	f("signed without sha256", []byte(`{"name":"priority","kind":"route","abi":"sb/1"}`), ours.Sign([]byte(`{"name":"priority","kind":"route","abi":"sb/1"}`)), 422, "no sha256")
	f("cut short", m, ours.Sign(m)[:80], 422, "cannot read the signature")
	f("signed", m, ours.Sign(m), 200, `"signed_by":`)
	var v released
	g.admins("/admin/routes/priority/promote", map[string]any{"version": "2.0.0", "force": true}, &v)
	if got := by(); got != v.Label || got == own {
		t.Fatalf("served by %s; want %s", got, v.Label)
	}

	// A configuration that is refused as a whole changes nothing of whom to trust.
	g.write(settings(ours.Key, false, "filters: {absent: {module: \"/nowhere.wasm\"}}\n"))
	if status := g.reload(); status < 400 {
		t.Fatalf("reload answers %d", status)
	}
	f("not signed, after a refused reload", manifest("3.0.0"), "", 422, "is not signed")

	g.kill()
	g.write(settings(ours.Key, true, ""))
	g.start()
	if got := by(); got != v.Label {
		t.Errorf("after a restart served by %s; want %s", got, v.Label)
	}

	// The key that signed both is trusted no more: the configuration's own
	// module is refused, and once it is signed anew, what was pushed leaves.
	g.write(settings(theirs.Key, true, ""))
	if status := g.reload(); status < 400 || by() != v.Label {
		t.Errorf("reload with a module that nobody trusted has signed answers %d, served by %s", status, by())
	}
	lay("own.json.minisig", []byte(theirs.Sign(manifest("1.0.0"))))
	if status := g.reload(); status != 200 || by() != own {
		t.Errorf("reload answers %d, served by %s; want 200, %s", status, by(), own)
	}
	lay("own.json", manifest("1.0.1"))
	if status := g.reload(); status < 400 {
		t.Error("a manifest that was changed after it was signed is read")
	}
}
