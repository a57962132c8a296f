package main

import (
	"context"
	"errors"
	"os"

	"github.com/signalbox-ai/signalbox/sdk/provider"
	"github.com/valyala/fastjson"
)

// format writes chat answers in one dialect.
type format interface {
	// read takes what only this dialect has from a request.
	read(a *ask, body *fastjson.Value) error
	// whole appends a complete answer.
	whole(dst []byte, id string, a *ask, o *answer) []byte
	// events returns the streamed answer.
	events(id string, a *ask, o *answer) script
}

// script is a streamed answer: complete events in sending order. marks cut it
// into what comes before the pieces, the pieces, and what comes after them.
type script struct {
	buf   []byte
	marks []int
}

// mark ends a piece, or what comes before the first.
func (s *script) mark() { s.marks = append(s.marks, len(s.buf)) }

func (s *script) head() []byte       { return s.buf[:s.marks[0]] }
func (s *script) pieces() int        { return len(s.marks) - 1 }
func (s *script) piece(i int) []byte { return s.buf[s.marks[i]:s.marks[i+1]] }
func (s *script) tail() []byte       { return s.buf[s.marks[len(s.marks)-1]:] }

const slowFirstByte = 3000

var errCut = errors.New("the request asked for a cut stream")

func (d *demo) chat(f format) provider.HandlerFunc {
	return func(r *provider.Request, w *provider.Writer) error {
		a, err := d.readAsk(r, f)
		if err != nil {
			return err
		}
		d.character(a)
		if err := misbehave(r, &a.controls); err != nil {
			return err
		}
		if a.Fault == "garbage" && !a.stream {
			return w.JSON([]byte(`<html>{"choices": [{"mess`))
		}
		o := a.answer()
		id := r.ID()
		if a.stream {
			s := f.events(id, a, o)
			return w.Stream(func(out *provider.Stream) error { return s.play(r, a, o, out) })
		}
		w.Usage(o.usage)
		return w.JSON(f.whole(make([]byte, 0, 512+len(o.text)), id, a, o))
	}
}

// character gives the models that have one their habits.
func (d *demo) character(a *ask) {
	switch a.model {
	case "slow":
		if a.LatencyMS == 0 {
			a.LatencyMS = slowLatency
		}
		if a.ChunkDelayMS == 0 {
			a.ChunkDelayMS = slowDelay
		}
	case "flaky": // every third request fails
		if d.requests.Add(1)%3 == 0 && a.Fault == "" {
			a.Fault = "status_503"
		}
	}
}

// misbehave waits and fails as the request asked for.
func misbehave(r *provider.Request, c *controls) error {
	wait := c.LatencyMS
	if c.Fault == "slow_first_byte" {
		wait = max(wait, slowFirstByte)
	}
	if err := pause(r, wait); err != nil {
		return err
	}
	switch c.Fault {
	case "":
		return nil
	case "hang":
		ctx := r.Context()
		<-ctx.Done()
		return contextError(ctx)
	case "crash":
		os.Exit(3)
	}
	e, err := c.failure()
	if err != nil {
		return err
	}
	if e != nil {
		return e
	}
	return nil
}

func contextError(ctx context.Context) error { return context.Cause(ctx) }

// play sends a script with the pauses and faults that the request asked for.
func (s *script) play(r *provider.Request, a *ask, o *answer, out *provider.Stream) error {
	if _, err := out.Write(s.head()); err != nil {
		return err
	}
	if a.Fault == "garbage" {
		_, err := out.Write([]byte("data: {not json\n\n"))
		return err
	}
	for i := range s.pieces() {
		if a.Fault == "cut_stream" && i >= s.pieces()/2 {
			return errors.Join(out.Flush(), errCut) // half of it has left
		}
		if i > 0 && a.ChunkDelayMS > 0 {
			if err := pause(r, a.ChunkDelayMS); err != nil {
				return err
			}
		}
		if _, err := out.Write(s.piece(i)); err != nil {
			return err
		}
		if a.ChunkDelayMS > 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	out.Usage(o.usage)
	_, err := out.Write(s.tail())
	return err
}
