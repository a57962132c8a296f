package dispatch

import (
	"bytes"
	"io"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const rawBuffer = 32 << 10

var rawBuffers = sync.Pool{New: func() any { b := make([]byte, 0, rawBuffer); return &b }}

// smallAnswer is up to what size an answer of JSON is held whole where it
// could be passed on as it comes.
const smallAnswer = 1 << 20

func isJSON(kind []byte) bool {
	kind, _, _ = bytes.Cut(kind, []byte(";"))
	return len(kind) == 0 || bytes.EqualFold(bytes.TrimSpace(kind), []byte("application/json"))
}

func isEvents(kind []byte) bool { return bytes.HasPrefix(kind, []byte("text/event-stream")) }

// isMedia reports whether an answer of that type holds no text that filters
// look at.
func isMedia(kind []byte) bool {
	for _, media := range [...]string{"audio/", "image/", "video/", "application/octet-stream"} {
		if bytes.HasPrefix(kind, []byte(media)) {
			return true
		}
	}
	return false
}

// passes reports whether a good answer goes to the caller as it comes: audio,
// images, files, and whatever a provider's own API answers.
func (x *exchange) passes(kind []byte) bool {
	if x.c.Whole || x.c.Screen != nil && !isMedia(kind) {
		return false
	}
	switch x.c.Op {
	case wire.OpPass, wire.OpFiles, wire.OpBatches:
		n := x.cn.head.ContentLength()
		return !isJSON(kind) || n > smallAnswer || n < 0 && x.cn.body.framing != byClose
	case wire.OpSpeech, wire.OpTranscription, wire.OpTranslation, wire.OpImages, wire.OpImageEdits:
		return !isJSON(kind) && !isEvents(kind)
	}
	return false
}

// raw carries an answer to the caller that the gateway does not look into.
type raw struct {
	exchange
	buf      *[]byte
	eof      bool
	finished bool
}

// raw starts such an answer: it waits for the first bytes, since until then
// another target can take over.
func (x *exchange) raw(status int, kind string) (call.Answer, *failure) {
	r := &raw{exchange: *x, buf: rawBuffers.Get().(*[]byte)}
	for len(*r.buf) == 0 && !r.eof {
		if err := r.fill(); err != nil {
			r.drop()
			return call.Answer{}, x.broken(err, true)
		}
	}
	if len(*r.buf) == 0 && x.c.Op == wire.OpSpeech {
		r.drop()
		return call.Answer{}, &failure{class: wire.ClassServer, status: status, spent: true,
			err: wire.Errorf(502, "empty_answer", "%s answered with no audio at all", x.t.Name)}
	}
	r.first = time.Now()
	x.first, x.c.FirstByte = r.first, r.first.Sub(x.c.Received)
	x.noticed()
	x.hand()
	return call.Answer{Status: status, ContentType: kind, Stream: r}, nil
}

// fill reads what has arrived, waiting if that is nothing. The end of the
// answer is no error; an end that nothing vouches for is.
func (r *raw) fill() error {
	if !r.cn.body.ready() {
		before := time.Now()
		if err := r.renew(); err != nil {
			return err
		}
		err := r.cn.body.await()
		r.c.Upstream += time.Since(before)
		if err != nil {
			return err
		}
	}
	var err error
	*r.buf, err = r.cn.body.read(*r.buf, rawBuffer-len(*r.buf))
	if err == io.EOF {
		r.eof = true
		if err = nil; r.cn.body.framing == byClose {
			err = io.ErrUnexpectedEOF
		}
	}
	return err
}

// WriteTo implements call.Stream.
func (r *raw) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if b := *r.buf; len(b) > 0 {
			n, werr := w.Write(b)
			if total += int64(n); werr != nil {
				r.c.Gone.Leave()
				r.finish(leftError(r.c))
				return total, werr
			}
			*r.buf = b[:0]
		}
		if r.eof {
			r.finish(nil)
			return total, nil
		}
		if err := r.fill(); err != nil {
			r.finish(r.brokenOff(err))
			return total, errCut
		}
	}
}

// finish accounts for the answer, once.
func (r *raw) finish(err *wire.Error) {
	if r.finished {
		return
	}
	r.finished = true
	c := r.c
	if h := r.cn.head.Peek(proto.HeaderUsage); len(h) > 0 && !r.ep.Direct() {
		setUsage(c, h)
	}
	if h := r.cn.body.usage; len(h) > 0 && !r.ep.Direct() {
		setUsage(c, h)
	}
	c.Err = err
	r.t.State.Observe(err != nil && !c.Gone.Left(), r.first.Sub(r.start), 0)
	r.judge(err)
	r.account.Finish(c)
}

// Close implements call.Stream.
func (r *raw) Close() error {
	if !r.finished { // the caller's connection broke before anything was written
		r.c.Gone.Leave()
		r.finish(leftError(r.c))
	}
	r.letGo()
	r.drop()
	return nil
}

func (r *raw) drop() {
	if r.buf != nil {
		call.Poison(*r.buf)
		*r.buf = (*r.buf)[:0]
		rawBuffers.Put(r.buf)
		r.buf = nil
	}
}

// judge tells the breaker of an answer that broke off.
func (x *exchange) judge(err *wire.Error) {
	if err == nil || x.c.Gone.Left() {
		return
	}
	class := err.Class
	if class == wire.ClassNone { // its own words, in an answer that had begun
		class = wire.ClassServer
	}
	x.pass.Judge(class, time.Now().UnixMilli())
}

// letGo ends the exchange of an answer that has been carried to the caller.
func (x *exchange) letGo() {
	if x.cn != nil {
		x.c.Gone.Free()
		x.done(nil)
		x.pass.Leave()
		x.ep.Process.Release()
	}
}

// discard implements carried.
func (r *raw) discard() *Consumed {
	r.finished = true
	r.letGo()
	r.drop()
	return nil
}
