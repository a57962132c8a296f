package batch

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// lead is the number of the chunk that is what goes before and after all lines.
const lead = -1

// soon is after what time a step is looked at again that another is at, or
// that cannot go on now.
const soon = 2 * time.Second

// window is how many chunks of one batch wait in the queue at a time, so that
// a long batch does not keep the others waiting.
func (o *Options) window() int { return 2 * o.Workers }

// step works on one step of the queue, as store.Queue wants it.
func (d *Desk) step(ctx context.Context, s call.Step) (again time.Duration, err error) {
	token := rand.Text()
	c, ok, err := d.store.TakeChunk(ctx, s, token, lease)
	switch {
	case err != nil || c.Done:
		return 0, err
	case !ok: // another has it, or had it until it died
		return soon, nil
	}
	b, err := d.store.Batch(ctx, s.Batch)
	if err != nil {
		return 0, ignore(err, call.ErrNoBatch)
	}
	ctx, held := d.hold(ctx, s, token)
	defer held()
	done := false
	defer func() {
		left, lerr := d.store.LeaveChunk(context.WithoutCancel(ctx), s, token, done)
		if err = errors.Join(err, lerr); err == nil && done {
			err = d.onward(context.WithoutCancel(ctx), &b, s, left)
		}
	}()
	if s.Chunk == lead {
		done, again, err = (&hand{d, token}).lead(ctx, &b)
		return again, err
	}
	run := &run{Desk: d, batch: &b, step: s, token: token, chunk: c, opt: d.options()}
	done, again, err = run.all(ctx)
	return again, err
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

// onward queues what comes after a chunk that is done.
func (d *Desk) onward(ctx context.Context, b *call.Batch, s call.Step, left int) error {
	if s.Chunk == lead {
		return nil
	}
	opt := d.options()
	next := []call.Step{{Batch: b.ID, Chunk: s.Chunk + opt.window()}}
	if left == 0 {
		next[0].Chunk = lead
	}
	return d.store.Enqueue(ctx, next)
}

// hold keeps the chunk held until the function that it returns is called. The
// context ends when another has it by now.
func (d *Desk) hold(ctx context.Context, s call.Step, token string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(lease / 4)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			ok, err := d.store.HoldChunk(ctx, s, token, lease)
			if err != nil && ctx.Err() == nil {
				d.log.Warn("cannot hold a part of a batch", "batch", s.Batch, "part", s.Chunk, "err", err)
			}
			if err == nil && !ok {
				cancel()
				return
			}
		}
	}()
	return ctx, func() { cancel(); <-ended }
}

// sweep looks for what nobody works on: steps that were lost, batches whose
// time is over, files that have expired.
func (d *Desk) sweep(ctx context.Context) {
	full := time.Time{}
	for {
		every := time.Since(full) > time.Minute
		if every {
			full = time.Now()
		}
		if err := d.tidy(ctx, every); err != nil && ctx.Err() == nil {
			d.log.Error("cannot look after batches", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(look):
		}
	}
}

func (d *Desk) tidy(ctx context.Context, every bool) error {
	ids, err := d.store.Unfinished(ctx, "")
	if err != nil {
		return err
	}
	d.figures.open.Store(int64(len(ids)))
	orphans, err := d.store.Orphans(ctx)
	if err == nil && len(orphans) > 0 {
		err = d.store.Enqueue(ctx, orphans)
	}
	if err != nil {
		return err
	}
	for _, id := range ids { // what is wrong with one does not hold up the others
		err = errors.Join(err, d.resume(ctx, id, every))
	}
	if every {
		err = errors.Join(err, d.prune(ctx, time.Now()))
	}
	return err
}

// resume queues what is to be done on a batch next.
func (d *Desk) resume(ctx context.Context, id string, every bool) error {
	b, err := d.store.Batch(ctx, id)
	if err != nil {
		return ignore(err, call.ErrNoBatch)
	}
	if b.State != call.BatchRunning || time.Now().After(b.Expires) {
		return d.store.Enqueue(ctx, []call.Step{{Batch: id, Chunk: lead}})
	}
	if !every {
		return nil
	}
	chunks, err := d.store.Chunks(ctx, id)
	if err != nil {
		return err
	}
	opt := d.options()
	var steps []call.Step
	for _, c := range chunks {
		if c.Number != lead && !c.Done && len(steps) < opt.window() {
			steps = append(steps, call.Step{Batch: id, Chunk: c.Number})
		}
	}
	if len(steps) == 0 {
		steps = append(steps, call.Step{Batch: id, Chunk: lead})
	}
	return d.store.Enqueue(ctx, steps)
}

func (d *Desk) prune(ctx context.Context, now time.Time) error {
	for more := true; more; {
		var err error
		if more, err = d.store.PruneFiles(ctx, now); err != nil {
			return err
		}
	}
	for more := true; more; {
		var err error
		if more, err = d.store.PruneBatches(ctx, now.Add(-d.options().KeepBatches)); err != nil {
			return err
		}
	}
	return nil
}
