package postgres

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/door"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// through is the database at raw, by way of a door.
func through(t *testing.T, raw string) (*door.Door, string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	d := door.New(t, "unix", pgtest.Socket(t))
	u.Host, u.RawQuery = d.Address(), "sslmode=disable"
	return d, u.String()
}

func openBounded(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, Options{Node: store.Node{ID: "n"}, Timeout: 300 * time.Millisecond, Poll: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestSlowIsWorseThanDead makes the database answer late: calls give up in time,
// then fail without asking, and after it has recovered they are served again.
func TestSlowIsWorseThanDead(t *testing.T) {
	d, url := through(t, pgtest.New(t))
	s := openBounded(t, url)
	owns := func() error {
		_, err := s.Owns(t.Context(), "p", "t", []string{"a"})
		return err
	}
	if err := owns(); err != nil {
		t.Fatal(err)
	}
	d.Delay(time.Second)
	for range breakAfter {
		if err := owns(); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v; want that it has not answered in time", err)
		}
	}
	if !s.breaker.open() {
		t.Fatal("the breaker is not open")
	}
	if err := owns(); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want a refusal without asking", err)
	}
	d.Delay(0)
	d.Shut() // what is delayed is on the old connections
	d.Open()
	for owns() != nil { // until the breaker lets one try
		time.Sleep(10 * time.Millisecond)
	}
	if s.breaker.open() {
		t.Error("the breaker stays open")
	}
}

func TestBreaker(t *testing.T) {
	var b breaker
	now := time.Now()
	late := context.DeadlineExceeded
	for range breakAfter {
		if err := b.enter(now); err != nil {
			t.Fatal(err)
		}
		b.leave(now, late)
	}
	f := func(after time.Duration, let bool) {
		t.Helper()
		if err := b.enter(now.Add(after)); (err == nil) != let {
			t.Errorf("after %v: %v", after, err)
		}
	}
	f(0, false)
	f(breakFor, true)  // the one that tries
	f(breakFor, false) // not two
	b.leave(now.Add(breakFor), late)
	f(breakFor, false)
	f(2*breakFor, true)
	b.leave(now.Add(2*breakFor), context.Canceled) // which says nothing
	f(2*breakFor, true)
	b.leave(now.Add(2*breakFor), errors.New("a key of this name exists"))
	f(2*breakFor, true)
	f(2*breakFor, true)
}

// TestReportsLeaveConnections has more reports run than there are connections:
// what else is asked does not wait for them.
func TestReportsLeaveConnections(t *testing.T) {
	s, err := Open(t.Context(), pgtest.New(t), Options{Node: store.Node{ID: "n"}, Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Fold(t.Context(), 1, []call.Record{crashRow(1)}, true); err != nil {
		t.Fatal(err)
	}
	const reports = 3
	began, end, done := make(chan bool, reports), make(chan struct{}), make(chan error, reports)
	for range reports {
		go func() {
			done <- s.Requests(t.Context(), call.RequestsQuery{}, func(*call.LedgerRow) error {
				began <- true
				<-end
				return nil
			})
		}()
	}
	<-began
	if _, err := s.Owns(t.Context(), "p", "t", []string{"a"}); err != nil {
		t.Errorf("while reports run: %v", err)
	}
	close(end)
	for range reports {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestWatchMissesNothing cuts the watcher off while changes are made.
func TestWatchMissesNothing(t *testing.T) {
	raw := pgtest.New(t)
	d, url := through(t, raw)
	s, other := openBounded(t, url), open(t, raw, "other")
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan string, 64)
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(topic string) { seen <- topic }) }()
	put := func(kind, name string) {
		t.Helper()
		if _, err := other.PutDocument(t.Context(), call.Document{Kind: kind, Name: name, Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(topics ...string) {
		t.Helper()
		for _, w := range topics {
			if got := <-seen; got != w {
				t.Errorf("told of %q; want %q", got, w)
			}
		}
	}
	want("")
	put("team", "a")
	want("documents/team")
	d.Shut()
	put("org", "b")
	put("team", "c")
	d.Open()
	want("documents/org", "documents/team")
	d.Delay(time.Second) // neither notifications nor answers come
	put("limit", "d")
	d.Delay(0)
	want("documents/limit")
	if err := other.Tell(t.Context(), "cancels/x"); err != nil {
		t.Error(err)
	}
	want("cancels/x")
	put("team", "e")
	want("documents/team")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAProbeThatPanics: it is over with it, and the next call may probe.
func TestAProbeThatPanics(t *testing.T) {
	d := &db{breaker: breaker{failed: breakAfter, until: time.Now().Add(-time.Second)}}
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it was not asked")
				}
			}()
			_ = d.within(t.Context(), time.Minute, func(context.Context) error { panic("BUG") })
		}()
	}
}

// TestSessionsThatOnlyRead: a gateway that finds itself at a server which only
// reads, as one that another has taken over from, looks anew for one that writes.
func TestSessionsThatOnlyRead(t *testing.T) {
	raw := pgtest.New(t)
	s := open(t, raw, "n")
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	database := u.Path[1:]
	admin := bare(t, raw)
	sql := func(query string) {
		t.Helper()
		if err := admin.exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	sql("ALTER DATABASE " + database + " SET default_transaction_read_only = on") // holds for new sessions
	s.pool.Reset()
	if err := s.Beat(t.Context()); code(err) != readOnly {
		t.Fatalf("got %v; want that the server only reads", err)
	}
	sql("ALTER DATABASE " + database + " RESET default_transaction_read_only") // in a session from before
	for range 1 + s.opt.Conns {                                                // as many sessions as there may be
		err = s.Beat(t.Context())
	}
	if err != nil {
		t.Errorf("its sessions still only read: %v", err)
	}
}
