package dispatch

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	streamBuffer = 8 << 10
	maxEvent     = 16 << 20 // one event, an image in base64 included
	drainTime    = time.Second
)

var errCut = errors.New("the answer was cut")

var streamBuffers = sync.Pool{New: func() any { b := make([]byte, 0, streamBuffer); return &b }}

// stream carries a streamed answer to the caller in whole events, so that an
// error event can always follow. Between events it holds no buffer of its own.
type stream struct {
	exchange
	status   int
	buf      *[]byte // bytes that have arrived; nil while there are none
	edited   *[]byte // what pass returned, where that is not just a part of buf
	usage    wire.Usage
	metered  bool
	reasons  int64 // finish reasons that have been seen
	searched int   // of buf, without finding the end of an event
	ended    bool  // the dialect's last event has been seen
	upErr    *wire.Error
	response string // id of the one that has begun
	eof      bool
	finished bool
	first    time.Time
}

// stream starts the streamed answer: it waits for the first event, since until
// then another target can take over.
func (x *exchange) stream(status int) (call.Answer, *failure) {
	s := &stream{exchange: *x, status: status}
	for {
		err := s.fill()
		if n := s.whole(); n > 0 && !commentsOnly((*s.buf)[:n]) {
			break
		}
		if err == nil {
			continue
		}
		s.drop()
		if err == io.EOF {
			return call.Answer{}, &failure{class: wire.ClassServer, status: status, spent: true,
				err: wire.Errorf(502, "empty_stream", "%s ended the stream before its first event", x.t.Name)}
		}
		return call.Answer{}, x.broken(err, true)
	}
	if fail := s.firstError(); fail != nil {
		s.drop()
		return call.Answer{}, fail
	}
	s.first = time.Now()
	x.cn = nil // the stream has it now
	x.c.FirstByte = s.first.Sub(x.c.Received)
	x.c.Streamed = true
	return call.Answer{Status: status, ContentType: "text/event-stream", Stream: s}, nil
}

// firstError makes a failure of a stream whose first event is an error: no
// byte has gone to the caller, so it counts like an error status.
func (s *stream) firstError() *failure {
	ev := parseEvent((*s.buf)[:s.whole()])
	if !ev.isError(s.c.Dialect) {
		return nil
	}
	e, _ := wire.ReadError(ev.data)
	f := &failure{status: s.status, class: leased(s.ep.Errors, s.status, e)}
	if f.class == wire.ClassNone {
		f.class = e.Class(s.status)
	}
	if f.class == wire.ClassNone {
		f.class = wire.ClassServer
	}
	f.tried = s.cred != nil
	f.err = wire.Errorf(502, "upstream_error", "%s answered with an error: %s", s.t.Name, e.Message)
	f.err.Class = f.class
	return f
}

// fill reads what has arrived, waiting if that is nothing.
func (s *stream) fill() error {
	if !s.cn.body.ready() {
		if len(s.bytes()) == 0 {
			s.drop()
		}
		before := time.Now()
		if s.c.Streamed {
			if err := s.renew(); err != nil {
				return err
			}
		}
		err := s.cn.body.await()
		s.c.Upstream += time.Since(before)
		if err != nil {
			return err
		}
	}
	if s.buf == nil {
		s.buf = getBuffer()
	}
	b := *s.buf
	room := max(cap(b)-len(b), streamBuffer)
	if len(b) > maxEvent {
		return errTooLarge
	}
	var err error
	*s.buf, err = s.cn.body.read(b, room)
	s.eof = err == io.EOF
	return err
}

func (s *stream) bytes() []byte {
	if s.buf == nil {
		return nil
	}
	return *s.buf
}

// drop gives the buffers back.
func (s *stream) drop() {
	s.buf, s.edited, s.searched = putBuffer(s.buf), putBuffer(s.edited), 0
}

func getBuffer() *[]byte { return streamBuffers.Get().(*[]byte) }

// putBuffer returns nil for the holder to forget b by.
func putBuffer(b *[]byte) *[]byte {
	if b != nil && cap(*b) <= 4*streamBuffer {
		call.Poison(*b)
		*b = (*b)[:0]
		streamBuffers.Put(b)
	}
	return nil
}

// whole is the length of the complete events in the buffer.
func (s *stream) whole() int {
	b := s.bytes()
	from := max(0, s.searched-len("\r\n\r"))
	n := 0
	if i := bytes.LastIndex(b[from:], []byte("\n\n")); i >= 0 {
		n = from + i + 2
	}
	from = max(from, n)
	if i := bytes.LastIndex(b[from:], []byte("\r\n\r\n")); i >= 0 {
		n = from + i + 4
	}
	if n == 0 {
		s.searched = len(b)
	}
	return n
}

// WriteTo implements call.Stream.
func (s *stream) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if n := s.whole(); n > 0 {
			if out := s.pass((*s.buf)[:n]); len(out) > 0 {
				m, err := w.Write(out)
				total += int64(m)
				if err != nil {
					s.c.Gone.Leave()
					s.finish(leftError())
					return total, err
				}
			}
			rest := copy(*s.buf, (*s.buf)[n:]) // only now: what was written may lie there
			*s.buf, s.searched = (*s.buf)[:rest], 0
			if s.upErr != nil {
				s.finish(s.upErr)
				return total, errCut
			}
			if s.ended { // accounted for; Close reads what the upstream still says
				return total, nil
			}
		}
		if s.eof {
			break
		}
		if err := s.fill(); err != nil && err != io.EOF {
			return total, s.cut(w, err)
		}
	}
	// Without the dialect's last event: every answer has said why it ends, HTTP
	// says that all came, and no part of an event is left.
	if s.reasons < expected(s.c) || s.cn.body.framing == byClose || len(s.bytes()) > 0 {
		return total, s.cut(w, io.ErrUnexpectedEOF)
	}
	s.finish(nil)
	return total, nil
}

// pass looks through whole events and returns what goes to the caller: the
// same bytes, unless a usage event that only the gateway asked for must go or
// the closing comment must come. The result is valid until the next call.
func (s *stream) pass(events []byte) []byte {
	kept := 0 // events[:kept] stand in out already
	var out []byte
	for from := 0; from < len(events); {
		to := from + eventLen(events[from:])
		ev := parseEvent(events[from:to])
		s.c.Events++
		drop := s.meter(ev, events[from:to])
		last := !s.ended && ev.isLast(s.c.Dialect)
		if drop || last {
			if out == nil {
				s.edited = putBuffer(s.edited)
				s.edited = getBuffer()
				out = *s.edited
			}
			out = append(out, events[kept:from]...)
			kept = from
			if drop {
				kept = to
			}
		}
		if last {
			s.ended = true
			out = s.closing(out)
		}
		if s.upErr != nil {
			events = events[:to] // nothing may follow it, least of all an end
		}
		from = to
	}
	if out == nil {
		return events
	}
	*s.edited = append(out, events[kept:]...)
	return *s.edited
}

// meter reads what an event tells of usage, end and errors. It reports whether
// the caller must not see the event.
func (s *stream) meter(ev event, raw []byte) (drop bool) {
	if ev.isError(s.c.Dialect) && !s.ended {
		e, _ := wire.ReadError(ev.data)
		s.upErr = wire.Errorf(502, "upstream_error", "%s broke off: %s", s.t.Name, e.Message)
		return false
	}
	if s.c.Dialect == wire.OpenAIResponses {
		s.noteResponse(ev)
	}
	s.reasons += endings(s.c.Dialect, ev, raw)
	if !wire.ReadUsageEvent(s.c.Dialect, ev.data, &s.usage) {
		return false
	}
	s.metered = true
	return s.asked && bytes.Contains(raw, []byte(`"choices":[]`))
}

// closing settles the call and appends the comment that tells what it cost, to
// stand before the last event.
func (s *stream) closing(out []byte) []byte {
	if !s.ep.Direct() {
		s.trailing() // the adapter's usage comes behind the last event
	}
	s.finish(nil)
	out = append(out, ": signalbox "...)
	out = appendSummary(out, s.c)
	return append(out, "\n\n"...)
}

// appendSummary appends what a call took and cost, as JSON.
func appendSummary(dst []byte, c *call.Call) []byte {
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

// cut ends an answer that broke off: the caller gets an error event in its own
// dialect and then loses the connection.
func (s *stream) cut(w io.Writer, err error) error {
	e := s.brokenOff(err)
	s.finish(e)
	if !s.c.Gone.Left() {
		_, _ = w.Write(wire.AppendErrorEvent(nil, s.c.Dialect, e, s.c.ID.String())) // the connection is cut anyway
	}
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

func leftError() *wire.Error {
	e := wire.Errorf(499, "client_closed_request", "the caller closed the connection before the answer was complete")
	e.Class = wire.ClassNetwork
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
	if u, ok := proto.ParseUsage(string(s.cn.body.usage)); ok && !s.ep.Direct() && len(s.cn.body.usage) > 0 {
		s.usage, s.metered = u, true
	}
	if s.metered {
		c.Usage, c.Provenance = s.usage, call.CostComputed
		if err != nil {
			s.estimate()
		}
	}
	c.Err = err
	var perToken time.Duration
	if n := c.Events - 1; n > 0 {
		perToken = time.Since(s.first) / time.Duration(n)
	}
	s.t.State.Observe(err != nil && !c.Gone.Left(), s.first.Sub(c.Received), perToken)
	s.account.Finish(c)
}

// estimate makes up for what was not reported of an answer that broke off:
// some dialects report an answer's first token and then nothing until its end.
func (s *stream) estimate() {
	c := s.c
	said := c.Events // about a token each
	if f := &c.Facts; f.MaxTokens > 0 {
		said = min(said, f.MaxTokens*f.N)
	}
	c.Usage.Output = max(c.Usage.Output, said-c.Usage.Reasoning)
	c.Provenance = call.CostEstimated
}

// Close implements call.Stream.
func (s *stream) Close() error {
	if !s.finished { // the caller's connection broke before anything was written
		s.c.Gone.Leave()
		s.finish(leftError())
	}
	if s.cn != nil && s.ended && !s.cn.body.done && !s.c.Gone.Left() {
		s.trailing()
	}
	s.letGo()
	s.drop()
	return nil
}
