package host

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/signalbox-ai/signalbox/host/store"
)

// What of cancellations goes to the other gateways: callers can send many.
const (
	cancelsWaiting = 64
	cancelsASecond = 100
	cancelTimeout  = 5 * time.Second
)

// givenUp tells the other gateways of a store which calls of tools their callers
// have given up: any of them may be at work on one.
type givenUp struct {
	names chan string
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// tell returns what tells the others, nil: there are none.
func (x *givenUp) tell(s any, log *slog.Logger) func(name string) {
	to, ok := s.(store.Teller)
	if !ok {
		return nil
	}
	x.names = make(chan string, cancelsWaiting)
	var ctx context.Context
	ctx, x.stop = context.WithCancel(context.Background())
	x.done.Go(func() { x.run(ctx, to, log) })
	return func(name string) {
		select {
		case x.names <- name:
		default: // the protocol lets one be lost
		}
	}
}

func (x *givenUp) run(ctx context.Context, to store.Teller, log *slog.Logger) {
	pace := rate.NewLimiter(cancelsASecond, cancelsASecond)
	for pace.Wait(ctx) == nil {
		select {
		case <-ctx.Done():
			return
		case name := <-x.names:
			ctx, end := context.WithTimeout(ctx, cancelTimeout)
			if err := to.Tell(ctx, store.TopicCancels+name); err != nil {
				log.Debug("cannot tell the other gateways that a call of a tool is cancelled", "err", err)
			}
			end()
		}
	}
}

// close may be called twice, and where nothing is told.
func (x *givenUp) close() {
	if x.stop != nil {
		x.stop()
		x.done.Wait()
	}
}
