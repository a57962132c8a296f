package dispatch

import (
	"io"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// closing settles the call and appends the comment that tells what it cost, to
// stand before the last event.
func (s *stream) closing(out []byte) []byte {
	if !s.ep.Direct() {
		s.trailing() // the adapter's usage comes behind the last event
	}
	s.finish(nil)
	out = append(out, ": signalbox "...)
	out = AppendSummary(out, s.c)
	return append(out, "\n\n"...)
}

// AppendSummary appends what a call took and cost, as JSON.
func AppendSummary(dst []byte, c *call.Call) []byte {
	dst = append(dst, `{"request_id":"`...)
	dst = c.ID.Append(dst)
	dst = append(dst, `","cost_usd":`...)
	dst = call.AppendUSD(dst, c.Cost)
	dst = append(dst, `,"cost":"`...)
	dst = append(dst, c.Provenance.String()...)
	dst = append(dst, `","input_tokens":`...)
	dst = strconv.AppendInt(dst, c.Usage.Prompt(), 10)
	dst = append(dst, `,"output_tokens":`...)
	dst = strconv.AppendInt(dst, c.Usage.Completion(), 10)
	dst = append(dst, `,"overhead_us":`...)
	dst = strconv.AppendInt(dst, c.Overhead().Microseconds(), 10)
	if c.Cached != call.CacheNone {
		dst = append(append(append(dst, `,"cache":"`...), c.Cached.String()...), `","saved_usd":`...)
		dst = call.AppendUSD(dst, c.Saved)
	}
	return append(dst, '}')
}

// trailing reads on to the end of the upstream's answer, for its trailers and
// so that the connection can serve again.
func (s *stream) trailing() {
	if end := time.Now().Add(drainTime); end.Before(s.deadline) {
		s.deadline = end
	}
	for range 64 {
		if s.eof || s.fill() != nil {
			break
		}
	}
}

// cut ends an answer that broke off, or whose caller may not stay: the caller
// gets an error event in its own dialect and then loses the connection.
func (s *stream) cut(w io.Writer, err error) error {
	if s.c.Gone.Left() {
		if why := s.c.Gone.Why(); why != nil { // before anything is read on for the bill
			_, _ = w.Write(wire.AppendErrorEvent(nil, s.c.Dialect, why, s.c.ID.String()))
		}
		s.left()
		return errCut
	}
	e := s.brokenOff(err)
	s.finish(e)
	_, _ = w.Write(wire.AppendErrorEvent(nil, s.c.Dialect, e, s.c.ID.String())) // the connection is cut anyway
	return errCut
}

// brokenOff is what an answer that broke off underway is recorded as.
func (x *exchange) brokenOff(err error) *wire.Error {
	f := x.broken(err, true)
	e := f.err
	if e == nil {
		e = wire.Errorf(502, "stream_interrupted", "%s broke off before the end of its answer", x.t.Name)
		e.Class = f.class
		if f.class == wire.ClassTimeout {
			e = wire.Errorf(504, "stream_timeout", "%s sent nothing for too long", x.t.Name)
			e.Class = f.class
		}
	}
	return e
}

// finish accounts for the answer, once.
func (s *stream) finish(err *wire.Error) {
	if s.finished {
		return
	}
	s.finished = true
	if s.response != "" { // it broke off; what is there can be named all the same
		s.stored([]byte(`{"id":"` + quoted(s.response) + `"}`))
	}
	c := s.c
	if used := s.used(err == nil); used.Provenance != call.CostNone {
		c.Usage, c.Provenance = used.Usage, used.Provenance
	}
	c.Err = err
	var perToken time.Duration
	if n := c.Events - 1; n > 0 {
		perToken = time.Since(s.first) / time.Duration(n)
	}
	broken := err != nil && err.Class != wire.ClassPolicy // a filter's block is no fault of the target
	s.t.State.Observe(broken && !c.Gone.Left(), s.first.Sub(s.start), perToken)
	s.judge(err)
	s.account.Finish(c)
}

// used is what the answer has consumed, as far as it is known. What was not
// reported of one that broke off is made up for: some dialects report an
// answer's first token and then nothing until its end.
func (s *stream) used(whole bool) Consumed {
	c := s.c
	if u, ok := proto.ParseUsage(string(s.cn.body.usage)); ok && !s.ep.Direct() && len(s.cn.body.usage) > 0 {
		s.usage, s.metered = u, true
	}
	used := Consumed{Events: c.Events}
	if !s.metered {
		return used
	}
	used.Usage, used.Provenance = s.usage, call.CostComputed
	if whole || s.ended {
		return used
	}
	said := c.Events // about a token each
	if most := c.Facts.Longest(); most > 0 {
		said = min(said, most)
	}
	used.Usage.Output = max(used.Usage.Output, said-used.Usage.Reasoning)
	used.Provenance = call.CostEstimated
	return used
}

// Close implements call.Stream.
func (s *stream) Close() error {
	switch {
	case s.finished:
	case s.writing: // it panicked
		s.finish(wire.Errorf(500, "internal_error", "the gateway failed at this answer"))
	default: // the caller's connection broke before anything was written
		s.left()
	}
	if s.cn != nil && s.ended && !s.cn.body.done && !s.c.Gone.Left() {
		s.trailing()
	}
	s.letGo()
	s.drop()
	return nil
}
