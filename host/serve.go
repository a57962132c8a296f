package host

import (
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/host/tenant"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// downRetry is what callers of a crashed adapter are told.
const downRetry = 30 * time.Second

// flight is a call with what the host keeps beside it.
type flight struct {
	call.Call
	gen      *generation
	chain    *budget.Chain
	ticket   budget.Ticket
	covered  bool  // the ticket is open
	reserved int64 // nano-dollars
	spent    int64 // nano-dollars, by attempts that failed and may be charged
	computed int64 // what the catalogue makes of usage whose cost the provider told
	finished bool
}

// New implements server.Handler.
func (h *Host) New() *call.Call { return &h.flights.Get().(*flight).Call }

// Done implements server.Handler.
func (h *Host) Done(c *call.Call) {
	f := c.Owner.(*flight)
	if f.gen != nil && !f.finished {
		h.panicked(f)
	}
	c.Reset()
	f.gen, f.chain, f.covered, f.reserved, f.spent, f.computed, f.finished = nil, nil, false, 0, 0, 0, false
	h.flights.Put(f)
}

// panicked settles a call that a stage has panicked at like one that a crash
// left open: at its reservation if bytes of it had left.
func (h *Host) panicked(f *flight) {
	f.Err = wire.Errorf(500, "internal_error", "the gateway failed at this request")
	if f.SentUp {
		f.Attempts = append(f.Attempts, call.Attempt{Target: f.Target, Class: wire.ClassServer, Cost: f.reserved - f.spent})
	}
	h.Finish(&f.Call)
}

// Handle implements server.Handler: the path of a request.
func (h *Host) Handle(c *call.Call, key []byte) (call.Answer, *wire.Error) {
	f := c.Owner.(*flight)
	f.gen = h.gen.Load()
	c.ID = h.ids.Next(c.Received)

	err := h.authenticate(f, key)
	if err == nil && c.Receive != nil {
		receive := c.Receive
		c.Receive = nil
		err = receive()
	}
	if err == nil {
		err = h.resolve(f)
	}
	if err == nil {
		err = h.decide(f)
	}
	if err == nil {
		err = h.candidates(f)
	}
	if err == nil {
		err = f.gen.plan(f)
	}
	if err != nil {
		c.Err = err
		h.Finish(c)
		return call.Answer{}, err
	}

	ans, err := h.ask(f)
	if err == nil && ans.Stream != nil {
		return ans, nil // the stream finishes the call before its end
	}
	c.Err = err
	h.Finish(c)
	if err == nil && c.Err != nil { // answered, but the record could not be written
		return call.Answer{}, c.Err
	}
	return ans, err
}

func (h *Host) authenticate(f *flight, key []byte) (err *wire.Error) {
	if len(key) == 0 {
		return wire.Errorf(401, "missing_api_key",
			"no API key was sent: send one as 'Authorization: Bearer …', 'x-api-key' or 'x-goog-api-key'")
	}
	f.Principal, err = h.keys.Authenticate(key)
	return err
}

// resolve finds the model that the caller asks for.
func (h *Host) resolve(f *flight) *wire.Error {
	if !h.ledger.Healthy() {
		e := wire.Errorf(503, "ledger_unavailable", "requests cannot be recorded now: try again later")
		e.RetryAfter = ledgerRetry
		return e
	}
	if modelless(f.Op) {
		return f.gen.resolveProvider(f)
	}
	if len(f.Facts.Model) == 0 {
		e := wire.Errorf(400, "missing_model", "model is missing: name one, such as %q", f.gen.anyModel())
		e.Param = "model"
		return e
	}
	m, err := f.gen.model(f.Facts.Model)
	f.Model = m
	return err
}

func (h *Host) decide(f *flight) *wire.Error {
	d := f.gen.policy.Decide(&f.Call)
	f.Decision = d
	if !d.Allow {
		return f.gen.refusal(d)
	}
	chain, err := h.chain(f.Principal, d)
	if err != nil {
		h.log.Error("cannot apply limits", "request", f.ID, "key", f.Principal.KeyID, "err", err)
		e := wire.Errorf(403, "policy_error", "the limits that hold for this request cannot be applied: tell the operator request %s", f.ID)
		e.Class = wire.ClassPolicy
		return e
	}
	f.chain = chain
	return nil
}

func (g *generation) refusal(d *call.Decision) *wire.Error {
	e := wire.Errorf(403, "policy_denied", "the request is not allowed by policy")
	if len(d.Reasons) > 0 {
		e = wire.Errorf(403, d.Reasons[0].Code, "%s", g.policy.Message(d.Reasons[0]))
	}
	e.Class = wire.ClassPolicy
	return e
}

// candidates keeps the targets that policy allows, that serve the operation,
// whose providers keep what the request names for its tenant, and whose worst case has a price where money is limited.
func (h *Host) candidates(f *flight) *wire.Error {
	refs, err := tenant.Named(&f.Call)
	if err != nil {
		return err
	}
	var bounding, foreign *wire.Error
	for _, t := range f.Model.Targets {
		if !allowed(f, t) || !serves(f, t) || len(f.Candidates) == call.MaxCandidates {
			continue
		}
		missing, err := h.foreign(f, t, refs)
		if err != nil {
			return err
		}
		if missing != nil {
			foreign = missing
			continue
		}
		bound, err := h.bound(f, t)
		if err != nil {
			bounding = err
			continue
		}
		f.Candidates = append(f.Candidates, call.Candidate{Target: t, Bound: bound})
	}
	if len(f.Candidates) > 0 {
		return nil
	}
	if bounding != nil {
		return bounding
	}
	if foreign != nil {
		return foreign
	}
	return noCandidate(f)
}

func allowed(f *flight, t *call.Target) bool {
	return !f.Decision.Restricted || slices.Contains(f.Decision.Targets, t.Name)
}

// serves reports whether t can take the request; an adapter that is being
// restarted will in a moment.
func serves(f *flight, t *call.Target) bool {
	return t.Provider.Endpoint(f.Op, f.Dialect) != nil || !t.Provider.Up()
}

// noCandidate says why no target is left.
func noCandidate(f *flight) *wire.Error {
	for _, t := range f.Model.Targets {
		switch {
		case !allowed(f, t):
		case t.Provider.Down():
			e := wire.Errorf(503, "provider_down", "the adapter of provider %q has crashed too often and rests: try again later", t.Provider.Name)
			e.RetryAfter = downRetry
			return e
		default:
			return wire.Errorf(404, "operation_not_supported", "provider %q does not serve %s in dialect %s: ask for another model",
				t.Provider.Name, f.Op, f.Dialect)
		}
	}
	e := wire.Errorf(403, "no_target", "policy allows none of the targets of model %q", f.Model.Name)
	e.Class = wire.ClassPolicy
	return e
}

// modelless reports whether requests of op name a provider, not a model.
func modelless(op wire.Op) bool {
	return op == wire.OpFiles || op == wire.OpBatches || op == wire.OpPass
}

// anyOf is the name of what stands in for a model of a provider.
const anyOf = "/*"

// resolveProvider finds whom a request that names no model is for: the
// provider that it names, or the only one that serves the operation.
func (g *generation) resolveProvider(f *flight) *wire.Error {
	name := f.Provider
	if f.Op == wire.OpPass && !slices.Contains(g.cfg.PassThrough, name) {
		return wire.Errorf(404, "pass_through_off", "requests are not passed through to provider %q: the operator can list it under pass_through", name)
	}
	if name != "" && g.providers.Provider(name) == nil {
		e := wire.Errorf(404, "provider_not_found", "there is no provider %q: name one in x-signalbox-provider or ?provider=", name)
		e.Param = "provider"
		return e
	}
	if name == "" {
		var serving []string
		for _, p := range sortedNames(g.cfg.Providers) {
			if g.providers.Provider(p).Endpoint(f.Op, f.Dialect) != nil {
				serving = append(serving, p)
			}
		}
		switch len(serving) {
		case 0:
			return wire.Errorf(404, "operation_not_supported", "no provider here serves %s", f.Op)
		case 1:
			name = serving[0]
		default:
			e := wire.Errorf(400, "provider_required", "several providers serve %s (%s): name one in x-signalbox-provider or ?provider=", f.Op, strings.Join(serving, ", "))
			e.Param = "provider"
			return e
		}
	}
	m, err := g.model([]byte(name + anyOf))
	f.Model = m
	return err
}

// opaque reports whether what the request may cost cannot be seen in it.
func opaque(c *call.Call) bool {
	switch c.Op {
	case wire.OpPass, wire.OpRealtime:
		return true
	case wire.OpBatches: // the creation of one; the others cost nothing
		return c.Method == "" && !cancels(c.Path)
	}
	return false
}

// cancels reports whether what a request for batches is posted to ends one.
func cancels(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	id, ok := strings.CutSuffix(path, "/cancel")
	return ok && len(id) > 1 && strings.LastIndexByte(id, '/') == 0
}

// bound is the most that one attempt at t can cost. Where no money is limited
// an unknown price is no hindrance.
func (h *Host) bound(f *flight, t *call.Target) (int64, *wire.Error) {
	limited := f.chain != nil
	switch {
	case modelless(f.Op) && !opaque(&f.Call), f.Op == wire.OpCountTokens:
		return 0, nil
	case opaque(&f.Call) && limited && f.gen.unbounded == 0:
		e := wire.Errorf(402, "content_unbounded", "what %s may cost cannot be bounded, and a budget applies to your key: the operator can set budget.unbounded_usd", f.Op)
		e.Class = wire.ClassPolicy
		return 0, e
	case opaque(&f.Call) && f.Op != wire.OpRealtime:
		return f.gen.unbounded, nil
	}
	price := t.Price.At(f.Received)
	if price == nil {
		if limited && !f.gen.allowUnpriced {
			e := wire.Errorf(402, "model_unpriced", "%s has no price, and a budget applies to your key: the operator can set one under prices", t.Name)
			e.Class = wire.ClassPolicy
			return 0, e
		}
		if opaque(&f.Call) {
			return f.gen.unbounded, nil
		}
		return 0, nil
	}
	if opaque(&f.Call) {
		return f.gen.unbounded, nil
	}
	bound, err := meter.Bound(price, &meter.Ask{Op: f.Op, Facts: &f.Facts, MaxTokens: f.Decision.MaxTokens, Unbounded: f.gen.unbounded})
	if err != nil && limited && !(f.gen.allowUnpriced && err.Code == "model_unpriced") {
		return 0, err
	}
	return bound, nil
}
