package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// playingAs is a server whose playground is p, and asks it as the role says.
func playingAs(t *testing.T, p Playground) func(role, path string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	s := everything(t, Options{Playground: p})
	return func(role, path string, body io.Reader) *httptest.ResponseRecorder {
		req := httptest.NewRequest("POST", path, body)
		req.Header.Set("Authorization", "Bearer "+role)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Cookie", "not=passed-on")
		req.Header.Set("X-Signalbox-Key", " sb-a-key ")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		return w
	}
}

func TestPlaygroundCarries(t *testing.T) {
	var got PlaygroundRequest
	var sent string
	ask := playingAs(t, func(_ context.Context, q *PlaygroundRequest) (*http.Response, error) {
		b, _ := io.ReadAll(q.Body)
		got, sent = *q, string(b)
		return &http.Response{StatusCode: 418, Body: io.NopCloser(strings.NewReader("<script>")), Header: http.Header{
			"Content-Type": {"text/html"}, "Set-Cookie": {"a=b"}, "X-Signalbox-Cost-Usd": {"0.1"}, "Access-Control-Allow-Origin": {"*"}}}, nil
	})
	w := ask("operator", "/admin/playground/v1/chat/completions", strings.NewReader(`{"model":"m"}`))
	if got.Path != "/v1/chat/completions" || got.Who.Name != "a-operator" || got.Key != "sb-a-key" || sent != `{"model":"m"}` || got.Length != 13 || len(got.Header) != 1 || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("carried: %+v with %q", got, sent)
	}
	h := w.Header()
	if w.Code != 418 || w.Body.String() != "<script>" || h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" || h.Get("X-Content-Type-Options") != "nosniff" ||
		h.Get("X-Signalbox-Cost-Usd") != "0.1" || h.Get("Set-Cookie") != "" || h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("answered: %d %q %v", w.Code, w.Body, h)
	}
	f := func(role, path string, want int) {
		t.Helper()
		got = PlaygroundRequest{}
		if w := ask(role, path, strings.NewReader("{}")); w.Code != want || (got.Path != "") != (want == 418) {
			t.Errorf("%s as %s: status %d, carried %q; want %d", path, role, w.Code, got.Path, want)
		}
	}
	f("owner", "/admin/playground/v1/pipelines/digest", 418)
	f("viewer", "/admin/playground/v1/chat/completions", 403)
	f("policy_author", "/admin/playground/v1/chat/completions", 403)
	for _, path := range []string{"v1/pipelines/..%2fbatches", "v1/pipelines/a%2f..%2f..%2f..%2fadmin%2fkeys", "v1/pipelines/a/b", "v1/pipelines/a%3fdry_run=true", "v1/pipelines/a%0d%0aX:%20y", "v1/pipelines/", "v1/files", "v1/batches", "v1/pass/openai/x", "mcp", "v1/chat/completions/", "v1/pipelines", "v1/realtime", ""} {
		f("operator", "/admin/playground/"+path, 404)
	}
}

func TestPlaygroundIsBounded(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	ask := playingAs(t, func(_ context.Context, q *PlaygroundRequest) (*http.Response, error) {
		if _, err := io.Copy(io.Discard, q.Body); err != nil {
			return nil, invalid("%v", err)
		}
		entered <- true
		<-leave
		return nil, wire.Errorf(502, "over", "over")
	})
	const path = "/admin/playground/v1/audio/transcriptions"
	if w := ask("operator", path, strings.NewReader(strings.Repeat("x", maxPlay+1))); w.Code != 400 || !strings.Contains(w.Body.String(), "too large") {
		t.Errorf("a body that is too large: %d %s", w.Code, w.Body)
	}
	for range maxPlays {
		go ask("operator", path, strings.NewReader(strings.Repeat("x", maxBody+1)))
		<-entered
	}
	if w := ask("operator", path, strings.NewReader("x")); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many at a time: %d %s", w.Code, w.Body)
	}
	for range maxPlays {
		leave <- true
	}
}

// TestPlaygroundBreaksOff: an answer that was cut off does not look whole.
func TestPlaygroundBreaksOff(t *testing.T) {
	ask := playingAs(t, func(context.Context, *PlaygroundRequest) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader("data: a"), failing{errors.New("cut off")}))}, nil
	})
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("the connection is not ended: %v", p)
		}
	}()
	ask("operator", "/admin/playground/v1/chat/completions", strings.NewReader("{}"))
}

func TestHealthQueries(t *testing.T) {
	var got HealthQuery
	s := everything(t, Options{Health: func(_ context.Context, q HealthQuery) (any, error) { got = q; return 1, nil }})
	f := func(query string, status int, want HealthQuery) {
		t.Helper()
		got = HealthQuery{}
		req := httptest.NewRequest("GET", "/admin/providers/health"+query, nil)
		req.Header.Set("Authorization", "Bearer viewer")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		if w.Code != status || got != want {
			t.Errorf("%q: status %d, asked %+v; want %d and %+v", query, w.Code, got, status, want)
		}
	}
	f("", 200, HealthQuery{Minutes: 1440, Step: 15})
	f("?provider=a&minutes=60&step=1", 200, HealthQuery{"a", 60, 1})
	f("?minutes=0", 400, HealthQuery{})
	f("?minutes=1441", 400, HealthQuery{})
	f("?step=x", 400, HealthQuery{})
}
