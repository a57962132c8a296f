package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/internal/h1"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// shout is a translation that leaves its marks: what goes up is in capitals,
// what comes down is in brackets.
type shout struct{}

func (shout) Request(dst, body []byte, model string) ([]byte, []string, error) {
	if bytes.Contains(body, []byte("refuse")) {
		return nil, nil, wire.Errorf(400, "cannot_carry", "refused")
	}
	return append(append(dst, model+":"...), bytes.ToUpper(body)...), []string{"seed"}, nil
}

func (shout) Response(dst, body []byte, model string) ([]byte, wire.Usage, error) {
	return fmt.Appendf(dst, "[%s %s]", model, body), wire.Usage{Input: 3, Output: 4}, nil
}

func (shout) Stream(model string, _ bool) wire.StreamTranslation { return &shoutStream{model: model} }

func (shout) Error(dst []byte, status int, body []byte) []byte {
	return fmt.Appendf(dst, "[%d %s]", status, body)
}

type shoutStream struct {
	model string
	done  bool
}

func (s *shoutStream) Event(dst []byte, event string, data []byte) ([]byte, error) {
	if string(data) == "fail" {
		return dst, &wire.Error{Status: 529, Class: wire.ClassOverloaded, Message: "busy"}
	}
	s.done = string(data) == "done"
	return fmt.Appendf(dst, "data: [%s %s %s]\n\n", s.model, event, data), nil
}

func (s *shoutStream) Finish(dst []byte) ([]byte, error) {
	if !s.done {
		return dst, errors.New("the upstream's stream ended early")
	}
	return append(dst, "data: end\n\n"...), nil
}

func (s *shoutStream) Usage() (wire.Usage, bool) { return wire.Usage{Output: 9}, true }

// bridged serves a bridge to an upstream and returns a client of it.
func bridged(t *testing.T, upstreamHandler http.HandlerFunc, rules ...ErrorRule) func(body string) (*http.Response, string, error) {
	t.Helper()
	up := httptest.NewServer(upstreamHandler)
	t.Cleanup(up.Close)
	entry, err := egress.OfURL(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := egress.Parse([]string{entry})
	if err != nil {
		t.Fatal(err)
	}
	lease := &Lease{Op: wire.OpChat, Dialect: wire.OpenAIChat, URL: up.URL + "/v1/chat", Errors: rules,
		Headers: []Header{Bearer(), Static("x-fixed", "f")}, PassHeaders: []string{"x-pass"}}
	b := newBridge(lease, shout{}, upstream(lease.URL, hosts))
	t.Cleanup(b.client.CloseIdleConnections)
	return served(t, b.serve)
}

// served serves a handler as anthropic-messages.
func served(t *testing.T, h HandlerFunc) func(body string) (*http.Response, string, error) {
	t.Helper()
	s := newServer()
	rs, err := newRoutes([]Route{{Op: wire.OpChat, Dialect: wire.AnthropicMessages, Handle: h}})
	if err != nil {
		t.Fatal(err)
	}
	s.routes.Store(rs)
	l := privateSocket(t)
	go func() { _ = s.listen(l) }()
	tr := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = s.drain(context.Background())
	})
	return func(body string) (*http.Response, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://a/chat/anthropic-messages", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Signalbox-Credential", "sk-secret")
		req.Header.Set("X-Signalbox-Model", "up-model")
		req.Header.Set("X-Pass", "p")
		req.Header.Set("X-Other", "o")
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		return resp, string(raw), err
	}
}

func TestBridgeJSON(t *testing.T) {
	do := bridged(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer sk-secret" || r.Header.Get("X-Fixed") != "f" || r.Header.Get("X-Pass") != "p" ||
			r.Header.Get("X-Other") != "" || r.Header.Get("X-Signalbox-Credential") != "" || r.Header.Get("User-Agent") != "" || r.URL.Path != "/v1/chat" {
			t.Errorf("upstream got %s %v", r.URL, r.Header)
		}
		fmt.Fprintf(w, "<%s>", body)
	})
	resp, body, err := do(`{"model":"m"}`)
	if err != nil || body != `[m <up-model:{"MODEL":"M"}>]` {
		t.Errorf("got %s, %v", body, err)
	}
	if resp.Header.Get("X-Signalbox-Dropped-Params") != "seed" || resp.Header.Get("X-Signalbox-Usage") != "in=3;cr=0;cw5=0;cw1=0;out=4;rs=0" {
		t.Errorf("got %v", resp.Header)
	}
	if resp, body, err = do(`{"model":"refuse"}`); err != nil || resp.StatusCode != 400 || !strings.Contains(body, "refused") {
		t.Errorf("got %s, %v", body, err)
	}
	if resp, body, err = do(`{"model":"m","model":"n"}`); err != nil || resp.StatusCode != 400 {
		t.Errorf("got %s, %v", body, err)
	}
}

func TestBridgeStreams(t *testing.T) {
	do := bridged(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		fmt.Fprint(w, "event: e\ndata: one\n\ndata: done\n\n")
	})
	resp, body, err := do(`{"model":"m","stream":true}`)
	if err != nil || body != "data: [m e one]\n\ndata: [m  done]\n\ndata: end\n\n" || resp.Trailer.Get("X-Signalbox-Usage") != "in=0;cr=0;cw5=0;cw1=0;out=9;rs=0" {
		t.Errorf("got %q, %v, %v", body, resp.Trailer, err)
	}
}

func TestBridgePassesNoCutStreamOff(t *testing.T) {
	f := func(h http.HandlerFunc) {
		t.Helper()
		do := bridged(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: one\n\n")
			_ = http.NewResponseController(w).Flush()
			h(w, r)
		})
		if _, body, err := do(`{"model":"m","stream":true}`); err == nil || strings.Contains(body, "end") {
			t.Errorf("got %q, %v; want a cut", body, err)
		}
	}
	f(func(http.ResponseWriter, *http.Request) {})                              // ends cleanly, but early
	f(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }) // ends without the last chunk
}

func TestBridgeClassifiesErrors(t *testing.T) {
	do := bridged(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "3")
		switch {
		case bytes.Contains(body, []byte("LONG")):
			w.WriteHeader(400)
			fmt.Fprint(w, `{"error":{"code":"context_length_exceeded","message":"too long"}}`)
		case bytes.Contains(body, []byte("MOVED")):
			http.Redirect(w, r, "http://evil.example/", http.StatusTemporaryRedirect)
		default:
			w.WriteHeader(529)
		}
	}, ErrorRule{Status: 400, Code: "context_length_exceeded", Class: wire.ClassContextLength})
	f := func(request string, status int, class wire.Class, says string) {
		t.Helper()
		resp, body, err := do(request)
		if err != nil || resp.StatusCode != status || resp.Header.Get("X-Signalbox-Error-Class") != class.String() || !strings.Contains(body, says) {
			t.Errorf("%s: got %d %v %s, %v", request, resp.StatusCode, resp.Header, body, err)
		}
	}
	f(`{"model":"long"}`, 400, wire.ClassContextLength, `[400 {"error":{"code":"context_length_exceeded"`)
	f(`{"model":"busy"}`, 529, wire.ClassOverloaded, "[529 ]")
	f(`{"model":"moved"}`, 502, wire.ClassServer, "redirects are not followed")
}

func TestBridgeRefusesPrivateAddresses(t *testing.T) {
	up := httptest.NewServer(http.NotFoundHandler())
	defer up.Close()
	u, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := egress.Parse([]string{"rebound.example:" + u.Port()}) // a public name, as if it had come to mean this machine
	if err != nil {
		t.Fatal(err)
	}
	g := guard("rebound.example", hosts)
	for _, c := range []client{directClient{h1.New(u, g)}, throughProxy(up.URL, g)} {
		_, err := c.post(t.Context(), "/", nil, nil)
		if err == nil || !strings.Contains(err.Error(), "of rebound.example is private") {
			t.Errorf("%T: got %v", c, err)
		}
	}
	if _, ok := upstream(up.URL, hosts).(directClient); !ok {
		t.Error("net/http is used without a proxy")
	}
}

func TestBridgeCancelsUpstream(t *testing.T) {
	gone, stop := make(chan struct{}), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: one\n\n")
		_ = http.NewResponseController(w).Flush()
		close(stop)
		<-r.Context().Done()
		close(gone)
	}))
	defer up.Close()
	hosts, err := egress.Parse([]string{strings.TrimPrefix(up.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	b := newBridge(&Lease{URL: up.URL}, shout{}, upstream(up.URL, hosts))
	defer b.client.CloseIdleConnections()
	do := served(t, func(r *Request, w *Writer) error {
		go func() { <-stop; r.cancel(errLeft) }()
		r.Context()
		return b.serve(r, w)
	})
	if resp, body, err := do(`{"model":"m","stream":true}`); err == nil && resp.StatusCode == 200 {
		t.Errorf("got %q; want a cut stream or an error", body)
	}
	<-gone
}

func TestRetryAfter(t *testing.T) {
	f := func(in string, low, high time.Duration) {
		t.Helper()
		if got := proto.ParseRetryAfter(in); got < low || got > high {
			t.Errorf("%q: got %v", in, got)
		}
	}
	f("3", 3*time.Second, 3*time.Second)
	f("0.5", 500*time.Millisecond, 500*time.Millisecond)
	f("", 0, 0)
	f("-1", 0, 0)
	f("1e300", 0, 0)
	f(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), 55*time.Second, time.Minute)
}

func TestRenameMaxTokens(t *testing.T) {
	f := func(member string, body, want string) {
		t.Helper()
		l := &Lease{Dialect: wire.OpenAIChat, MaxTokens: member}
		if got := string(l.renameMaxTokens([]byte(body))); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
	}
	const body = `{"model":"m","messages":[{"role":"user","content":"\"max_tokens\":1"}],"tools":[{"function":{"parameters":{"max_tokens":7}}}],"max_tokens":5}`
	f("max_completion_tokens", body, strings.Replace(body, `"max_tokens":5`, `"max_completion_tokens":5`, 1))
	f("", body, body)
	f("max_completion_tokens", `{"model":"m","messages":[]}`, `{"model":"m","messages":[]}`)
	f("max_completion_tokens", `{"tools":[{"function":{"parameters":{"max_tokens":7}}}]}`, `{"tools":[{"function":{"parameters":{"max_tokens":7}}}]}`)
}
