package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Native has providers carry out batches of their own.
type Native interface {
	// Plan tells what would be sent of a request, and to whom. An error is what
	// becomes of the request.
	Plan(r *Request) (Plan, *wire.Error)
	// Do asks a provider something about files or batches.
	Do(ctx context.Context, e *Errand) ([]byte, *wire.Error)
	// Books are where it is paid.
	Books() Books
}

// Books keep the money of batches that providers carry out.
type Books interface {
	// Reserve keeps what the groups need of their budgets, of all or of none, for
	// as long as it takes.
	Reserve(ctx context.Context, batch string, groups []Group) *wire.Error
	// Redeem ends a reservation, made or not, at what was spent of it, by unit.
	Redeem(ctx context.Context, id call.ID, spent [3]int64) error
	// Book puts a row into the ledger, where its id counts once.
	Book(b *call.Batch, r *Row) error
}

// Plan is a request as it would be sent.
type Plan struct {
	ID, Reservation call.ID // of its row, and of the reservation if it is the first of a group
	Not             string  // why no provider's batch can have it, "": one can
	Provider        string
	Shape           Shape  // of its batches
	Asked, Target   string // model
	Chain           any    // comparable: the budgets that hold for it
	Need            [3]int64
	Price           *call.Price
	Body            []byte // in the shape's dialect, where that has one
}

// Group is what one reservation is for.
type Group struct {
	ID    call.ID
	Chain any
	Need  [3]int64
}

// Row is a line's in the ledger.
type Row struct {
	ID            call.ID
	Asked, Target string
	Status        int
	Class         wire.Class
	Code          string
	Usage         wire.Usage
	Cost          int64 // nano-dollars
	Estimated     bool
}

// Errand is something to be asked of a provider.
type Errand struct {
	Provider, Batch string
	Op              wire.Op
	Dialect         wire.Dialect
	Method, Path    string // as Ask has them
	Body            []byte
	File            *Sent     // in place of Body, nil: none
	Into            io.Writer // takes the answer, nil: it is returned
}

// Sent is a file on its way to a provider.
type Sent struct {
	Name string
	Type string // of a body that it is all of, "": it is sent in a form
	Size int64
	Open func(from int64) (io.ReadCloser, error)
}

// hand is a worker that holds what goes before and after all lines of a batch,
// and with it all that is done at a provider.
type hand struct {
	*Desk
	token string
}

// errMoved says that another works on the batch by now.
var errMoved = errors.New("the batch has been worked on by another")

// move brings the batch to another stage, unless another has, has planned it
// anew or has asked the provider for it.
func (d *hand) move(ctx context.Context, b *call.Batch, change func(*call.Batch)) error {
	was, plan, asked := b.Native.Stage, b.Native.Input, b.Native.Asked
	now, err := d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
		if b.Native == nil || b.Native.Stage != was || b.Native.Input != plan || !b.Native.Asked.Equal(asked) {
			return errMoved
		}
		change(b)
		return nil
	})
	if err == nil {
		*b = now
	}
	return err
}

// giveUp is how long after its window a provider is still waited for.
const giveUp = 24 * time.Hour

// givenUp reports whether b's provider is not waited for any more.
func givenUp(b *call.Batch) bool { return time.Now().After(b.Expires.Add(giveUp)) }

// native goes on with a batch that a provider carries out.
func (d *hand) native(ctx context.Context, b *call.Batch) (done bool, again time.Duration, err error) {
	if shapeOf(b.Native) == nil {
		return false, 0, fmt.Errorf("cannot go on with batch %q at provider %q: this version does not know batches of shape %q", b.ID, b.Native.Provider, b.Native.Shape)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(d.bg, cancel)()
	defer cancel()
	for err == nil && again == 0 && b.Native != nil && b.Native.Stage != call.NativeOver {
		switch b.Native.Stage {
		case call.NativeReserving: // whoever was at it has died
			return false, soon / 8, d.void(ctx, b, func(b *call.Batch) { b.Native, b.State = nil, reopened(b) })
		case call.NativeUploading:
			again, err = d.uploadTo(ctx, b)
		case call.NativeCreating:
			again, err = d.createAt(ctx, b)
		case call.NativeWaiting:
			again, err = d.poll(ctx, b)
		default:
			again, err = d.fetch(ctx, b)
		}
	}
	switch {
	case d.bg.Err() != nil, errors.Is(err, errMoved):
		return false, soon, nil
	case err != nil, again > 0:
		return false, again, err
	case b.Native == nil: // the gateway does it, after all
		return false, soon / 8, nil
	}
	return d.over(ctx, b)
}

// reopened is the state of a batch that is looked through anew.
func reopened(b *call.Batch) string {
	if b.State == call.BatchRunning {
		return call.BatchValidating
	}
	return b.State
}

// void gives back all that is reserved: nothing has been carried out. Before
// that is given back it is noted, so that nobody goes on without it.
func (d *hand) void(ctx context.Context, b *call.Batch, change func(*call.Batch)) error {
	if b.Native.Stage != call.NativeReserving {
		if err := d.move(ctx, b, func(b *call.Batch) { b.Native.Stage = call.NativeReserving }); err != nil {
			return err
		}
	}
	for _, g := range b.Native.Groups {
		if err := d.natives.Books().Redeem(ctx, g.ID, [3]int64{}); err != nil {
			return err
		}
	}
	file := b.Native.Input
	if err := d.move(ctx, b, change); err != nil {
		return err
	}
	return ignore(d.store.DeleteFile(ctx, keeper, file), call.ErrNoFile)
}

// refused ends a batch that its provider does not take: the gateway carries it
// out, unless the caller has asked for the provider alone.
func (d *hand) refused(ctx context.Context, b *call.Batch, f Fault) error {
	if b.Cancelling.IsZero() {
		d.log.Warn("a provider does not take a batch", "batch", b.ID, "provider", b.Native.Provider, "code", f.Code, "message", f.Message, "mode", b.Mode)
	}
	text, err := json.Marshal([]Fault{f})
	if err != nil {
		return err
	}
	return d.void(ctx, b, func(b *call.Batch) {
		switch {
		case !b.Cancelling.IsZero():
			b.Native.Stage = call.NativeOver
		case b.Mode == call.BatchAuto:
			b.Mode, b.State, b.Native, b.Why = call.BatchGateway, reopened(b), nil, "provider "+b.Native.Provider+" has refused it: "+f.Message
		default:
			b.Native.Stage, b.Faults = call.NativeOver, text
		}
	})
}

// passing reports whether an error may be another next time.
func passing(e *wire.Error) bool {
	return e.Status == 408 || e.Status == 409 || e.Status == 425 || e.Status == 429 || e.Status >= 500
}

// rest is for how long a provider that cannot answer is left alone.
func rest(e *wire.Error) time.Duration {
	return min(max(e.RetryAfter, soon), time.Minute)
}

// trouble is what to do about an error of the provider that may pass, while
// nothing has been carried out.
func (d *hand) trouble(ctx context.Context, b *call.Batch, e *wire.Error) (time.Duration, error) {
	if d.bg.Err() != nil || ctx.Err() != nil {
		return soon, nil
	}
	if passing(e) && time.Now().Before(b.Expires) && b.Cancelling.IsZero() {
		d.log.Warn("a provider cannot take a batch now", "batch", b.ID, "provider", b.Native.Provider, "err", e)
		return rest(e), nil
	}
	return 0, d.refused(ctx, b, Fault{Code: e.Code, Message: e.Message})
}
