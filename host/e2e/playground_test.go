package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// play asks through the playground, with a virtual key unless that is "".
func (g *gateway) play(token, key, path, body string) *http.Response {
	g.t.Helper()
	req, err := http.NewRequest("POST", g.admin+"/admin/playground"+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("X-Signalbox-Key", key)
	}
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// played is the status and the whole answer of play.
func (g *gateway) played(token, key, path, body string) (int, string, http.Header) {
	g.t.Helper()
	resp := g.play(token, key, path, body)
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

const (
	operatorToken = "a-token-of-an-operator"
	viewerToken   = "a-token-of-a-viewer-12"
)

func playable(url, budget string) string {
	return strings.Replace(config(url, "100"), "admin: {token: \"${env:SIGNALBOX_ADMIN_TOKEN}\"}", fmt.Sprintf(
		"admin: {token: \"${env:SIGNALBOX_ADMIN_TOKEN}\", tokens: [{name: op, role: operator, value: %q}, {name: looker, role: viewer, value: %q}]}", operatorToken, viewerToken), 1) +
		fmt.Sprintf("playground: {budgets: [{usd: %s, window: day}]}\n", budget)
}

// TestPlayground: who runs the gateway tries models in their own name, within
// the playground's budget, or with a key and what that may; who only looks does not.
func TestPlayground(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, playable(up.URL, "0.003")) // three answers
	const chat = "/v1/chat/completions"
	status, body, h := g.played(operatorToken, "", chat, request("fast", "hi", false))
	if status != 200 || h.Get("X-Signalbox-Cost-Usd") != "0.001" || h.Get("X-Signalbox-Provider") != "up" {
		t.Fatalf("status %d, cost %q: %s", status, h.Get("X-Signalbox-Cost-Usd"), body)
	}
	id := h.Get("X-Signalbox-Request-Id")
	var row struct{ Origin, User, Key string }
	if err := json.Unmarshal([]byte(g.must("GET", "/admin/ledger/"+id, "")), &row); err != nil || row.Origin != "playground" || row.User != "op" || row.Key != "signalbox/playground" {
		t.Errorf("its row: %+v, %v", row, err)
	}
	if got := h.Get("Content-Security-Policy"); got != "default-src 'none'; sandbox" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("an answer can be more than what the page makes of it: %q", got)
	}
	if status, body, _ := g.played(viewerToken, "", chat, request("fast", "hi", false)); status != 403 || !strings.Contains(body, "role_required") {
		t.Errorf("a viewer spends: %d %s", status, body)
	}
	if status, body, _ := g.played(operatorToken, "", "/v1/files", "{}"); status != 404 {
		t.Errorf("files: %d %s", status, body)
	}
	if status, body, _ := g.played(operatorToken, "no-key-at-all", chat, request("fast", "hi", false)); status != 401 {
		t.Errorf("a wrong key: %d %s", status, body)
	}
	for range 2 {
		if status, body, _ := g.played(operatorToken, "", chat, request("fast", "hi", false)); status != 200 {
			t.Fatalf("within the budget: %d %s", status, body)
		}
	}
	if status, body, _ := g.played(adminToken, "", chat, request("fast", "hi", false)); status != 402 || !strings.Contains(body, "budget_exceeded") {
		t.Errorf("beyond the budget, for all together: %d %s", status, body)
	}
	status, body, h = g.played(operatorToken, callerKey, chat, request("fast", "hi", false))
	if status != 200 {
		t.Fatalf("with a key: %d %s", status, body)
	}
	if err := json.Unmarshal([]byte(g.must("GET", "/admin/ledger/"+h.Get("X-Signalbox-Request-Id"), "")), &row); err != nil || row.Origin != "playground" || row.Key != "dev" {
		t.Errorf("its row: %+v, %v", row, err)
	}
	log := g.must("GET", "/admin/audit", "")
	if !strings.Contains(log, "/admin/playground") || strings.Contains(log, "messages") {
		t.Errorf("the audit log should tell of it, and of no prompt: %s", log)
	}
	if out := g.output(); strings.Contains(out, "signalbox-ticket") {
		t.Error("a ticket is in the log")
	}
}

// TestPlaygroundStreams: an answer comes as it is written, and ends when who
// asked leaves.
func TestPlaygroundStreams(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, playable(up.URL, "5"))
	resp := g.play(operatorToken, "", "/v1/chat/completions", request("own", strings.Repeat("word ", 50), true))
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %q", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	var events, told int
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data: ") {
			events++
		}
		if strings.HasPrefix(lines.Text(), ": signalbox {") {
			told++
		}
	}
	if lines.Err() != nil || events < 10 || told != 1 {
		t.Errorf("%d events, %d times the cost, %v", events, told, lines.Err())
	}
	leaving := g.play(operatorToken, "", "/v1/chat/completions", request("fast", "endless", true))
	id := leaving.Header.Get("X-Signalbox-Request-Id")
	if _, err := leaving.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	leaving.Body.Close()
	for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if code, text := g.admire("GET", "/admin/ledger/"+id, adminToken, ""); code == 200 {
			if !strings.Contains(text, "499") && !strings.Contains(text, "client_") {
				t.Errorf("its row: %s", text)
			}
			break
		}
		if time.Now().After(until) {
			t.Fatal("the request of who left does not end")
		}
	}
}

// TestModelCards: what can be asked for, with prices and abilities.
func TestModelCards(t *testing.T) {
	up := newUpstream(t)
	g := newGateway(t, config(up.URL, "100"))
	var out struct {
		Models []struct {
			Name    string
			Alias   bool
			Targets []struct {
				Target     string
				Operations []string
				Prices     []struct{ What, USD, Per string }
			}
		}
	}
	if err := json.Unmarshal([]byte(g.must("GET", "/admin/models", "")), &out); err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, m := range out.Models {
		if m.Name == "fast" {
			p := m.Targets[0].Prices
			seen = m.Alias && m.Targets[0].Target == "up/m" && len(m.Targets[0].Operations) > 0 && len(p) > 0 && p[0].What == "output" && p[0].USD == "10" && p[0].Per == "million tokens"
		}
	}
	if !seen {
		t.Error("the model fast is not there as it is configured")
	}
}
