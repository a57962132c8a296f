package admin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// shelf keeps documents as a store does.
type shelf struct {
	docs     map[string]call.Document
	revision int64
	err      error
	reads    int
}

func newShelf() *shelf { return &shelf{docs: map[string]call.Document{}} }

func (s *shelf) Documents(context.Context, string) (list []call.Document, err error) {
	s.reads++
	for _, d := range s.docs {
		list = append(list, d)
	}
	return list, s.err
}

func (s *shelf) PutDocument(_ context.Context, d call.Document) (int64, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.docs[d.Name].Revision != d.Revision {
		return 0, call.ErrRevision
	}
	s.revision++
	d.Revision = s.revision
	s.docs[d.Name] = d
	return d.Revision, nil
}

func (s *shelf) DeleteDocument(_ context.Context, _, name string, _ int64) error {
	if _, ok := s.docs[name]; !ok {
		return call.ErrNoDocument
	}
	delete(s.docs, name)
	return s.err
}

// changing lets in whom it is told of.
type changing map[string]Identity

func (c changing) Admit(_ context.Context, token string) (Identity, *wire.Error) {
	if who, ok := c[token]; ok {
		return who, nil
	}
	return Identity{}, errUnauthorized
}

// acts are what was recorded.
type acts struct{ list []Act }

func (a *acts) Record(_ context.Context, act *Act) (int64, error) {
	a.list = append(a.list, *act)
	return int64(len(a.list)), nil
}
func (a *acts) Note(act *Act) { a.list = append(a.list, *act) }
func (*acts) Reads() bool     { return false }

// signedIn are gateways that share a store, and a browser.
type signedIn struct {
	t       *testing.T
	servers []*Server
	docs    *shelf
	door    changing
	acts    *acts
	now     time.Time
	cookie  string
	csrf    string
}

func newSignedIn(t *testing.T, nodes int) *signedIn {
	x := &signedIn{t: t, docs: newShelf(), door: changing{"olga": {"olga", Owner}, "vera": {"vera", Viewer}, "paul": {"paul", PolicyAuthor}}, acts: &acts{}, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	for range nodes {
		s, err := New(Options{Token: token, Door: x.door, Sessions: x.docs, Recorder: x.acts, Hosts: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		s.sessions.now = func() time.Time { return x.now }
		x.servers = append(x.servers, s)
	}
	return x
}

// ask sends what a browser would; header names that begin with "-" are left out.
func (x *signedIn) ask(node int, method, path, body string, header ...string) *httptest.ResponseRecorder {
	x.t.Helper()
	r := httptest.NewRequest(method, "http://localhost:8081"+path, strings.NewReader(body))
	r.Host = "localhost:8081"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method != "GET" {
		r.Header.Set("Origin", "http://localhost:8081")
		r.Header.Set(csrfHeader, x.csrf)
	}
	if x.cookie != "" {
		r.Header.Set("Cookie", x.cookie)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	x.servers[node].Handler().ServeHTTP(w, r)
	return w
}

func (x *signedIn) signIn(token string) sessionView {
	x.t.Helper()
	w := x.ask(0, "POST", "/admin/session", `{"token":`+quoted(token)+`}`)
	if w.Code != http.StatusOK {
		x.t.Fatalf("signing in: %d %s", w.Code, w.Body)
	}
	c := w.Result().Cookies()[0]
	x.cookie = c.Name + "=" + c.Value
	v := x.view(w)
	x.csrf = v.CSRF
	return v
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // strings always encode
	return string(b)
}

func (x *signedIn) view(w *httptest.ResponseRecorder) (v sessionView) {
	x.t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		x.t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

func TestSession(t *testing.T) {
	x := newSignedIn(t, 2)
	if v := x.view(x.ask(0, "GET", "/admin/session", "")); v.SignedIn {
		t.Error("somebody is signed in before anybody has")
	}
	v := x.signIn(" olga\n")
	if v.Name != "olga" || v.Role != "owner" || !slices.Equal(v.May, []string{"viewer", "policy_author", "operator", "owner"}) || v.CSRF == "" || !v.Ends.Equal(x.now.Add(longest)) {
		t.Errorf("signed in as %+v", v)
	}
	for node := range 2 { // the other one has never seen the cookie
		if w := x.ask(node, "GET", "/admin/whoami", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"olga"`) {
			t.Errorf("node %d: %d %s", node, w.Code, w.Body)
		}
		if got := x.view(x.ask(node, "GET", "/admin/session", "")); got.CSRF != v.CSRF {
			t.Errorf("node %d tells %+v; want %+v", node, got, v)
		}
	}
	for _, d := range x.docs.docs {
		id := strings.Split(x.cookie, "=")[1]
		if text := string(d.Body) + d.Name; strings.Contains(text, id) || strings.Contains(text, `olga\n`) || strings.Contains(text, v.CSRF) {
			t.Errorf("the store tells what would let somebody in: %s", text)
		}
	}
	if w := x.ask(1, "DELETE", "/admin/session", ""); w.Code != 200 || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("signing out: %d %s %v", w.Code, w.Body, w.Result().Cookies())
	}
	x.now = x.now.Add(lookAgain) // when the other node has heard
	for node := range 2 {
		if w := x.ask(node, "GET", "/admin/whoami", ""); w.Code != 401 || !strings.Contains(w.Body.String(), "session_ended") {
			t.Errorf("signed out, node %d answers %d %s", node, w.Code, w.Body)
		}
	}
	var done []string
	for _, a := range x.acts.list {
		done = append(done, a.Who.Name+" "+a.Action)
	}
	if want := []string{"olga POST /admin/session", "olga DELETE /admin/session"}; !slices.Equal(done[:2], want) {
		t.Errorf("recorded is %q; want %q first", done, want)
	}
}

func TestSessionCookie(t *testing.T) {
	x := newSignedIn(t, 1)
	f := func(origin string, secure bool, name string) {
		t.Helper()
		w := x.ask(0, "POST", "/admin/session", `{"token":"olga"}`, "Origin", origin)
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		c := w.Result().Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Secure != secure || c.Name != name {
			t.Errorf("from %s the cookie is %v", origin, c)
		}
	}
	f("http://localhost:8081", false, cookieName)
	f("https://localhost:8081", true, secureCookie)
}

func TestSessionRefusals(t *testing.T) {
	x := newSignedIn(t, 1)
	f := func(body string, status int, code string, header ...string) {
		t.Helper()
		w := x.ask(0, "POST", "/admin/session", body, header...)
		if w.Code != status || !strings.Contains(w.Body.String(), `"`+code+`"`) || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s with %q: %d %s; want %d %s", body, header, w.Code, w.Body, status, code)
		}
	}
	f(`{"token":"nobody"}`, 401, "unauthorized")
	f(`{"token":""}`, 400, "invalid_request")
	f(`{"tokens":"olga"}`, 400, "invalid_request")
	f(`{"token":"olga"} x`, 400, "invalid_request")
	f(`{"token":"`+strings.Repeat("x", maxActBody)+`"}`, 400, "invalid_request")
	f(`{"token":"olga"}`, 403, "csrf", "Sec-Fetch-Site", "same-site")
	f(`{"token":"olga"}`, 403, "cross_origin", "Origin", "http://localhost:3000")
	if w := x.ask(0, "PUT", "/admin/session", ""); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("PUT: %d %v", w.Code, w.Header())
	}
	for range freeGuesses {
		x.ask(0, "POST", "/admin/session", `{"token":"wrong"}`)
	}
	f(`{"token":"olga"}`, 429, "too_many_attempts")
	var refused int
	for _, a := range x.acts.list {
		if a.Action == "login" && a.Status == 401 {
			refused++
		}
	}
	if refused < freeGuesses {
		t.Errorf("%d wrong tokens are noted; want all", refused)
	}
}

// TestSessionChangesAreTheBrowsersOwn: a cookie alone changes nothing.
func TestSessionChangesAreTheBrowsersOwn(t *testing.T) {
	x := newSignedIn(t, 1)
	x.signIn("olga")
	f := func(method string, want int, header ...string) {
		t.Helper()
		if w := x.ask(0, method, "/admin/reload", "", header...); w.Code != want {
			t.Errorf("%s with %q: %d %s; want %d", method, header, w.Code, w.Body, want)
		}
	}
	const reached = 404 // there is nothing to reload
	f("POST", reached)
	f("POST", 403, csrfHeader, "")
	f("POST", 403, csrfHeader, "x")
	f("POST", 403, "Sec-Fetch-Site", "same-site")
	f("POST", 403, "Sec-Fetch-Site", "cross-site")
	f("POST", 403, "Origin", "null")
	f("POST", 403, "Origin", "http://127.0.0.1:8081")
	f("GET", 403, "Sec-Fetch-Site", "same-site")
	f("POST", 401, "Authorization", "Bearer wrong") // which says who asks, and is wrong
	f("POST", reached, "Authorization", "Bearer olga", csrfHeader, "", "Sec-Fetch-Site", "")
	for _, how := range [][]string{{csrfHeader, "x"}, {csrfHeader, ""}, {"Sec-Fetch-Site", "same-site"}} {
		if w := x.ask(0, "DELETE", "/admin/session", "", how...); w.Code != 403 {
			t.Errorf("another page signs somebody out with %q: %d", how, w.Code)
		}
	}
	if v := x.view(x.ask(0, "GET", "/admin/session", "", "Sec-Fetch-Site", "same-site")); v.SignedIn {
		t.Error("another page is told the csrf")
	}
}

func TestSessionRoles(t *testing.T) {
	x := newSignedIn(t, 1)
	f := func(who string, may ...string) {
		t.Helper()
		if v := x.signIn(who); !slices.Equal(v.May, may) {
			t.Errorf("%s may %q; want %q", who, v.May, may)
		}
		want := 403
		if slices.Contains(may, "operator") {
			want = 404
		}
		if w := x.ask(0, "POST", "/admin/reload", ""); w.Code != want {
			t.Errorf("%s reloads: %d; want %d", who, w.Code, want)
		}
	}
	f("vera", "viewer")
	f("paul", "viewer", "policy_author")
	f("olga", "viewer", "policy_author", "operator", "owner")
	f(token, "viewer", "policy_author", "operator", "owner")
}

// TestSessionEnds: when nobody uses it, when it is old, when its administrator
// is gone or has another role, and when root's token is another.
func TestSessionEnds(t *testing.T) {
	f := func(who string, what func(x *signedIn), want int) {
		t.Helper()
		x := newSignedIn(t, 1)
		x.signIn(who)
		what(x)
		if w := x.ask(0, "GET", "/admin/whoami", ""); w.Code != want {
			t.Errorf("%d %s; want %d", w.Code, w.Body, want)
		}
		if v := x.view(x.ask(0, "GET", "/admin/session", "")); v.SignedIn != (want == 200) {
			t.Errorf("signed in: %t", v.SignedIn)
		}
	}
	f("vera", func(x *signedIn) { x.now = x.now.Add(idleAfter - time.Second) }, 200)
	f("vera", func(x *signedIn) { x.now = x.now.Add(idleAfter) }, 401)
	f("vera", func(x *signedIn) {
		for range 20 { // in use for ten hours
			x.now = x.now.Add(idleAfter - time.Minute)
			x.ask(0, "GET", "/admin/whoami", "")
		}
	}, 200)
	f("vera", func(x *signedIn) {
		for range 25 { // in use for longer than it may be
			x.now = x.now.Add(idleAfter - time.Minute)
			x.ask(0, "GET", "/admin/whoami", "")
		}
	}, 401)
	f("vera", func(x *signedIn) {
		for range 2 { // what a page asks for by itself is no use
			x.now = x.now.Add(idleAfter / 2)
			x.ask(0, "GET", "/admin/whoami", "", backgroundHeader, "1")
			x.ask(0, "GET", "/admin/whoami", "", "Accept", "text/event-stream")
		}
	}, 401)
	f("vera", func(x *signedIn) { delete(x.door, "vera") }, 401)
	f("vera", func(x *signedIn) { x.door["vera"] = Identity{"vera", Owner} }, 401)
	f("vera", func(x *signedIn) { x.door["vera"] = Identity{"another", Viewer} }, 401)
	f(token, func(x *signedIn) { x.servers[0].SetToken("another") }, 401)
	f("vera", func(x *signedIn) { x.cookie = cookieName + "=" + strings.Repeat("A", 43) }, 401)
	f("vera", func(x *signedIn) { x.cookie += "x" }, 401)
	f("vera", func(x *signedIn) { // the document of another cookie does not fit
		old := x.cookie
		x.signIn("olga")
		x.cookie = old
		for name, d := range x.docs.docs {
			d.Body = []byte(`{"who":"vera","role":"viewer","started":"2026-05-01T12:00:00Z","seen":"2026-05-01T12:00:00Z","sealed":"AAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`)
			x.docs.docs[name] = d
		}
		x.now = x.now.Add(lookAgain)
	}, 401)
}

func TestSessionsAreBounded(t *testing.T) {
	x := newSignedIn(t, 1)
	var first string
	for i := range mostOfOne + 1 {
		x.cookie = ""
		x.signIn("vera")
		if i == 0 {
			first = x.cookie
		}
		x.now = x.now.Add(time.Second)
	}
	if len(x.docs.docs) != mostOfOne {
		t.Errorf("one administrator is signed in with %d browsers; want %d", len(x.docs.docs), mostOfOne)
	}
	x.cookie = first
	if w := x.ask(0, "GET", "/admin/whoami", ""); w.Code != 401 {
		t.Errorf("the one that was used longest ago: %d", w.Code)
	}
	for i := range mostSessions {
		who := "a" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		x.door[who] = Identity{who, Viewer}
		x.cookie = ""
		w := x.ask(0, "POST", "/admin/session", `{"token":`+quoted(who)+`}`)
		if full := len(x.docs.docs) >= mostSessions; w.Code != 200 && !full || w.Code != 200 && w.Code != 503 {
			t.Fatalf("%d: %d %s", i, w.Code, w.Body)
		}
	}
	if len(x.docs.docs) != mostSessions {
		t.Errorf("%d are kept; want %d", len(x.docs.docs), mostSessions)
	}
	x.now = x.now.Add(idleAfter)
	x.signIn("olga")
	if len(x.docs.docs) != 1 {
		t.Errorf("%d are kept when all others are over", len(x.docs.docs))
	}
}

// TestUnknownCookiesDoNotAskTheStore more than a few times in a second.
func TestUnknownCookiesDoNotAskTheStore(t *testing.T) {
	x := newSignedIn(t, 1)
	for i := range 500 {
		x.cookie = cookieName + "=" + strings.Repeat("A", 40) + string(rune('A'+i%26)) + string(rune('A'+i/26%26)) + "A"
		if w := x.ask(0, "GET", "/admin/whoami", ""); w.Code != 401 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if x.docs.reads > missesAllowed+1 {
		t.Errorf("the store was read %d times", x.docs.reads)
	}
}

func TestSessionWithoutStore(t *testing.T) {
	x := newSignedIn(t, 1)
	x.signIn("vera")
	x.docs.err = context.DeadlineExceeded
	if w := x.ask(0, "GET", "/admin/whoami", ""); w.Code != 200 {
		t.Errorf("within a few seconds the store is not needed: %d %s", w.Code, w.Body)
	}
	x.now = x.now.Add(lookAgain)
	for _, path := range []string{"/admin/whoami", "/admin/session"} {
		if w := x.ask(0, "GET", path, ""); w.Code != 503 || !strings.Contains(w.Body.String(), "store_unavailable") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	x.docs.err = nil
	if w := x.ask(0, "GET", "/admin/whoami", ""); w.Code != 200 {
		t.Errorf("when it is back: %d %s", w.Code, w.Body)
	}
}

func FuzzKeptSession(f *testing.F) {
	id := make([]byte, secretSize)
	f.Add([]byte(`{"who":"a","role":"owner","seen":"2026-05-01T12:00:00Z","sealed":"AAAA"}`), "AAAA")
	f.Fuzz(func(t *testing.T, body []byte, cookie string) {
		docs := newShelf()
		docs.docs[nameOf(id)] = call.Document{Kind: sessionKind, Name: nameOf(id), Body: body, Revision: 1}
		s := newSessions(docs)
		k, err := s.find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if k != nil {
			if token, ok := k.open(id); ok {
				t.Fatalf("made up bytes open as %q", token)
			}
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", cookieName+"="+cookie)
		if got := cookieOf(r); got != nil && len(got) != secretSize {
			t.Fatalf("a cookie of %d bytes", len(got))
		}
	})
}

// TestFollowingEnds: a page that follows something hears no more of it soon after
// the sign-out, and in any case after a while.
func TestFollowingEnds(t *testing.T) {
	f := func(end func(x *signedIn), within time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			x := newSignedIn(t, 1)
			x.signIn("olga")
			over := make(chan struct{})
			stream := x.servers[0].authorized(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				defer close(over)
				<-r.Context().Done()
			}))
			r := httptest.NewRequest("GET", "/admin/live", nil)
			r.Header.Set("Cookie", x.cookie)
			r.Header.Set("Accept", "text/event-stream")
			began := time.Now()
			go stream.ServeHTTP(httptest.NewRecorder(), r)
			synctest.Wait()
			end(x)
			<-over
			if took := time.Since(began); took > within || took < time.Second {
				t.Errorf("the stream ended after %s; want within %s", took, within)
			}
		})
	}
	f(func(x *signedIn) { x.ask(0, "DELETE", "/admin/session", "") }, lookAgain)
	locked := func(change func(x *signedIn)) func(*signedIn) {
		return func(x *signedIn) {
			x.servers[0].sessions.mu.Lock()
			defer x.servers[0].sessions.mu.Unlock()
			change(x)
		}
	}
	f(locked(func(x *signedIn) { delete(x.door, "olga") }), lookAgain)
	f(locked(func(x *signedIn) { x.docs.err = context.DeadlineExceeded }), followFor)
	f(func(*signedIn) {}, followFor)
}

// TestPlainCookieDoesNotCountOverTLS: another port of the host may have set it.
func TestPlainCookieDoesNotCountOverTLS(t *testing.T) {
	x := newSignedIn(t, 1)
	x.signIn("olga")
	f := func(cookie string, over *tls.ConnectionState, want int) {
		t.Helper()
		r := httptest.NewRequest("GET", "http://localhost:8081/admin/whoami", nil)
		r.TLS = over
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		x.servers[0].Handler().ServeHTTP(w, r)
		if w.Code != want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("with TLS %v and %.30s: %d %v; want %d", over != nil, cookie, w.Code, w.Header(), want)
		}
	}
	f(x.cookie, nil, 200)
	f(x.cookie, &tls.ConnectionState{}, 401)
	f("__Host-"+x.cookie, &tls.ConnectionState{}, 200)
}

// TestEveryChangeNeedsTheCSRF, whatever it is that changes.
func TestEveryChangeNeedsTheCSRF(t *testing.T) {
	opt := all()
	opt.Token, opt.Log, opt.Door, opt.Sessions = token, slog.New(slog.DiscardHandler), door{}, newShelf()
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	x := &signedIn{t: t, servers: []*Server{s}}
	x.signIn("owner")
	x.csrf = ""
	var n int
	for pattern := range s.needs {
		method, path, _ := strings.Cut(pattern, " ")
		if method == "GET" {
			continue
		}
		n++
		path = regexp.MustCompile(`\{[a-z.]+\}`).ReplaceAllString(path, "a")
		if w := x.ask(0, method, path, "{}"); w.Code != 403 || !strings.Contains(w.Body.String(), `"csrf"`) {
			t.Errorf("%s %s with the cookie alone: %d %s", method, path, w.Code, w.Body)
		}
	}
	if n < 30 {
		t.Errorf("%d routes were asked; want all", n)
	}
}
