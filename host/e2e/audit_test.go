package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// must asks the admin API as root for what has to go well.
func (g *gateway) must(method, path, body string) string {
	g.t.Helper()
	code, text := g.admire(method, path, adminToken, body)
	if code != 200 {
		g.t.Fatalf("%s %s: %d %s", method, path, code, text)
	}
	return text
}

// tamper changes the database of a running gateway behind its back.
func (g *gateway) tamper(script string) {
	g.t.Helper()
	conn, err := zombie.OpenConn(filepath.Join(g.dir, "state", "signalbox.db"), zombie.OpenReadWrite)
	if err == nil {
		conn.SetBusyTimeout(5 * time.Second)
		err = errors.Join(sqlitex.ExecuteScript(conn, script, nil), conn.Close())
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// TestAudit: what is done is in the log, whoever is refused too, and a log that
// was changed behind the gateway's back is seen to be.
func TestAudit(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "100"))
	g.must("POST", "/admin/keys", `{"name":"ci","team":"core"}`)
	if code, _ := g.admire("DELETE", "/admin/keys/ci", "wrong", ""); code != 401 {
		t.Errorf("a wrong token: %d", code)
	}
	g.must("DELETE", "/admin/keys/ci", "")
	if code, _ := g.admire("DELETE", "/admin/keys/ci", adminToken, ""); code != 404 {
		t.Errorf("a key that is gone: %d", code)
	}
	g.must("POST", "/admin/reload", "")
	g.stop() // writes what waits
	g.start()
	var log struct {
		Entries []struct{ Action, Who, Outcome, Code, On string }
	}
	if err := json.Unmarshal([]byte(g.must("GET", "/admin/audit?most=1000", "")), &log); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range log.Entries {
		got = append(got, strings.TrimSpace(fmt.Sprint(e.Who, " ", e.Action, " ", e.Outcome, " ", e.Code)))
	}
	story := strings.Join(got, "\n")
	for _, want := range []string{"root POST /admin/keys begun\nroot POST /admin/keys done", "login refused unauthorized",
		"root DELETE /admin/keys/{name} begun\nroot DELETE /admin/keys/{name} done", "root DELETE /admin/keys/{name} refused key_unknown", "config.reload done", "policy.activate done"} {
		if !strings.Contains(story, want) {
			t.Errorf("the log has no %q:\n%s", want, story)
		}
	}
	if text := g.must("GET", "/admin/audit/verify", ""); !strings.Contains(text, `"ok":true`) {
		t.Errorf("at first: %s", text)
	}
	g.tamper(`UPDATE audit SET body = CAST(replace(body, '"root"', '"ann"') AS BLOB) WHERE seq = 3`)
	if text := g.must("GET", "/admin/audit/verify", ""); !strings.Contains(text, `"broken":{"entry":3,"kind":"changed"`) {
		t.Errorf("after a change: %s", text)
	}
	// A log that cannot be written stops what would have to be in it.
	g.tamper(`DROP TABLE audit_head`)
	if code, text := g.admire("POST", "/admin/keys", adminToken, `{"name":"unseen"}`); code != 503 || !strings.Contains(text, "audit_unavailable") {
		t.Errorf("what cannot be recorded: %d %s", code, text)
	}
	if text := g.must("GET", "/admin/keys", ""); strings.Contains(text, "unseen") {
		t.Errorf("a key was made that nobody can know of: %s", text)
	}
}

// hooks is a receiver of webhooks.
type hooks struct {
	*httptest.Server
	mu    sync.Mutex
	marks []string
	came  chan struct{}
}

func newHooks(t *testing.T) *hooks {
	h := &hooks{came: make(chan struct{}, 100)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e struct {
			Type, Scope, Spent string
			Threshold          int
		}
		b, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(b, &e)
		}
		if err != nil || r.Header.Get("Webhook-Signature") == "" {
			t.Errorf("a webhook %s, %v", b, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.marks = append(h.marks, fmt.Sprint(e.Type, " ", e.Scope, " ", e.Threshold, " ", e.Spent))
		h.came <- struct{}{}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hooks) wait(t *testing.T) {
	t.Helper()
	select {
	case <-h.came:
	case <-time.After(60 * time.Second):
		t.Fatal("nobody was told")
	}
}

// TestAlerts: each threshold of a budget is told once, by what was spent, also
// where the gateway was killed in between.
func TestAlerts(t *testing.T) {
	t.Parallel()
	up, told := newUpstream(t), newHooks(t)
	g := newGateway(t, config(up.URL, "0.01")+fmt.Sprintf("alerts: {every: 1s, forecast: false, thresholds: [50, 100], to: {ops: {webhook: %q, secret: hush, kinds: [budget]}}}\n", told.URL))
	spend := func(n int) {
		t.Helper()
		for range n {
			if code, text, _, err := g.chat(request("fast", "hi", false)); err != nil || code != 200 {
				t.Fatalf("%d %s %v", code, text, err)
			}
		}
	}
	spend(5) // 0.005 of 0.01
	told.wait(t)
	g.kill()
	g.start()
	spend(5)
	told.wait(t)
	g.stop()
	g.start() // it looks anew, at what has been told
	if code, _, _, err := g.chat(request("fast", "hi", false)); err != nil || code != 402 {
		t.Errorf("beyond the budget: %d %v", code, err)
	}
	told.mu.Lock()
	defer told.mu.Unlock()
	if got, want := strings.Join(told.marks, ", "), "budget key/config-dev 50 0.005, budget key/config-dev 100 0.01"; got != want {
		t.Errorf("told %q; want %q", got, want)
	}
}

// TestRekey changes the key of all secrets, from a text to a program's, with
// the gateway killed while it is at it.
func TestRekey(t *testing.T) {
	t.Parallel()
	keeper := filepath.Join(t.TempDir(), "kms")
	build := exec.Command("go", "build", "-o", keeper, "./examples/kms")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	up, secretFile := newUpstream(t), filepath.Join(t.TempDir(), "kms.key")
	if err := os.WriteFile(secretFile, []byte("a key that never leaves the program"), 0o600); err != nil {
		t.Fatal(err)
	}
	kept := strings.Replace(config(up.URL, "100"), "credentials: [{name: main, value: \"${env:PROVIDER_KEY}\"}]", "credentials: []", 1)
	before := kept + `secrets: {key: "key-of-before-0123456789"}` + "\n"
	kms := fmt.Sprintf(`kms: {command: [%q], env: [KMS_KEY_FILE]}`, keeper)
	between := kept + `secrets: {previous: ["key-of-before-0123456789"], ` + kms + "}\n"
	after := kept + "secrets: {" + kms + "}\n"

	g := &gateway{t: t, dir: t.TempDir(), env: []string{"KMS_KEY_FILE=" + secretFile}}
	g.config = filepath.Join(g.dir, "signalbox.yaml")
	g.write(before)
	g.start()
	t.Cleanup(g.stop)
	works := func() {
		t.Helper()
		if code, text, _, err := g.chat(request("fast", "hi", false)); err != nil || code != 200 {
			t.Fatalf("%d %s %v", code, text, err)
		}
	}
	g.must("POST", "/admin/providers/up/credentials", fmt.Sprintf(`{"name":"one","value":%q}`, providerKey))
	for i := range 30 {
		g.must("POST", "/admin/providers/demo/credentials", fmt.Sprintf(`{"name":"c%d","value":"sk-%d"}`, i, i))
	}
	works()
	g.write(between)
	g.must("POST", "/admin/reload", "") // without a restart
	works()
	for round := range 4 {
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			req, _ := http.NewRequest("POST", g.admin+"/admin/secrets/rekey", strings.NewReader(`{"data":true}`))
			req.Header.Set("Authorization", "Bearer "+adminToken)
			if resp, err := client.Do(req); err == nil { // it is killed under it, as a rule
				resp.Body.Close()
			}
		}()
		time.Sleep(time.Duration(round*round) * 8 * time.Millisecond) // at different points, wherever they are
		g.kill()
		<-asked
		g.start()
		works()
	}
	if text := g.must("POST", "/admin/secrets/rekey", `{"data":true}`); !strings.Contains(text, `"key":"kms:kms"`) {
		t.Errorf("it ends with %s", text)
	}
	g.write(after)
	g.must("POST", "/admin/reload", "")
	works()
	g.stop()
	g.start()
	works()
	if text := g.must("GET", "/admin/secrets", ""); strings.Contains(text, "key:") && !strings.Contains(text, `"kms:kms"`) || strings.Contains(text, `"key:`) {
		t.Errorf("a data key is still under the old key: %s", text)
	}
	g.stop()
	g.write(before)
	cmd := exec.Command(filepath.Join(bin, "signalbox"), "serve", "--config", g.config)
	cmd.Dir, cmd.Env = g.dir, []string{"HOME=" + g.dir, "SIGNALBOX_ADMIN_TOKEN=" + adminToken, "SIGNALBOX_DEV_KEY=" + callerKey, "PROVIDER_KEY=x"}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "sealed under another key") {
		t.Errorf("under the old key alone: %v %s", err, out)
	}
	g.write(after)
	g.start()
}

// TestAuditOfRefusals: what policy refuses is in the log, what it lets pass is not.
func TestAuditOfRefusals(t *testing.T) {
	g := newGateway(t, refusing(t))
	body := request("demo/echo", "hi", false)
	for range 3 {
		if code := g.with("key-that-is-barred", body); code != 403 {
			t.Errorf("the barred key gets %d", code)
		}
	}
	if code := g.with(callerKey, body); code != 200 {
		t.Errorf("another key gets %d", code)
	}
	g.stop() // writes what waits
	g.start()
	var log struct {
		Entries []struct {
			Kind, Who, On, Outcome string
			Detail                 struct{ Request, Revision string }
		}
	}
	if err := json.Unmarshal([]byte(g.must("GET", "/admin/audit?what=policy.deny", "")), &log); err != nil {
		t.Fatal(err)
	}
	if len(log.Entries) != 3 {
		t.Fatalf("%d refusals are in the log; want 3", len(log.Entries))
	}
	for _, e := range log.Entries {
		if e.Kind != "decision" || e.Who != "key/barred" || e.On != "demo/echo" || e.Outcome != "refused" || !strings.HasPrefix(e.Detail.Request, "req_") || e.Detail.Revision == "" {
			t.Errorf("entry %+v", e)
		}
	}
}
