package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/postgres"
	"github.com/signalbox-ai/signalbox/host/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

// day is a budget of 10 dollars for the day of noon.
func day(settled int64) Spent {
	start := noon.Truncate(24 * time.Hour).Unix()
	return Spent{Scope: "team/core", Window: "1 day UTC", Start: start, End: start + 86400, Max: 10e9, Settled: settled}
}

func TestCrossings(t *testing.T) {
	f := func(s Spent, set Settings, now time.Time, want string) {
		t.Helper()
		var got []string
		for _, a := range set.crossings(&s, now) {
			got = append(got, a.Mark)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d of %d: %q; want %q", s.Settled, s.Max, got, want)
		}
	}
	usual := Settings{Thresholds: []int{50, 80, 100}}
	f(day(0), usual, noon, "")
	f(day(5e9-1), usual, noon, "")
	f(day(5e9), usual, noon, "50")
	f(day(8e9), usual, noon, "50 80")
	f(day(11e9), usual, noon, "50 80 100")
	f(day(5e9), usual, noon.Add(24*time.Hour), "") // its window is over
	f(day(5e9), Settings{Thresholds: []int{50}, Scopes: []string{"org/*"}}, noon, "")
	f(day(5e9), Settings{Thresholds: []int{50}, Scopes: []string{"org/*", "team/*"}}, noon, "50")
	none := day(5e9)
	none.Max = 0
	f(none, usual, noon, "")

	forecast := Settings{Forecast: true}
	f(day(5e9), forecast, noon, "") // half of it at half-time
	f(day(5e9+1e7), forecast, noon, "forecast")
	f(day(1.9e9), forecast, noon.Add(-9*time.Hour), "")       // too little to go by
	f(day(5e9), forecast, noon.Add(-11*time.Hour), "")        // too early
	f(day(5e9), forecast, noon.Add(-9*time.Hour), "forecast") // at three in the morning
	f(day(10e9), forecast, noon.Add(-9*time.Hour), "")        // it is used up
	total := day(5e9)
	total.Start, total.End = 0, math.MaxInt64
	f(total, Settings{Forecast: true, Thresholds: []int{50}}, noon, "50")
}

func TestForecastSaysWhen(t *testing.T) {
	s := day(8e9)
	if got, want := s.lasts(noon), noon.Add(3*time.Hour); !got.Equal(want) {
		t.Errorf("used up at %s; want %s", got, want)
	}
}

// told is a receiver of webhooks that checks what it is sent by the
// specification's own library.
type told struct {
	*httptest.Server
	t      *testing.T
	secret string
	mu     sync.Mutex
	events []Event
	ids    map[string]int
	answer func(n int) int // status of the n-th request
	n      int
	came   chan struct{}
}

func newTold(t *testing.T, secret string) *told {
	r := &told{t: t, secret: secret, ids: map[string]int{}, came: make(chan struct{}, 1000), answer: func(int) int { return 200 }}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP implements http.Handler.
func (r *told) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var e Event
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err == nil && r.secret != "" {
		var wh *webhooks.Webhook
		if wh, err = webhooks.NewWebhook(r.secret); err == nil {
			err = wh.Verify(body, req.Header)
		}
	}
	if err != nil || req.Header.Get("Webhook-Id") != e.ID {
		r.t.Errorf("a webhook that cannot be trusted: %v %s", err, body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	code := r.answer(r.n)
	if code == 200 {
		r.events = append(r.events, e)
		r.ids[e.ID]++
	}
	w.WriteHeader(code)
	r.came <- struct{}{}
}

func (r *told) wait(n int) {
	r.t.Helper()
	for range n {
		select {
		case <-r.came:
		case <-time.After(time.Minute):
			r.t.Fatal("no webhook came")
		}
	}
}

// facts is a source.
type facts struct {
	mu         sync.Mutex
	spent      []Spent
	conditions []Condition
	looks      chan struct{}
}

func (f *facts) Spending(context.Context) ([]Spent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() {
		select {
		case f.looks <- struct{}{}:
		default:
		}
	}()
	return append([]Spent(nil), f.spent...), nil
}

func (f *facts) Conditions(context.Context) []Condition { return f.conditions }

const hook = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// once has three senders notice the same, with two of them started anew in
// between, and looks whether each crossing was told once.
func once(t *testing.T, open func(node string) Outbox) {
	r := newTold(t, hook)
	set := Settings{Thresholds: []int{50, 80, 100}, Receivers: map[string]Receiver{"ops": {Webhook: r.URL, Secret: hook}, "other": {Webhook: r.URL, Secret: hook, Kinds: []string{KindBank}}}}
	src := &facts{spent: []Spent{today(6e9)}, looks: make(chan struct{}, 1)}
	start := func(node string) *Manager {
		m := New(open(node), src, set, Options{Node: node, Every: time.Millisecond})
		m.Start()
		return m
	}
	nodes := []*Manager{start("a"), start("b"), start("c")}
	r.wait(1)
	nodes[0].Stop()
	nodes[0] = start("a")
	src.mu.Lock()
	src.spent[0].Settled = 12e9
	src.mu.Unlock()
	r.wait(2)
	nodes[1].Stop()
	nodes[1] = start("b")
	for range 10 { // further looks find nothing new
		<-src.looks
	}
	for _, m := range nodes {
		m.Stop()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	marks := map[int]int{}
	for _, e := range r.events {
		marks[e.Threshold]++
	}
	if len(r.events) != 3 || marks[50] != 1 || marks[80] != 1 || marks[100] != 1 {
		t.Errorf("told %v; want each threshold once", marks)
	}
}

// today is a budget of 10 dollars whose window has still long to go.
func today(settled int64) Spent {
	s := day(settled)
	s.Start = time.Now().Add(-12 * time.Hour).Unix()
	s.End = s.Start + 86400
	return s
}

func TestOnceOnSQLite(t *testing.T) {
	s, err := sqlite.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "state.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	once(t, func(string) Outbox { return s })
}

func TestOnceOnPostgreSQL(t *testing.T) {
	url := pgtest.New(t)
	var open []store.Store
	defer func() {
		for _, s := range open {
			s.Close()
		}
	}()
	once(t, func(node string) Outbox {
		s, err := postgres.Open(t.Context(), url, postgres.Options{Node: store.Node{ID: fmt.Sprintf("%s-%d", node, len(open)), Name: node}})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, s)
		return s
	})
}

// gone is an outbox that cannot be reached.
type gone struct{ Outbox }

func (gone) RaiseAlert(context.Context, call.Alert, []string) (bool, error) {
	return false, errors.New("gone")
}

// TestOutageForgetsNothing: what was counted until the outbox was gone is told
// when it is back, and once.
func TestOutageForgetsNothing(t *testing.T) {
	s, src := newShelf(), &facts{conditions: []Condition{{KindSoft, "node/a", "3 requests"}, {KindBreaker, "openai/x", "open"}}}
	m := &Manager{opt: Options{Log: slog.New(slog.DiscardHandler), Now: time.Now}, outbox: gone{}, source: src, wake: make(chan struct{}, 1)}
	m.Set(Settings{Receivers: map[string]Receiver{"ops": {}}})
	for range 3 {
		if m.look(t.Context()) == nil || len(m.unraised) != 2 {
			t.Fatalf("%d conditions wait; want 2", len(m.unraised))
		}
		src.conditions = src.conditions[len(src.conditions)-1:] // what was counted is told once
	}
	m.outbox = s
	for range 2 {
		if err := m.look(t.Context()); err != nil || len(m.unraised) != 0 {
			t.Fatalf("%v, %d wait", err, len(m.unraised))
		}
	}
	if len(s.list) != 2 {
		t.Errorf("%d are told; want 2", len(s.list))
	}
}

// shelf is an outbox in memory, whose times tests may read.
type shelf struct {
	mu   sync.Mutex
	list []call.Delivery
	seen map[string]bool
	done chan call.Delivery
}

func newShelf() *shelf { return &shelf{seen: map[string]bool{}, done: make(chan call.Delivery, 100)} }

func (s *shelf) RaiseAlert(_ context.Context, a call.Alert, to []string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprint(a.Kind, a.Scope, a.Window, a.Start, a.Mark)
	if s.seen[key] {
		return false, nil
	}
	s.seen[key] = true
	a.ID = int64(len(s.seen))
	for _, name := range to {
		s.list = append(s.list, call.Delivery{ID: int64(len(s.list) + 1), To: name, Next: a.Time, Alert: &a})
	}
	return true, nil
}

func (s *shelf) ClaimDeliveries(_ context.Context, now, until time.Time, most int) (out []call.Delivery, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		if d := &s.list[i]; !d.Next.IsZero() && !d.Next.After(now) && len(out) < most {
			d.Next = until
			out = append(out, *d)
		}
	}
	return out, nil
}

func (s *shelf) SettleDelivery(_ context.Context, d call.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list[d.ID-1] = d
	s.done <- d
	return nil
}

// manager is one that does not run: tests step it.
func manager(s Outbox, src Source, set Settings, now func() time.Time) *Manager {
	return New(s, src, set, Options{Node: "n1", Now: now})
}

func TestRetries(t *testing.T) {
	r := newTold(t, hook)
	r.answer = func(n int) int {
		if n <= 3 {
			return 503
		}
		return 200
	}
	now := time.Now() // signatures are good for five minutes
	s := newShelf()
	m := manager(s, &facts{conditions: []Condition{{Kind: KindLedger, Scope: "node/n1", Message: "the ledger cannot be written"}}},
		Settings{Receivers: map[string]Receiver{"ops": {Webhook: r.URL, Secret: hook}}}, func() time.Time { return now })
	if err := m.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	gap := firstGap
	for try := 1; try <= 4; try++ {
		if err := m.deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := <-s.done
		if d.Tries != try || try < 4 && (d.Next.Sub(now) < gap || d.Next.Sub(now) > gap*5/4+1 || d.Err != "it answers 503") || try == 4 && (!d.Next.IsZero() || d.Done.IsZero() || d.Err != "") {
			t.Errorf("after try %d: %+v", try, d)
		}
		now, gap = now.Add(gap*5/4+1), gap*2
	}
	if len(r.events) != 1 || r.events[0].Type != KindLedger || r.events[0].Node != "n1" || m.Stats() != (Stats{Sent: 1, Failed: 3}) {
		t.Errorf("told %+v, %+v", r.events, m.Stats())
	}
}

func TestGivesUp(t *testing.T) {
	f := func(set map[string]Receiver, want string) {
		t.Helper()
		s := newShelf()
		now := noon
		m := manager(s, &facts{conditions: []Condition{{Kind: KindBank, Scope: "node/n1", Message: "x"}}}, Settings{Receivers: map[string]Receiver{"ops": {Webhook: "http://192.0.2.1"}}}, func() time.Time { return now })
		if err := m.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.Set(Settings{Receivers: set})
		if err := m.deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := <-s.done; !d.Next.IsZero() || !d.Done.IsZero() || !strings.Contains(d.Err, want) {
			t.Errorf("got %+v; want %q", d, want)
		}
	}
	r := newTold(t, "")
	r.answer = func(int) int { return 400 }
	f(map[string]Receiver{}, "no such receiver")
	f(map[string]Receiver{"ops": {Webhook: r.URL}}, "it answers 400")
}

func TestConditionsRepeat(t *testing.T) {
	now := noon
	s := newShelf()
	src := &facts{conditions: []Condition{{Kind: KindBreaker, Scope: "openai/gpt", Message: "open"}}}
	m := manager(s, src, Settings{Repeat: time.Hour, Receivers: map[string]Receiver{"ops": {Webhook: "http://192.0.2.1"}}}, func() time.Time { return now })
	for range 3 {
		for range 3 {
			if err := m.look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(40 * time.Minute)
	}
	if len(s.list) != 2 {
		t.Errorf("told %d times in 80 minutes; want 2", len(s.list))
	}
}

func TestSlack(t *testing.T) {
	got := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
	}))
	defer srv.Close()
	m := manager(newShelf(), &facts{}, Settings{Receivers: map[string]Receiver{"chat": {Slack: srv.URL}}}, time.Now)
	if err := m.Test(t.Context(), "chat"); err != nil {
		t.Fatal(err)
	}
	var body struct{ Text string }
	if err := json.Unmarshal([]byte(<-got), &body); err != nil || !strings.HasPrefix(body.Text, "*Signalbox* this is a test") {
		t.Errorf("got %+v, %v", body, err)
	}
	if got := slackText(&Event{Message: "a <b> & c"}); got != "*Signalbox* a &lt;b&gt; &amp; c" {
		t.Errorf("got %q", got)
	}
	if err := m.Test(t.Context(), "nobody"); err != ErrNoReceiver {
		t.Errorf("got %v", err)
	}
}

// TestFence: who gives an address through the admin API cannot have the gateway
// look into its own network.
func TestFence(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	f := func(address, want string, allow ...string) {
		t.Helper()
		m := manager(newShelf(), &facts{}, Settings{Receivers: map[string]Receiver{"x": {Webhook: address, Fenced: true, Allow: allow}}}, time.Now)
		err := m.Test(t.Context(), "x")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s with %q: %v; want %q", address, allow, err, want)
		}
	}
	local := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	f(srv.URL, "not public")
	f(local, "not public")
	f(srv.URL, "not public", "10.0.0.0/8", "127.0.0.2")
	f(srv.URL, "", "127.0.0.1")
	f(srv.URL, "", "127.0.0.0/8")
	f(local, "", "localhost")
	f("http://169.254.169.254/latest/meta-data", "not public")
	f("http://[::1]:1/", "not public")
	f("http://[::ffff:127.0.0.1]:1/", "not public")

	redirects := httptest.NewServer(http.RedirectHandler(srv.URL, http.StatusTemporaryRedirect))
	defer redirects.Close()
	f(redirects.URL, "it answers 307", "127.0.0.1")
}

// TestErrorsTellNoAddress: those of chat services are secrets.
func TestErrorsTellNoAddress(t *testing.T) {
	m := manager(newShelf(), &facts{}, Settings{Receivers: map[string]Receiver{"chat": {Slack: "http://127.0.0.1:1/services/T0/B0/hidden"}}}, time.Now)
	if err := m.Test(t.Context(), "chat"); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	f := func(r Receiver, want string) {
		t.Helper()
		err := r.Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v; want %q", r, err, want)
		}
	}
	mail := Receiver{SMTP: "mail.example.com:587", From: "a@example.com", To: []string{"b@example.com"}}
	f(Receiver{Webhook: "https://example.com/x", Kinds: []string{KindBudget}}, "")
	f(mail, "")
	f(Receiver{}, "exactly one")
	f(Receiver{Webhook: "https://a", Slack: "https://b"}, "exactly one")
	f(Receiver{Webhook: "ftp://a/hidden"}, "https://host/path")
	f(Receiver{Webhook: "https://a", Kinds: []string{"bugdet"}}, "bugdet")
	bad := mail
	bad.SMTP = "mail.example.com"
	f(bad, "smtp is")
	bad = mail
	bad.To = nil
	f(bad, "to is missing")
	bad = mail
	bad.From = "a@example.com\r\nBcc: x@example.com"
	f(bad, "from is")
	bad = mail
	bad.TLS, bad.Password = "none", "x"
	f(bad, "unencrypted")
	bad.TLS, bad.Password = "ssl", ""
	f(bad, "tls is")
}
