package batch

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

type desk = store.Batches // which has a method of its name

// troubled is a store that fails now and then to look a batch up.
type troubled struct {
	desk
	mu    sync.Mutex
	fails func(b *call.Batch) bool
}

func (s *troubled) Batch(ctx context.Context, id string) (call.Batch, error) {
	b, err := s.desk.Batch(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.fails(&b) {
		return call.Batch{}, errors.New("the database is gone")
	}
	return b, err
}

// TestALookThatFails: a store that fails amid a chunk delays it, by seconds.
func TestALookThatFails(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	looks, failed := 0, make(chan struct{})
	o.store = &troubled{desk: o.store, fails: func(b *call.Batch) bool {
		if b.State == call.BatchRunning {
			looks++
		}
		if looks != 2 { // the first is before the chunk
			return false
		}
		looks++
		close(failed)
		return true
	}}
	v := o.order(lineset(3), "24h")
	begun := time.Now()
	o.work()
	select {
	case <-failed:
	case <-time.After(time.Minute):
		t.Fatal("nobody looks")
	}
	if v = o.until(v.ID, call.BatchCompleted); v.Counts.Completed != 3 {
		t.Errorf("%+v", v)
	}
	t.Logf("it took %s", time.Since(begun).Round(time.Second))
}

// TestOneBatchInTroubleHoldsUpNoOther: what nobody has queued is found, whatever
// is wrong with those before it.
func TestOneBatchInTroubleHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	bad := o.order(lineset(1), "24h")
	good, err := o.store.Batch(t.Context(), bad.ID)
	if err != nil {
		t.Fatal(err)
	}
	good.ID = "batch_good"
	if err := o.store.CreateBatch(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	o.store = &troubled{desk: o.store, fails: func(b *call.Batch) bool { return b.ID == bad.ID }}
	o.work()
	o.until(good.ID, call.BatchCompleted)
}
