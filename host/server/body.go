package server

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/spool"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

const (
	// unknown is how much of a body is read before it is known whose it is.
	unknown = 1 << 20
)

// bodies are buffers for bodies: fasthttp reads the first 8 KB of one at once
// and leaves the rest.
var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// incoming is the body of one request.
type incoming struct {
	*Server
	ctx  *fasthttp.RequestCtx
	call *call.Call
	conn *conn
	asked
	limit int64
	buf   *[]byte     // that Body lies in, nil: fasthttp's own
	put   *spool.Body // that was put aside
}

// receive reads the body, or leaves it to c.Receive where it is large.
func (in *incoming) receive() *wire.Error {
	h := &in.ctx.Request.Header
	n := h.ContentLength()
	if in.limit = int64(in.opt.MaxBody); !in.json() {
		in.limit = in.opt.MaxUpload
	}
	switch {
	case !in.ctx.Request.IsBodyStream() || n == 0:
		if in.form == formUpload && in.call.Method == "" {
			return in.notForm()
		}
		return in.take(nil)
	case int64(n) > in.limit:
		return in.refuse(in.tooLarge())
	case !in.json() && !in.ctx.IsGet():
		in.call.Receive = in.upload
		return nil
	case n > unknown:
		in.call.Receive = in.readAll
		return nil
	}
	whole, err := in.read(unknown)
	if err != nil {
		return err
	}
	if !whole {
		in.call.Receive = in.readAll
		return nil
	}
	return in.take(*in.buf)
}

// json reports whether the body is to be held in memory.
func (in *incoming) json() bool { return in.form == formJSON || in.form == formWhole }

// take makes body the call's.
func (in *incoming) take(body []byte) *wire.Error {
	c := in.call
	c.Body = body
	if in.form != formJSON || len(body) == 0 && (in.op == wire.OpBatches || c.Method != "") {
		c.Facts.Reset()
		c.Facts.N, c.Facts.Size = 1, len(body)
		in.complete(c)
		return nil
	}
	err := scan.Operation(&c.Facts, in.op, in.dialect, body)
	in.complete(c)
	return err
}

// readAll reads the rest of a JSON body whose sender is known.
func (in *incoming) readAll() *wire.Error {
	if _, err := in.read(in.limit); err != nil {
		return err
	}
	return in.take(*in.buf)
}

// read reads up to limit bytes in all; whole tells whether that was the end.
func (in *incoming) read(limit int64) (whole bool, _ *wire.Error) {
	if in.buf == nil {
		in.buf = bodies.Get().(*[]byte)
	}
	b, r := *in.buf, in.ctx.RequestBodyStream()
	if n := in.ctx.Request.Header.ContentLength(); n > cap(b) && n <= unknown {
		b = append(make([]byte, 0, n), b...) // no more is trusted before it comes
	}
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, cap(b))...)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		*in.buf = b
		switch {
		case err == io.EOF:
			if int64(len(b)) > in.limit {
				return false, in.refuse(in.tooLarge())
			}
			return true, in.short(int64(len(b)))
		case err != nil:
			return false, in.refuse(in.unreadable(err))
		case int64(len(b)) > in.limit:
			return false, in.refuse(in.tooLarge())
		case int64(len(b)) >= limit && limit < in.limit:
			return false, nil
		}
	}
}

// short tells of a body that ended before the length that it had announced.
func (in *incoming) short(got int64) *wire.Error {
	if n := in.ctx.Request.Header.ContentLength(); n >= 0 && got < int64(n) {
		return in.refuse(in.unreadable(io.ErrUnexpectedEOF))
	}
	return nil
}

// refuse gives up a request whose body is still underway: the answer is sent,
// then the connection ends.
func (in *incoming) refuse(err *wire.Error) *wire.Error {
	in.ctx.SetConnectionClose()
	if in.conn != nil {
		in.conn.linger.Store(true)
	}
	return err
}

func (in *incoming) tooLarge() *wire.Error {
	name := "limits.max_body"
	if !in.json() {
		name = "limits.max_upload"
	}
	return wire.Errorf(413, "body_too_large", "the request body is larger than %s allows (%d bytes)", name, in.limit)
}

func (in *incoming) unreadable(err error) *wire.Error {
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return wire.Errorf(408, "request_timeout", "the request's body did not arrive in time")
	}
	return wire.Errorf(400, "bad_request", "the request's body could not be read to its end: %v", err)
}

// leastPace is how many bytes a second must come of an upload, on the whole:
// one that drips would hold its room for good.
const leastPace = 1 << 10

// steady reads a body with a deadline that is renewed as bytes come: an upload
// may take long, a pause within it may not.
type steady struct {
	r     io.Reader
	nc    net.Conn
	idle  time.Duration
	begun time.Time
	until time.Time
	got   int64
}

// Read implements io.Reader.
func (s *steady) Read(p []byte) (int, error) {
	if now := time.Now(); s.until.Sub(now) < s.idle*3/4 {
		if s.begun.IsZero() {
			s.begun = now
		}
		s.until = now.Add(s.idle)
		if last := s.begun.Add(s.idle + time.Duration(s.got/leastPace)*time.Second); last.Before(s.until) {
			s.until = last
		}
		if err := s.nc.SetReadDeadline(s.until); err != nil {
			return 0, err
		}
	}
	n, err := s.r.Read(p)
	s.got += int64(n)
	return n, err
}

// free gives back what holds the body: nothing needs it any more.
func (in *incoming) free() {
	if in.buf != nil && cap(*in.buf) <= unknown {
		call.Poison(*in.buf)
		*in.buf = (*in.buf)[:0]
		bodies.Put(in.buf)
	}
	in.buf = nil
	if in.put != nil {
		_ = in.put.Close() // it was read to the end, or is of no use
		in.put = nil
	}
}

// release gives back in itself.
func (in *incoming) release() {
	in.free()
	*in = incoming{}
	ins.Put(in)
}
