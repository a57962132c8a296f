package postgres

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

func TestNodesHaveNumbers(t *testing.T) {
	url := pgtest.New(t)
	a, b := open(t, url, "a"), open(t, url, "b")
	if a.Node().Number != 0 || b.Node().Number != 1 {
		t.Errorf("numbers %d and %d", a.Node().Number, b.Node().Number)
	}
	// One that starts again has its number, and the process before it, or with a
	// copy of its folder, may not go on.
	again := open(t, url, "a")
	if again.Node().Number != 0 || again.Node().Epoch != 2 {
		t.Errorf("it came back as %+v", again.Node())
	}
	if err := a.Beat(t.Context()); !errors.Is(err, store.ErrTaken) {
		t.Errorf("the copy's beat: %v", err)
	}
	if err := errors.Join(again.Beat(t.Context()), b.Beat(t.Context())); err != nil {
		t.Error(err)
	}
	if err := a.exec(t.Context(), "UPDATE node SET fenced = 1 WHERE id = 'b'"); err != nil {
		t.Fatal(err)
	}
	if err := b.Beat(t.Context()); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a fenced node's beat: %v", err)
	}
	list, err := a.Nodes(t.Context())
	if err != nil || len(list) != 2 || list[1].Fenced.IsZero() || list[1].Name != "b" {
		t.Errorf("nodes are %+v, %v", list, err)
	}
}

// TestNumbersRunOut fills all numbers: that of a node that was fenced long ago
// is given to the next.
func TestNumbersRunOut(t *testing.T) {
	url := pgtest.New(t)
	a := open(t, url, "a")
	now := millis(time.Now())
	fillNumbers(t, a, now)
	o := Options{Node: store.Node{ID: "late"}}
	f := func(seen, fenced int64, want error) {
		t.Helper()
		if err := a.exec(t.Context(), "UPDATE node SET seen = $1, fenced = $2 WHERE number = 7", seen, fenced); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), url, o)
		if !errors.Is(err, want) {
			t.Fatalf("got %v; want %v", err, want)
		}
		if err == nil {
			if s.Node().Number != 7 {
				t.Errorf("it got number %d", s.Node().Number)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	f(1, 0, store.ErrNumbers)   // silent, and may come back
	f(now, 1, store.ErrNumbers) // fenced, and may still run
	f(1, 1, nil)
	list, err := a.Nodes(t.Context())
	if err != nil || len(list) != 1025 || list[1024].ID != "n7" || list[1024].Number != -1 {
		t.Errorf("%d nodes, %v", len(list), err)
	}
}

// fillNumbers gives all numbers but a's to nodes that were seen at the time.
func fillNumbers(t *testing.T, a *Store, seen int64) {
	t.Helper()
	const fill = `INSERT INTO node (id, number, name, version, epoch, started, seen, fenced)
		SELECT 'n' || i, i, '', '', 1, 1, $1::bigint, 0 FROM generate_series(1, 1023) i`
	if err := a.exec(t.Context(), fill, seen); err != nil {
		t.Fatal(err)
	}
}

// TestNodeWhoseClockIsWrong: what a node with a clock an hour off writes and
// decides of nodes is by the clock that all share, the database's. That the
// database's is off instead comes to the same.
func TestNodeWhoseClockIsWrong(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		url := pgtest.New(t)
		a := open(t, url, "a")
		sql := func(query string, args ...any) {
			t.Helper()
			if err := a.exec(t.Context(), query, args...); err != nil {
				t.Fatal(err)
			}
		}
		sql(fmt.Sprintf("CREATE OR REPLACE FUNCTION now_ms() RETURNS bigint LANGUAGE sql AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + (%d)'", off.Milliseconds()))
		shared := time.Now().Add(off)
		near := func(what string, at time.Time) {
			t.Helper()
			if at.Before(shared.Add(-time.Minute)) || at.After(time.Now().Add(off+time.Minute)) {
				t.Errorf("the database's clock being off by %v, the node %s at %v; want about %v", off, what, at, shared)
			}
		}
		b := open(t, url, "b")
		near("takes itself to have started", b.Node().Started)
		near("takes itself to have been seen", b.Node().Seen)
		check := func() {
			t.Helper()
			list, err := a.Nodes(t.Context())
			if err != nil || len(list) != 2 {
				t.Fatalf("nodes are %+v, %v", list, err)
			}
			near("started", list[1].Started)
			near("was seen", list[1].Seen)
		}
		check()
		sql("UPDATE node SET seen = 1 WHERE id = 'b'")
		if err := b.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		check()
		sql("DELETE FROM node WHERE id = 'b'")
		fillNumbers(t, a, millis(shared))
		late := func(age time.Duration, want error) {
			t.Helper()
			sql("UPDATE node SET seen = now_ms() - $1, fenced = 1 WHERE number = 7", age.Milliseconds())
			s, err := Open(t.Context(), url, Options{Node: store.Node{ID: "late"}})
			if !errors.Is(err, want) {
				t.Fatalf("the database's clock being off by %v, the number of a node not seen for %v: %v; want %v", off, age, err, want)
			}
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		late(24*time.Hour-10*time.Minute, store.ErrNumbers) // fenced, and may still run
		late(24*time.Hour+10*time.Minute, nil)
	}
}
