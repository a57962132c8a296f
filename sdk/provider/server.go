package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fasthttp"
)

// Sizes of the data socket.
const (
	maxBody    = 128 << 20
	maxHeaders = 16 << 10
)

// routes is what the data socket serves under one configuration; immutable.
type routes struct{ byPath map[string]Route }

// server serves the data socket.
type server struct {
	http    fasthttp.Server
	routes  atomic.Pointer[routes]
	watch   watch
	drained atomic.Bool
}

func newServer() *server {
	s := &server{}
	s.routes.Store(&routes{})
	s.http = fasthttp.Server{
		Handler:                      s.serve,
		ReadBufferSize:               maxHeaders,
		WriteBufferSize:              8 << 10,
		MaxRequestBodySize:           maxBody,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true, // handlers read files as they arrive
		NoDefaultServerHeader:        true,
		NoDefaultDate:                true,
		NoDefaultContentType:         true,
		LazyRequestTime:              true,
		CloseOnShutdown:              true,
		Logger:                       quiet{},
	}
	return s
}

// quiet drops fasthttp's own messages: they quote requests, credentials included.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// configure replaces what is served by what p makes of cfg, or leaves it on an error.
func (s *server) configure(p Provider, cfg Config) (*Setup, []Route, error) {
	setup, err := p.Configure(cfg)
	if err != nil {
		return nil, nil, err
	}
	list := append(setup.Routes[:len(setup.Routes):len(setup.Routes)], bridges(setup, cfg.Hosts)...)
	rs, err := newRoutes(list)
	if err != nil {
		return nil, nil, err
	}
	s.routes.Store(rs)
	return setup, list, nil
}

func (s *server) listen(l net.Listener) error { return s.http.Serve(l) }

// drain refuses new connections and returns when the last request has ended.
func (s *server) drain(ctx context.Context) error {
	err := s.http.ShutdownWithContext(ctx)
	s.drained.Store(err == nil) // a connection that was being accepted is not counted yet
	return err
}

// exchange is one request with its answer.
type exchange struct {
	Request
	Writer
}

func (s *server) serve(ctx *fasthttp.RequestCtx) {
	x := &exchange{Request: Request{http: ctx, watch: &s.watch}, Writer: Writer{http: ctx}}
	route, ok := s.routes.Load().find(ctx.URI().PathOriginal())
	if x.Op, x.Dialect = route.Op, route.Dialect; !ok {
		x.refuse(wire.Errorf(404, "not_served", "this adapter does not serve %s %s", ctx.Method(), ctx.Path()))
		return
	}
	if s.drained.Load() {
		x.refuse(&wire.Error{Status: 503, Class: wire.ClassOverloaded, Code: "drained", Message: "this adapter has been replaced: try again"})
		ctx.SetConnectionClose()
		return
	}
	if e := tooLarge(ctx); e != nil {
		x.refuse(e)
		ctx.SetConnectionClose()
		return
	}
	err := x.run(route.Handle)
	if err == nil && x.stream != nil {
		// fasthttp runs it on this goroutine when it writes the answer.
		ctx.SetBodyStream(&body{x: x}, -1)
		return
	}
	x.close()
	switch {
	case err != nil:
		x.refuse(x.asError(err))
	case !x.answered:
		x.refuse(wire.Errorf(500, "no_answer", "the adapter's handler returned without an answer"))
	}
}

// tooLarge refuses JSON that says that it is larger than what handlers are to
// hold. Uploads are of any size: they are read as they arrive.
func tooLarge(ctx *fasthttp.RequestCtx) *wire.Error {
	h := &ctx.Request.Header
	if h.ContentLength() <= maxBody || !bytes.HasPrefix(h.ContentType(), []byte("application/json")) {
		return nil
	}
	return wire.Errorf(413, "request_too_large", "the body has %d bytes; adapters take at most %d", h.ContentLength(), maxBody)
}

func (x *exchange) run(handle HandlerFunc) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = x.panicked(p)
		}
	}()
	return handle(&x.Request, &x.Writer)
}

func (x *exchange) panicked(p any) error {
	slog.Error("handler panicked", "request", x.ID(), "panic", x.scrub(fmt.Sprint(p)), "stack", x.scrub(string(debug.Stack())))
	return wire.Errorf(500, "adapter_panic", "the adapter's handler panicked")
}

// scrub removes the request's credential from a text.
func (x *exchange) scrub(text string) string {
	if c := string(x.Credential()); c != "" {
		return strings.ReplaceAll(text, c, hidden)
	}
	return text
}

// asError gives every error a status and a class.
func (x *exchange) asError(err error) *wire.Error {
	var e *wire.Error
	var netErr net.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, errDeadline), errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return &wire.Error{Status: 504, Class: wire.ClassTimeout, Code: "timeout", Message: x.scrub(err.Error())}
	case netErr != nil:
		return &wire.Error{Status: 502, Class: wire.ClassNetwork, Code: "upstream_unreachable", Message: x.scrub(err.Error())}
	}
	return &wire.Error{Status: 500, Class: wire.ClassServer, Code: "adapter_error", Message: x.scrub(err.Error())}
}

func (x *exchange) refuse(e *wire.Error) {
	x.Writer.fail(e, wire.AppendError(nil, x.Dialect, e, x.ID()))
}

// body is the body of a streamed answer, as fasthttp wants it.
type body struct{ x *exchange }

// SupportsBodyWriteTo asks for WriteTo rather than Read: what fn writes goes
// out on fasthttp's own goroutine, without a pipe between two.
func (*body) SupportsBodyWriteTo() bool { return true }

// Read is not called.
func (*body) Read([]byte) (int, error) { return 0, errors.New("BUG: the stream was read") }

// WriteTo runs the stream function. Its error ends the connection before the
// last chunk, so that the gateway cannot take a cut answer for a whole one;
// before the first byte even, when none has left, so that it may try elsewhere.
func (b *body) WriteTo(out io.Writer) (_ int64, err error) {
	s := b.x.stream
	s.out, s.buf = out, getBuf()
	defer func() {
		putBuf(s.buf)
		s.buf = nil
		if p := recover(); p != nil {
			err = b.x.panicked(p)
		}
		b.x.close()
	}()
	if err = s.write(s); err == nil || s.sent {
		err = errors.Join(err, s.Flush())
	}
	if err != nil && !errors.Is(err, errLeft) {
		slog.Debug("stream cut", "request", b.x.ID(), "error", b.x.scrub(err.Error()))
	}
	return 0, err
}

var _ fasthttp.BodyWriterTo = (*body)(nil)

// find returns the route of a path: an operation and a dialect, and for some
// operations more behind them.
func (r *routes) find(path []byte) (Route, bool) {
	if route, ok := r.byPath[string(path)]; ok {
		return route, true
	}
	end := len(path)
	if op := bytes.IndexByte(path[min(1, end):], '/') + 1; op > 0 {
		if more := bytes.IndexByte(path[op+1:], '/'); more >= 0 {
			end = op + 1 + more
		}
	}
	route, ok := r.byPath[string(path[:end])]
	return route, ok
}

// newRoutes indexes what a setup serves.
func newRoutes(list []Route) (*routes, error) {
	r := &routes{byPath: make(map[string]Route, len(list))}
	for _, route := range list {
		if route.Op == wire.OpNone || route.Dialect == wire.NoDialect || route.Handle == nil {
			return nil, fmt.Errorf("cannot serve route %q: it lacks an operation, a dialect or a handler", proto.Path(route.Op, route.Dialect))
		}
		path := proto.Path(route.Op, route.Dialect)
		if _, twice := r.byPath[path]; twice {
			return nil, fmt.Errorf("cannot serve route %q: it is there twice", path)
		}
		r.byPath[path] = route
	}
	return r, nil
}
