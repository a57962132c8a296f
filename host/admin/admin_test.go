package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "the-admin-token"

// fakeKeys keeps keys in a list.
type fakeKeys struct{ made []NewKey }

func (f *fakeKeys) CreateKey(_ context.Context, k NewKey) (Created, error) {
	if k.Name == "taken" {
		return Created{}, fmt.Errorf("cannot create key: %w", ErrKeyExists)
	}
	if k.Name == "broken" {
		return Created{}, errors.New("secret detail of the store")
	}
	f.made = append(f.made, k)
	return Created{ID: "id1", Name: k.Name, Token: "sb-id1-secret"}, nil
}

func (f *fakeKeys) ListKeys(context.Context) ([]Key, error) {
	var list []Key
	for _, k := range f.made {
		list = append(list, Key{ID: "id1", Name: k.Name, Source: "store", Team: k.Team, Budgets: k.Budgets, Created: time.Unix(0, 0).UTC()})
	}
	return list, nil
}

func (f *fakeKeys) RevokeKey(_ context.Context, name string) error {
	if name != "ci" {
		return ErrKeyUnknown
	}
	return nil
}

type rig struct {
	*Server
	keys  fakeKeys
	ready error
	books fakeBooks
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{}
	s, err := New(Options{
		Token: token, Log: slog.New(slog.DiscardHandler), Keys: &r.keys,
		Ledger: &r.books,
		Status: func(context.Context) any { return map[string]string{"version": "test"} },
		Reload: func(context.Context) error { return errors.New("listen.data: wrong") },
		Ready:  func() error { return r.ready },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("metrics"))
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Server = s
	return r
}

func (r *rig) do(method, path, auth, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	clear(r.guesses.by) // each request stands alone
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, req)
	return w
}

func TestNoTokenNoServer(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a server without a token is made")
	}
}

func TestAdminNeedsTheToken(t *testing.T) {
	r := newRig(t)
	f := func(path, auth string, want int) {
		t.Helper()
		for _, method := range []string{"GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"} {
			w := r.do(method, path, auth, "{}")
			if w.Code != want {
				t.Errorf("%s %s with %q: status %d; want %d", method, path, auth, w.Code, want)
			}
		}
	}
	for _, path := range []string{"/admin/usage", "/admin/keys", "/admin/keys/ci", "/admin/status", "/admin/reload", "/admin/", "/admin/nothing"} {
		for _, auth := range []string{"", "Bearer ", "Bearer wrong", "Bearer " + token + "x", "Bearer " + token[:5], "Basic " + token, token} {
			f(path, auth, http.StatusUnauthorized)
		}
	}
	if len(r.keys.made) != 0 {
		t.Error("a key was made without a token")
	}
}

func TestSetToken(t *testing.T) {
	r := newRig(t)
	f := func(token string, want int) {
		t.Helper()
		if w := r.do("GET", "/admin/status", "Bearer "+token, ""); w.Code != want {
			t.Errorf("with %q: status %d; want %d", token, w.Code, want)
		}
	}
	r.SetToken("another")
	f(token, 401)
	f("another", 200)
	r.SetToken("")
	f("", 401)
	f("another", 200)
}

func TestOpenPaths(t *testing.T) {
	r := newRig(t)
	f := func(path string, code int, body string) {
		t.Helper()
		w := r.do("GET", path, "", "")
		if w.Code != code || !strings.Contains(w.Body.String(), body) {
			t.Errorf("%s: %d %q; want %d %q", path, w.Code, w.Body, code, body)
		}
	}
	f("/healthz", 200, "ok")
	f("/readyz", 200, "ready")
	f("/metrics", 200, "metrics")
	f("/", 404, "not_found")
	r.ready = errors.New("the ledger is full")
	f("/readyz", 503, "the ledger is full")
	f("/healthz", 200, "ok")
	r.ready = nil
	r.Draining()
	f("/readyz", 503, "draining")
}

func TestErrors(t *testing.T) {
	r := newRig(t)
	f := func(method, path, body string, code int, want string) {
		t.Helper()
		w := r.do(method, path, "Bearer "+token, body)
		var got struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != code || !strings.Contains(got.Error.Code+" "+got.Error.Message, want) {
			t.Errorf("%s %s %s: %d %s; want %d %q", method, path, body, w.Code, w.Body, code, want)
		}
		if strings.Contains(w.Body.String(), "secret detail") {
			t.Errorf("an internal error is shown: %s", w.Body)
		}
	}
	f("GET", "/admin/usage?kye=dev", "", 400, `unknown parameter "kye"`)
	f("GET", "/admin/usage?from=yesterday", "", 400, "is not a time")
	f("GET", "/admin/nothing", "", 404, "not_found")
	f("POST", "/admin/keys", "", 400, "cannot read the body")
	f("POST", "/admin/keys", `{"name":"a"} {}`, 400, "more after")
	f("POST", "/admin/keys", `{"nmae":"a"}`, 400, `unknown field`)
	f("POST", "/admin/keys", `{"name":""}`, 400, "name is")
	f("POST", "/admin/keys", `{"name":"a","budgets":[{"usd":1}]}`, 400, `invalid_request budgets[0]: give window`)
	f("POST", "/admin/keys", `{"name":"a","budgets":[{"usd":1,"window":"day"},{"usd":1,"window":"dya"}]}`, 400, `invalid_request budgets[1].window: the window's unit is "dya": give one of`)
	f("POST", "/admin/keys", `{"name":"a","budgets":[{"usd":1,"window":"day"},{"usd":"much","window":"day"}]}`, 400, `invalid_request budgets[1].usd: usd is "much": not a decimal`)
	f("POST", "/admin/keys", `{"name":"a","budgets":[{"usd":1,"windw":"day"}]}`, 400, `invalid_request budgets[0].windw: unknown field`)
	f("POST", "/admin/keys", `{"name":"a","rates":[{"requests":1,"per":"day"},{"requests":"x","per":"day"}]}`, 400, `invalid_request rates[1].requests: requests is of the wrong type, a JSON string: give a whole number`)
	f("POST", "/admin/keys", `{"name":"a","rates":[{"requests":1,"per":{"unit":"day","size":"x"}}]}`, 400, `invalid_request rates[0].per.size: size is of the wrong type`)
	f("POST", "/admin/keys", `{"name":"a","budgets":["day"]}`, 400, `invalid_request budgets[0]: it is of the wrong type, a JSON string: give {`)
	f("POST", "/admin/keys", `{"name":"a","budgets":{"usd":1}}`, 400, `invalid_request budgets is no list`)
	f("GET", "/admin/pprof/haep", "", 404, `not_found there is no profile "haep": there are allocs, block, `)
	f("POST", "/admin/keys", `{"name":"a","budgets":[{"usd":1,"window":"dya"}]}`, 400, "give one of minute")
	f("POST", "/admin/keys", `{"name":"a","budgets":[{"usd":1,"window":{"unit":"day","size":-1}}]}`, 400, "size is -1")
	f("POST", "/admin/keys", `{"name":"a","budgets":[{"usd":1,"window":{"unit":"day","tz":"Mars/Base"}}]}`, 400, "Mars/Base")
	f("POST", "/admin/keys", `{"name":"a","budgets":[{"usd":-1,"window":"day"}]}`, 400, "not a decimal number")
	f("POST", "/admin/keys", `{"name":"a","budgets":[{"usd":1,"window":{"unit":"day","sise":2}}]}`, 400, "unknown field")
	f("POST", "/admin/keys", `{"name":"a","expires":"2020-01-01T00:00:00Z"}`, 400, "in the past")
	f("POST", "/admin/keys", `{"name":"taken"}`, 409, "key_exists")
	f("POST", "/admin/keys", `{"name":"broken"}`, 500, "internal")
	f("POST", "/admin/keys", `{"name":"`+strings.Repeat("a", maxBody)+`"}`, 400, "too large")
	f("DELETE", "/admin/keys/other", "", 404, "key_unknown")
	f("POST", "/admin/reload", "", 422, "listen.data: wrong")
}

func TestKeys(t *testing.T) {
	r := newRig(t)
	auth := "Bearer " + token
	w := r.do("POST", "/admin/keys", auth, `{"name":"ci","team":"core","roles":["b","a"],"budgets":[{"usd":0.1,"window":"day"},{"usd":"5","window":{"unit":"week","size":2,"tz":"Europe/Berlin"}}]}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"token":"sb-id1-secret"`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := r.keys.made[0]; got.Roles[0] != "a" || got.Budgets[0].Max != 100_000_000 || got.Budgets[1].Window != (call.Window{Unit: "week", Size: 2, TZ: "Europe/Berlin"}) {
		t.Errorf("made %+v", got)
	}
	w = r.do("GET", "/admin/keys", auth, "")
	want := `{"keys":[{"id":"id1","name":"ci","source":"store","team":"core","budgets":[{"usd":0.1,"window":"day"},{"usd":5,"window":{"unit":"week","size":2,"tz":"Europe/Berlin"}}],"created":"1970-01-01T00:00:00Z"}]}`
	if got := strings.TrimSpace(w.Body.String()); got != want {
		t.Errorf("listed\n%s; want\n%s", got, want)
	}
	if w = r.do("DELETE", "/admin/keys/ci", auth, ""); w.Code != 200 {
		t.Errorf("revoking: %d %s", w.Code, w.Body)
	}
}

func TestServeAndStop(t *testing.T) {
	r := newRig(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(ln) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + ln.Addr().String() + "/healthz")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v, %v", resp, err)
	}
	resp.Body.Close()
	for range 2 {
		if err := r.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

// TestLimitsOfAChangedKey: what is left out stays, and a list takes the place of
// the one before.
func TestLimitsOfAChangedKey(t *testing.T) {
	f := func(body string, budgets, rates int) {
		t.Helper()
		q := newKeyRequest(&NewKey{Budgets: make([]call.Limit, 2), Rates: make([]call.Limit, 1)})
		if err := strict(strings.NewReader(body), &q); err != nil || len(q.Budgets.list) != budgets || len(q.Rates.list) != rates {
			t.Errorf("%s: %v, %v, %v; want %d and %d", body, err, q.Budgets, q.Rates, budgets, rates)
		}
	}
	f(`{}`, 2, 1)
	f(`{"budgets":[]}`, 0, 1)
	f(`{"budgets":null,"rates":null}`, 0, 0)
	f(`{"rates":[{"requests":1,"per":"day"},{"concurrent":2}]}`, 2, 2)
}
