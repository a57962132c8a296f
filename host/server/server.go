// Package server is the data plane's edge: it reads requests, hands them on as
// calls, and writes answers, streams and errors in the caller's dialect.
package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/spool"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Handler does what lies between a request and its answer.
type Handler interface {
	// New returns an empty call.
	New() *call.Call
	// Handle answers c, whose body has been scanned unless c.Receive is there to
	// do so; key is the caller's credential. With an error, an answer that has a body is the error's own
	// wording in the caller's dialect.
	Handle(c *call.Call, key []byte) (call.Answer, *wire.Error)
	// Done takes c back: the answer has been written or given up. It settles
	// what a panic has left open.
	Done(c *call.Call)
}

// Catalogue lists what a caller may ask for.
type Catalogue interface {
	// Models are those that the key, and how c has come, give access to.
	Models(c *call.Call, key []byte) ([]Model, *wire.Error)
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
	Proxies     Proxies       // that are trusted; default: none
	MaxBody     int           // bytes of a request; default 64 MiB
	MaxUpload   int64         // bytes of an upload; default 512 MiB
	Uploads     *spool.Folder // where uploads are put aside; default: the system's temporary folder
	ReadTimeout time.Duration // for a whole request, or between two parts of an upload; default 60 s
	IdleTimeout time.Duration // between requests; default 3 minutes
	Stall       time.Duration // longest write to a caller who does not read; default 60 s
	Log         *slog.Logger
	Document    []byte // of OpenAPI, that says what is served; nil: none is shown
}

func (o Options) withDefaults() Options {
	if o.MaxBody <= 0 {
		o.MaxBody = 64 << 20
	}
	if o.MaxUpload <= 0 {
		o.MaxUpload = 512 << 20
	}
	if o.Uploads == nil {
		o.Uploads = spool.New(os.TempDir(), 4*o.MaxUpload)
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
	watcher   atomic.Pointer[watcher] // nil: it does not serve yet
	sessions  sessions
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
		StreamRequestBody:            true, // beyond the first 8 KB, which cost nothing more
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
	s.watcher.Store(w)
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

// ServeConn serves a connection from within the process. That its caller leaves
// is noticed at the next write.
func (s *Server) ServeConn(c net.Conn) error { return s.http.ServeConn(c) }

// Recheck has the callers of streams and sessions leave that may not stay: may
// says why, to be told to them. It is asked under locks, and must not wait.
func (s *Server) Recheck(may func(*call.Principal) *wire.Error) {
	if w := s.watcher.Load(); w != nil {
		w.recheck(may)
	}
}

// Stop takes no more requests and waits until those that run have ended, or ctx has.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.ShutdownWithContext(ctx)
	s.sessions.stop(ctx)
	return err
}

// quiet keeps what fasthttp has to say at debug level: it is about broken
// connections, whose calls have their own records.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("connection", "event", fmt.Sprintf(format, args...))
}

// documentPath is where the document lies, for whoever asks.
const documentPath = "/openapi.json"

func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	path := ctx.Request.URI().PathOriginal()
	ep, ok := endpoints[string(path)]
	switch {
	case ok && ctx.IsPost():
		s.call(ctx, asked{endpoint: ep})
	case ok:
		s.fail(ctx, ep.dialect, methods(ctx, "POST"))
	case ctx.IsGet() && slices.Contains(modelFolders, string(path)):
		s.models(ctx)
	case ctx.IsGet() && string(path) == documentPath && s.opt.Document != nil:
		ctx.SetContentType("application/json")
		ctx.Response.SetBodyRaw(s.opt.Document)
	default:
		a, err := find(ctx, path)
		if err == nil {
			s.call(ctx, a)
			return
		}
		if a.dialect == wire.NoDialect {
			a.dialect = dialectOf(ctx)
		}
		s.fail(ctx, a.dialect, err)
	}
}

// ins are what requests are read into.
var ins = sync.Pool{New: func() any { return &incoming{} }}

func (s *Server) call(ctx *fasthttp.RequestCtx, a asked) {
	c := s.handler.New()
	a.apply(c, ctx)
	s.met(c, ctx)
	nc := connOf(ctx.Conn())
	if nc != nil {
		nc.running(&c.Gone)
	}
	in := ins.Get().(*incoming)
	*in = incoming{Server: s, ctx: ctx, call: c, conn: nc, asked: a}
	c.Peer = in
	ans, err := s.handle(in, keyOf(ctx))
	if ans.Stream != nil && err == nil {
		if ans.Status == fasthttp.StatusSwitchingProtocols {
			s.upgrade(in, ans)
		} else {
			s.stream(in, ans)
		}
		return
	}
	if nc != nil {
		nc.running(nil)
	}
	if c.Receive != nil { // refused before all of it was read
		_ = in.refuse(err)
	}
	s.finish(in, ans, err)
}

// handle is where a panic ends: it costs one request, never the process.
func (s *Server) handle(in *incoming, key []byte) (ans call.Answer, err *wire.Error) {
	defer func() {
		if p := recover(); p != nil {
			s.opt.Log.Error("BUG: a request panicked", "request", in.call.ID, "panic", p, "stack", string(debug.Stack()))
			ans, err = call.Answer{}, wire.Errorf(500, "internal_error", "the gateway failed at this request: tell the operator its id")
		}
	}()
	if err := in.receive(); err != nil { // said once it is known to whom
		in.call.Receive = func() *wire.Error { return err }
	}
	return s.handler.Handle(in.call, key)
}

// met notes how c has come.
func (s *Server) met(c *call.Call, ctx *fasthttp.RequestCtx) {
	c.Received = ctx.Time()
	c.Remote, c.TLS = s.opt.Proxies.remote(ctx), ctx.IsTLS()
	c.Header = &ctx.Request.Header
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
	if k := ctx.QueryArgs().Peek("key"); len(k) > 0 {
		return k
	}
	if string(ctx.Request.URI().PathOriginal()) == realtimePath {
		return protocolKey(ctx)
	}
	return nil
}

// dialectOf guesses the dialect of a caller on a path that does not tell.
func dialectOf(ctx *fasthttp.RequestCtx) wire.Dialect {
	switch path := ctx.Request.URI().PathOriginal(); {
	case len(ctx.Request.Header.Peek("Anthropic-Version")) > 0:
		return wire.AnthropicMessages
	case bytes.HasPrefix(path, []byte("/v1beta/")), bytes.HasPrefix(path, []byte("/v1alpha/")):
		return wire.GeminiGenerate
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
	case errors.As(err, &ne) && ne.Timeout():
		e = wire.Errorf(408, "request_timeout", "the request did not arrive within %s", s.opt.ReadTimeout)
	}
	s.fail(ctx, dialectOf(ctx), e)
}
