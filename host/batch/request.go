package batch

import (
	"context"
	"encoding/json"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// request makes the request of line n and notes what came of it.
func (r *run) request(ctx context.Context, n int, t *task, p *pace, model string) {
	who, refused := r.gateway.Principal(r.batch.Key)
	if refused != nil {
		r.broken.CompareAndSwap(nil, refused)
		r.paces.leave(p, paceKept, model, r.batch.Key, "", 0)
		return
	}
	begun := false
	e := endpoint(r.batch.Endpoint)
	reply, err := r.gateway.Ask(ctx, &Request{Endpoint: e, Principal: who, Batch: r.batch.ID, Body: t.Body, Model: lacking(model, e)}, func() *wire.Error {
		ok, err := r.notes.note(r.change(store.LineBegin, call.Line{Number: n}))
		switch {
		case err != nil:
			r.fail(err)
			return errUnnoted
		case !ok:
			return errTaken
		}
		begun = true
		return nil
	})
	rest, v := judge(&reply, err)
	r.paces.leave(p, v, model, r.batch.Key, reply.Provider, rest)
	switch {
	case err == errTaken: // another has the chunk by now
	case err == errUnnoted, err != nil && v != paceKept && v != paceFaster, err != nil && !begun && ctx.Err() != nil:
		r.later(n, begun, rest)
	case err != nil && begun && ctx.Err() != nil: // it was sent, and who comes next decides
	default:
		r.note(n, t, e, &reply, err)
	}
}

// lacking is the model of a request whose body has none.
func lacking(model string, e *Endpoint) string {
	if model != "" {
		return ""
	}
	return e.Model
}

var (
	errUnnoted = wire.Errorf(503, "store_unavailable", "the request could not be noted before it was sent")
	errTaken   = wire.Errorf(409, "batch_taken", "another works on this part of the batch")
)

// fail keeps the first error of the store.
func (r *run) fail(err error) { r.failed.CompareAndSwap(nil, &err) }

// judge tells what an answer says of the pace, and for how long to rest.
func judge(reply *Reply, err *wire.Error) (rest time.Duration, v verdict) {
	switch {
	case err == nil:
		return 0, paceFaster
	case err == errTaken, err == errUnnoted, err.Class == wire.ClassQuota:
		return 0, paceKept
	case err.Status != 429 && err.Status != 503 && err.Status != 529:
		return 0, paceKept
	}
	if rest = err.RetryAfter; rest <= 0 {
		rest = time.Second
	}
	if err.Status == 429 && reply.Provider == "" {
		return rest, keyRests
	}
	return rest, paceSlower
}

// later leaves a line that was refused for now as if it had not been tried.
func (r *run) later(n int, begun bool, rest time.Duration) {
	if begun {
		if _, err := r.notes.note(r.change(store.LineUndo, call.Line{Number: n})); err != nil {
			r.fail(err)
		}
	}
	r.waits.Add(1)
	r.figures.waits.Add(1)
	for {
		now := r.rest.Load()
		if int64(rest) <= now || r.rest.CompareAndSwap(now, int64(rest)) {
			return
		}
	}
}

// note keeps what came of a line.
func (r *run) note(n int, t *task, e *Endpoint, reply *Reply, err *wire.Error) {
	l := call.Line{Number: n, State: call.LineDone, Cost: reply.Cost}
	out := outcome{ID: lineID(r.batch.ID, n), Custom: t.ID, Response: &outResponse{Status: reply.Status, Request: reply.ID, Body: reply.Body}}
	if err != nil {
		l.State = call.LineFailed
		out.Response.Status, out.Response.Body = err.Status, wire.AppendError(nil, e.Dialect, err, reply.ID)
	}
	l.Out = out.json()
	if _, err := r.notes.note(r.change(store.LineEnd, l)); err != nil {
		r.fail(err)
		return
	}
	if l.State == call.LineDone {
		r.figures.done.Add(1)
	} else {
		r.figures.failed.Add(1)
	}
}

// end stops a batch whose key is not good any more.
func (r *run) end(ctx context.Context, e *wire.Error) error {
	faults, err := json.Marshal([]Fault{{Code: e.Code, Message: "The key that made this batch is not good any more: " + e.Message}})
	if err != nil {
		return err
	}
	_, err = r.store.ChangeBatch(ctx, r.batch.ID, func(b *call.Batch) error {
		if b.State == call.BatchRunning {
			b.State, b.Finalizing, b.Faults = call.BatchFinalizing, time.Now().UTC(), faults
		}
		return nil
	})
	if err == nil {
		err = r.store.Enqueue(ctx, []call.Step{{Batch: r.batch.ID, Chunk: lead}})
	}
	return err
}
