package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// run is one worker's time with one chunk.
type run struct {
	*Desk
	batch *call.Batch
	step  call.Step
	token string
	chunk call.Chunk
	opt   Options

	looked   int // how often it was asked whether to go on
	requests sync.WaitGroup
	waits    atomic.Int64 // lines that could not be sent for now
	rest     atomic.Int64 // for how long, in ns
	broken   atomic.Pointer[wire.Error]
	failed   atomic.Pointer[error] // of the store
}

// all works on the chunk's lines; done: there is nothing left to do.
func (r *run) all(ctx context.Context) (done bool, again time.Duration, err error) {
	if r.batch.State != call.BatchRunning {
		return false, 0, nil
	}
	known, err := r.known(ctx)
	if err == nil {
		err = r.send(ctx, known)
	}
	r.requests.Wait()
	if f := r.failed.Load(); f != nil && err == nil {
		err = *f
	}
	if e := r.broken.Load(); e != nil && (err == nil || errors.Is(err, errHalted)) {
		return false, 0, r.end(ctx, e)
	}
	var tired resting
	switch {
	case errors.As(err, &tired):
		return false, tired.wait, nil
	case r.bg.Err() != nil, ctx.Err() != nil: // the gateway ends, or another has the chunk
		return false, soon, nil
	case errors.Is(err, errHalted):
		return false, 0, nil
	case err != nil:
		return false, 0, err
	case r.waits.Load() > 0:
		return false, max(time.Duration(r.rest.Load()), 200*time.Millisecond), nil
	}
	return true, 0, nil
}

// errHalted says that the batch is not to go on.
var errHalted = errors.New("the batch is halted")

// known returns the numbers of lines that need nothing any more. What was sent
// by one who died is decided here.
func (r *run) known(ctx context.Context) (map[int]bool, error) {
	known := map[int]bool{}
	const page = 64
	for from := r.chunk.First; from < r.chunk.First+r.chunk.Lines; {
		list, err := r.store.Lines(ctx, r.batch.ID, from, page)
		if err != nil {
			return nil, err
		}
		for _, l := range list {
			if from = l.Number + 1; l.Number >= r.chunk.First+r.chunk.Lines {
				break
			}
			if l.State == call.LineSent && !r.opt.Retry {
				known[l.Number] = false // it is to be told as interrupted
				continue
			}
			if l.State != call.LineSent {
				known[l.Number] = true
				continue
			}
			if _, err := r.notes.note(r.change(store.LineRetry, call.Line{Number: l.Number})); err != nil {
				return nil, err
			}
		}
		if len(list) < page {
			break
		}
	}
	return known, nil
}

func (r *run) change(what store.LineVerb, l call.Line) store.LineChange {
	return store.LineChange{Step: r.step, Token: r.token, What: what, Line: l}
}

// send reads the chunk's lines and has those sent that nobody has.
func (r *run) send(ctx context.Context, known map[int]bool) error {
	file, err := r.store.ReadFile(ctx, r.batch.Input, r.chunk.From)
	if err != nil {
		return err
	}
	defer file.Close()
	l := newLines(io.LimitReader(file, r.chunk.To-r.chunk.From), r.opt.MaxLine)
	for n := r.chunk.First; ; n++ {
		text, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		settled, seen := known[n]
		if settled || len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		var t task
		if err := json.Unmarshal(text, &t); err != nil {
			return fmt.Errorf("cannot read line %d of file %q: it has changed since it was looked through: %w", n, r.batch.Input, err)
		}
		if seen {
			err = r.interrupted(n, &t)
		} else {
			err = r.line(ctx, n, &t)
		}
		if err != nil {
			return err
		}
	}
}

var errInterrupted = &outError{Code: "interrupted",
	Message: "The gateway was interrupted after this request was sent, and its answer is lost. It may have been carried out, and is not sent twice."}

// interrupted tells of a line whose answer was lost.
func (r *run) interrupted(n int, t *task) error {
	out := outcome{ID: lineID(r.batch.ID, n), Custom: t.ID, Error: errInterrupted}
	_, err := r.notes.note(r.change(store.LineSettle, call.Line{Number: n, State: call.LineFailed, Out: out.json()}))
	r.figures.failed.Add(1)
	return err
}

// line has one line sent once it is its turn.
func (r *run) line(ctx context.Context, n int, t *task) error {
	model := modelOf(t.Body)
	turn, done := context.WithCancel(ctx)
	defer context.AfterFunc(r.bg, done)()
	defer done()
	p, err := r.paces.enter(turn, r.batch.Key, model, r.opt.Concurrency)
	if err != nil {
		return err
	}
	halted, err := r.halted(ctx)
	if err == nil && (halted || r.broken.Load() != nil) {
		err = errHalted
	}
	if err != nil {
		r.paces.leave(p, paceKept, model, r.batch.Key, "", 0)
		return err
	}
	one := *t
	r.requests.Go(func() { r.request(ctx, n, &one, p, model) })
	return nil
}

func modelOf(body json.RawMessage) string {
	var b struct {
		Model string `json:"model"`
	}
	_ = json.Unmarshal(body, &b) // it was looked at before
	return b.Model
}

// halted looks now and then whether the batch is to go on.
func (r *run) halted(ctx context.Context) (bool, error) {
	if time.Now().After(r.batch.Expires) {
		return true, nil
	}
	if r.looked++; r.looked%32 == 1 {
		b, err := r.store.Batch(ctx, r.batch.ID)
		if err != nil {
			return false, err
		}
		r.batch.State = b.State
	}
	return r.batch.State != call.BatchRunning, nil
}
