package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

// recorder keeps acts as lines.
type recorder struct {
	lines []string
	last  Act
	full  bool
	reads bool
}

func (r *recorder) Record(_ context.Context, a *Act) (int64, error) {
	if r.full {
		return 0, errors.New("no space left on device")
	}
	what := fmt.Sprintf("%s(%s) %s on %s", a.Who.Name, a.Who.Role, a.Action, a.On)
	if a.Begin {
		what += " begins"
	} else {
		what += fmt.Sprintf(" of %d: %d %s", a.Of, a.Status, a.Code)
	}
	r.lines, r.last = append(r.lines, strings.TrimSpace(what)), *a
	return int64(len(r.lines)), nil
}

func (r *recorder) Note(a *Act) {
	r.lines = append(r.lines, strings.TrimSpace(fmt.Sprintf("noted %s(%s) %s on %s: %d %s", a.Who.Name, a.Who.Role, a.Action, a.On, a.Status, a.Code)))
}

func (r *recorder) Reads() bool { return r.reads }

func recordedRig(t *testing.T) (*Server, *recorder, *fakeKeys) {
	t.Helper()
	rec, keys := &recorder{}, &fakeKeys{}
	s, err := New(Options{Token: token, Log: slog.New(slog.DiscardHandler), Keys: keys, Recorder: rec,
		Status: func(context.Context) any { return map[string]string{} },
		Reload: func(ctx context.Context) error {
			Changed(ctx, Change{What: "team/core", After: []byte(`{"a":1}`)})
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return s, rec, keys
}

func send(s *Server, method, path, as, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+as)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestRecorded(t *testing.T) {
	f := func(method, path, as, body string, status int, want ...string) {
		t.Helper()
		s, rec, _ := recordedRig(t)
		if got := send(s, method, path, as, body); got.Code != status {
			t.Errorf("%s %s: %d %s; want %d", method, path, got.Code, got.Body, status)
		}
		if strings.Join(rec.lines, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s %s is recorded as\n%s; want\n%s", method, path, strings.Join(rec.lines, "\n"), strings.Join(want, "\n"))
		}
	}
	f("POST", "/admin/keys", token, `{"name":"ci"}`, 200, "root(owner) POST /admin/keys on /admin/keys begins", "root(owner) POST /admin/keys on /admin/keys of 1: 200")
	f("POST", "/admin/keys", token, `{"name":"taken"}`, 409, "root(owner) POST /admin/keys on /admin/keys begins", "root(owner) POST /admin/keys on /admin/keys of 1: 409 key_exists")
	f("POST", "/admin/keys", token, `{"name":"broken"}`, 500, "root(owner) POST /admin/keys on /admin/keys begins", "root(owner) POST /admin/keys on /admin/keys of 1: 500 internal")
	f("DELETE", "/admin/keys/ci", token, "", 200, "root(owner) DELETE /admin/keys/{name} on /admin/keys/ci begins", "root(owner) DELETE /admin/keys/{name} on /admin/keys/ci of 1: 200")
	f("POST", "/admin/nothing", token, "", 404, "root(owner) POST /admin/ on /admin/nothing begins", "root(owner) POST /admin/ on /admin/nothing of 1: 404 not_found")
	f("GET", "/admin/status", token, "", 200)
	f("GET", "/admin/pprof/goroutine", token, "", 200, "noted root(owner) GET /admin/pprof/{name} on /admin/pprof/goroutine: 200")
	f("GET", "/admin/status", "wrong", "", 401, "noted (nobody) login on /admin/status: 401 unauthorized")
	f("POST", "/admin/keys", "wrong", `{"name":"ci"}`, 401, "noted (nobody) login on /admin/keys: 401 unauthorized")
	f("GET", "/healthz", "wrong", "", 200)
	const shown = "root(owner) DELETE /admin/keys/{name} on /admin/keys/sb-0123456789-[redacted]" // a key where its name was asked for
	f("DELETE", "/admin/keys/sb-0123456789-abcdefghjkmnpqrstvwxyz0123", token, "", 404, shown+" begins", shown+" of 1: 404 key_unknown")
}

// TestPanicsAreRecorded: what a change came to is written down even if it came
// to nothing.
func TestPanicsAreRecorded(t *testing.T) {
	s, rec, _ := recordedRig(t)
	s.opt.Reload = func(context.Context) error { panic("on purpose") }
	func() {
		defer func() { _ = recover() }()
		send(s, "POST", "/admin/reload", token, "")
	}()
	if want := "root(owner) POST /admin/reload on /admin/reload of 1: 500 panic"; len(rec.lines) != 2 || rec.lines[1] != want {
		t.Errorf("recorded %q; want %q", rec.lines, want)
	}
}

func TestRecordsWhatWasAskedAndChanged(t *testing.T) {
	s, rec, _ := recordedRig(t)
	send(s, "POST", "/admin/keys", token, `{"name":"ci"}`)
	if string(rec.last.Body) != `{"name":"ci"}` || !strings.Contains(string(rec.last.Answer), `"sb-id1-secret"`) {
		t.Errorf("body %s, answer %s", rec.last.Body, rec.last.Answer)
	}
	send(s, "POST", "/admin/keys", token, `{"name":"`+strings.Repeat("x", maxActBody)+`"}`)
	if rec.last.Body != nil {
		t.Errorf("%d bytes are kept", len(rec.last.Body))
	}
	send(s, "POST", "/admin/filters/pii/replay", token, `{"texts":[{"channel":"user","text":"somebody's own"}]}`)
	if rec.last.Body != nil {
		t.Errorf("what a filter is to be shown is kept: %s", rec.last.Body)
	}
	send(s, "POST", "/admin/reload", token, "")
	if len(rec.last.Changes) != 1 || rec.last.Changes[0].What != "team/core" {
		t.Errorf("changes %+v", rec.last.Changes)
	}
	Changed(t.Context(), Change{}) // outside of a request
	if Recorded(t.Context()) {
		t.Error("a context of no request is recorded")
	}
	rec.reads, rec.lines = true, nil
	send(s, "GET", "/admin/status", token, "")
	if want := "noted root(owner) GET /admin/status on /admin/status: 200"; len(rec.lines) != 1 || rec.lines[0] != want {
		t.Errorf("reads are recorded as %q", rec.lines)
	}
}

// TestNothingIsDoneUnrecorded: what cannot be written down does not happen.
func TestNothingIsDoneUnrecorded(t *testing.T) {
	s, rec, keys := recordedRig(t)
	rec.full = true
	if w := send(s, "POST", "/admin/keys", token, `{"name":"ci"}`); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "audit_unavailable") || len(keys.made) != 0 {
		t.Errorf("got %d %s, %d keys made", w.Code, w.Body, len(keys.made))
	}
	if w := send(s, "GET", "/admin/status", token, ""); w.Code != http.StatusOK {
		t.Errorf("reading: %d", w.Code)
	}
}

// twoEnds is an audit log that says how it was asked.
type twoEnds struct {
	AuditLog
	asked string
}

func (s *twoEnds) ask(end string, before int64, q call.AuditQuery, keep func(who, action, on, outcome string) bool) ([]json.RawMessage, error) {
	s.asked = fmt.Sprintf("%d %s after %d before %d, ann %v, bob %v", q.Most, end, q.After, before, keep("ann", "POST /admin/keys", "/admin/keys", "done"), keep("bob", "", "", "failed"))
	return []json.RawMessage{}, nil
}

func (s *twoEnds) Newest(_ context.Context, before int64, q call.AuditQuery, keep func(who, action, on, outcome string) bool) ([]json.RawMessage, error) {
	return s.ask("newest", before, q, keep)
}

func (s *twoEnds) Oldest(_ context.Context, before int64, q call.AuditQuery, keep func(who, action, on, outcome string) bool) ([]json.RawMessage, error) {
	return s.ask("oldest", before, q, keep)
}

func TestAuditIsReadFromTheEndThatIsAskedFor(t *testing.T) {
	l := &twoEnds{}
	s, err := New(Options{Token: token, Log: slog.New(slog.DiscardHandler), AuditLog: l})
	if err != nil {
		t.Fatal(err)
	}
	f := func(query, want string) {
		t.Helper()
		l.asked = ""
		w := send(s, "GET", "/admin/audit?"+query, token, "")
		if l.asked != want || want != "" && strings.TrimSpace(w.Body.String()) != `{"entries":[]}` {
			t.Errorf("%q: %d %s, asked for %q; want %q", query, w.Code, w.Body, l.asked, want)
		}
	}
	f("", "100 newest after 0 before 0, ann true, bob true")
	f("before=50&most=3&who=ann&what=keys&outcome=done", "3 newest after 0 before 50, ann true, bob false")
	f("most=5000&outcome=failed", "1000 newest after 0 before 0, ann false, bob true")
	f("after=7&before=9", "100 oldest after 7 before 9, ann true, bob true")
	f("seq=7&who=zoe", "1 oldest after 6 before 8, ann true, bob true")
	f("before=-1", "")
	f("since=yesterday", "")
}
