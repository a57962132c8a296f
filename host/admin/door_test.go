package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// door lets in whoever shows the name of a role.
type door struct{}

func (door) Admit(_ context.Context, token string) (Identity, *wire.Error) {
	if role, ok := ParseRole(token); ok {
		return Identity{Name: "a-" + token, Role: role}, nil
	}
	if token == "outsider" {
		return Identity{}, wire.Errorf(403, "role_required", "no role here")
	}
	return Identity{}, errUnauthorized
}

type limits = Limits // whose method has the name of the interface

// all are options with everything that there can be; behind the door there is
// nothing, and who gets there panics.
func all() Options {
	return Options{Health: func(context.Context, HealthQuery) (any, error) { panic("asked") }, Cards: func(context.Context) any { panic("asked") },
		Plugins: &Plugins{}, Tools: &Tools{}, Live: &Live{}, Decisions: &Decisions{}, Trials: &Trials{}, Routes: &Modules{}, Filters: &Modules{},
		Keys: struct{ Keys }{}, KeyChanges: struct{ KeyChanges }{}, Credentials: struct{ Credentials }{}, Directory: struct{ Directory }{}, Ledger: struct{ Ledger }{},
		Admins: struct{ Admins }{}, AuditLog: struct{ AuditLog }{}, Secrets: struct{ Secrets }{}, Policies: &Policies{}, Alerts: struct{ Alerts }{}, Limits: struct{ limits }{},
		Playground: func(context.Context, *PlaygroundRequest) (*http.Response, error) { panic("asked") }}
}

// everything is a server with all that there can be.
func everything(t *testing.T, opt Options) *Server {
	t.Helper()
	opt.Token, opt.Log, opt.Door = token, slog.New(slog.DiscardHandler), door{}
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask tells the status of a request, 200 where the handler behind the door,
// of which there is none here, was reached.
func ask(s *Server, method, path, auth string) (status int) {
	req := httptest.NewRequest(method, path, strings.NewReader("not what is asked for"))
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	w := httptest.NewRecorder()
	clear(s.guesses.by)
	defer func() {
		if recover() != nil {
			status = http.StatusOK
		}
	}()
	s.Handler().ServeHTTP(w, req)
	if w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden {
		return http.StatusOK
	}
	return w.Code
}

// TestEveryRouteAsksForItsRole walks all routes with no credential, wrong ones
// and one of each role.
func TestEveryRouteAsksForItsRole(t *testing.T) {
	s := everything(t, all())
	if len(s.needs) < 30 {
		t.Fatalf("there are %d routes; want all", len(s.needs))
	}
	for _, pattern := range slices.Sorted(maps.Keys(s.needs)) {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{name}", "nobody", "{provider}", "nobody", "{id}", "nobody", "{path...}", "v1/chat/completions").Replace(path)
		if method == "" || path == "" || strings.HasPrefix(path, "/admin/pprof/profile") {
			continue // it would take half a minute
		}
		f := func(auth string, want int) {
			t.Helper()
			if got := ask(s, method, path, auth); got != want {
				t.Errorf("%s with %q: status %d; want %d", pattern, auth, got, want)
			}
		}
		for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "bearer " + token, "Basic " + token, "Bearer " + token + "x", "Bearer nobody"} {
			f(auth, http.StatusUnauthorized)
		}
		f("Bearer outsider", http.StatusForbidden)
		for role := Viewer; role <= Owner; role++ {
			want := http.StatusForbidden
			if role.may(s.needs[pattern]) {
				want = http.StatusOK
			}
			f("Bearer "+role.String(), want)
		}
		f("Bearer "+token, http.StatusOK)
	}
}

// TestChangesAreNotForViewers: no route that changes something takes less than
// what its kind of change takes.
func TestChangesAreNotForViewers(t *testing.T) {
	s := everything(t, all())
	asking := []string{"POST /admin/policy/explain/{id}", "POST /admin/policy/impact"} // and change nothing
	for pattern, need := range s.needs {
		if method, _, _ := strings.Cut(pattern, " "); method != "GET" && need < PolicyAuthor && !slices.Contains(asking, pattern) {
			t.Errorf("%s takes a %s: what changes something takes more, what only asks by %s is to be listed here", pattern, need, method)
		}
		if secret := strings.Contains(pattern, "/keys") || strings.Contains(pattern, "/admins") || strings.Contains(pattern, "credentials"); secret && !strings.HasPrefix(pattern, "GET ") && need != Owner {
			t.Errorf("%s takes a %s; want an owner", pattern, need)
		}
	}
}

func TestGuessing(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s := everything(t, Options{})
	s.guesses.now = func() time.Time { return now }
	f := func(from, token string, want int) {
		t.Helper()
		req := httptest.NewRequest("GET", "/admin/whoami", nil)
		req.RemoteAddr = from
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		if w.Code != want || (want == http.StatusTooManyRequests) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s from %s: status %d, %v; want %d", token, from, w.Code, w.Header(), want)
		}
	}
	for range freeGuesses {
		f("192.0.2.1:999", "wrong", 401)
		f("[2001:db8::1]:9", "wrong", 401)
		f("192.0.2.2:1", "viewer", 200)
	}
	f("192.0.2.1:1", "wrong", 429)
	f("192.0.2.1:1", token, 429) // else the last guess would tell
	f("[::ffff:192.0.2.1]:1", token, 429)
	f("[2001:db8::2]:9", "wrong", 429)
	f("[2001:db8:0:1::2]:9", "wrong", 401)
	f("192.0.2.3:1", token, 200)
	now = now.Add(perGuess)
	f("192.0.2.1:1", token, 200)
	f("192.0.2.1:1", "wrong", 401)
	f("192.0.2.1:1", token, 429)
	now = now.Add(time.Hour)
	f("192.0.2.1:1", "wrong", 401)
	f("192.0.2.1:1", token, 200)
}

// TestGuessersShutNobodyOut: who has a token that cannot be guessed is let in
// from where others guess, such as from behind the same proxy.
func TestGuessersShutNobodyOut(t *testing.T) {
	s, long := everything(t, Options{}), strings.Repeat("x", unguessable)
	s.SetToken(long)
	f := func(token string, want int) {
		t.Helper()
		if w := send(s, "GET", "/admin/whoami", token, ""); w.Code != want {
			t.Errorf("%s: %d %s; want %d", token, w.Code, w.Body, want)
		}
	}
	for range freeGuesses {
		f("wrong", 401)
	}
	f("wrong", 429)
	f("viewer", 429)
	f(long+"x", 401)
	f(long, 200)
}

func TestGuessersAreBounded(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	g := guesses{now: func() time.Time { return now }, by: map[netip.Addr]time.Time{}}
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range 3 * maxGuessers {
		g.failed(at(i))
	}
	if len(g.by) > maxGuessers+1 {
		t.Errorf("%d are remembered; want %d at most", len(g.by), maxGuessers+1)
	}
	if g.wait(at(0)) != 0 || g.wait(at(3*maxGuessers)) == 0 {
		t.Error("those that came too late do not share a bucket, or others do")
	}
	now = now.Add(24 * time.Hour)
	g.failed(at(0))
	if len(g.by) > 1 {
		t.Errorf("%d are remembered a day later", len(g.by))
	}
}

// TestNothingIsSmuggled: of two requests that a proxy may have taken for one the
// second is not looked at.
func TestNothingIsSmuggled(t *testing.T) {
	web := httptest.NewServer(everything(t, Options{Hosts: []string{}}).Handler())
	defer web.Close()
	c, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const hidden = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
	_, err = fmt.Fprintf(c, "POST /admin/whoami HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%sGET /admin/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 5+len(hidden), hidden)
	if err != nil {
		t.Fatal(err)
	}
	answers, _ := io.ReadAll(c) // up to a reset, as the rest is not read
	if n := strings.Count(string(answers), "HTTP/1.1 "); n != 1 || !strings.HasPrefix(string(answers), "HTTP/1.1 401") {
		t.Errorf("%d answers: %s", n, answers)
	}
}

func TestHostsAndOrigins(t *testing.T) {
	s := everything(t, Options{Hosts: []string{"gateway.internal"}})
	f := func(path, host string, header map[string]string, want int) {
		t.Helper()
		req := httptest.NewRequest("GET", path, nil)
		req.Host = host
		req.Header.Set("Authorization", "Bearer "+token)
		for name, v := range header {
			req.Header.Set(name, v)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("%s at %q with %v: status %d; want %d", path, host, header, w.Code, want)
		}
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s is answered with %s", path, name)
			}
		}
	}
	f("/admin/whoami", "localhost:8081", nil, 200)
	f("/admin/whoami", "127.0.0.1:8081", nil, 200)
	f("/admin/whoami", "[::1]:8081", nil, 200)
	f("/admin/whoami", "10.1.2.3", nil, 200)
	f("/admin/whoami", "Gateway.Internal.:8081", nil, 200)
	f("/admin/whoami", "evil.example.com", nil, 421)
	f("/admin/whoami", "127.0.0.1.evil.example.com", nil, 421)
	f("/admin/whoami", "", nil, 421)
	f("/metrics", "evil.example.com", nil, 421)
	f("/healthz", "evil.example.com", nil, 200)
	f("/admin/whoami", "localhost:8081", map[string]string{"Origin": "http://localhost:8081"}, 200)
	f("/admin/whoami", "localhost:8081", map[string]string{"Origin": "http://localhost:3000"}, 403)
	f("/admin/whoami", "localhost:8081", map[string]string{"Origin": "null"}, 403)
	f("/admin/whoami", "localhost:8081", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403)
}
