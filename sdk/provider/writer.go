package provider

import (
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fasthttp"
)

// Writer takes the answer to one request.
type Writer struct {
	http     *fasthttp.RequestCtx
	stream   *Stream
	answered bool
}

// JSON answers with body, which is copied.
func (w *Writer) JSON(body []byte) error {
	w.answer()
	w.http.Response.Header.SetContentType("application/json")
	w.http.Response.SetBody(body)
	return nil
}

// Bytes answers with a body that is not JSON, which is copied.
func (w *Writer) Bytes(contentType string, body []byte) error {
	w.answer()
	w.http.Response.Header.SetContentType(contentType)
	w.http.Response.SetBody(body)
	return nil
}

// Pipe answers with a body that is not JSON while fn writes it, as with
// Stream: an error of fn cuts the answer short. Usage goes by the stream.
func (w *Writer) Pipe(contentType string, fn func(*Stream) error) error {
	if err := w.Stream(fn); err != nil {
		return err
	}
	w.http.Response.Header.SetContentType(contentType)
	return nil
}

// Rate tells what the upstream says of its rate limit.
func (w *Writer) Rate(r Rate) {
	if h := r.header(); h != "" {
		w.http.Response.Header.Set(proto.HeaderRate, h)
	}
}

// Usage reports what the request consumed. A route that answers in a dialect
// whose own usage field is complete may leave it out.
func (w *Writer) Usage(u wire.Usage) {
	var buf [96]byte
	w.http.Response.Header.SetBytesV(proto.HeaderUsage, proto.AppendUsage(buf[:0], u))
}

// Dropped names parameters of the request that could not be carried.
func (w *Writer) Dropped(params ...string) {
	if len(params) > 0 {
		w.http.Response.Header.Set(proto.HeaderDropped, strings.Join(params, ","))
	}
}

// Stream answers with server-sent events, which fn writes. fn runs after the
// handler has returned; everything that can fail with a proper error belongs
// before this call, because an error of fn can only cut the stream short.
func (w *Writer) Stream(fn func(*Stream) error) error {
	w.answer()
	w.stream = &Stream{write: fn, http: w.http}
	h := &w.http.Response.Header
	h.SetContentType("text/event-stream")
	if err := h.AddTrailer(proto.HeaderUsage); err != nil {
		panic("BUG: " + err.Error())
	}
	return nil
}

func (w *Writer) answer() {
	if w.answered {
		panic("BUG: a handler answered twice; want one of JSON and Stream, once")
	}
	w.answered = true
}

// fail answers with an error whose body is written already.
func (w *Writer) fail(e *wire.Error, body []byte) {
	resp := &w.http.Response
	resp.ResetBody()
	resp.SetStatusCode(e.Status)
	resp.Header.SetContentType("application/json")
	resp.Header.Set(proto.HeaderErrorClass, e.Class.String())
	if e.RetryAfter > 0 {
		seconds := int64((e.RetryAfter + time.Second - 1) / time.Second)
		resp.Header.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	resp.SetBody(body)
}

// flushAt is how much a stream gathers before it flushes by itself.
const flushAt = 16 << 10

// bufs are buffers of streams that have ended.
var bufs sync.Pool

// maxPooled is above flushAt, so that only unusually large events are not kept.
const maxPooled = 2 * flushAt

func getBuf() []byte {
	if b, ok := bufs.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func putBuf(b []byte) {
	if cap(b) > 0 && cap(b) <= maxPooled {
		bufs.Put(&b)
	}
}

// Stream writes the events of one streamed answer. What is written is sent at
// Flush, at the end, or when much has gathered: call Flush when nothing more
// is at hand.
type Stream struct {
	write func(*Stream) error
	http  *fasthttp.RequestCtx
	out   io.Writer // sends each write as one chunk, at once
	buf   []byte
	sent  bool // something has left
	err   error
}

// Event writes one event; name may be empty. data must not hold line breaks,
// which no JSON text needs.
func (s *Stream) Event(name string, data []byte) error {
	if name != "" {
		s.buf = append(append(append(s.buf, "event: "...), name...), '\n')
	}
	s.buf = append(append(append(s.buf, "data: "...), data...), "\n\n"...)
	return s.gathered()
}

// Write writes bytes that are complete events already.
func (s *Stream) Write(p []byte) (int, error) {
	s.buf = append(s.buf, p...)
	return len(p), s.gathered()
}

// Append lets fn append complete events to the bytes that wait to be sent.
func (s *Stream) Append(fn func(dst []byte) ([]byte, error)) error {
	buf, err := fn(s.buf)
	if err != nil {
		return err
	}
	s.buf = buf
	return s.gathered()
}

func (s *Stream) gathered() error {
	if len(s.buf) >= flushAt {
		return s.Flush()
	}
	return s.err
}

// Flush sends what was written. It fails when the gateway has left.
func (s *Stream) Flush() error {
	if len(s.buf) == 0 || s.err != nil {
		return s.err
	}
	s.sent = true
	_, s.err = s.out.Write(s.buf)
	s.buf = s.buf[:0]
	return s.err
}

// Usage reports what the request consumed; the last report counts.
func (s *Stream) Usage(u wire.Usage) {
	var buf [96]byte
	s.http.Response.Header.SetBytesV(proto.HeaderUsage, proto.AppendUsage(buf[:0], u))
}
