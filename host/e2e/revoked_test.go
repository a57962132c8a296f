package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// TestRevokedSessionEnds: a session that runs, and in which nobody says
// anything, ends soon after its key.
func TestRevokedSessionEnds(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			defer c.CloseNow()
			_, _, _ = c.Read(r.Context())
		}
	}))
	defer up.Close()
	g := newGateway(t, mediaConfig(up.URL, "[]", ""))
	var made struct{ Token string }
	g.admins("/admin/keys", map[string]any{"name": "talker"}, &made)
	c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(g.data, "http")+"/v1/realtime?model=up/gpt-x",
		&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + made.Token}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if status, body := g.adminDo("DELETE", "/admin/keys/talker", ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	_, said, err := c.Read(t.Context())
	if err != nil || !strings.Contains(string(said), `"code":"key_revoked"`) {
		t.Errorf("the session hears %s, %v; want why it ends", said, err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("the session ends with %v; want a close frame", err)
	}
}

// revocable is an upstream whose streams say one word and then nothing, and
// whose other answers wait until they are let go.
func revocable(t *testing.T) (url string, asked chan string, letGo func()) {
	asked, wait := make(chan string, 16), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"stream":true`) {
			asked <- "whole"
			<-wait
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":7,"total_tokens":7}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}]}`+"\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		asked <- "left"
	}))
	t.Cleanup(up.Close)
	letGo = sync.OnceFunc(func() { close(wait) })
	t.Cleanup(letGo)
	return up.URL, asked, letGo
}

// TestRevokedKeyEndsItsStreams: on every node, whatever the upstream does, and
// in the caller's dialect. What has come is charged, nothing stays reserved, and
// an answer that does not stream is finished.
func TestRevokedKeyEndsItsStreams(t *testing.T) {
	t.Parallel()
	url, asked, letGo := revocable(t)
	base := pgtest.New(t)
	a, b := newGateway(t, nodeConfig(url, base)), newGateway(t, nodeConfig(url, base))
	a.admins("/admin/teams", map[string]any{"name": "core"}, &struct{}{})
	a.admins("/admin/teams", map[string]any{"name": "ops"}, &struct{}{})
	keys := map[string]string{}
	for name, team := range map[string]string{"streamer": "core", "member": "ops"} {
		var made struct{ Token string }
		a.admins("/admin/keys", map[string]any{"name": name, "team": team, "budgets": []any{map[string]any{"usd": 1, "window": "day"}}}, &made)
		keys[name] = made.Token
	}
	becomesKnown := func(g *gateway, key string) {
		eventually(t, "a key is known", func() bool { return g.try(key, "own") == 200 })
	}
	type stream struct {
		what, code string
		body       io.ReadCloser
	}
	var open []stream
	begin := func(g *gateway, key, path, code string) {
		t.Helper()
		becomesKnown(g, keys[key])
		req, err := http.NewRequest("POST", g.data+path, strings.NewReader(request("fast", "hi", true)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+keys[key])
		resp, err := client.Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %v %v", path, resp, err)
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			t.Fatal(err)
		}
		open = append(open, stream{key + " " + path, code, resp.Body})
	}
	for _, g := range []*gateway{a, b} {
		begin(g, "streamer", "/v1/chat/completions", "key_revoked")
	}
	begin(b, "streamer", "/v1/messages", "key_revoked")
	begin(b, "member", "/v1/chat/completions", "key_disabled")
	whole := make(chan int, 1)
	go func() { whole <- b.try(keys["streamer"], "fast") }()
	if <-asked != "whole" {
		t.Fatal("a stream has ended before its key")
	}
	if status, body := a.adminDo("DELETE", "/admin/keys/streamer", ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := a.adminDo("PATCH", "/admin/teams/ops", `{"disabled":true}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for _, s := range open {
		rest, err := io.ReadAll(s.body)
		if err == nil || !strings.Contains(string(rest), `"`+s.code+`"`) {
			t.Errorf("%s ends with %v: %s", s.what, err, rest)
		}
		if what := <-asked; what != "left" {
			t.Errorf("the upstream sees %q; want that it was left", what)
		}
	}
	letGo()
	if status := <-whole; status != 200 {
		t.Errorf("an answer underway: %d", status)
	}
	eventually(t, "all have rows", func() bool {
		a.usage()
		b.usage()
		ended := map[string]int{}
		for _, row := range a.ledger("?limit=100") {
			if row["stream"] == true {
				ended[fmt.Sprintf("%v %v charged %v", row["code"], row["status"], fmt.Sprint(row["cost_usd"]) != "0")]++
			}
		}
		return ended["key_revoked 401 charged true"] == 3 && ended["key_disabled 403 charged true"] == 1
	})
	for _, g := range []*gateway{a, b} {
		status, list := g.adminDo("GET", "/admin/budgets", "")
		if status != 200 || !strings.Contains(list, `"reserved":0`) || regexp.MustCompile(`"reserved":[1-9]`).MatchString(list) {
			t.Errorf("something stays reserved: %s", list)
		}
	}
}
