package host

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/ledger"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/store/sqlite"
)

// TestSlowExportsHoldNothing: however many read their export slowly, the ledger
// can be asked, and what they get is whole.
func TestSlowExportsHoldNothing(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	s, err := sqlite.Open(ctx, "sqlite:"+filepath.Join(dir, "s.db"), sqlite.Options{Node: store.Node{ID: "n"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := ledger.Open(ctx, filepath.Join(dir, "journal"), s, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(context.Background())
	const rows, exports = page + 10, 4
	begin := call.FirstID(time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC))
	for i := range rows {
		if err := l.Append(&call.Record{ID: begin + call.ID(i), KeyName: "k", Status: 200}); err != nil {
			t.Fatal(err)
		}
	}
	b := books{&Host{store: s, ledger: l}}
	reads, asked, done := make(chan bool, exports), make(chan struct{}), make(chan int, exports)
	for range exports {
		go func() {
			n := 0
			err := b.Requests(ctx, call.RequestsQuery{}, func(*call.LedgerRow) error {
				if n++; n == 1 {
					reads <- true
					<-asked
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			done <- n
		}()
	}
	for range exports {
		select {
		case <-reads:
		case <-time.After(time.Minute):
			t.Fatal("an export waits for others that are read slowly")
		}
	}
	if u, err := b.Usage(ctx, call.UsageQuery{}); err != nil || u.Rows[0].Requests != rows {
		t.Errorf("usage: %+v, %v", u.Rows, err)
	}
	close(asked)
	for range exports {
		if n := <-done; n != rows {
			t.Errorf("an export has %d rows; want %d", n, rows)
		}
	}
}
