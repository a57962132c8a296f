package batch

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// lead does what comes before and after all lines of a batch.
func (d *hand) lead(ctx context.Context, b *call.Batch) (done bool, again time.Duration, err error) {
	now := time.Now()
	switch {
	case b.Over():
		return true, 0, nil
	case b.State == call.BatchValidating:
		switch err := d.validate(ctx, b); {
		case errors.Is(err, errMoved):
			return false, soon, nil
		case err != nil:
			return false, 0, err
		case b.Native != nil:
			return d.native(ctx, b)
		case b.State == call.BatchFinalizing: // each of its lines is told why
			return false, soon / 8, nil
		}
		return false, 0, nil
	case b.Native != nil && b.Native.Stage != call.NativeOver:
		return d.native(ctx, b)
	case b.State == call.BatchRunning:
		left, err := d.undone(ctx, b.ID)
		if err != nil || left > 0 && !now.After(b.Expires) {
			return false, 0, err
		}
		*b, err = d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
			if b.State == call.BatchRunning {
				b.State, b.Finalizing = call.BatchFinalizing, now.UTC()
			}
			return nil
		})
		if err != nil {
			return false, 0, err
		}
	}
	if busy, err := d.busy(ctx, b.ID); err != nil || busy {
		return false, soon / 4, err
	}
	return d.over(ctx, b)
}

// undone is how many chunks with lines there are left of a batch.
func (d *Desk) undone(ctx context.Context, id string) (n int, err error) {
	chunks, err := d.store.Chunks(ctx, id)
	for _, c := range chunks {
		if c.Number != lead && !c.Done {
			n++
		}
	}
	return n, err
}

// busy reports whether anybody is still at a batch's lines.
func (d *Desk) busy(ctx context.Context, id string) (bool, error) {
	chunks, err := d.store.Chunks(ctx, id)
	for _, c := range chunks {
		if c.Number != lead && c.Node != "" {
			return true, err
		}
	}
	return false, err
}

// validate looks through the input file and begins the batch, or ends it.
func (d *hand) validate(ctx context.Context, b *call.Batch) error {
	opt := d.options()
	who, refused := d.gateway.Principal(b.Key)
	if refused != nil {
		return d.fail(ctx, b, []Fault{{Code: refused.Code, Message: refused.Message}})
	}
	r, err := d.store.ReadFile(ctx, b.Input, 0)
	if err != nil {
		if errors.Is(err, call.ErrNoFile) {
			return d.fail(ctx, b, []Fault{{Code: "file_not_found", Message: "The input file is not there any more."}})
		}
		return err
	}
	defer r.Close()
	var chunks []call.Chunk
	k := d.checker(who, endpoint(b.Endpoint), &opt)
	k.add = func(c call.Chunk) error {
		chunks = append(chunks, c)
		return nil
	}
	count, faults, err := k.check(r, b.ID)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return d.fail(ctx, b, faults)
	}
	if left, err := d.leave(ctx, b, who, count); left || err != nil {
		return err
	}
	return d.begin(ctx, b, count, chunks)
}

// checker looks through requests of who for e.
func (d *Desk) checker(who *call.Principal, e *Endpoint, opt *Options) *checker {
	return newChecker(e, opt, func(name string) *Fault {
		if err := d.gateway.Check(who, e, name); err != nil {
			return &Fault{Code: err.Code, Message: err.Message}
		}
		return nil
	})
}

// begin makes a batch that is in order ready for work.
func (d *Desk) begin(ctx context.Context, b *call.Batch, count int, chunks []call.Chunk) error {
	for from := 0; from < len(chunks); from += pageChunks {
		if err := d.store.AddChunks(ctx, chunks[from:min(from+pageChunks, len(chunks))]); err != nil {
			return err
		}
	}
	_, err := d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
		if b.State == call.BatchValidating {
			b.State, b.Begun, b.Lines = call.BatchRunning, time.Now().UTC(), int64(count)
		}
		return nil
	})
	if err != nil {
		return err
	}
	opt := d.options()
	var steps []call.Step
	for _, c := range chunks[:min(len(chunks), opt.window())] {
		steps = append(steps, call.Step{Batch: b.ID, Chunk: c.Number})
	}
	return d.store.Enqueue(ctx, steps)
}

const pageChunks = 200

// fail ends a batch that could not begin. Where it is known how many requests
// it has, each is told why.
func (d *Desk) fail(ctx context.Context, b *call.Batch, faults []Fault) error {
	text, err := json.Marshal(faults)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	*b, err = d.store.ChangeBatch(ctx, b.ID, func(b *call.Batch) error {
		switch {
		case b.State != call.BatchValidating:
		case b.Lines > 0:
			b.State, b.Finalizing, b.Faults = call.BatchFinalizing, now, text
		default:
			b.State, b.Broken, b.Faults = call.BatchFailed, now, text
		}
		return nil
	})
	return err
}
