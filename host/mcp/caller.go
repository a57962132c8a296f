package mcp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Caller is who makes a request, and all that is told of it to whom decides. It
// may be read by several calls of tools at once.
type Caller struct {
	Call      *call.Call // the request that brought it; it is there while anything runs
	Principal *call.Principal
	Remote    netip.Addr
	TLS       bool
	Header    Header

	ctx     context.Context // of what runs
	end     context.CancelFunc
	why     atomic.Pointer[wire.Error]
	session string // that it showed, "": none
	request string // the request's id, as JSON
	running sync.WaitGroup
	named   atomic.Bool  // a call has the request's own id
	spent   atomic.Int64 // nano-dollars
}

// ID is the id that the request was given, for the first who asks; 0: it is
// another's.
func (c *Caller) ID() call.ID {
	if c.named.Swap(true) {
		return 0
	}
	return c.Call.ID
}

// Why is what a caller is told that may not stay, nil: it may.
func (c *Caller) Why() *wire.Error { return c.why.Load() }

// shutOut ends what runs for a caller that may not stay.
func (c *Caller) shutOut(why *wire.Error) {
	c.why.Store(why)
	c.end()
}

// Spent adds what a call has cost to what the answer tells.
func (c *Caller) Spent(nano int64) { c.spent.Add(nano) }

// settle waits for what runs, and makes the answer tell what it has cost.
func (c *Caller) settle() {
	c.running.Wait()
	c.Call.Cost = c.spent.Load()
}

// Header are a request's headers; it implements call.Header.
type Header http.Header

// Peek implements call.Header.
func (h Header) Peek(name string) []byte { return []byte(http.Header(h).Get(name)) }

// who names the principal: what is counted for one, and bound to one, goes by it.
func (c *Caller) who() string { return who(c.Principal) }

func who(p *call.Principal) string {
	return strings.Join([]string{p.Auth, p.KeyID, p.Org, p.Project, p.Team, p.User}, "\x00")
}

// cancels are the calls that run, by what a caller cancels them with: before
// the protocol of 2026 that is a request of its own.
type cancels struct {
	mu sync.Mutex
	by map[string]context.CancelFunc
}

// cancelName stands for the call that c began as request, everywhere. It tells
// nothing of either.
func cancelName(c *Caller, request string) string {
	sum := sha256.Sum256([]byte(c.who() + "\x00" + c.session + "\x00" + request))
	return hex.EncodeToString(sum[:16])
}

// enter makes the call end with its caller, or when the caller says so.
func (x *cancels) enter(ctx context.Context, c *Caller) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ctx, cancel)
	if c.session == "" || c.request == "" {
		return ctx, func() { stop(); cancel() }
	}
	key := cancelName(c, c.request)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.by == nil {
		x.by = map[string]context.CancelFunc{}
	}
	x.by[key] = cancel
	return ctx, func() {
		x.mu.Lock()
		delete(x.by, key)
		x.mu.Unlock()
		stop()
		cancel()
	}
}

// cancel ends the call of that name; false: it does not run here.
func (x *cancels) cancel(name string) bool {
	x.mu.Lock()
	end := x.by[name]
	x.mu.Unlock()
	if end != nil {
		end()
	}
	return end != nil
}
