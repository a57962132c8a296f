package dispatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// smallBody is up to what size a body is copied behind its head, so that both
// leave in one write; larger ones go as a vector.
const smallBody = 32 << 10

// edit replaces a range of the caller's body.
type edit struct {
	at   scan.Span
	with string
}

// rewrite holds the few places where the upstream's body differs from the
// caller's: the model's name, and what metering and caps need.
type rewrite struct {
	edits [5]edit
	n     int
}

func (r *rewrite) add(at scan.Span, with string) {
	i := r.n
	for i > 0 && r.edits[i-1].at.From > at.From {
		r.edits[i] = r.edits[i-1]
		i--
	}
	r.edits[i] = edit{at, with}
	r.n++
}

// length is how long body becomes.
func (r *rewrite) length(body []byte) int {
	n := len(body)
	for _, e := range r.edits[:r.n] {
		n += len(e.with) - (e.at.To - e.at.From)
	}
	return n
}

// appendTo appends the rewritten body to dst.
func (r *rewrite) appendTo(dst, body []byte) []byte {
	from := 0
	for _, e := range r.edits[:r.n] {
		dst = append(append(dst, body[from:e.at.From]...), e.with...)
		from = e.at.To
	}
	return append(dst, body[from:]...)
}

// vector appends the pieces of the rewritten body to v, without copying it.
func (r *rewrite) vector(v net.Buffers, body []byte) net.Buffers {
	from := 0
	for _, e := range r.edits[:r.n] {
		v = append(v, body[from:e.at.From], []byte(e.with))
		from = e.at.To
	}
	return append(v, body[from:])
}

// plan decides the edits for one attempt. asked reports whether usage was asked
// of the upstream on the gateway's own account.
func (r *rewrite) plan(c *call.Call, ep *call.Endpoint, model string) (asked bool) {
	r.n = 0
	if c.Upload != nil || len(c.Body) == 0 {
		return false
	}
	f := &c.Facts
	switch {
	case f.ModelAt.Present() && c.Dialect == wire.GeminiGenerate:
		r.add(f.ModelAt, geminiName(c.Body[f.ModelAt.From:f.ModelAt.To], model))
	case f.ModelAt.Present():
		r.add(f.ModelAt, quoted(model))
	case c.Op == wire.OpModeration: // the one operation that has a model of its own
		r.insert(c, `"model":"`+quoted(model)+`"`)
	}
	if f.Stream && ep.StreamUsage && !f.IncludeUsage && (c.Dialect == wire.OpenAIChat || c.Dialect == wire.OpenAICompletions) {
		asked = true
		r.askUsage(c)
	}
	if n := c.Cap(); n > 0 && (c.Op == wire.OpChat || c.Op == wire.OpCompletions) {
		r.capTokens(c, ep, n)
	}
	return asked
}

// geminiName is model as Gemini's bodies name it, if they do.
func geminiName(said []byte, model string) string {
	if bytes.HasPrefix(said, []byte("models/")) {
		return "models/" + quoted(model)
	}
	return quoted(model)
}

// insert adds a member to the body.
func (r *rewrite) insert(c *call.Call, member string) {
	end := c.Facts.End
	for i := end - 1; i >= 0; i-- {
		if b := c.Body[i]; b == '{' {
			r.add(scan.Span{From: end, To: end}, member)
			return
		} else if b > ' ' {
			break
		}
	}
	r.add(scan.Span{From: end, To: end}, ","+member)
}

func (r *rewrite) askUsage(c *call.Call) {
	f := &c.Facts
	switch {
	case f.UsageAt.Present():
		r.add(f.UsageAt, "true")
	case f.StreamOptions.Present() && c.Body[f.StreamOptions.From] == '{':
		r.add(f.StreamOptions, `{"include_usage":true}`)
		r.keepOptions(c)
	case f.StreamOptions.Present(): // null
		r.add(f.StreamOptions, `{"include_usage":true}`)
	default:
		r.insert(c, `"stream_options":{"include_usage":true}`)
	}
}

// keepOptions narrows the edit of an existing stream_options object to an
// insertion behind its brace, so that its other members stay.
func (r *rewrite) keepOptions(c *call.Call) {
	for i := range r.edits[:r.n] {
		e := &r.edits[i]
		if e.at != c.Facts.StreamOptions {
			continue
		}
		inner := c.Body[e.at.From+1 : e.at.To-1]
		for _, b := range inner {
			if b == '"' {
				e.at = scan.Span{From: e.at.From + 1, To: e.at.From + 1}
				e.with = `"include_usage":true,`
				return
			}
		}
	}
}

// capTokens lowers what the caller allows to at most n. A member that says
// nothing (null, 0) is filled in rather than sent twice.
func (r *rewrite) capTokens(c *call.Call, ep *call.Endpoint, n int64) {
	f, limit, capped := &c.Facts, strconv.FormatInt(n, 10), false
	var blank scan.Span
	for _, at := range f.MaxTokensAt {
		if !at.Present() {
			continue
		}
		switch said, _ := strconv.ParseInt(string(c.Body[at.From:at.To]), 10, 64); {
		case said > n:
			r.add(at, limit)
			capped = true
		case said > 0:
			capped = true
		case !blank.Present():
			blank = at
		}
	}
	switch {
	case capped:
	case blank.Present():
		r.add(blank, limit)
	case c.Dialect == wire.GeminiGenerate:
		r.capGemini(c, limit)
	default:
		name := ep.MaxTokens
		switch {
		case name != "":
		case c.Dialect == wire.OpenAIResponses:
			name = "max_output_tokens"
		default:
			name = "max_tokens"
		}
		r.insert(c, `"`+name+`":`+limit)
	}
}

// capGemini adds the cap where Gemini has it: in the generationConfig that is
// there, or in one of its own.
func (r *rewrite) capGemini(c *call.Call, limit string) {
	at, member := c.Facts.ConfigAt, `"maxOutputTokens":`+limit
	switch {
	case !at.Present():
		r.insert(c, `"generationConfig":{`+member+"}")
	case c.Body[at.From] != '{': // null
		r.add(at, "{"+member+"}")
	default:
		if len(bytes.TrimSpace(c.Body[at.From+1:at.To-1])) > 0 {
			member += ","
		}
		r.add(scan.Span{From: at.From + 1, To: at.From + 1}, member)
	}
}

// quoted is model as the characters of a JSON string.
func quoted(model string) string {
	for i := range len(model) {
		if c := model[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			q, err := json.Marshal(model)
			if err != nil {
				panic("BUG: cannot marshal a string; got " + err.Error())
			}
			return string(q[1 : len(q)-1])
		}
	}
	return model
}

// send writes the request for one attempt. What it is written from is needed
// until then only: a stream may last for hours.
func (x *exchange) send(r *rewrite, model string) error {
	c, nc, out := x.c, x.cn.nc, getBuffer()
	defer putBuffer(out)
	*out = x.appendHead(*out, r, model)
	switch {
	case c.Upload != nil:
		return x.sendUpload(*out, model)
	case len(c.Body) <= smallBody:
		*out = r.appendTo(*out, c.Body)
		_, err := nc.Write(*out)
		return err
	}
	v := r.vector(net.Buffers{*out}, c.Body)
	_, err := v.WriteTo(nc)
	return err
}

// appendHead appends the request's head.
func (x *exchange) appendHead(b []byte, r *rewrite, model string) []byte {
	c, cn, ep := x.c, x.cn, x.ep
	b = x.tr.head.appendTo(b, c, model)
	for i := range ep.Headers {
		if h := &ep.Headers[i]; !replaced(c, ep, h) {
			b = appendHeader(b, h, x.cred)
		}
	}
	for _, name := range ep.PassHeaders {
		if v := c.Header.Peek(name); len(v) > 0 {
			b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
		}
	}
	if x.t.Provider.Propagate && c.Trace.On() {
		b = x.appendTrace(b)
	}
	if !ep.Direct() {
		b = x.appendAdapterHeaders(b, model)
	}
	size := int64(r.length(c.Body))
	if c.Upload != nil {
		size = uploadSize(c, model)
	}
	if c.Op == wire.OpRealtime {
		b = cn.appendUpgrade(b, c)
	}
	if size > 0 || hasBody(c) {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, size, 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// appendTrace appends which trace the attempt is part of. Baggage stays here.
func (x *exchange) appendTrace(b []byte) []byte {
	t := &x.c.Trace
	x.span = call.NewSpanID()
	b = append(t.AppendParent(append(b, "traceparent: "...), x.span), "\r\n"...)
	if t.State != "" {
		b = append(append(append(b, "tracestate: "...), t.State...), "\r\n"...)
	}
	return b
}

// appendUpgrade appends what asks for a WebSocket.
func (cn *conn) appendUpgrade(b []byte, c *call.Call) []byte {
	cn.wsKey = newKey()
	b = append(b, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	b = append(append(b, cn.wsKey...), "\r\n"...)
	if bytes.Contains(c.Header.Peek("Sec-WebSocket-Protocol"), []byte("realtime")) {
		b = append(b, "Sec-WebSocket-Protocol: realtime\r\n"...)
	}
	return b
}

// replaced reports whether the caller sends, and may pass on, a header of its
// own in place of h: a version, a beta flag; never a credential.
func replaced(x *call.Call, ep *call.Endpoint, h *call.HeaderTemplate) bool {
	if h.Credential {
		return false
	}
	for _, name := range ep.PassHeaders {
		if len(name) == len(h.Name) && strings.EqualFold(name, h.Name) {
			return len(x.Header.Peek(name)) > 0
		}
	}
	return false
}

func appendHeader(b []byte, h *call.HeaderTemplate, cred *call.Credential) []byte {
	b = append(append(append(b, h.Name...), ": "...), h.Prefix...)
	if h.Credential && cred != nil {
		b = append(b, cred.Secret()...)
	}
	return append(append(b, h.Suffix...), "\r\n"...)
}

func (x *exchange) appendAdapterHeaders(b []byte, model string) []byte {
	c := x.c
	b = c.ID.Append(append(b, "x-signalbox-request-id: "...))
	b = strconv.AppendInt(append(b, "\r\nx-signalbox-deadline-ms: "...), max(time.Until(x.cn.until).Milliseconds(), 1), 10)
	b = append(append(append(b, "\r\nx-signalbox-model: "...), model...), "\r\n"...)
	if x.cred != nil {
		b = append(append(append(b, "x-signalbox-credential: "...), x.cred.Secret()...), "\r\n"...)
	}
	if c.Facts.Stream {
		b = append(b, "x-signalbox-stream: 1\r\n"...)
	}
	if c.Strict || x.opt.Strict {
		b = append(b, "x-signalbox-strict: 1\r\n"...)
	}
	return b
}

// maxInterim bounds the informational answers (1xx) before the one that counts.
const maxInterim = 8

var errInterim = errors.New("the upstream sends nothing but informational answers, or switches protocols")

// readHead reads the head of an answer. The first byte is waited for apart:
// fasthttp hides what kept it from coming.
func (c *conn) readHead() error {
	for range maxInterim {
		if _, err := c.br.Peek(1); err != nil {
			return err
		}
		c.begun = true
		if err := c.head.Read(c.br); err != nil {
			return err
		}
		if status := c.head.StatusCode(); status >= 200 {
			return nil
		} else if status == 101 {
			if c.wsKey != "" {
				return nil
			}
			break
		}
	}
	return errInterim
}

// stale reports whether err is what a connection gives that the peer had
// closed while it lay idle.
func stale(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// wait sets the deadline of the next reads and writes to at most d from now. A
// deadline that is already about there stays: setting one costs more than the
// eighth that it may be early.
func (c *conn) wait(now time.Time, d time.Duration, deadline time.Time) error {
	until := now.Add(d)
	if until.After(deadline) {
		until = deadline
	}
	if early := until.Sub(c.until); early >= 0 && early < until.Sub(now)/8 {
		return nil
	}
	c.until = until
	return c.nc.SetDeadline(until)
}
