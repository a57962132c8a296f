package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/store/pgtest"
	"github.com/signalbox-ai/signalbox/host/store/storetest"
)

// TestServerRestartsAmidLeasesAndFolds ends the server at once while two nodes
// spend, lease and fold, and starts it again: no row is lost or doubled, and what
// the bank has out is what was spent.
func TestServerRestartsAmidLeasesAndFolds(t *testing.T) {
	p, ctx, root := pgtest.NewPair(t), context.Background(), t.TempDir()
	noon := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	all := make([]*node, 2)
	books := make([]*ledger.Ledger, len(all))
	var rows atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range all {
		dir := filepath.Join(root, fmt.Sprint("node", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		n, err := openNode(ctx, dir, p.URL())
		if err != nil {
			t.Fatal(err)
		}
		all[i] = n
		books[i], err = ledger.Open(ctx, filepath.Join(dir, "journal"), n.store, ledger.Options{Segment: 64 << 10, Batch: 50, FoldEvery: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range all {
		for g := range keys / len(all) {
			k := i*keys/len(all) + g
			ch, err := n.chain(k)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				for id := call.ID(1_000_000*keys + k); ; id += keys {
					select {
					case <-stop:
						return
					case <-tick.C:
					}
					if !n.request(id, k, ch) {
						continue
					}
					r := storetest.Record(call.FirstID(noon)+id, 20)
					if err := books[i].Append(&r); err != nil {
						t.Error(err)
					}
					rows.Add(1)
				}
			})
		}
	}
	folded := func() { // some more, by each
		t.Helper()
		for i, l := range books {
			had := l.Stats().Folded
			for end := time.Now().Add(time.Minute); l.Stats().Folded < had+60; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("node %d folds nothing any more", i)
				}
			}
		}
	}
	folded()
	p.Restart()
	folded()
	close(stop)
	wg.Wait()
	for _, l := range books {
		if err := l.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	u, err := all[0].store.Usage(ctx, call.UsageQuery{})
	if err != nil || u.Rows[0].Requests != rows.Load() {
		t.Errorf("the ledger has %+v, %v; want %d requests", u.Rows, err, rows.Load())
	}
	found := map[call.ID]bool{}
	err = all[0].store.Requests(ctx, call.RequestsQuery{}, func(r *call.LedgerRow) error { found[r.ID] = true; return nil })
	if err != nil || int64(len(found)) != rows.Load() {
		t.Errorf("%d rows are there, %v; want %d", len(found), err, rows.Load())
	}
	compareNodes(t, all)
}
