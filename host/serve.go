package host

import (
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/auth"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/content"
	"github.com/signalbox-ai/signalbox/host/filter"
	"github.com/signalbox-ai/signalbox/host/hint"
	"github.com/signalbox-ai/signalbox/host/queue"
	"github.com/signalbox-ai/signalbox/host/tenant"
	"github.com/signalbox-ai/signalbox/host/trace"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// downRetry is what callers of a crashed adapter are told.
const downRetry = 30 * time.Second

// flight is a call with what the host keeps beside it.
type flight struct {
	call.Call
	gen    *generation
	ticket budget.Ticket
	money
	paces
	computed  int64 // what the catalogue makes of usage whose cost the provider told
	finished  bool
	record    call.Record      // what is told of it, once it is finished
	shown     string           // of a key that is not valid, what may be logged
	sampled   bool             // the decision is kept
	kept      *kept            // room for it, nil until there was one
	seen      []byte           // what policy saw, where somebody wants to know
	replanned bool             // the plan is not the first one
	eligible  []call.Candidate // the candidates before some were left out that take nothing for now, empty: none was
	rule      *effect          // of the model's rule that holds, nil: none does
	recall    recall           // of the cache
	shared    shared           // of an answer that is others' too
	portion   portion          // of what was asked for several together
	steps     trace.Steps      // when they ran, where it is traced
	heard     *content.Entry   // what is written down of prompt and answer, nil: nothing is
	span      *trace.Item      // what is exported for sure, nil: nothing yet
	inner     *innerCall       // what the gateway asks of itself, nil: a caller asks
	ticketed  *ticket          // that it has come with, nil: with a key
	links     []filter.Link
	screen    *filter.Screen // of links, at work; nil: there are none
}

// New implements server.Handler.
func (h *Host) New() *call.Call {
	h.passing.Began()
	return &h.flights.Get().(*flight).Call
}

// Done implements server.Handler.
func (h *Host) Done(c *call.Call) {
	f := c.Owner.(*flight)
	if f.gen != nil && !f.finished {
		h.panicked(f)
	}
	if f.screen != nil {
		f.screen.Release()
		f.screen = nil
	}
	f.leaveRates()
	f.shared.leave()
	f.ticketed.done()
	f.ticketed = nil
	c.Reset()
	if f.gen != nil {
		f.gen.telling.release()
	}
	f.gen, f.money, f.computed, f.finished, f.rule, f.inner = nil, money{}, 0, false, nil, nil
	f.recall = recall{}
	f.shared, f.portion = shared{}, portion{}
	f.sampled, f.replanned = false, false
	f.steps, f.heard, f.span = trace.Steps{}, nil, nil
	if f.seen = f.seen[:0]; cap(f.seen) > maxInput {
		f.seen = nil
	}
	clear(f.eligible)
	f.eligible = f.eligible[:0]
	h.flights.Put(f)
	h.passing.Ended()
}

// panicked settles a call that a stage has panicked at like one that a crash
// left open: at its reservation if bytes of it had left.
func (h *Host) panicked(f *flight) {
	f.Err = wire.Errorf(500, "internal_error", "the gateway failed at this request")
	if f.SentUp {
		spent, _ := spentOn(f.Attempts)
		f.Attempts = append(f.Attempts, call.Attempt{Target: f.Target, Class: wire.ClassServer, Cost: max(0, f.reserved[call.UnitUSD]-spent), Tokens: max(0, f.reserved[call.UnitTokens]-f.tookTokens())})
	}
	h.Finish(&f.Call)
}

// Handle implements server.Handler: the path of a request.
func (h *Host) Handle(c *call.Call, key []byte) (call.Answer, *wire.Error) {
	f := c.Owner.(*flight)
	h.bind(f)
	c.ID = h.ids.Next(c.Received)

	err := h.authenticate(f, key)
	if t := f.gen.tracer; t != nil {
		t.Begin(c)
	}
	if f.Principal == nil {
		f.shown = string(auth.Shown(key))
	}
	if err == nil && c.Receive != nil {
		receive := c.Receive
		c.Receive = nil
		err = receive()
	}
	ask := h.fetch
	if err == nil {
		if own := h.own(f); own != nil {
			ask = own
		} else {
			err = h.prepare(f)
		}
	}
	if err != nil {
		c.Err = err
		h.Finish(c)
		return call.Answer{}, err
	}

	ans, err := ask(f)
	h.mirror.take(f)
	if err == nil && ans.Stream != nil {
		if err = h.stands(f); err == nil {
			return ans, nil // the stream finishes the call before its end
		}
		_ = ans.Stream.Close() // it has finished the call
		return call.Answer{}, err
	}
	if err == nil {
		ans, err = f.filterAnswer(ans)
	}
	c.Err = err
	h.Finish(c)
	if f.recall.keeps() {
		h.remember(f, ans.ContentType, ans.Body, false)
	}
	if err == nil && c.Err != nil { // answered, but the record could not be written
		return call.Answer{}, c.Err
	}
	return ans, err
}

// prepare brings a call whose caller is known to where it can be asked of
// someone.
func (h *Host) prepare(f *flight) *wire.Error {
	h.sample(f)
	err := h.resolve(f)
	if err == nil {
		f.begin(trace.Policy)
		err = h.decide(f)
		f.end(trace.Policy)
	}
	if err == nil {
		err = h.rate(f)
	}
	if err == nil {
		f.begin(trace.Filters)
		err = h.filter(f)
		f.end(trace.Filters)
	}
	if err == nil {
		f.listen()
	}
	if err == nil {
		err = h.candidates(f)
	}
	if err == nil {
		err = f.narrow()
	}
	if err == nil {
		err = h.recall(f)
	}
	if err != nil || f.recall.hit != nil || h.join(f) {
		return err
	}
	return h.place(f)
}

// place finds a call its place: when it goes to whom.
func (h *Host) place(f *flight) *wire.Error {
	f.begin(trace.Queue)
	err := h.admit(f)
	f.end(trace.Queue)
	if err == nil {
		f.begin(trace.Route)
		err = f.gen.plan(f)
		f.end(trace.Route)
	}
	return err
}

// recordable refuses requests while their records cannot be written.
func (h *Host) recordable() *wire.Error {
	if h.ledger.Healthy() {
		return nil
	}
	e := wire.Errorf(503, codeLedger, "requests cannot be recorded now: try again later")
	e.RetryAfter = ledgerRetry
	return e
}

// resolve finds the model that the caller asks for.
func (h *Host) resolve(f *flight) *wire.Error {
	if err := h.recordable(); err != nil {
		return err
	}
	if f.inner != nil && f.inner.Target != nil {
		f.inner.target(f)
		return nil
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
	if err != nil {
		return err
	}
	f.Model = m
	if f.inner != nil && f.inner.Granted {
		return nil
	}
	return auth.PermitModel(f.Principal, m.Name)
}

func (h *Host) decide(f *flight) *wire.Error {
	if f.inner != nil && f.inner.Decision != nil {
		f.Decision = f.inner.Decision
		return nil
	}
	f.Priority = queue.ClassNames[classOf(&f.Call)]
	var began time.Time
	if h.trail != nil {
		began = time.Now()
	}
	d := f.gen.policy.Decide(&f.Call)
	f.Decision = d
	h.judged(f)
	if h.trail != nil || d.LogRequired {
		if err := h.logged(f, time.Since(began)); err != nil {
			return err
		}
	}
	if !d.Allow {
		err := f.gen.refusal(d)
		h.noteDenial(f, err)
		return err
	}
	chain, err := h.chain(f.Principal, d, f.Model)
	if err != nil {
		return h.inapplicable(f, err)
	}
	f.chain = chain
	return nil
}

// inapplicable refuses a request for limits that cannot be held.
func (h *Host) inapplicable(f *flight, err error) *wire.Error {
	h.log.Error("cannot apply limits", "request", f.ID, "key", f.Principal.KeyID, "err", err)
	e := wire.Errorf(403, "policy_error", "the limits that hold for this request cannot be applied: tell the operator request %s", f.ID)
	e.Class = wire.ClassPolicy
	return e
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
	if err := hint.Tags(&f.Call, f.gen.tags); err != nil {
		return err
	}
	var bounding, foreign *wire.Error
	for _, t := range f.Model.Targets {
		if !allowed(f, t) || !hint.Tagged(&f.Call, t) || !serves(f, t) || len(f.Candidates) == call.MaxCandidates {
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
		f.Candidates = append(f.Candidates, call.Candidate{Target: t, Bound: bound.USD, Tokens: bound.Tokens})
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
	tagged := false
	for _, t := range f.Model.Targets {
		switch {
		case !allowed(f, t):
		case !hint.Tagged(&f.Call, t):
			tagged = true
		case t.Provider.Down():
			e := wire.Errorf(503, "provider_down", "the adapter of provider %q has crashed too often and rests: try again later", t.Provider.Name)
			e.RetryAfter = downRetry
			return e
		default:
			return wire.Errorf(404, "operation_not_supported", "provider %q does not serve %s in dialect %s: ask for another model",
				t.Provider.Name, f.Op, f.Dialect)
		}
	}
	if tagged {
		return hint.Untagged(&f.Call)
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
	if err != nil {
		return err
	}
	f.Model = m
	return auth.PermitModel(f.Principal, m.Name)
}
