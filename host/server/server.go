// Package server is the data plane's edge: it reads requests, hands them on as
// calls, and writes answers, streams and errors in the caller's dialect.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// Handler does what lies between a request and its answer.
type Handler interface {
	// New returns an empty call.
	New() *call.Call
	// Handle answers c, whose body has been scanned; key is the caller's
	// credential. With an error, an answer that has a body is the error's own
	// wording in the caller's dialect.
	Handle(c *call.Call, key []byte) (call.Answer, *wire.Error)
	// Done takes c back: the answer has been written or given up. It settles
	// what a panic has left open.
	Done(c *call.Call)
}

// Catalogue lists what a caller may ask for.
type Catalogue interface {
	Models(key []byte) ([]Model, *wire.Error)
}

// Model is one line of the list of models.
type Model struct {
	ID      string
	OwnedBy string
	Created time.Time
}

// Options of a server. Zero fields get defaults.
type Options struct {
	TLS         *tls.Config   // nil: plain HTTP
	MaxBody     int           // bytes of a request; default 64 MiB
	ReadTimeout time.Duration // for a whole request; default 60 s
	IdleTimeout time.Duration // between requests; default 3 minutes
	Stall       time.Duration // longest write to a caller who does not read; default 60 s
	Log         *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxBody <= 0 {
		o.MaxBody = 64 << 20
	}
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&o.ReadTimeout, time.Minute}, {&o.IdleTimeout, 3 * time.Minute}, {&o.Stall, time.Minute}} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Server serves the data plane.
type Server struct {
	opt       Options
	handler   Handler
	catalogue Catalogue
	http      *fasthttp.Server
	watcher   *watcher
}

// headBuffer bounds a request's head; vendors' clients send a few KB at most.
const headBuffer = 8 << 10

// New returns a server that is not serving yet.
func New(opt Options, h Handler, c Catalogue) *Server {
	s := &Server{opt: opt.withDefaults(), handler: h, catalogue: c}
	s.http = &fasthttp.Server{
		Handler:                      s.serve,
		ErrorHandler:                 s.badRequest,
		Name:                         "signalbox",
		ReadBufferSize:               headBuffer,
		ReadTimeout:                  s.opt.ReadTimeout,
		IdleTimeout:                  s.opt.IdleTimeout,
		MaxRequestBodySize:           s.opt.MaxBody,
		DisablePreParseMultipartForm: true,
		NoDefaultContentType:         true,
		NoDefaultServerHeader:        true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{s.opt.Log},
	}
	return s
}

// Serve accepts connections from ln until Stop; it closes ln.
func (s *Server) Serve(ln net.Listener) error {
	w, err := newWatcher()
	if err != nil {
		return err
	}
	s.watcher = w
	defer w.stop()
	var l net.Listener = &listener{Listener: ln, watcher: w, stall: s.opt.Stall, log: s.opt.Log}
	if s.opt.TLS != nil {
		l = tls.NewListener(l, s.opt.TLS)
	}
	if err := s.http.Serve(l); err != nil {
		return fmt.Errorf("cannot serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// Stop takes no more requests and waits until those that run have ended, or ctx has.
func (s *Server) Stop(ctx context.Context) error {
	return s.http.ShutdownWithContext(ctx)
}

// quiet keeps what fasthttp has to say at debug level: it is about broken
// connections, whose calls have their own records.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("connection", "event", fmt.Sprintf(format, args...))
}

// endpoint is what a path means.
type endpoint struct {
	op      wire.Op
	dialect wire.Dialect
}

var endpoints = map[string]endpoint{
	"/v1/chat/completions": {wire.OpChat, wire.OpenAIChat},
	"/v1/messages":         {wire.OpChat, wire.AnthropicMessages},
	"/v1/embeddings":       {wire.OpEmbeddings, wire.OpenAIEmbeddings},
}

func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	path := ctx.Request.URI().PathOriginal()
	ep, ok := endpoints[string(path)]
	switch {
	case !ok && string(path) == "/v1/models" && ctx.IsGet():
		s.models(ctx)
	case !ok:
		s.fail(ctx, dialectOf(ctx), wire.Errorf(404, "unknown_path", "there is no %s %q: see the list of endpoints in the documentation", ctx.Method(), path))
	case !ctx.IsPost():
		ctx.Response.Header.Set("Allow", "POST")
		s.fail(ctx, ep.dialect, wire.Errorf(405, "method_not_allowed", "%s takes POST, not %s", path, ctx.Method()))
	default:
		s.call(ctx, ep)
	}
}

func (s *Server) call(ctx *fasthttp.RequestCtx, ep endpoint) {
	c := s.handler.New()
	c.Received = ctx.Time()
	c.Op, c.Dialect = ep.op, ep.dialect
	c.Remote, c.TLS = remote(ctx), ctx.IsTLS()
	c.Body, c.Header = ctx.PostBody(), &ctx.Request.Header
	nc := connOf(ctx.Conn())
	if nc != nil {
		nc.running(&c.Gone)
	}
	ans, err := s.handle(c, keyOf(ctx))
	if ans.Stream != nil && err == nil {
		s.stream(ctx, c, nc, ans)
		return
	}
	if nc != nil {
		nc.running(nil)
	}
	s.finish(ctx, c, ans, err)
}

// handle is where a panic ends: it costs one request, never the process.
func (s *Server) handle(c *call.Call, key []byte) (ans call.Answer, err *wire.Error) {
	defer func() {
		if p := recover(); p != nil {
			s.opt.Log.Error("BUG: a request panicked", "request", c.ID, "panic", p, "stack", string(debug.Stack()))
			ans, err = call.Answer{}, wire.Errorf(500, "internal_error", "the gateway failed at this request: tell the operator its id")
		}
	}()
	if err := scan.Request(&c.Facts, c.Body); err != nil {
		return call.Answer{}, err
	}
	return s.handler.Handle(c, key)
}

func remote(ctx *fasthttp.RequestCtx) netip.Addr {
	if a, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// keyOf returns the caller's credential from wherever its dialect puts it.
func keyOf(ctx *fasthttp.RequestCtx) []byte {
	h := &ctx.Request.Header
	if a := h.Peek(fasthttp.HeaderAuthorization); len(a) > 7 && (string(a[:7]) == "Bearer " || string(a[:7]) == "bearer ") {
		return a[7:]
	}
	if k := h.Peek("X-Api-Key"); len(k) > 0 {
		return k
	}
	if k := h.Peek("X-Goog-Api-Key"); len(k) > 0 {
		return k
	}
	return ctx.QueryArgs().Peek("key")
}

// dialectOf guesses the dialect of a caller on a path that does not tell.
func dialectOf(ctx *fasthttp.RequestCtx) wire.Dialect {
	if len(ctx.Request.Header.Peek("Anthropic-Version")) > 0 {
		return wire.AnthropicMessages
	}
	return wire.OpenAIChat
}

// badRequest answers what could not be read as a request.
func (s *Server) badRequest(ctx *fasthttp.RequestCtx, err error) {
	e := wire.Errorf(400, "bad_request", "the request could not be read: %v", err)
	var small *fasthttp.ErrSmallBuffer
	var ne net.Error
	switch {
	case errors.As(err, &small):
		e = wire.Errorf(431, "headers_too_large", "the request's headers are larger than %d bytes: send fewer or shorter ones", headBuffer)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		e = wire.Errorf(413, "body_too_large", "the request body is larger than limits.max_body allows (%d bytes)", s.opt.MaxBody)
	case errors.As(err, &ne) && ne.Timeout():
		e = wire.Errorf(408, "request_timeout", "the request did not arrive within %s", s.opt.ReadTimeout)
	}
	s.fail(ctx, dialectOf(ctx), e)
}
