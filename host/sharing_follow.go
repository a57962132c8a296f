package host

import (
	"io"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/host/share"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// follow waits for another's answer. Where there is none for it, f leads, or
// asks for itself.
func (h *Host) follow(f *flight) (call.Answer, *wire.Error) {
	r, began := f.shared.group.Reader(), time.Now()
	head, failure, err := r.Head(f.Gone.Done())
	f.Upstream += time.Since(began) // it is for another's answer that it has waited
	switch {
	case err != nil:
		e := wire.Errorf(statusLeft, "client_closed_request", "the caller closed the connection before the answer was complete")
		e.Class = wire.ClassNetwork
		return call.Answer{}, e
	case failure != nil && !failure.Own && failure.Err != nil:
		same := *failure.Err
		return call.Answer{}, &same
	case failure != nil:
		f.shared.leave()
		if f.shared.tries++; f.shared.tries < followTries && f.rejoin() {
			return h.follow(f)
		}
		if err := h.place(f); err != nil {
			return call.Answer{}, err
		}
		return h.askShared(f)
	}
	i := slices.IndexFunc(f.Candidates, func(c call.Candidate) bool { return c.Target.Name == head.Target })
	if i >= 0 { // the key says that both have the same
		f.Target = f.Candidates[i].Target
	}
	c := &f.Call
	c.Cached, c.Status, c.FirstByte = call.CacheShared, head.Status, time.Since(c.Received)
	c.Dropped = append(c.Dropped[:0], head.Dropped...)
	ans := call.Answer{Status: head.Status, ContentType: head.Type}
	if head.Stream {
		c.Streamed = true
		ans.Stream = &following{h: h, f: f, r: r, events: head.Type == eventStream}
		return ans, nil
	}
	return h.followWhole(f, r, ans)
}

func (h *Host) followWhole(f *flight, r *share.Reader, ans call.Answer) (call.Answer, *wire.Error) {
	f.Buf = f.Buf[:0]
	for {
		p, err := r.Next(f.Gone.Done())
		switch {
		case err != nil || p.Err != nil: // it is larger than what is kept
			f.shared.leave()
			f.Cached, f.Target = call.CacheNone, nil
			if err := h.place(f); err != nil {
				return call.Answer{}, err
			}
			return h.ask(f)
		case p.End:
			f.Saved = p.Tail.Cost
			ans.Body = f.Buf
			return ans, nil
		}
		f.Buf = append(f.Buf, p.Bytes...)
	}
}

// following is another's stream on its way to a caller.
type following struct {
	h *Host
	f *flight
	r *share.Reader

	events bool
}

// WriteTo implements call.Stream.
func (s *following) WriteTo(w io.Writer) (n int64, err error) {
	c := &s.f.Call
	for {
		p, err := s.r.Next(c.Gone.Done())
		switch {
		case err == share.ErrGone && c.Gone.Why() != nil:
			return n, s.broken(w, c.Gone.Why())
		case err == share.ErrGone:
			_ = s.Close()
			return n, errLeft
		case err != nil || p.Err != nil:
			e := wire.Errorf(502, "stream_interrupted", "the answer that this request shared with another broke off: try again")
			e.Class = wire.ClassNetwork
			return n, s.broken(w, e)
		case p.Mark, p.End:
			s.tell(p.Rest)
			c.Saved = p.Tail.Cost
			s.h.Finish(c)
			if c.Err != nil && s.events { // it could not be recorded
				_, _ = w.Write(wire.AppendErrorEvent(nil, c.Dialect, c.Err, c.ID.String())) // the connection is cut anyway
			}
			if c.Err != nil {
				return n, c.Err
			}
			if p.End {
				return n, nil
			}
			p.Bytes = append(dispatch.AppendSummary([]byte(": signalbox "), c), "\n\n"...)
		default:
			s.tell(p.Bytes)
		}
		m, err := w.Write(p.Bytes)
		if n += int64(m); err != nil {
			_ = s.Close()
			return n, err
		}
	}
}

// tell tells who listens of events, which stand whole in the log. Once the call
// has ended nobody does.
func (s *following) tell(events []byte) {
	if tap := s.f.Tap; tap != nil && s.events && !s.f.finished {
		dispatch.Tell(tap, events)
	}
}

// broken ends an answer that is not going to be whole, for why.
func (s *following) broken(w io.Writer, why *wire.Error) error {
	c := &s.f.Call
	if !s.f.finished {
		c.Err = why
		s.h.Finish(c)
	}
	if s.events {
		_, _ = w.Write(wire.AppendErrorEvent(nil, c.Dialect, c.Err, c.ID.String())) // the connection is cut anyway
	}
	return c.Err
}

// Close implements call.Stream.
func (s *following) Close() error { return (&player{h: s.h, f: s.f}).Close() }
