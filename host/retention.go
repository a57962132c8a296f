package host

import (
	"context"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
)

const (
	retainFirst = time.Minute // after the start
	retainEvery = time.Hour
	retainRest  = 20 * time.Millisecond // between two steps, for who waits to fold
)

// retention takes from the store what the configuration lets go, in steps, in
// the background.
type retention struct {
	stop context.CancelFunc
	work sync.WaitGroup
}

func newRetention(h *Host) *retention {
	ctx, stop := context.WithCancel(context.Background())
	r := &retention{stop: stop}
	r.work.Go(func() {
		for wait := retainFirst; ; wait = retainEvery {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if err := h.retain(ctx, time.Now()); err != nil && ctx.Err() == nil {
				h.log.Error("cannot apply retention", "error", err, "retry", retainEvery)
			}
		}
	})
	return r
}

// Stop waits until the step in hand has ended. It tolerates nil.
func (r *retention) Stop() {
	if r != nil {
		r.stop()
		r.work.Wait()
	}
}

// retain takes all steps that are due at now.
func (h *Host) retain(ctx context.Context, now time.Time) error {
	c := h.gen.Load().cfg.Retention
	keep := call.Retention{Requests: c.Requests.Before(now), Hours: c.Hours.Before(now), Objects: c.Objects.Before(now),
		Keys: c.Keys.Before(now), Pledges: now.Add(-store.KeepPledges)}
	for more := true; more; {
		var err error
		if more, err = h.store.Retain(ctx, keep); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retainRest):
		}
	}
	return nil
}
