package dispatch

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// maxHeld bounds what is held back of a stream; what is beyond goes out.
const maxHeld = 64 << 10

// rule is how much of the start of its streams the model wants held back.
func (s *stream) rule() call.Hold {
	if s.c.Model == nil {
		return call.Hold{}
	}
	return s.c.Model.Hold
}

// held is what has been seen of the events that are held back.
type held struct {
	from    int    // of the buffer, looked through so far
	events  int    // that say something
	endings int64  // finish reasons
	due     bool   // by the model's rule
	content bool   // there is some of what callers ask for
	finish  string // why the answer ended early, "": it did not
	over    bool   // nothing more will come
}

// enough reports whether nothing is to be held back any longer.
func (h *held) enough(rule call.Hold, since time.Time, check bool) bool {
	h.due = h.due || rule == (call.Hold{}) || rule.Events > 0 && h.events >= rule.Events ||
		rule.Time > 0 && time.Since(since) >= rule.Time
	return h.over || h.due && (h.content || !check)
}

// hold keeps the first events back for as long as rule says and, where the
// answer is to be checked, until there is some content. What breaks off
// meanwhile is a failed attempt, as no byte of it has gone to the caller.
func (s *stream) hold(rule call.Hold) *failure {
	var h held
	for {
		if fail := s.look(&h); fail != nil {
			return fail
		}
		if h.enough(rule, s.first, s.check) || len(s.bytes()) >= maxHeld {
			break
		}
		if s.eof {
			if !s.endsWell(&h) {
				return s.fails(io.ErrUnexpectedEOF)
			}
			h.over = true
			break
		}
		s.release = time.Time{}
		if rule.Time > 0 && !h.due {
			s.release = s.first.Add(rule.Time)
		}
		if err := s.fill(); s.released(err) {
			h.due = true
		} else if err != nil && err != io.EOF {
			return s.fails(err)
		}
	}
	s.release = time.Time{}
	if s.check && h.over {
		s.flaw = h.flaw()
	}
	return nil
}

// released reports whether a read has ended because it is time to let go.
func (s *stream) released(err error) bool {
	var ne net.Error
	return !s.release.IsZero() && errors.As(err, &ne) && ne.Timeout() && !s.c.Gone.Left() &&
		s.release.Before(s.heard.Add(s.timeouts.Idle)) && s.release.Before(s.deadline)
}

// look goes through the events that have come since the last time.
func (s *stream) look(h *held) *failure {
	b := s.bytes()
	for n := s.whole(); h.from < n; {
		to := h.from + eventLen(b[h.from:n])
		raw := b[h.from:to]
		ev := parseEvent(raw)
		if ev.isError(s.c.Dialect) {
			fail := s.refusedBy(ev)
			fail.spent = true
			fail.used = s.abandon()
			return fail
		}
		if !ev.idle() {
			h.events++
			s.said = true
		}
		if s.check && ev.data != nil {
			h.note(s.c.Dialect, ev)
		}
		h.endings += endings(s.c.Dialect, ev, raw)
		h.over = h.over || ev.isLast(s.c.Dialect)
		h.from = to
	}
	return nil
}

// endsWell is plainEnd for what is still held back.
func (s *stream) endsWell(h *held) bool {
	return h.endings >= expected(s.c) && s.cn.body.framing != byClose && len(s.bytes()) == h.from
}

// fails makes the failure of a stream that broke off while no byte of it had
// gone to the caller.
func (s *stream) fails(err error) *failure {
	fail := s.broken(err, true)
	if s.c.Gone.Left() && s.racing == nil && s.drain() {
		defer s.drains.leave(s.cn)
	}
	fail.used = s.abandon()
	return fail
}

// abandon meters what is held back, which nobody gets, and returns what is known
// of the attempt, nil if that is nothing.
func (s *stream) abandon() *Consumed {
	c := s.c
	if n := s.whole(); n > 0 {
		s.listen((*s.buf)[:n])
		s.consume(n)
	}
	used := s.used(s.plainEnd())
	c.Events = 0
	s.drop()
	if used.Events == 0 && used.Provenance == call.CostNone {
		return nil
	}
	return &used
}

// listen meters events that nobody gets.
func (s *stream) listen(events []byte) {
	for from := 0; from < len(events) && !s.ended; {
		to := from + eventLen(events[from:])
		ev := parseEvent(events[from:to])
		if !ev.idle() {
			s.c.Events++
		}
		s.meter(ev, events[from:to])
		s.ended = ev.isLast(s.c.Dialect)
		from = to
	}
}

// discard ends a streamed answer that the caller does not get.
func (s *stream) discard() *Consumed {
	s.finished = true
	used := s.abandon()
	s.letGo()
	return used
}

// leftError is what c is recorded with, whose caller has gone or had to go.
func leftError(c *call.Call) *wire.Error {
	if why := c.Gone.Why(); why != nil {
		return why
	}
	e := wire.Errorf(499, "client_closed_request", "the caller closed the connection before the answer was complete")
	e.Class = wire.ClassNetwork
	return e
}
