package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rated is config with more for its key, and more.
func rated(url, key, more string) string {
	return strings.Replace(config(url, "1000"), "budgets: [{usd: 1000, window: day}]", key, 1) + more
}

// admin asks the admin API and returns the status and the body.
func (g *gateway) adminDo(method, path, body string) (int, string) {
	g.t.Helper()
	req, err := http.NewRequest(method, g.admin+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestTenAnHour: of two hundred requests at once ten pass.
func TestTenAnHour(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	g := newGateway(t, rated(up.URL, "rates: [{requests: 10, per: hour}]", ""))
	var passed, refused atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			status, body, h, err := g.chat(request("fast", "hello", false))
			switch {
			case err == nil && status == 200:
				passed.Add(1)
			case err == nil && status == 429 && strings.Contains(body, `"rate_limit_exceeded"`) && h.Get("Retry-After") != "":
				refused.Add(1)
			default:
				t.Errorf("status %d, %v: %s", status, err, body)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 10 || refused.Load() != 190 || up.calls.Load() != 10 {
		t.Errorf("%d passed, %d were refused, the upstream was asked %d times; want 10, 190 and 10", passed.Load(), refused.Load(), up.calls.Load())
	}
	if text := g.metrics(); !strings.Contains(text, `signalbox_rate_limited_total{scope="key",unit="requests"} 190`) {
		t.Error("the metrics do not count 190 refusals")
	}
}

// TestRateIsTold: callers are told where they stand, and what to do, in their dialect.
func TestRateIsTold(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, rated(up.URL, "rates: [{requests: 2, per: minute}, {tokens: 100000, per: minute}]", ""))
	ask := func(path, model string) (int, string, http.Header) {
		req, _ := http.NewRequest("POST", g.data+path, strings.NewReader(request(model, "hello", false)))
		req.Header.Set("Authorization", "Bearer "+callerKey)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), resp.Header
	}
	status, body, h := ask("/v1/chat/completions", "fast")
	reset, err := time.ParseDuration(h.Get("x-ratelimit-reset-requests"))
	if status != 200 || h.Get("x-ratelimit-limit-requests") != "2" || h.Get("x-ratelimit-remaining-requests") != "1" || err != nil || reset < 59*time.Second || reset > 61*time.Second ||
		h.Get("x-ratelimit-limit-tokens") != "100000" {
		t.Fatalf("status %d, %v, headers %v: %s", status, err, h, body)
	}
	if n, err := strconv.Atoi(h.Get("x-ratelimit-remaining-tokens")); err != nil || n >= 100_000-answerTokens || n < 99_000 {
		t.Errorf("%d tokens are left, %v", n, err)
	}
	status, body, h = ask("/v1/messages", "own")
	when, err := time.Parse(time.RFC3339, h.Get("anthropic-ratelimit-requests-reset"))
	if status != 200 || h.Get("anthropic-ratelimit-requests-limit") != "2" || h.Get("anthropic-ratelimit-requests-remaining") != "0" || err != nil || time.Until(when) < 50*time.Second {
		t.Fatalf("status %d, %v, headers %v: %s", status, err, h, body)
	}
	status, body, h = ask("/v1/messages", "own")
	if status != 429 || !strings.Contains(body, `"type":"rate_limit_error"`) || !strings.Contains(body, "key/config-dev (2 requests a minute) is used up: try again in") {
		t.Errorf("status %d: %s", status, body)
	}
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	ms, err2 := strconv.Atoi(h.Get("Retry-After-Ms"))
	if err != nil || err2 != nil || seconds < 1 || seconds > 61 || ms <= (seconds-1)*1000 || ms > seconds*1000 {
		t.Errorf("retry after %d s and %d ms, %v, %v", seconds, ms, err, err2)
	}
	status, body, _ = ask("/v1/chat/completions", "fast")
	if status != 429 || !strings.Contains(body, `"type":"rate_limit_exceeded"`) || !strings.Contains(body, `"code":"rate_limit_exceeded"`) {
		t.Errorf("status %d: %s", status, body)
	}
}

// TestTokensAreCorrected: what an answer did not use of its estimate is there
// for the next one.
func TestTokensAreCorrected(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, rated(up.URL, "rates: [{tokens: 1500, per: hour}]", ""))
	big := func(n int) string {
		return fmt.Sprintf(`{"model":"own","max_tokens":%d,"messages":[{"role":"user","content":"hello"}]}`, n)
	}
	for i := range 5 {
		if status, body, _, err := g.chat(big(1000)); err != nil || status != 200 {
			t.Fatalf("request %d: status %d, %v: %s", i, status, err, body)
		}
	}
	status, body, h, err := g.chat(big(2000))
	if err != nil || status != 429 || !strings.Contains(body, "ever allows: lower max_tokens") || h.Get("Retry-After") != "" {
		t.Errorf("status %d, %v: %s", status, err, body)
	}
}

// TestConcurrentIsGivenBack: however requests end, others may run after them.
func TestConcurrentIsGivenBack(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, rated(up.URL, "rates: [{concurrent: 2}]", ""))
	hang := func() (leave func()) {
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "POST", g.data+"/v1/chat/completions", strings.NewReader(request("fast", "block", true)))
		req.Header.Set("Authorization", "Bearer "+callerKey)
		own := &http.Client{Transport: &http.Transport{}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := own.Do(req); err == nil {
				_ = resp.Body.Close()
			}
		}()
		return func() { cancel(); <-done } // which cuts the connection
	}
	asked := up.calls.Load()
	leave := []func(){hang(), hang()}
	eventually(t, "both requests run", func() bool { return up.calls.Load() == asked+2 })
	status, body, h, err := g.chat(request("fast", "hello", false))
	if err != nil || status != 429 || !strings.Contains(body, "too_many_concurrent") || h.Get("Retry-After") == "" {
		t.Fatalf("status %d, %v: %s", status, err, body)
	}
	for _, l := range leave {
		l()
	}
	eventually(t, "places of callers that left are free", func() bool {
		status, _, _, err := g.chat(request("fast", "hello", false))
		return err == nil && status == 200
	})
	for i := range 30 { // whole, streamed, broken off, refused, not there
		for _, b := range []string{request("fast", "hello", false), request("fast", "hello", true), request("fast", "cut", true), request("nowhere", "hello", false), `{`} {
			if status, body, _, _ := g.chat(b); status == 429 {
				t.Fatalf("round %d: %s is refused: %s", i, b, body)
			}
		}
	}
	eventually(t, "nothing runs", func() bool { return strings.Contains(g.metrics(), "signalbox_rate_running 0\n") })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

// TestStoredLimits: limits of scopes hold at once, merged to the strictest, and
// what names nothing is refused.
func TestStoredLimits(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, rated(up.URL, "rates: [{requests: 100, per: hour}]", "rates: [{scope: team/core, requests: 50, per: hour}]\n"))
	f := func(method, scope, body string, status int, want string) {
		t.Helper()
		if got, text := g.adminDo(method, "/admin/limits/"+scope, body); got != status || !strings.Contains(text, want) {
			t.Errorf("%s %s: %d %s; want %d and %s", method, scope, got, text, status, want)
		}
	}
	hour := func(n int) string { return fmt.Sprintf(`{"limits":[{"requests":%d,"per":"hour"}]}`, n) }
	f("PUT", "tem/core", hour(1), 400, `did you mean \"team\"`)
	f("PUT", "team/cora", hour(1), 400, `there is no team \"cora\", did you mean \"core\"?`)
	f("PUT", "provider/upp", hour(1), 400, `did you mean \"up\"`)
	f("PUT", "team/core", `{"limits":[{"requests":1,"per":"month"}]}`, 400, "per is")
	f("PUT", "team/core", `{"limits":[{"tokens":1,"per":"day","on_exceed":"clamp"}]}`, 400, "deny or warn")
	f("PUT", "team/core", `{"limits":[]}`, 400, "DELETE")
	f("DELETE", "team/core", "", 409, "limits_of_config")
	f("DELETE", "key/dev", "", 404, "limits_unknown")
	limit := func(want string) {
		t.Helper()
		_, _, h, err := g.chat(request("fast", "hello", false))
		if got := h.Get("x-ratelimit-limit-requests"); err != nil || got != want {
			t.Errorf("the limit is %q, %v; want %s", got, err, want)
		}
	}
	limit("50")
	f("PUT", "key/dev", hour(20), 200, `"scope":"key/config-dev"`)
	limit("20")
	f("PUT", "team/core", hour(70), 200, `"revision":`)
	f("GET", "key/dev", "", 200, `"source":"config"`)
	_, text := g.adminDo("GET", "/admin/limits/key/dev", "")
	var shown struct {
		Applies []struct {
			Scope, Source string
			Holds         bool
		}
	}
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(shown.Applies), "[{key/config-dev key false} {key/config-dev store true} {team/core config true} {team/core store false}]"; got != want {
		t.Errorf("what applies is %s; want %s", got, want)
	}
	f("DELETE", "key/dev", "", 200, "removed")
	limit("50")
	f("PUT", "provider/up", `{"limits":[{"requests":1,"per":"hour"}]}`, 200, "revision")
	f("PUT", "provider/up", `{"limits":[{"requests":1,"per":"hour"}],"revision":1}`, 409, "limits_changed")
	if code, text := g.adminDo("GET", "/admin/limits", ""); code != 200 || strings.Count(text, `"scope"`) != 3 {
		t.Errorf("%d %s", code, text)
	}
}

// TestLimitsOfKeysAreChecked: one that cannot be held is refused by its place
// when a key is made and when it is changed, and the key stays as it was.
func TestLimitsOfKeysAreChecked(t *testing.T) {
	g := newGateway(t, rated(newUpstream(t).URL, "", ""))
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		if got, text := g.adminDo(method, "/admin/keys"+path, body); got != status || !strings.Contains(text, want) {
			t.Errorf("%s %s: %d %s; want %d and %s", method, body, got, text, status, want)
		}
	}
	f("POST", "", `{"name":"held","budgets":[{"usd":1,"window":"day"}],"rates":[{"requests":1,"per":"hour"}]}`, 200, "token")
	for _, k := range []struct{ method, path, name string }{{"POST", "", `"name":"other",`}, {"PATCH", "/held", ""}} {
		f(k.method, k.path, `{`+k.name+`"rates":[{"requests":1,"per":"hour"},{"requests":1,"per":{"unit":"week","size":9999}}]}`, 400, "rates[1]: per is 9999 times a week: give at most a year")
		f(k.method, k.path, `{`+k.name+`"rates":[{"tokens":1,"per":"day","on_exceed":"clamp"}]}`, 400, "rates[0]: on_exceed is clamp")
	}
	f("GET", "/held", "", 200, `"rates":[{"requests":1,"per":"hour"}]`)
	f("GET", "/other", "", 404, "key_unknown")
	f("PATCH", "/held", `{"budgets":[],"rates":[]}`, 200, `"name":"held"`)
	if _, text := g.adminDo("GET", "/admin/keys/held", ""); strings.Contains(text, `"requests"`) || strings.Contains(text, `"usd"`) {
		t.Errorf("a key whose limits were taken away has some: %s", text)
	}
}

// TestRatesOfTargets: a provider's rate holds across callers, where it is used
// up the next target serves, and with none left the caller is told which.
func TestRatesOfTargets(t *testing.T) {
	up := newUpstream(t)
	text := strings.Replace(config(up.URL, "1000"), "  own:", "  both: {targets: [{model: up/m}, {model: demo/echo}]}\n  own:", 1)
	g := newGateway(t, strings.Replace(text, "budgets: [{usd: 1000, window: day}]", "", 1)+"rates: [{scope: provider/up, requests: 3, per: hour}, {scope: model/own, requests: 2, per: hour}]\n")
	var from []string
	for range 5 {
		status, body, h, err := g.chat(request("both", "hello", false))
		if err != nil || status != 200 {
			t.Fatalf("status %d, %v: %s", status, err, body)
		}
		from = append(from, h.Get("X-Signalbox-Provider"))
	}
	if got := strings.Join(from, " "); got != "up up up demo demo" {
		t.Errorf("the answers are from %s", got)
	}
	status, body, h, err := g.chat(request("fast", "hello", false))
	if err != nil || status != 429 || !strings.Contains(body, "the rate of provider/up (3 requests an hour)") || h.Get("Retry-After") == "" {
		t.Errorf("status %d, %v: %s", status, err, body)
	}
	for i, want := range []int{200, 200, 429} {
		if status, body, _, err := g.chat(request("own", "hello", false)); err != nil || status != want {
			t.Errorf("request %d: status %d, %v: %s", i, status, err, body)
		}
	}
	_, other := g.adminDo("POST", "/admin/keys", `{"name":"other"}`)
	token := regexp.MustCompile(`"token":"([^"]+)"`).FindStringSubmatch(other)
	req, _ := http.NewRequest("POST", g.data+"/v1/chat/completions", bytes.NewReader([]byte(request("own", "hello", false))))
	req.Header.Set("Authorization", "Bearer "+token[1])
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 429 {
		t.Errorf("another key gets %d; want 429, the model's rate holds across callers", resp.StatusCode)
	}
}

// TestUnknownScopeOfConfig: a limit of the configuration that would hold
// for nobody is no limit.
func TestUnknownScopeOfConfig(t *testing.T) {
	up := newUpstream(t)
	good := rated(up.URL, "", "rates: [{scope: team/core, requests: 50, per: hour}]\n")
	g := newGateway(t, good)
	g.write(strings.Replace(good, "scope: team/core", "scope: team/croe", 1))
	if code, text := g.adminDo("POST", "/admin/reload", ""); code != 422 || !strings.Contains(text, `there is no team \"croe\", did you mean \"core\"?`) {
		t.Errorf("%d %s", code, text)
	}
	if _, _, h, err := g.chat(request("fast", "hello", false)); err != nil || h.Get("x-ratelimit-limit-requests") != "50" {
		t.Errorf("the limit before it does not hold: %v %v", h, err)
	}
}
