package postgres

import (
	"errors"
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
	const fill = `INSERT INTO node (id, number, name, version, epoch, started, seen, fenced)
		SELECT 'n' || i, i, '', '', 1, 1, $1::bigint, 0 FROM generate_series(1, 1023) i`
	now := millis(time.Now())
	if err := a.exec(t.Context(), fill, now); err != nil {
		t.Fatal(err)
	}
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
