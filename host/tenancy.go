package host

import (
	"context"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/tenant"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// maxPages is how many pages of a provider's list are gone through for one
// that has an entry of the caller's.
const maxPages = 32

// storeWait bounds what a request waits for the store.
const storeWait = 2 * time.Second

// storeRetry is what callers are told while it cannot be read whose objects are.
const storeRetry = 5 * time.Second

func (f *flight) owner(t *call.Target) tenant.Owner {
	return tenant.Owner{Provider: t.Provider.Name, Tenant: tenant.Of(f.Principal)}
}

func (h *Host) storeFailed(f *flight, err error, message string) *wire.Error {
	h.log.Error("cannot keep apart what providers keep", "request", f.ID, "err", err)
	e := wire.Errorf(503, "store_unavailable", "%s", message)
	e.RetryAfter = storeRetry
	return e
}

// foreign returns what a caller is told whose request names an object that t's
// provider does not keep for it, nil if there is none.
func (h *Host) foreign(f *flight, t *call.Target, refs []tenant.Ref) (missing, err *wire.Error) {
	if len(refs) == 0 || f.internal() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	r, failed := h.tenants.Missing(ctx, f.owner(t), refs)
	switch {
	case failed != nil:
		return nil, h.storeFailed(f, failed, "it cannot be looked up now whose the objects are that the request names: try again later")
	case r != nil:
		return tenant.NotFound(r), nil
	}
	return nil, nil
}

// ask sends the call and takes in what its answer tells of what the provider
// keeps.
func (h *Host) ask(f *flight) (call.Answer, *wire.Error) {
	c := &f.Call
	if c.Whole = tenant.Reads(c); !c.Whole {
		return h.do(f)
	}
	if tenant.Lists(c) && !f.internal() {
		return h.list(f)
	}
	ans, err := h.do(f)
	if err != nil || f.internal() { // what is the gateway's own is nobody else's
		return ans, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	if err := h.tenants.Learn(ctx, f.owner(c.Target), c, ans.Body); err != nil {
		return call.Answer{}, h.storeFailed(f, err, "the provider has answered, but whose the object is could not be recorded: try again later")
	}
	return ans, nil
}

// list answers with the caller's own entries. Pages without any are passed
// over: a client takes an empty one for the end.
func (h *Host) list(f *flight) (call.Answer, *wire.Error) {
	c := &f.Call
	asked := c.Path
	defer func() { c.Path = asked }()
	for range maxPages {
		ans, err := h.dispatch.Do(c)
		if err != nil {
			return ans, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeWait)
		p, failed := h.tenants.Filter(ctx, f.owner(c.Target), c, ans.Body)
		cancel()
		if failed != nil {
			h.log.Error("cannot filter a list", "request", f.ID, "err", failed)
			return call.Answer{}, wire.Errorf(502, "bad_list", "provider %q answered with a list that cannot be read", c.Target.Provider.Name)
		}
		if p.Own > 0 || p.Next == "" {
			ans.Body = p.Body
			return ans, nil
		}
		c.Path = tenant.After(asked, p.Next)
	}
	return call.Answer{}, wire.Errorf(503, "list_too_long", "none of the last %d pages of the provider's list holds an entry of yours: ask with a larger limit, or for one purpose", maxPages)
}

// Stored implements dispatch.Storing. A response that could not be recorded is
// answered all the same: naming it later is refused.
func (h *Host) Stored(c *call.Call, response []byte) {
	f := c.Owner.(*flight)
	h.responded(c, response)
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	if err := h.tenants.Responded(ctx, f.owner(c.Target), response); err != nil {
		h.log.Error("cannot record whose a stored response is", "request", c.ID, "err", err)
	}
}
