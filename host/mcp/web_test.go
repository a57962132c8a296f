package mcp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/signalbox-ai/signalbox/host/mcp"
	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
)

// remote is a tool server with a URL, which notes what it is sent.
type remote struct {
	*httptest.Server
	mu   sync.Mutex
	seen []http.Header
}

func newRemote(t *testing.T, opt *sdk.StreamableHTTPOptions) *remote {
	t.Helper()
	r := &remote{}
	s := toolServer()
	h := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s }, opt)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, q.Header.Clone())
		r.mu.Unlock()
		h.ServeHTTP(w, q)
	}))
	t.Cleanup(func() {
		r.Close()
		for session := range s.Sessions() { // those that were given up without a word
			session.Close()
		}
	})
	return r
}

func webSpec(t *testing.T, name, url string, hosts ...string) mcp.Spec {
	t.Helper()
	own, err := egress.OfURL(url)
	if err != nil {
		t.Fatal(err)
	}
	h, err := egress.Parse(append([]string{own}, hosts...))
	if err != nil {
		t.Fatal(err)
	}
	return mcp.Spec{Name: name, URL: url, Hosts: h, Headers: http.Header{"Authorization": {"Bearer server-secret"}}, Timeout: time.Minute, MaxMessage: 1 << 20, Parallel: 8}
}

// TestCredentialsStayOnTheirSide: callers' do not reach servers, servers' do not
// reach callers.
func TestCredentialsStayOnTheirSide(t *testing.T) {
	for _, opt := range []*sdk.StreamableHTTPOptions{nil, {Stateless: true}, {JSONResponse: true}} {
		r := newRemote(t, opt)
		p := open(t, webSpec(t, "web", r.URL))
		p.ready("web")
		for _, v := range versions {
			s := p.as("caller-secret", v, nil)
			if got, err := invoke(s, "web__echo", "hi"); got != "hi" {
				t.Errorf("%+v, %q: %q, %v", opt, v, got, err)
			}
		}
		s := p.as("caller-secret", "", nil)
		if _, err := invoke(s, "web__big", ""); err == nil || strings.Contains(err.Error(), "server-secret") || strings.Contains(err.Error(), r.URL) {
			t.Errorf("an answer beyond the bound: %v", err)
		}
		p.until("it serves on", func() bool { got, _ := invoke(s, "web__echo", "on"); return got == "on" })
		r.mu.Lock()
		for _, h := range r.seen {
			for name, values := range h {
				if text := strings.Join(values, ""); strings.Contains(text, "caller-secret") || name == "Authorization" && text != "Bearer server-secret" {
					t.Errorf("the server was sent %s: %s", name, text)
				}
			}
		}
		if len(r.seen) == 0 {
			t.Error("the server was sent nothing")
		}
		r.mu.Unlock()
	}
}

// TestServersAreWhereTheyMayBe: names that stand for private addresses, and
// redirects, lead nowhere.
func TestServersAreWhereTheyMayBe(t *testing.T) {
	r := newRemote(t, nil)
	away := httptest.NewServer(http.RedirectHandler(r.URL, http.StatusTemporaryRedirect))
	t.Cleanup(away.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(r.URL, "http://"), ":")
	named := webSpec(t, "named", "http://localtest.invalid:"+port)
	p := open(t, webSpec(t, "away", away.URL), named, webSpec(t, "listed", "http://localhost:"+port))
	p.ready("listed")
	f := func(server, want string) {
		t.Helper()
		p.until(server+" is down", func() bool { return p.status(server).State == "down" && p.status(server).Failure != "" })
		if got := p.status(server).Failure; !strings.Contains(got, want) {
			t.Errorf("%s: %s", server, got)
		}
	}
	f("away", "which is not followed")
	f("named", "")
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.seen {
		if h.Get("Authorization") != "Bearer server-secret" {
			t.Errorf("%v", h)
		}
	}
}

func TestDialGuard(t *testing.T) {
	f := func(host, addr string, hosts []string, want bool) {
		t.Helper()
		h, err := egress.Parse(hosts)
		if err != nil {
			t.Fatal(err)
		}
		if err := mcp.Guard(h, host, addr); (err == nil) != want {
			t.Errorf("%s at %s with %q: %v", host, addr, hosts, err)
		}
	}
	f("tools.example", "203.0.113.7:443", nil, true)
	f("tools.example", "10.0.0.7:443", nil, false)
	f("tools.example", "127.0.0.1:443", nil, false)
	f("tools.example", "169.254.169.254:80", nil, false)
	f("tools.example", "[::1]:80", nil, false)
	f("tools.example", "[::ffff:10.0.0.7]:80", nil, false)
	f("tools.example", "10.0.0.7:443", []string{"10.0.0.0/8"}, true)
	f("10.0.0.7", "10.0.0.7:443", nil, true)
	f("localhost", "127.0.0.1:80", nil, true)
}

// TestEventsAreBoundedOneByOne: a stream of events may go on as long as it likes,
// however its type is written; anything else ends at the bound.
func TestEventsAreBoundedOneByOne(t *testing.T) {
	const size = 100 << 10
	f := func(kind string, whole bool) {
		t.Helper()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, strings.Repeat("x", size))
		}))
		defer s.Close()
		spec := webSpec(t, "web", s.URL)
		spec.MaxMessage = size / 2
		client, end := mcp.Through(&spec)
		defer end()
		resp, err := client.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); (err == nil && len(b) == size) != whole {
			t.Errorf("%s: %d bytes, %v", kind, len(b), err)
		}
	}
	f("text/event-stream", true)
	f("text/event-stream; charset=utf-8", true)
	f("Text/Event-Stream;charset=UTF-8", true)
	f("application/json", false)
	f("text/event-streams", false)
	f("", false)
}

// TestRemoteThatGoesAndComes: its tools vanish with it, others go on.
func TestRemoteThatGoesAndComes(t *testing.T) {
	r := newRemote(t, nil)
	p := open(t, webSpec(t, "web", r.URL), command(t, "one", "plain"))
	p.ready("web", "one")
	s := p.as("ann", "", nil)
	r.CloseClientConnections()
	r.Close()
	if _, err := invoke(s, "web__echo", "x"); err == nil {
		t.Error("a server that is gone has answered")
	}
	p.until("its tools are gone", func() bool {
		names := strings.Join(p.tools(s), " ")
		return !strings.Contains(names, "web__") && strings.Contains(names, "one__")
	})
	if got, err := invoke(s, "one__echo", "on"); got != "on" {
		t.Errorf("the other one: %q, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := s.CallTool(ctx, &sdk.CallToolParams{Name: "web__echo"}); err == nil {
		t.Error("a tool that is gone was called")
	}
}
