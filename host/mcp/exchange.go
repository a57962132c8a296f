package mcp

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/signalbox-ai/signalbox/host/call"
)

const failedHere = "the gateway failed at this request"

// maxAhead bounds what is written of an answer before the caller has taken it.
const maxAhead = 256 << 10

// exchange is one request that an http.Handler answers, in the terms of
// host/call: it implements http.ResponseWriter and http.Flusher for the handler,
// and call.Stream for the caller. An answer that is never flushed is whole.
type exchange struct {
	caller *Caller
	log    *slog.Logger
	cancel context.CancelFunc
	header http.Header
	watch  sync.WaitGroup // until its caller can no longer leave

	mu      sync.Mutex
	turn    sync.Cond // something below has changed
	status  int
	buf     []byte // written, and not taken yet
	flushed bool   // the answer is a stream
	over    bool   // the handler is done
	closed  bool   // nobody reads any more
	failed  bool   // the handler has panicked: nothing more is written
}

func newExchange(c *Caller, log *slog.Logger, cancel context.CancelFunc) *exchange {
	x := &exchange{caller: c, log: log, cancel: cancel, header: http.Header{}}
	x.turn.L = &x.mu
	return x
}

// run lets h answer r, until the caller is gone.
func (x *exchange) run(h http.Handler, r *http.Request, gone *call.Gone) call.Answer {
	left := gone.Done()
	x.watch.Go(func() {
		select {
		case <-left:
			if why := gone.Why(); why != nil {
				x.caller.shutOut(why) // who is told so in place of what still runs
			} else {
				x.abandon()
			}
		case <-r.Context().Done():
		}
	})
	go func() {
		defer x.finish()
		defer func() {
			if p := recover(); p != nil {
				x.panicked(p)
			}
		}()
		h.ServeHTTP(x, r)
	}()

	x.mu.Lock()
	for !x.flushed && !x.over {
		x.turn.Wait()
	}
	ans := call.Answer{Status: x.status, ContentType: x.header.Get("Content-Type")}
	for name, v := range x.header {
		if name == headerSession || name == "Allow" {
			ans.Header = append(ans.Header, [2]string{name, v[0]})
		}
	}
	whole := x.over
	x.mu.Unlock()
	if !whole {
		ans.Stream = x
		return ans
	}
	x.caller.settle()
	x.cancel()
	x.watch.Wait()
	ans.Body = x.buf
	if x.failed {
		ans = call.Answer{Status: 500, ContentType: "text/plain", Body: []byte(failedHere + "\n")}
	}
	if ans.Status == 0 {
		ans.Status = 200
	}
	return ans
}

// abandon ends the request: its caller has left.
func (x *exchange) abandon() {
	x.mu.Lock()
	x.closed = true
	x.turn.Broadcast()
	x.mu.Unlock()
	x.cancel()
}

func (x *exchange) finish() {
	x.mu.Lock()
	x.over = true
	x.turn.Broadcast()
	x.mu.Unlock()
}

func (x *exchange) panicked(p any) {
	x.log.Error("BUG: a request for tools panicked", "panic", p, "stack", string(debug.Stack()))
	x.mu.Lock()
	defer x.mu.Unlock()
	x.failed = true
	if x.flushed { // who waits for an answer gets one
		x.buf = fmt.Appendf(x.buf, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":%q}}\n\n",
			cmp.Or(x.caller.request, "null"), jsonrpc.CodeInternalError, failedHere)
	}
	x.turn.Broadcast()
	x.caller.end()
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.status == 0 {
		x.status = status
	}
}

// Write implements http.ResponseWriter. It waits while the caller is behind.
func (x *exchange) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.status == 0 {
		x.status = http.StatusOK
	}
	for x.flushed && !x.closed && !x.failed && len(x.buf) > 0 && len(x.buf)+len(p) > maxAhead {
		x.turn.Wait()
	}
	if x.closed || x.failed {
		return 0, io.ErrClosedPipe
	}
	x.buf = append(x.buf, p...)
	x.turn.Broadcast()
	return len(p), nil
}

// Flush implements http.Flusher.
func (x *exchange) Flush() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.status == 0 {
		x.status = http.StatusOK
	}
	x.flushed = true
	x.turn.Broadcast()
}

// WriteTo implements call.Stream.
func (x *exchange) WriteTo(w io.Writer) (n int64, err error) {
	var take []byte
	for {
		x.mu.Lock()
		for len(x.buf) == 0 && !x.over && !x.closed {
			x.turn.Wait()
		}
		take, x.buf = x.buf, take[:0]
		over, gone := x.over, x.closed
		x.turn.Broadcast()
		x.mu.Unlock()
		if gone {
			return n, io.ErrUnexpectedEOF
		}
		if len(take) > 0 {
			m, err := w.Write(take)
			if n += int64(m); err != nil {
				return n, err
			}
		} else if over {
			x.caller.settle()
			return n, nil
		}
	}
}

// Close implements call.Stream: what still runs for the caller is ended.
func (x *exchange) Close() error {
	x.abandon()
	x.mu.Lock()
	for !x.over {
		x.turn.Wait()
	}
	x.mu.Unlock()
	x.caller.running.Wait()
	x.watch.Wait()
	return nil
}
