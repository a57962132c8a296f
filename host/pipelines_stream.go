package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// runWriter writes what a run tells as server-sent events.
type runWriter interface {
	// step is told of the steps, chunk of what the last one says.
	step(dst []byte, rec *pipeline.StepRecord) []byte
	chunk(dst, data []byte) ([]byte, error)
	// end is told of the end of a run that has succeeded.
	end(dst []byte, rec *pipeline.Record) ([]byte, *wire.Error)
	// fail ends what has begun.
	fail(dst []byte, f *flight, err *wire.Error) []byte
}

// runStream is a run whose answer streams. The run has its own goroutine, which
// ends before Close returns.
type runStream struct {
	host   *Host
	f      *flight
	writer runWriter

	cancel context.CancelFunc
	events chan []byte   // ready to be sent
	over   chan struct{} // closed when the run has ended: rec and err are set then
	rec    *pipeline.Record
	err    *wire.Error
	first  []byte // an event that has been waited for

	mu sync.Mutex // of writer
}

// streamQueue is how many events wait for a caller who reads slowly, before the
// run does.
const streamQueue = 16

var errCallerLeft = errors.New("the caller has left")

// streamRun begins a run whose answer streams. It waits for the first event, so
// that what fails before is answered as an error.
func (h *Host) streamRun(f *flight, p *pipelineModel, inputs map[string]any, w runWriter) (call.Answer, *wire.Error) {
	ctx, cancel := f.untilGone(p.Deadline()) // what waits for a slow reader ends then, too
	s := &runStream{host: h, f: f, writer: w, cancel: cancel, events: make(chan []byte, streamQueue), over: make(chan struct{})}
	go s.run(ctx, p, inputs)
	select {
	case s.first = <-s.events:
	case <-s.over:
		if s.err != nil {
			cancel()
			return call.Answer{}, h.leavePipeline(f, s.rec, s.err)
		}
	}
	return call.Answer{Status: 200, ContentType: "text/event-stream", Stream: s}, nil
}

func (s *runStream) run(ctx context.Context, p *pipelineModel, inputs map[string]any) {
	defer close(s.over)
	watch := pipeline.Watch{Panic: s.host.stepPanicked(s.f),
		Step: func(rec *pipeline.StepRecord) {
			s.mu.Lock()
			out := s.writer.step(nil, rec)
			s.mu.Unlock()
			_ = s.send(ctx, out) // a caller who has left ends the run by ctx
		},
		Chunk: func(data []byte) error {
			s.mu.Lock()
			out, err := s.writer.chunk(nil, data)
			s.mu.Unlock()
			if err != nil {
				return err
			}
			return s.send(ctx, out)
		},
	}
	s.rec, s.err = p.Run(ctx, s.f.ID.String(), inputs, &stepCaller{host: s.host, f: s.f, p: p}, watch)
}

func (s *runStream) send(ctx context.Context, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	select {
	case s.events <- b:
		return nil
	case <-ctx.Done():
		return errCallerLeft
	}
}

// WriteTo implements call.Stream.
func (s *runStream) WriteTo(w io.Writer) (n int64, err error) {
	write := func(b []byte) {
		if err == nil && len(b) > 0 {
			var m int
			m, err = w.Write(b)
			n += int64(m)
		}
	}
	write(s.first)
	for running := true; running && err == nil; {
		select {
		case b := <-s.events:
			write(b)
		case <-s.over:
			running = false
		}
	}
	if err != nil {
		return n, err
	}
	for len(s.events) > 0 { // nothing adds to them any more
		write(<-s.events)
	}
	var last []byte
	failed := s.err
	if why := s.f.Gone.Why(); why != nil {
		failed = why
	}
	if failed == nil {
		last, failed = s.writer.end(nil, s.rec)
	}
	if failed = s.host.leavePipeline(s.f, s.rec, failed); failed != nil {
		write(s.writer.fail(nil, s.f, failed))
		return n, failed
	}
	write(append(dispatch.AppendSummary([]byte(": signalbox "), &s.f.Call), "\n\n"...))
	write(last)
	return n, err
}

// Close implements call.Stream.
func (s *runStream) Close() error {
	s.cancel()
	<-s.over
	if !s.f.finished {
		err := s.err
		if why := s.f.Gone.Why(); why != nil {
			err = why
		}
		if err == nil {
			err = wire.Errorf(499, "client_closed_request", "the caller closed the connection before all was written")
			err.Class = wire.ClassNetwork
		}
		_ = s.host.leavePipeline(s.f, s.rec, err) // nobody is there to be told
	}
	return nil
}

// runEvents are those of /v1/pipelines: step, delta, run, error.
type runEvents struct{}

func appendEvent(dst []byte, name string, data []byte) []byte {
	dst = append(append(append(dst, "event: "...), name...), "\ndata: "...)
	return append(append(dst, data...), "\n\n"...)
}

func (*runEvents) step(dst []byte, rec *pipeline.StepRecord) []byte {
	data, err := json.Marshal(rec)
	if err != nil {
		return dst // a record has nothing that JSON has no form for
	}
	return appendEvent(dst, "step", data)
}

func (*runEvents) chunk(dst, data []byte) ([]byte, error) {
	text := pipeline.ChunkText(data)
	if text == "" {
		return dst, nil
	}
	data, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		return dst, err
	}
	return appendEvent(dst, "delta", data), nil
}

func (*runEvents) end(dst []byte, rec *pipeline.Record) ([]byte, *wire.Error) {
	data, err := rec.Append(nil)
	if err != nil {
		return dst, err
	}
	return appendEvent(dst, "run", data), nil
}

func (*runEvents) fail(dst []byte, f *flight, err *wire.Error) []byte {
	return appendEvent(dst, "error", wire.AppendError(nil, f.Dialect, err, f.ID.String()))
}

// chatEvents are those of a chat, in the caller's dialect.
type chatEvents struct {
	translation wire.StreamTranslation // nil: the caller speaks OpenAI's
	head        pipeline.Chunk         // of each
	usage       bool                   // the caller wants to be told
	begun       bool
}

func (*chatEvents) step(dst []byte, _ *pipeline.StepRecord) []byte { return dst }

func (c *chatEvents) chunk(dst, data []byte) ([]byte, error) {
	data, err := c.head.Of(data)
	if err != nil || data == nil {
		return dst, err
	}
	return c.event(dst, data)
}

func (c *chatEvents) event(dst, data []byte) ([]byte, error) {
	c.begun = true
	if c.translation != nil {
		return c.translation.Event(dst, "", data)
	}
	return append(append(append(dst, "data: "...), data...), "\n\n"...), nil
}

func (c *chatEvents) end(dst []byte, rec *pipeline.Record) ([]byte, *wire.Error) {
	add := func(data []byte) (err error) {
		dst, err = c.event(dst, data)
		return err
	}
	if !c.begun {
		if err := rec.AppendChunks(add); err != nil {
			return dst, err
		}
	}
	if c.usage {
		data, err := rec.UsageChunk()
		if err != nil {
			return dst, err
		}
		if err := add(data); err != nil {
			return dst, asWire(err)
		}
	}
	if c.translation == nil {
		return append(dst, "data: [DONE]\n\n"...), nil
	}
	if err := add([]byte("[DONE]")); err != nil {
		return dst, asWire(err)
	}
	dst, err := c.translation.Finish(dst)
	if err != nil {
		return dst, asWire(err)
	}
	return dst, nil
}

func (c *chatEvents) fail(dst []byte, f *flight, err *wire.Error) []byte {
	if c.translation != nil {
		return wire.AppendStreamError(dst, c.translation, f.Dialect, err, f.ID.String())
	}
	return wire.AppendErrorEvent(dst, f.Dialect, err, f.ID.String())
}
