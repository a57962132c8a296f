package dispatch

import (
	"io"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// stream starts the streamed answer: it waits for the first event, and longer
// where the start is to be held back, since until then another target can take
// over.
func (x *exchange) stream(status int) (call.Answer, *failure) {
	x.first = time.Time{} // what counts is the first event
	s := &stream{exchange: *x, status: status}
	for from := 0; ; { // keep-alives so far
		err := s.fill()
		if n := s.whole(); n > from {
			if !idle((*s.buf)[from:n]) {
				break
			}
			from = n
		}
		if err == nil {
			continue
		}
		if err == io.EOF {
			s.drop()
			return call.Answer{}, &failure{class: wire.ClassServer, status: status, spent: true,
				err: wire.Errorf(502, "empty_stream", "%s ended the stream before its first event", x.t.Name)}
		}
		return call.Answer{}, s.fails(err)
	}
	s.first = time.Now()
	s.heard, x.first = s.first, s.first
	x.noticed()
	if fail := s.firstError(); fail != nil {
		s.drop()
		return call.Answer{}, fail
	}
	open := s.first
	if rule := s.rule(); rule != (call.Hold{}) || s.check {
		if fail := s.hold(rule); fail != nil {
			return call.Answer{}, fail
		}
		open, x.flaw = time.Now(), s.flaw
	}
	x.c.FirstByte = open.Sub(x.c.Received)
	x.hand() // the stream has it now
	return call.Answer{Status: status, ContentType: "text/event-stream", Stream: s}, nil
}

// firstError makes a failure of a stream whose first event is an error: no
// byte has gone to the caller, so it counts like an error status.
func (s *stream) firstError() *failure {
	for events := (*s.buf)[:s.whole()]; len(events) > 0; {
		n := eventLen(events)
		ev := parseEvent(events[:n])
		events = events[n:]
		if ev.isError(s.c.Dialect) {
			return s.refusedBy(ev)
		}
		if !ev.idle() {
			break
		}
	}
	return nil
}

// refusedBy is the failure that an error event tells of.
func (s *stream) refusedBy(ev event) *failure {
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
