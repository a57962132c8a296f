package provider

import (
	"context"
	"errors"
	"strconv"
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
