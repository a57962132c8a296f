package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/storetest"
)

// TestFoldingGoesOnAfterRestartAndFailover has rows come and go in without rest
// while the server crashes and starts again, and then while its standby takes over.
func TestFoldingGoesOnAfterRestartAndFailover(t *testing.T) {
	p, ctx := pgtest.NewPair(t), context.Background()
	s, err := Open(ctx, p.URL(), Options{Node: store.Node{ID: "child"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := openJournal(t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan int64)
	go func() {
		n := int64(0)
		defer func() { done <- n }()
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				n++
				r := crashRow(n)
				if err := l.Append(&r); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	folded := func() { // some more
		t.Helper()
		had := l.Stats().Folded
		for end := time.Now().Add(3 * time.Minute); l.Stats().Folded < had+100; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("nothing is folded any more")
			}
		}
	}
	folded()
	p.Restart()
	folded()
	p.Failover()
	folded()
	close(stop)
	n := <-done
	folds(t, l)
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	whole(t, s, n)
}

// folds folds what l has, once the breaker lets it.
func folds(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := l.Fold(context.Background())
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestStandbyThatLacksTheLast sets the database back, as one does that has lagged
// behind and takes over: the last rows are not there, nor the number of a key,
// which then goes to another.
func TestStandbyThatLacksTheLast(t *testing.T) {
	url, ctx := pgtest.New(t), context.Background()
	s, other := open(t, url, "child"), open(t, url, "other")
	opts := small
	opts.FoldEvery = time.Hour
	l, err := ledger.Open(ctx, t.TempDir(), s, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(ctx)
	add := func(from, to int64, key string) {
		t.Helper()
		for n := from; n < to; n++ {
			r := crashRow(n)
			r.KeyName = key
			if err := l.Append(&r); err != nil {
				t.Fatal(err)
			}
		}
	}
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := other.pool.Exec(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	add(1, 20, "old")
	folds(t, l)
	upto, _, err := s.Folded(ctx)
	if err != nil {
		t.Fatal(err)
	}
	add(20, 60, "new")
	folds(t, l)
	run("DELETE FROM request WHERE principal IN (SELECT id FROM principal WHERE key_name = 'new')")
	run("DELETE FROM hour WHERE principal IN (SELECT id FROM principal WHERE key_name = 'new')")
	run("UPDATE principal SET key_name = 'stranger' WHERE key_name = 'new'")
	run("UPDATE ledger_mark SET journal = $1", upto)
	add(60, 100, "new")
	folds(t, l)
	whole(t, s, 99)
	u, err := s.Usage(ctx, call.UsageQuery{By: []string{"key"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, r := range u.Rows {
		got[r.Keys[0]] = r.Requests
	}
	if len(got) != 2 || got["old"] != 19 || got["new"] != 80 {
		t.Errorf("requests by key: %v; want 19 of old, 80 of new", got)
	}
}

// TestWatchTellsChangesApart: a change that a standby has lost, and another made
// after it has taken over, are not the same one.
func TestWatchTellsChangesApart(t *testing.T) {
	s := open(t, pgtest.New(t), "n")
	w := &watcher{s: s}
	told := 0
	w.changed = func(string) { told++ }
	look := func(want int) {
		t.Helper()
		err := s.use(t.Context(), func(ctx context.Context, c *pgxpool.Conn) error { return w.look(ctx, c.Conn()) })
		if err != nil || told != want {
			t.Errorf("told %d times, %v; want %d", told, err, want)
		}
	}
	look(1)
	put := func(name string) {
		t.Helper()
		if _, err := s.PutDocument(t.Context(), call.Document{Kind: "team", Name: name, Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	put("lost")
	look(2)
	if err := s.exec(t.Context(), "DELETE FROM change"); err != nil {
		t.Fatal(err)
	}
	put("made")
	look(3)
	look(3)
}

// TestPlainRole opens and uses the store as a role that may do no more than
// own what it makes in a schema of its own.
func TestPlainRole(t *testing.T) {
	ctx, url := context.Background(), pgtest.NewAs(t, "plain")
	s := open(t, url, "n")
	row := storetest.Record(call.FirstID(noon)+1, 50)
	for range 2 { // the second time by way of a table for the time being
		if err := s.Fold(ctx, 1, []call.Record{row}, true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Retain(ctx, call.Retention{Requests: noon.AddDate(0, 0, 5), Hours: noon.AddDate(0, 0, 5)}); err != nil {
		t.Fatal(err)
	}
	u, err := s.Usage(ctx, call.UsageQuery{})
	if err != nil || u.Rows[0].Requests != 1 {
		t.Errorf("usage is of %+v, %v; want one request", u.Rows, err)
	}
}
