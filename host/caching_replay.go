package host

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/signalbox-ai/signalbox/host/cache"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// fetch answers f with what is kept, or else asks for it.
func (h *Host) fetch(f *flight) (call.Answer, *wire.Error) {
	if f.recall.hit != nil {
		return h.replay(f)
	}
	ans, err := h.askShared(f)
	if f.recall.keeps() && err == nil && ans.Stream != nil {
		ans.Stream = &recorder{Stream: ans.Stream, h: h, f: f, kind: ans.ContentType}
	}
	return ans, err
}

func (r *recall) keeps() bool { return r.keep || r.meaning != nil }

// replay answers f with what is kept. Filters look at it as at any answer: of a
// stream here, so that what they block is refused before it begins.
func (h *Host) replay(f *flight) (call.Answer, *wire.Error) {
	e, c := f.recall.hit, &f.Call
	c.Status, c.FirstByte = 200, time.Since(c.Received)
	c.Dropped = append(c.Dropped[:0], e.Dropped...)
	ans := call.Answer{Status: 200, ContentType: e.Type}
	if !e.Stream {
		c.Buf = append(c.Buf[:0], e.Body...)
		ans.Body = c.Buf
		return ans, nil
	}
	c.Streamed = true
	p := &player{h: h, f: f, before: e.Body}
	if e.Closing >= 0 {
		p.before, p.last = e.Body[:e.Closing], e.Body[e.Closing:]
	}
	if c.Screen != nil && e.Type == eventStream {
		if err := p.screen(c.Screen); err != nil {
			return call.Answer{}, err
		}
	}
	ans.Stream = p
	return ans, nil
}

const eventStream = "text/event-stream"

var errLeft = errors.New("the caller has left")

// player is a kept stream on its way to a caller.
type player struct {
	h            *Host
	f            *flight
	before, last []byte // whole events; the summary comes between them where there are last ones
}

func (p *player) screen(s call.Screen) (err *wire.Error) {
	if p.before, err = s.Events(nil, p.before); err != nil {
		return err
	}
	if p.last != nil {
		p.last, err = s.Events(nil, p.last)
		return err
	}
	p.before, err = s.End(p.before)
	return err
}

// WriteTo implements call.Stream.
func (p *player) WriteTo(w io.Writer) (n int64, err error) {
	c := &p.f.Call
	m, err := w.Write(p.before)
	n = int64(m)
	if err != nil || c.Gone.Left() {
		p.left()
		return n, errLeft
	}
	if c.Tap != nil {
		dispatch.Tell(c.Tap, p.before)
		dispatch.Tell(c.Tap, p.last)
	}
	p.h.Finish(c)
	if c.Err != nil { // it could not be recorded
		_, _ = w.Write(wire.AppendErrorEvent(nil, c.Dialect, c.Err, c.ID.String())) // the connection is cut anyway
		return n, c.Err
	}
	if p.last == nil {
		return n, nil
	}
	end := append(dispatch.AppendSummary([]byte(": signalbox "), c), "\n\n"...)
	m, err = w.Write(append(end, p.last...))
	return n + int64(m), err
}

// Close implements call.Stream.
func (p *player) Close() error {
	p.left()
	return nil
}

// left ends a call whose caller is gone, unless it has ended.
func (p *player) left() {
	if c := &p.f.Call; !p.f.finished {
		if c.Err = c.Gone.Why(); c.Err == nil {
			c.Err = wire.Errorf(499, "client_closed_request", "the caller closed the connection before the answer was complete")
			c.Err.Class = wire.ClassNetwork
		}
		p.h.Finish(c)
	}
}

// recorder keeps what a stream gives the caller, if all of it comes to be.
type recorder struct {
	call.Stream
	h    *Host
	f    *flight
	kind string
	w    io.Writer
	kept []byte
	over bool // it is too large
}

// WriteTo implements call.Stream.
func (r *recorder) WriteTo(w io.Writer) (int64, error) {
	r.w = w
	n, err := r.Stream.WriteTo(r)
	if err == nil && !r.over {
		r.h.remember(r.f, r.kind, r.kept, true)
	}
	r.kept = nil
	return n, err
}

// Write takes what goes to the caller: of events whole ones.
func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	if r.over = r.over || err != nil || int64(len(r.kept)+len(p)) > r.h.cache.MaxEntry(); r.over {
		r.kept = nil
		return n, err
	}
	r.kept = append(r.kept, p...)
	return n, nil
}

// remember keeps the answer of f, which has ended, if it is one that others may
// be given: whole, as the provider gave it, and of its full length.
func (h *Host) remember(f *flight, kind string, body []byte, stream bool) {
	c, r := &f.Call, &f.recall
	if !r.keeps() || c.Err != nil || c.Status != 200 && c.Status != 0 || c.MaxTokens > 0 || c.Stepped || !gave(c) || f.altered() {
		return
	}
	now := time.Now()
	e := &cache.Entry{Key: r.key, Tenant: r.tenant, Model: c.Model.Name, Target: c.Target.Name, Type: kind, Dropped: string(c.Dropped),
		Stream: stream, Closing: -1, Cost: max(0, c.Cost-f.spent), Made: now.UnixMilli(), Expires: now.Add(r.ttl).UnixMilli()}
	if e.Body = append([]byte(nil), body...); stream && kind == eventStream {
		e.Body, e.Closing = unsummed(e.Body)
	}
	if r.keep {
		h.cache.Put(e)
	}
	h.rememberMeaning(f, e)
}

// altered reports whether a filter has changed the answer, or may have.
func (f *flight) altered() bool {
	for i := range f.Verdicts {
		if v := &f.Verdicts[i]; v.Answer && v.Action != abi.ActionPass {
			return true
		}
	}
	return len(f.Verdicts) >= 32 // it is not known what else they said
}

// unsummed takes the summary of what it cost out of a stream, and tells where
// it stood; -1: there was none.
func unsummed(events []byte) (rest []byte, at int) {
	mark := []byte(": signalbox {")
	if at = bytes.LastIndex(events, append([]byte("\n"), mark...)) + 1; at == 0 && !bytes.HasPrefix(events, mark) {
		return events, -1
	}
	end := bytes.Index(events[at:], []byte("\n\n"))
	if end < 0 {
		return events, -1
	}
	return append(events[:at], events[at+end+2:]...), at
}
