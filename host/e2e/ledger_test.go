package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// refusing is a configuration that has a reason to refuse for everyone.
func refusing(t *testing.T) string {
	t.Helper()
	bundle := t.TempDir()
	unit := "package signalbox.units.guarded\n\ndefault permit := false\n\npermit if input.principal.key_name != \"barred\"\n"
	if err := os.WriteFile(filepath.Join(bundle, "guarded.rego"), []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`
listen: {data: "127.0.0.1:0", admin: "127.0.0.1:0"}
admin: {token: "${env:SIGNALBOX_ADMIN_TOKEN}"}
store: {url: "sqlite:state/signalbox.db"}
policy: {bundle: %q}
ledger: {unauthenticated_rows: 5}
providers: {demo: {adapter: demo}}
filters: {short: {module: "builtin:length", config: {max_prompt_chars: 60}}}
models: {m: {targets: [{model: demo/echo}], filters: [short]}}
prices: {"demo/echo": {input_per_mtok: 10, output_per_mtok: 10, max_output: 1000}}
keys:
  - {name: dev, value: "${env:SIGNALBOX_DEV_KEY}"}
  - {name: barred, value: key-that-is-barred}
  - {name: poor, value: key-that-is-poor, budgets: [{usd: 0.000000001, window: day}]}
  - {name: slow, value: key-that-is-slow, rates: [{requests: 1, per: hour}]}
  - {name: old, value: key-that-is-old, expires: 2026-01-01T00:00:00Z}
`, bundle)
}

// with sends body with a key, none if it is empty.
func (g *gateway) with(key, body string) int {
	g.t.Helper()
	req, err := http.NewRequest("POST", g.data+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// counted is how often requests of a key ended with a code.
func (g *gateway) counted() map[string]int64 {
	g.t.Helper()
	status, body := g.adminDo("GET", "/admin/usage?by=key,key_id,code,result", "")
	var page struct {
		Rows []struct {
			Key, Code, Result string
			KeyID             string `json:"key_id"`
			Requests          int64
		}
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 {
		g.t.Fatalf("%d %s", status, body)
	}
	out := map[string]int64{}
	for _, r := range page.Rows {
		if r.Key == "" {
			r.Key = "-" + r.KeyID
		}
		out[r.Key+" "+r.Code+" "+r.Result] += r.Requests
	}
	return out
}

// TestRefusalsAreInTheLedger: whatever a request is refused for, it is a row.
func TestRefusalsAreInTheLedger(t *testing.T) {
	g := newGateway(t, refusing(t))
	f := func(key, body string, status int, row string) {
		t.Helper()
		before := g.counted()
		if got := g.with(key, body); got != status {
			t.Errorf("%s: answered %d; want %d", row, got, status)
		}
		for k, n := range g.counted() {
			if n != before[k] && k != row || k == row && n != before[k]+1 {
				t.Errorf("%s was %d and is %d; want one more of %s alone", k, before[k], n, row)
			}
		}
		if g.counted()[row] == 0 {
			t.Errorf("there is no row of %s: %v", row, g.counted())
		}
	}
	good := request("m", "hello", false)
	f(callerKey, good, 200, "dev  ok")
	f("key-that-is-barred", good, 403, "barred not_permitted refused")
	f("key-that-is-poor", good, 402, "poor budget_exceeded refused")
	f("key-that-is-slow", good, 200, "slow  ok")
	f("key-that-is-slow", good, 429, "slow rate_limit_exceeded refused")
	f(callerKey, request("m", strings.Repeat("too long ", 9), false), 403, "dev content_blocked refused")
	f(callerKey, request("unheard-of", "hello", false), 404, "dev model_not_found refused")
	f(callerKey, `{"model": "m", "messages": [`, 400, "dev invalid_json refused")
	f("", good, 401, "- missing_api_key refused")
	f("sk-of-another-service-0123456789", good, 401, "- invalid_api_key refused")
	f("sb-0123456789-abcdefghjkmnpqrstvwxyz0123", good, 401, "-0123456789 invalid_api_key refused")
	f("key-that-is-old", good, 401, "- key_expired refused")
	_, rows := g.adminDo("GET", "/admin/ledger?status=401", "")
	if strings.Count(rows, `"address":"127.0.0.1"`) != 4 || strings.Contains(rows, "another-service") || strings.Contains(rows, "abcdefghjkm") {
		t.Errorf("the rows of strangers are\n%s", rows)
	}
}

// TestFloodOfBadKeys: all are counted, few are rows, and a kill in the middle
// of it loses none that were answered.
func TestFloodOfBadKeys(t *testing.T) {
	g := newGateway(t, refusing(t))
	const callers, each = 16, 250
	for range 2 {
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for i := range each {
					if status := g.with(fmt.Sprintf("bad-key-%d-%d", c, i), request("m", "hello", false)); status != 401 {
						t.Errorf("answered %d", status)
					}
				}
			})
		}
		wg.Wait()
		g.kill()
		g.start()
	}
	if n := g.counted()["- invalid_api_key refused"]; n != 2*callers*each {
		t.Errorf("the ledger counts %d; want %d", n, 2*callers*each)
	}
	_, rows := g.adminDo("GET", "/admin/ledger", "")
	if n := strings.Count(rows, "\n"); n > 400 {
		t.Errorf("of %d requests %d are rows", 2*callers*each, n)
	}
}
