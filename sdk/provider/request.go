package provider

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fasthttp"
)

// Request is one request to a route.
type Request struct {
	Op      wire.Op
	Dialect wire.Dialect

	http   *fasthttp.RequestCtx
	watch  *watch
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Body is the request as the caller wrote it, its model replaced by the
// upstream's name. The bytes are valid as long as r.
func (r *Request) Body() []byte { return r.http.Request.Body() }

// Reader reads a body that may be large, as it arrives: the file of a
// transcription, say. After it Body has nothing more to give.
func (r *Request) Reader() io.Reader {
	if s := r.http.RequestBodyStream(); s != nil {
		return s
	}
	return bytes.NewReader(r.http.Request.Body())
}

// ContentType is that of the body, parameters included.
func (r *Request) ContentType() string { return string(r.http.Request.Header.ContentType()) }

// Method is the caller's HTTP method: POST but for operations that have paths
// of their own.
func (r *Request) Method() string { return string(r.http.Method()) }

// Path is what the caller's path has beyond the operation's own, query
// included: "/file-12/content?x=1", "" for most.
func (r *Request) Path() string {
	uri := r.http.Request.URI()
	path, own := string(uri.PathOriginal()), proto.Path(r.Op, r.Dialect)
	path = strings.TrimPrefix(path, own)
	if q := uri.QueryString(); len(q) > 0 {
		path += "?" + string(q)
	}
	return path
}

// Strict reports whether the caller would rather be refused than have
// parameters dropped: a handler that has to drop some answers with 400 then.
func (r *Request) Strict() bool { return string(r.http.Request.Header.Peek(proto.HeaderStrict)) == "1" }

// Streams reports whether the caller wants the answer as events, also where
// the dialect does not say so in the body (Gemini's).
func (r *Request) Streams() bool {
	return string(r.http.Request.Header.Peek(proto.HeaderStream)) == "1"
}

// Model is the model as the upstream calls it.
func (r *Request) Model() string { return string(r.http.Request.Header.Peek(proto.HeaderModel)) }

// ID is the gateway's id of the request, for logs.
func (r *Request) ID() string { return string(r.http.Request.Header.Peek(proto.HeaderRequestID)) }

// Credential is for this request only: it must not be kept.
func (r *Request) Credential() Secret {
	return Secret(r.http.Request.Header.Peek(proto.HeaderCredential))
}

// Header is a header of the caller that a lease or route passes on, "" if absent.
func (r *Request) Header(name string) string { return string(r.http.Request.Header.Peek(name)) }

// Remaining is how long the whole answer may still take; ok is false when the
// gateway named no deadline.
func (r *Request) Remaining() (d time.Duration, ok bool) {
	ms, err := strconv.ParseInt(string(r.http.Request.Header.Peek(proto.HeaderDeadline)), 10, 64)
	if err != nil || ms < 0 || ms > int64(24*time.Hour/time.Millisecond) {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, true
}

var (
	errDeadline = errors.New("the request's deadline has passed")
	errLeft     = errors.New("the gateway has closed the connection")
	errDone     = errors.New("the request is done")
)

// Context is canceled when the request is done, its deadline has passed or the
// gateway has left; whoever waits or calls an upstream uses it. It is made at
// the first call, so that handlers which answer at once do not pay for it.
func (r *Request) Context() context.Context {
	if r.ctx != nil {
		return r.ctx
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r.cancel = cancel
	if left, ok := r.Remaining(); ok {
		deadline, stop := context.WithTimeoutCause(ctx, left, errDeadline)
		ctx, r.cancel = deadline, func(cause error) { cancel(cause); stop() }
	}
	r.ctx = ctx
	r.watch.add(r)
	return ctx
}

// close ends the context, if there is one.
func (r *Request) close() {
	if r.ctx != nil {
		r.watch.remove(r)
		r.cancel(errDone)
	}
}
