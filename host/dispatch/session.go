package dispatch

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Running is an Account that keeps the reservation of a session ahead of what
// it consumes.
type Running interface {
	// Running is told of a session whose c.Usage has grown. An error ends it.
	Running(c *call.Call) *wire.Error
}

const (
	// sessionIdle is how long neither side may say anything.
	sessionIdle = 10 * time.Minute
	// partingTime is how long one side may take to end what the other has ended.
	partingTime = 5 * time.Second
	// maxHeard is up to what length an upstream's message is looked into.
	maxHeard = 4 << 20
)

var (
	errParted  = errors.New("the session was closed in due form")
	errUnheard = errors.New("the upstream's message is too long to be accounted for")
)

// session carries a realtime session: frames go both ways unaltered, and what
// the upstream says is read for usage.
type session struct {
	exchange
	until    time.Time // when it has to end
	active   atomic.Int64
	parting  atomic.Bool // one side has sent its close frame
	finished bool
	ending   *wire.Error // why the gateway has ended it

	// Of what the upstream says:
	message []byte // text, as far as it has come
	text    bool   // a text message is underway
	unheard bool   // something was too long to be looked into
	open    int    // responses that have begun and not ended
	buf     []byte
}

// upgraded starts a session: the upstream has agreed to it.
func (x *exchange) upgraded() (call.Answer, *failure) {
	h := &x.cn.head
	if x.cn.wsKey == "" || string(h.Peek("Sec-WebSocket-Accept")) != acceptOf(x.cn.wsKey) || len(h.Peek("Sec-WebSocket-Extensions")) > 0 {
		x.cn.spoiled = true
		return call.Answer{}, &failure{class: wire.ClassServer, err: wire.Errorf(502, "bad_upgrade", "%s answered the WebSocket handshake wrongly", x.t.Name)}
	}
	s := &session{exchange: *x}
	s.until = s.first.Add(x.opt.Session)
	s.cn.spoiled = true
	x.c.FirstByte = s.first.Sub(x.c.Received)
	x.hand()
	return call.Answer{Status: 101, Stream: s}, nil
}

// caller is the caller's side of a session.
type caller interface {
	io.ReadWriter
	SetReadDeadline(t time.Time) error
}

// WriteTo implements call.Stream: w is the caller's connection.
func (s *session) WriteTo(w io.Writer) (int64, error) {
	nc := w.(caller)
	s.touch()
	up := make(chan error, 1)
	go func() { up <- s.upward(nc) }()
	total, err := s.downward(nc)
	last := time.Unix(1, 0)
	if errors.Is(err, errParted) {
		last, err = time.Now().Add(partingTime), nil // for the caller's own close frame
	}
	_ = nc.SetReadDeadline(last)
	<-up
	s.finish(err)
	return total, err
}

func (s *session) touch() { s.active.Store(time.Now().UnixNano()) }

// upward carries what the caller says.
func (s *session) upward(nc caller) error {
	br := bufio.NewReaderSize(nc, streamBuffer)
	for {
		f, err := peekFrame(br)
		if err == nil && !f.masked {
			err = errFrame
		}
		if err != nil {
			s.part(appendClose(nil, closeGoingAway, "", true))
			return err
		}
		s.touch()
		if _, err := io.CopyN(upstreamSide{s}, br, int64(f.size)+f.length); err != nil {
			s.part(nil)
			return err
		}
		if f.op == opClose {
			s.part(nil)
			return errParted
		}
	}
}

// upstreamSide writes to the upstream with a deadline for each piece.
type upstreamSide struct{ s *session }

// Write implements io.Writer.
func (u upstreamSide) Write(p []byte) (int, error) {
	if err := u.s.cn.nc.SetWriteDeadline(time.Now().Add(u.s.timeouts.Idle)); err != nil {
		return 0, err
	}
	return u.s.cn.nc.Write(p)
}

// part says that the caller's side has ended: the upstream gets last, and a
// moment to end as well.
func (s *session) part(last []byte) {
	s.parting.Store(true)
	if last != nil {
		_, _ = upstreamSide{s}.Write(last)
	}
	_ = s.cn.nc.SetReadDeadline(time.Now().Add(partingTime))
}

// downward carries what the upstream says, and ends the session where it must
// end. It alone writes to the caller.
func (s *session) downward(nc caller) (total int64, err error) {
	for {
		f, err := s.next()
		if err == nil && f.masked {
			err = errFrame
		}
		var ending *wire.Error
		if err == nil {
			ending, err = s.hear(&f)
		}
		if err != nil {
			return total, s.end(nc, err)
		}
		n, err := nc.Write(s.buf)
		total += int64(n)
		if err == nil && int64(len(s.buf)) < int64(f.size)+f.length {
			var m int64
			m, err = io.CopyN(nc, s.cn.br, int64(f.size)+f.length-int64(len(s.buf)))
			total += m
		}
		switch {
		case err != nil:
			s.c.Gone.Leave()
			return total, err
		case ending != nil:
			return total, s.refuse(nc, ending)
		case f.op == opClose:
			return total, errParted
		}
	}
}

// next waits for the upstream's next frame.
func (s *session) next() (frame, error) {
	for {
		if !s.parting.Load() {
			quiet := time.Unix(0, s.active.Load()).Add(sessionIdle)
			if quiet.After(s.until) {
				quiet = s.until
			}
			if err := s.cn.nc.SetReadDeadline(quiet); err != nil {
				return frame{}, err
			}
			if s.parting.Load() { // meanwhile
				_ = s.cn.nc.SetReadDeadline(time.Now().Add(partingTime))
			}
		}
		if s.c.Gone.Left() {
			return frame{}, os.ErrDeadlineExceeded
		}
		f, err := peekFrame(s.cn.br)
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() && !s.parting.Load() && !s.c.Gone.Left() && time.Now().Before(s.until) &&
			time.Since(time.Unix(0, s.active.Load())) < sessionIdle {
			continue // the caller has said something
		}
		if err == nil {
			s.touch()
		}
		return f, err
	}
}

// hear takes a frame, as far as it is looked into, to s.buf, and what it says.
func (s *session) hear(f *frame) (ending *wire.Error, err error) {
	n := int64(f.size)
	heard := f.op == opText || f.op == opContinuation && s.text
	if heard {
		if n += f.length; int64(len(s.message))+f.length > maxHeard {
			s.unheard = true
			return nil, errUnheard
		}
	}
	s.buf = s.buf[:0]
	for int64(len(s.buf)) < n {
		if _, err := s.cn.br.Peek(1); err != nil {
			return nil, unexpected(err)
		}
		b, _ := s.cn.br.Peek(int(min(int64(s.cn.br.Buffered()), n-int64(len(s.buf)))))
		s.buf = append(s.buf, b...)
		_, _ = s.cn.br.Discard(len(b))
	}
	if !heard {
		return nil, nil
	}
	s.message = append(s.message, s.buf[f.size:]...)
	if s.text = !f.fin; s.text {
		return nil, nil
	}
	ending = s.meter(s.message)
	s.message = s.message[:0]
	return ending, nil
}

// meter reads what a message tells of usage.
func (s *session) meter(message []byte) *wire.Error {
	c := s.c
	c.Events++
	switch {
	case bytes.Contains(message, []byte(`"response.created"`)):
		s.open++
	case bytes.Contains(message, []byte(`"response.done"`)):
		s.open--
	}
	var u wire.Usage
	if !bytes.Contains(message, []byte(`"usage"`)) || !wire.ReadUsageEvent(c.Dialect, message, &u) {
		return nil
	}
	c.Usage.Add(&u)
	if a, ok := s.account.(Running); ok {
		return a.Running(c)
	}
	return nil
}

// end tells both sides of a session that cannot go on, unless it had ended.
func (s *session) end(nc caller, err error) error {
	var ne net.Error
	switch timeout := errors.As(err, &ne) && ne.Timeout(); {
	case s.parting.Load():
		return errParted
	case s.c.Gone.Why() != nil:
		return s.refuse(nc, s.c.Gone.Why())
	case s.c.Gone.Left():
		return err
	case timeout && !time.Now().Before(s.until):
		return s.refuse(nc, wire.Errorf(408, "session_over", "the session has lasted as long as sessions may: open another"))
	case timeout:
		return s.refuse(nc, wire.Errorf(408, "session_idle", "nothing was said for too long: open another session"))
	}
	return s.refuse(nc, s.brokenOff(err))
}

// refuse ends a session in due form on the gateway's own account.
func (s *session) refuse(nc caller, e *wire.Error) error {
	s.ending = e
	code := uint16(closePolicy)
	if e.Status >= 500 {
		code = closeBroken
	}
	var out []byte
	if !s.text { // not within a message of the upstream's
		event := wire.AppendError([]byte(`{"type":"error",`), wire.OpenAIRealtime, e, s.c.ID.String())
		event = append(event[:len(`{"type":"error",`)], event[len(`{"type":"error",`)+1:]...) // two objects become one
		out = appendFrame(out, opText, event, false)
	}
	_, _ = nc.Write(appendClose(out, code, e.Code, false))
	_, _ = upstreamSide{s}.Write(appendClose(nil, closeGoingAway, "", true))
	return errParted
}

// finish accounts for the session, once.
func (s *session) finish(err error) {
	if s.finished {
		return
	}
	s.finished = true
	c := s.c
	c.Provenance = call.CostComputed
	if s.open > 0 || s.unheard {
		c.Provenance = call.CostEstimated // a response was underway
	}
	if c.Err = s.ending; c.Err == nil && err != nil && !c.Gone.Left() { // callers may leave when they like
		c.Err = s.brokenOff(err)
	}
	s.t.State.Observe(c.Err != nil && c.Err.Status >= 500, s.first.Sub(s.start), 0)
	s.account.Finish(c)
}

// Close implements call.Stream.
func (s *session) Close() error {
	if !s.finished { // the caller's connection broke before it began
		s.c.Gone.Leave()
		s.finish(nil)
	}
	s.letGo()
	return nil
}
