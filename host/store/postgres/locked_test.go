package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
)

// TestLockedLedger holds a lock on the ledger's table while rows come in, and
// then rewrites the table under more of them: what else is asked is answered,
// and no row is lost.
func TestLockedLedger(t *testing.T) {
	url, ctx := pgtest.New(t), context.Background()
	s, err := Open(ctx, url, Options{Node: store.Node{ID: "n"}, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other := open(t, url, "other")
	opts := small
	opts.FoldEvery = time.Hour // by hand
	l, err := ledger.Open(ctx, t.TempDir(), s, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(ctx)
	n := int64(0)
	add := func(rows int) {
		t.Helper()
		for range rows {
			n++
			r := crashRow(n)
			if err := l.Append(&r); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(20)
	folds(t, l)
	tx, err := other.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "LOCK TABLE request IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	for range breakAfter + 1 {
		add(10)
		if err := l.Fold(ctx); code(err) != lockNotAvailable {
			t.Errorf("folding into a locked table: %v; want that the lock cannot be had", err)
		}
	}
	if _, err := s.Owns(ctx, "p", "t", []string{"a"}); err != nil {
		t.Errorf("what has nothing to do with the ledger: %v", err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	folds(t, l)
	done := make(chan error, 1)
	go func() {
		_, err := bare(t, url).pool.Exec(ctx, "VACUUM FULL request")
		done <- err
	}()
	for vacuumed := false; !vacuumed; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			vacuumed = true
		default:
		}
		add(20)
		if err := s.Beat(ctx); err != nil {
			t.Errorf("while the table is rewritten: %v", err)
		}
		_ = l.Fold(ctx) // it may find the table locked
	}
	folds(t, l)
	whole(t, s, n)
}
