package clients

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// route is one thing that callers can ask for.
type route struct{ method, path, body string }

var routes = []route{
	{"POST", "/v1/chat/completions", `{"model":"demo","messages":[{"role":"user","content":"hello"}]}`},
	{"POST", "/v1/chat/completions", `{"model":"demo","stream":true,"messages":[{"role":"user","content":"hello"}]}`},
	{"POST", "/v1/messages", `{"model":"demo","max_tokens":10,"messages":[{"role":"user","content":"hello"}]}`},
	{"POST", "/v1/messages", `{"model":"openai","max_tokens":10,"messages":[{"role":"user","content":"hello"}]}`},
	{"POST", "/v1/embeddings", `{"model":"demo-vectors","input":"hello"}`},
	{"GET", "/v1/models", ""},
}

// send asks for a route with one header set and returns status and body.
func send(t *testing.T, r route, header, value string) (int, http.Header, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), r.method, box.url+r.path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func TestKeyIsAcceptedInEveryForm(t *testing.T) {
	f := func(header, prefix string) {
		t.Helper()
		for _, r := range routes {
			if status, h, body := send(t, r, header, prefix+callerKey); status != 200 {
				t.Errorf("%s %s with %s: %d %s", r.method, r.path, header, status, body)
			} else if ct := h.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") && !strings.HasPrefix(ct, "text/event-stream") {
				t.Errorf("%s %s: content type %q", r.method, r.path, ct)
			}
			if status, _, body := send(t, r, header, prefix+"sb-unknown"); status != 401 {
				t.Errorf("%s %s with an unknown %s: %d %s", r.method, r.path, header, status, body)
			}
		}
	}
	f("Authorization", "Bearer ")
	f("x-api-key", "")
	f("x-goog-api-key", "")
}

func TestNoKeyIsRefused(t *testing.T) {
	for _, r := range routes {
		if status, _, body := send(t, r, "X-Nothing", "at all"); status != 401 {
			t.Errorf("%s %s: %d %s", r.method, r.path, status, body)
		}
	}
}

func TestAnswersSayWhereTheyCameFrom(t *testing.T) {
	for _, way := range ways {
		_, h, _ := send(t, route{"POST", "/v1/chat/completions", `{"model":"` + way + `","messages":[{"role":"user","content":"hello"}]}`}, "x-api-key", callerKey)
		for _, name := range []string{"request-id", "provider", "model", "attempts", "route", "policy", "cost-usd", "overhead-us"} {
			if h.Get("x-signalbox-"+name) == "" {
				t.Errorf("%s: header x-signalbox-%s is missing: %v", way, name, h)
			}
		}
	}
}
