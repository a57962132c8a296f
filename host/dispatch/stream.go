package dispatch

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
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
	screened *[]byte // what filters have left of it
	edited   *[]byte // what pass returned, where that is not just a part of one of them
	usage    wire.Usage
	metered  bool
	flow     flow  // of an answer that is reserved step by step
	reasons  int64 // finish reasons that have been seen
	searched int   // of buf, without finding the end of an event
	ended    bool  // the dialect's last event has been seen
	upErr    *wire.Error
	response string // id of the one that has begun
	eof      bool
	finished bool
	writing  bool      // WriteTo has not returned
	deaf     bool      // nobody gets what is read
	said     bool      // something that is no keep-alive has come since heard
	heard    time.Time // when such came last
	release  time.Time // when what is held back has to go, zero: nothing is
}

// fill reads what has arrived, waiting if that is nothing.
func (s *stream) fill() error {
	if !s.cn.body.ready() {
		if len(s.bytes()) == 0 {
			s.drop()
		}
		before := time.Now()
		if err := s.patience(before); err != nil {
			return err
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

// patience sets how long the next read may wait. Keep-alives do not renew it:
// an upstream that sends nothing else is stalled. What was set for the first
// event, and for what nobody gets, stays.
func (s *stream) patience(now time.Time) error {
	if s.deaf || s.first.IsZero() {
		return nil
	}
	if s.said {
		s.heard, s.said = now, false
	}
	until := s.heard.Add(s.timeouts.Idle)
	if !s.release.IsZero() && s.release.Before(until) {
		until = s.release
	}
	if err := s.cn.wait(now, until.Sub(now), s.deadline); err != nil {
		return err
	}
	if s.c.Gone.Left() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (s *stream) bytes() []byte {
	if s.buf == nil {
		return nil
	}
	return *s.buf
}

// drop gives the buffers back.
func (s *stream) drop() {
	s.buf, s.screened, s.edited, s.searched = putBuffer(s.buf), putBuffer(s.screened), putBuffer(s.edited), 0
}

func getBuffer() *[]byte { return streamBuffers.Get().(*[]byte) }

// putBuffer returns nil for the holder to forget b by.
func putBuffer(b *[]byte) *[]byte {
	if b != nil && cap(*b) <= 8*streamBuffer {
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
	s.writing = true
	n, err := s.carry(w)
	s.writing = false
	return n, err
}

func (s *stream) carry(w io.Writer) (int64, error) {
	var total int64
	for {
		if n := s.whole(); n > 0 {
			var err error
			events, blocked := s.screen((*s.buf)[:n])
			if out := s.pass(events); len(out) > 0 {
				var m int
				m, err = w.Write(out)
				total += int64(m)
			}
			s.consume(n) // only now: what was written may lie there
			if err != nil {
				s.left()
				return total, err
			}
			if blocked != nil {
				return total, s.block(w, blocked)
			}
			if s.flow.over {
				m, err := s.cutShort(w)
				return total + int64(m), err
			}
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
	if !s.plainEnd() {
		return total, s.cut(w, io.ErrUnexpectedEOF)
	}
	n, blocked, err := s.unheld(w)
	total += int64(n)
	switch {
	case err != nil:
		s.left()
		return total, err
	case blocked != nil:
		return total, s.block(w, blocked)
	}
	s.finish(nil)
	return total, nil
}

// plainEnd reports whether what has ended without the dialect's last event is
// whole: every answer has said why it ends, HTTP says that all came, and no part
// of an event is left.
func (s *stream) plainEnd() bool {
	return s.eof && s.reasons >= expected(s.c) && s.cn.body.framing != byClose && len(s.bytes()) == 0
}

// consume forgets the first n bytes of the buffer.
func (s *stream) consume(n int) {
	rest := copy(*s.buf, (*s.buf)[n:])
	*s.buf, s.searched = (*s.buf)[:rest], 0
}

// Tell tells tap of whole events.
func Tell(tap call.Tap, events []byte) {
	for len(events) > 0 {
		n := eventLen(events)
		if ev := parseEvent(events[:n]); ev.data != nil {
			tap.Event(ev.data)
		}
		events = events[n:]
	}
}

// pass looks through whole events and returns what goes to the caller: the
// same bytes, unless a usage event that only the gateway asked for must go or
// the closing comment must come. The result is valid until the next call.
func (s *stream) pass(events []byte) []byte {
	s.c.Bytes += int64(len(events))
	kept := 0 // events[:kept] stand in out already
	var out []byte
	for from := 0; from < len(events); {
		to := from + eventLen(events[from:])
		ev := parseEvent(events[from:to])
		if !ev.idle() {
			s.c.Events++
			s.said = true
		}
		if s.c.Tap != nil && ev.data != nil {
			s.c.Tap.Event(ev.data)
		}
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
		if s.upErr != nil || s.c.Stepped && !s.ended && s.runsOut(ev) {
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
