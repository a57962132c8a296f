package ledger

import (
	"context"
	"errors"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

// TestStoreSetBack: a store that has lost the last of what it had taken gets
// from the journal what that still has.
func TestStoreSetBack(t *testing.T) {
	ctx, sink := context.Background(), newMemSink()
	l := open(t, t.TempDir(), sink, quiet)
	appendRows(t, l, 1, 40)
	if err := l.Fold(ctx); err != nil {
		t.Fatal(err)
	}
	mark := sink.upto
	appendRows(t, l, 40, 90)
	if err := l.Fold(ctx); err != nil {
		t.Fatal(err)
	}
	sink.check(t, 89)
	sink.mu.Lock()
	for id := call.ID(40); id < 90; id++ {
		delete(sink.rows, id)
	}
	sink.upto = mark
	sink.before = func() error { return errors.New("the database has gone back") }
	sink.mu.Unlock()
	appendRows(t, l, 90, 100)
	if err := l.Fold(ctx); err == nil {
		t.Fatal("a fold that fails is none")
	}
	sink.before = nil
	if err := l.Fold(ctx); err != nil {
		t.Fatal(err)
	}
	sink.check(t, 99)
}
