package server

import (
	"io"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Names of what an answer tells of its way through the gateway, canonical as
// fasthttp writes them.
var (
	hRequestID = []byte("X-Signalbox-Request-Id")
	hProvider  = []byte("X-Signalbox-Provider")
	hModel     = []byte("X-Signalbox-Model")
	hAttempts  = []byte("X-Signalbox-Attempts")
	hRoute     = []byte("X-Signalbox-Route")
	hPolicy    = []byte("X-Signalbox-Policy")
	hDryRun    = []byte("X-Signalbox-Policy-Dry-Run")
	hCost      = []byte("X-Signalbox-Cost-Usd")
	hOverhead  = []byte("X-Signalbox-Overhead-Us")
	hDropped   = []byte("X-Signalbox-Dropped-Params")
	hClamped   = []byte("X-Signalbox-Max-Tokens-Clamped")
	hCache     = []byte("X-Signalbox-Cache")
	hSaved     = []byte("X-Signalbox-Saved-Usd")
	hKeptAs    = []byte("X-Signalbox-Cache-Key")
	hWarned    = []byte("X-Signalbox-Budget-Warning")
	hTrace     = []byte("X-Signalbox-Trace-Id")
)

// finish writes a complete answer or an error and gives the call back.
func (s *Server) finish(in *incoming, ans call.Answer, err *wire.Error) {
	ctx, c := in.ctx, in.call
	defer s.handler.Done(c)
	s.headers(ctx, c)
	if err != nil {
		if ans.Body == nil {
			ans = call.Answer{ContentType: "application/json", Body: wire.AppendError(c.Buf[:0], c.Dialect, err, c.ID.String())}
		}
		ans.Status = err.Status
		retryAfter(ctx, err)
	}
	ctx.Response.SetStatusCode(ans.Status)
	ctx.Response.Header.SetContentType(ans.ContentType)
	more(ctx, ans)
	var scratch [32]byte
	ctx.Response.Header.SetCanonical(hCost, call.AppendUSD(scratch[:0], c.Cost))
	ctx.Response.Header.SetCanonical(hOverhead, strconv.AppendInt(scratch[:0], c.Overhead().Microseconds(), 10))
	c.Buf = ctx.Response.SwapBody(ans.Body) // the bytes change hands without a copy
	call.Poison(c.Body)
	in.release()
}

// more adds the headers that are the answer's own.
func more(ctx *fasthttp.RequestCtx, ans call.Answer) {
	for _, h := range ans.Header {
		ctx.Response.Header.Set(h[0], h[1])
	}
}

func retryAfter(ctx *fasthttp.RequestCtx, err *wire.Error) {
	if err.RetryAfter > 0 {
		seconds := int64((err.RetryAfter + time.Second - 1) / time.Second)
		ctx.Response.Header.Set("Retry-After", strconv.FormatInt(seconds, 10))
		// Vendors' clients prefer it, as it saves them up to a second.
		ctx.Response.Header.Set("Retry-After-Ms", strconv.FormatInt(int64((err.RetryAfter+time.Millisecond-1)/time.Millisecond), 10))
	}
}

// fail answers a request that never became a call.
func (s *Server) fail(ctx *fasthttp.RequestCtx, d wire.Dialect, err *wire.Error) {
	ctx.Response.SetStatusCode(err.Status)
	ctx.Response.Header.SetContentType("application/json")
	retryAfter(ctx, err)
	ctx.Response.SetBody(wire.AppendError(nil, d, err, ""))
}

// headers tells what the call went through so far.
func (s *Server) headers(ctx *fasthttp.RequestCtx, c *call.Call) {
	h := &ctx.Response.Header
	var scratch [64]byte
	if c.ID != 0 {
		h.SetCanonical(hRequestID, c.ID.Append(scratch[:0]))
	}
	if c.Trace.Sampled {
		h.SetCanonical(hTrace, c.Trace.ID.Append(scratch[:0]))
	}
	if d := c.Decision; d != nil {
		h.SetCanonical(hPolicy, append(scratch[:0], d.Revision...))
		if len(d.Dry) > 0 {
			h.SetCanonical(hDryRun, append(scratch[:0], d.Dry[0].Code...))
		}
	}
	if c.Plan.Route != "" {
		h.SetCanonical(hRoute, append(scratch[:0], c.Plan.Route...))
	}
	if t := c.Target; t != nil {
		h.SetCanonical(hProvider, append(scratch[:0], t.Provider.Name...))
		h.SetCanonical(hModel, append(scratch[:0], t.Model...))
		h.SetCanonical(hAttempts, strconv.AppendInt(scratch[:0], int64(len(c.Attempts)), 10))
	}
	if len(c.Dropped) > 0 {
		h.SetCanonical(hDropped, c.Dropped)
	}
	rates(h, c)
	if c.MaxTokens > 0 {
		h.SetCanonical(hClamped, strconv.AppendInt(scratch[:0], c.MaxTokens, 10))
	}
	if c.Cached != call.CacheNone {
		h.SetCanonical(hCache, append(scratch[:0], c.Cached.String()...))
		if c.Saved > 0 || !c.Streamed { // of a stream that is still underway it is told at its end
			h.SetCanonical(hSaved, call.AppendUSD(scratch[:0], c.Saved))
		}
		if c.KeptAs != "" {
			h.SetCanonical(hKeptAs, append(scratch[:0], c.KeptAs...))
		}
	}
	if c.Warned != "" {
		h.SetCanonical(hWarned, []byte(c.Warned))
	}
}

// stream hands the answer to fasthttp as a body that writes itself.
func (s *Server) stream(in *incoming, ans call.Answer) {
	ctx := in.ctx
	s.headers(ctx, in.call)
	h := &ctx.Response.Header
	ctx.Response.SetStatusCode(ans.Status)
	h.SetContentType(ans.ContentType)
	more(ctx, ans)
	if ans.ContentType == "text/event-stream" {
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no")
	}
	_ = h.AddTrailerBytes(hCost) // neither name is forbidden as a trailer
	_ = h.AddTrailerBytes(hOverhead)
	ctx.Response.SetBodyStream(&body{incoming: in, stream: ans.Stream}, -1)
}

// body is a streamed answer in fasthttp's hands.
type body struct {
	*incoming
	stream call.Stream
}

// SupportsBodyWriteTo makes fasthttp call WriteTo: no second buffer per stream.
func (b *body) SupportsBodyWriteTo() bool { return true }

// Read exists for the type of fasthttp's interface alone.
func (b *body) Read([]byte) (int, error) {
	panic("BUG: a streamed body is written, not read; got Read; want WriteTo")
}

// WriteTo implements io.WriterTo.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	c := b.call
	c.Detach() // no attempt needs them once bytes flow
	b.free()
	b.ctx.Request.ResetBody()
	n, err := b.stream.WriteTo(w)
	if err != nil {
		return n, err
	}
	var scratch [32]byte
	h := &b.ctx.Response.Header
	h.SetCanonical(hCost, call.AppendUSD(scratch[:0], c.Cost))
	h.SetCanonical(hOverhead, strconv.AppendInt(scratch[:0], c.Overhead().Microseconds(), 10))
	return n, nil
}

// Close implements io.Closer: fasthttp calls it once, whatever happened.
func (b *body) Close() error {
	if b.conn != nil {
		b.conn.running(nil)
	}
	err := b.stream.Close()
	b.handler.Done(b.call)
	b.release()
	return err
}

// models lists the models in the form that the caller's client reads.
func (s *Server) models(ctx *fasthttp.RequestCtx) {
	c := s.handler.New()
	defer s.handler.Done(c)
	s.met(c, ctx)
	c.Method, c.Peer = "GET", peer{ctx}
	list, err := s.catalogue.Models(c, keyOf(ctx))
	d := dialectOf(ctx)
	if err != nil {
		s.fail(ctx, d, err)
		return
	}
	ctx.Response.Header.SetContentType("application/json")
	ctx.Response.SetBody(appendModels(nil, d, list))
}
