package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's own: a clock that never stops, and a cleaner that ends up to 10 s after its server.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// stage is a handler that the test scripts.
type stage struct {
	handle func(c *call.Call, key []byte) (call.Answer, *wire.Error)
	done   chan *call.Call
}

func (s *stage) New() *call.Call { return &call.Call{} }

func (s *stage) Handle(c *call.Call, key []byte) (call.Answer, *wire.Error) {
	if c.Receive != nil && string(key) != "unknown" {
		receive := c.Receive
		c.Receive = nil
		if err := receive(); err != nil {
			return call.Answer{}, err
		}
	}
	return s.handle(c, key)
}

func (s *stage) Done(c *call.Call) {
	if s.done != nil {
		s.done <- c
	}
}

func (s *stage) Models(_ *call.Call, key []byte) ([]server.Model, *wire.Error) {
	if len(key) == 0 {
		return nil, wire.Errorf(401, "missing_api_key", "no key")
	}
	return []server.Model{{ID: "a/b", OwnedBy: "a", Created: time.Unix(1, 0)}}, nil
}

func start(t *testing.T, opt server.Options, st *stage) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, opt, st, ln)
}

func startOn(t *testing.T, opt server.Options, st *stage, ln net.Listener) (addr string) {
	t.Helper()
	return serve(t, server.New(opt, st, st), ln)
}

func serve(t *testing.T, s *server.Server, ln net.Listener) (addr string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(s.Stop(ctx), <-done); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func post(t *testing.T, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp, string(b)
}

func TestKeyIsTakenFromEveryPlace(t *testing.T) {
	st := &stage{handle: func(_ *call.Call, key []byte) (call.Answer, *wire.Error) {
		return call.Answer{Status: 200, ContentType: "application/json", Body: []byte(`"` + string(key) + `"`)}, nil
	}}
	url := "http://" + start(t, server.Options{}, st)
	for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/v1/embeddings"} {
		for _, h := range [][]string{{"Authorization", "Bearer k"}, {"X-Api-Key", "k"}, {"X-Goog-Api-Key", "k"}} {
			if _, body := post(t, url+path, `{"model":"m"}`, h...); body != `"k"` {
				t.Errorf("%s with %s: %s", path, h[0], body)
			}
		}
		if _, body := post(t, url+path+"?key=k", `{"model":"m"}`); body != `"k"` {
			t.Errorf("%s?key=: %s", path, body)
		}
	}
}

func TestErrorsSpeakTheCallersDialect(t *testing.T) {
	st := &stage{handle: func(c *call.Call, _ []byte) (call.Answer, *wire.Error) {
		e := wire.Errorf(429, "budget_exceeded", "too much")
		e.RetryAfter = 1500 * time.Millisecond
		return call.Answer{}, e
	}}
	url := "http://" + start(t, server.Options{MaxBody: 100}, st)
	f := func(method, path, body string, wantStatus int, wantIn ...string) {
		t.Helper()
		req, _ := http.NewRequest(method, url+path, strings.NewReader(body))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != wantStatus || !json.Valid(b) || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %s (%s)", method, path, resp.StatusCode, b, resp.Header.Get("Content-Type"))
		}
		for _, want := range wantIn {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s %s: %s lacks %s", method, path, b, want)
			}
		}
		if resp.StatusCode == 429 && resp.Header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After is %q", resp.Header.Get("Retry-After"))
		}
	}
	f("POST", "/v1/chat/completions", `{"model":"m"}`, 429, `"error":{"message":"too much"`, `"code":"budget_exceeded"`)
	f("POST", "/v1/messages", `{"model":"m"}`, 429, `"type":"error"`, `"type":"rate_limit_error"`)
	f("POST", "/v1/messages", `{"model":`, 400, `"type":"invalid_request_error"`)
	f("POST", "/v1/chat/completions", `{"model":"a","model":"b"}`, 400, `duplicate_member`)
	f("POST", "/v1/chat/completions", strings.Repeat("x", 200), 413, `body_too_large`)
	f("GET", "/v1/chat/completions", ``, 405, `method_not_allowed`)
	f("POST", "/v1/nothing", `{}`, 404, `unknown_path`)
	f("GET", "/v1/models", ``, 401, `missing_api_key`)
}

func TestModelsInBothShapes(t *testing.T) {
	url := "http://" + start(t, server.Options{}, &stage{})
	f := func(header, value, want string) {
		t.Helper()
		req, _ := http.NewRequest("GET", url+"/v1/models", nil)
		req.Header.Set("x-api-key", "k")
		req.Header.Set(header, value)
		rec := httptest.NewRecorder()
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(rec, resp.Body)
		if rec.Body.String() != want {
			t.Errorf("got %s, want %s", rec.Body, want)
		}
	}
	f("Accept", "*/*", `{"object":"list","data":[{"id":"a/b","object":"model","created":1,"owned_by":"a"}]}`)
	f("Anthropic-Version", "2023-06-01", `{"data":[{"type":"model","id":"a/b","display_name":"a/b","created_at":"1970-01-01T00:00:01Z"}],"has_more":false,"first_id":"a/b","last_id":"a/b"}`)
}

func TestLargeHeaders(t *testing.T) {
	st := &stage{handle: func(*call.Call, []byte) (call.Answer, *wire.Error) {
		return call.Answer{Status: 200, ContentType: "application/json", Body: []byte(`{}`)}, nil
	}}
	url := "http://" + start(t, server.Options{}, st) + "/v1/chat/completions"
	if resp, _ := post(t, url, `{"model":"m"}`, "X-Long", strings.Repeat("a", 7<<10)); resp.StatusCode != 200 {
		t.Errorf("7 KB of headers: %d", resp.StatusCode)
	}
	if resp, body := post(t, url, `{"model":"m"}`, "X-Long", strings.Repeat("a", 12<<10)); resp.StatusCode != 431 || !strings.Contains(body, "headers_too_large") {
		t.Errorf("12 KB of headers: %d %s", resp.StatusCode, body)
	}
}

// TestLeavingCallerIsSeen: plain, with pipelined bytes behind the request, half
// closed, and over TLS, while the handler writes nothing.
func TestLeavingCallerIsSeen(t *testing.T) {
	f := func(name string, conf *tls.Config, leave func(t *testing.T, c net.Conn)) {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{})
			st := &stage{done: make(chan *call.Call, 1), handle: func(c *call.Call, _ []byte) (call.Answer, *wire.Error) {
				close(begun)
				<-c.Gone.Done()
				return call.Answer{}, wire.Errorf(499, "client_closed_request", "gone")
			}}
			nc, err := net.Dial("tcp", start(t, server.Options{TLS: conf}, st))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			var c net.Conn = nc
			if conf != nil {
				c = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			}
			fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{\"model\":\"m\"}")
			<-begun
			leave(t, c)
			<-st.done
		})
	}
	closeIt := func(t *testing.T, c net.Conn) {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	f("close", nil, closeIt)
	f("close with pipelined bytes", nil, func(t *testing.T, c net.Conn) {
		fmt.Fprint(c, "POST /v1/messages HTTP/1.1\r\n")
		closeIt(t, c)
	})
	f("half close", nil, func(t *testing.T, c net.Conn) {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	f("TLS", selfSigned(t), closeIt)
}

// selfSigned borrows the certificate of a test server.
func selfSigned(t *testing.T) *tls.Config {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	return &tls.Config{Certificates: srv.TLS.Certificates}
}

// script is a stream that writes its parts and then ends with err.
type script struct {
	parts []string
	err   error
}

func (s script) WriteTo(w io.Writer) (n int64, err error) {
	for _, p := range s.parts {
		m, err := io.WriteString(w, p)
		if n += int64(m); err != nil {
			return n, err
		}
	}
	return n, s.err
}

func (script) Close() error { return nil }

func TestStreamsEndOrBreak(t *testing.T) {
	var ending error
	st := &stage{handle: func(c *call.Call, _ []byte) (call.Answer, *wire.Error) {
		c.Cost = 1_500_000
		return call.Answer{Status: 200, ContentType: "text/event-stream", Stream: script{[]string{"data: a\n\n", "data: b\n\n"}, ending}}, nil
	}}
	addr := start(t, server.Options{}, st)
	read := func() (string, *http.Response, error) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		fmt.Fprint(nc, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{\"model\":\"m\"}")
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		return string(b), resp, err
	}
	body, resp, err := read()
	if err != nil || body != "data: a\n\ndata: b\n\n" {
		t.Errorf("whole stream: %q, %v", body, err)
	}
	if resp.Trailer.Get("X-Signalbox-Cost-Usd") != "0.0015" || resp.Trailer.Get("X-Signalbox-Overhead-Us") == "" {
		t.Errorf("trailers: %v", resp.Trailer)
	}
	ending = errors.New("cut")
	if body, _, err := read(); !errors.Is(err, io.ErrUnexpectedEOF) || body != "data: a\n\ndata: b\n\n" {
		t.Errorf("cut stream: %q, %v; want an unexpected EOF", body, err)
	}
}

// TestStreamsAreBilledByTheirRequest: while an answer streams the body's memory
// serves others; what the account goes by stays as it was asked for.
func TestStreamsAreBilledByTheirRequest(t *testing.T) {
	var got string
	st := &stage{handle: func(c *call.Call, _ []byte) (call.Answer, *wire.Error) {
		body := c.Body
		return call.Answer{Status: 200, ContentType: "text/event-stream", Stream: writer(func(w io.Writer) (int64, error) {
			for i := range body {
				body[i] = '#'
			}
			got = fmt.Sprintf("%s %s %s %d", c.Facts.ServiceTier, c.Facts.ImageSize, c.Facts.Quality, len(c.Body))
			return script{parts: []string{"data: a\n\n"}}.WriteTo(w)
		})}, nil
	}}
	addr := start(t, server.Options{}, st)
	f := func(path, body, want string) {
		t.Helper()
		if resp, _ := post(t, "http://"+addr+path, body); resp.StatusCode != 200 || got != want {
			t.Errorf("status %d, billed by %q; want %q", resp.StatusCode, got, want)
		}
	}
	f("/v1/chat/completions", `{"model":"m","stream":true,"service_tier":"flex","messages":[]}`, "flex   0")
	f("/v1/images/generations", `{"model":"m","stream":true,"prompt":"x","size":"1024x1024","quality":"high"}`, " 1024x1024 high 0")
}

// writer is a stream that a function writes.
type writer func(io.Writer) (int64, error)

func (f writer) WriteTo(w io.Writer) (int64, error) { return f(w) }

func (writer) Close() error { return nil }
