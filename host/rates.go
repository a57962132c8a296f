package host

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/limit"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// usualAnswer is what is estimated of an answer, in tokens, that the caller
// sets no bound to.
const usualAnswer = 256

// mostTokens bounds what is estimated of each factor: their product is more than
// any limit, and a number.
const mostTokens = 1 << 30

// paces is what a flight has taken of rates: of those that hold for its caller
// and model, and of those of the targets that it has gone to.
type paces struct {
	own      limit.Ticket
	places   []*place    // beyond its length are ones to be used again
	estimate int64       // of its tokens
	refused  *wire.Error // by the rates of a target, nil: none did
	gate     call.Gate   // where attempts are held up that the rates of their target refuse
}

// place is what was taken for an attempt.
type place struct {
	target *call.Target
	ticket limit.Ticket
	over   atomic.Bool // the attempt is
}

// rate takes what a request needs of the rates that hold for its caller and its
// model. Those of providers, and of models by their providers' names, attempts
// take. What the gateway asks for itself does not count.
func (h *Host) rate(f *flight) *wire.Error {
	if f.internal() || len(f.Principal.Limits) == 0 && len(f.Decision.Limits) == 0 {
		return nil
	}
	ch, err := h.rates.of(h.limits, rateKey{principal: f.Principal, limits: firstOf(f.Decision), model: f.Model}, f.Decision)
	if err != nil {
		return h.inapplicable(f, err)
	}
	if ofTargets(f.Principal.Limits) || ofTargets(f.Decision.Limits) {
		f.Gate = f.gate
	}
	if ch == nil && f.Gate == nil {
		return nil
	}
	f.estimate = f.tokensWanted()
	d := f.own.Take(h.limits, ch, f.Received, f.estimate)
	if ch != nil {
		f.Rates = f.own.State()
	}
	if d != nil {
		return overRate(d)
	}
	f.warnOf(&f.own)
	return nil
}

// warn has the answer tell of a soft limit that has been passed.
func (f *flight) warn(l *call.Limit) {
	if f.Warned != "" {
		f.Warned += "; "
	}
	f.Warned += l.Scope + ": " + limitText(*l)
}

// warnOf has the answer tell of the soft rates that t has passed.
func (f *flight) warnOf(t *limit.Ticket) {
	for l := range t.Passed() {
		f.warn(l)
	}
}

// enter implements call.Gate: an attempt at t takes what the rates of t allow.
func (h *Host) enter(c *call.Call, t *call.Target) (over *atomic.Bool, ok bool) {
	f := c.Owner.(*flight)
	ch, err := h.rates.of(h.limits, rateKey{principal: f.Principal, limits: firstOf(f.Decision), model: f.Model, target: t}, f.Decision)
	if err != nil {
		f.refused = h.inapplicable(f, err)
		return nil, false
	}
	now := time.Now()
	for _, p := range f.places { // others may have the places of attempts that are over
		if p.over.Load() {
			p.ticket.Rest()
		}
	}
	if ch == nil {
		return nil, true
	}
	p := f.place(t)
	if d := p.ticket.Take(h.limits, ch, now, f.estimate); d != nil {
		f.refused = overRate(d)
		f.places = f.places[:len(f.places)-1]
		return nil, false
	}
	f.warnOf(&p.ticket)
	return &p.over, true
}

// place appends one for an attempt at t.
func (f *flight) place(t *call.Target) *place {
	n := len(f.places)
	if n < cap(f.places) && f.places[:n+1][n] != nil {
		f.places = f.places[:n+1]
	} else {
		f.places = append(f.places, &place{})
	}
	p := f.places[n]
	p.target = t
	p.over.Store(false)
	return p
}

// settleRates corrects what f has taken by what it has used. Where no byte of it
// has left for an upstream all is given back.
func (h *Host) settleRates(f *flight) {
	if f.Gate == nil && !f.own.Open() {
		return
	}
	now := time.Now()
	if !f.SentUp && f.Cached == call.CacheNone {
		f.own.Cancel(now)
	} else {
		f.own.Settle(now, f.usedTokens(nil))
	}
	for i, p := range f.places {
		switch {
		case !f.SentUp:
			p.ticket.Cancel(now)
		case slices.ContainsFunc(f.places[:i], func(q *place) bool { return q.target == p.target }):
			p.ticket.Settle(now, 0) // the first has all that its target took
		default:
			p.ticket.Settle(now, f.usedTokens(p.target))
		}
	}
}

// usedTokens is what the call has taken of t, nil: of all targets.
func (f *flight) usedTokens(t *call.Target) (sum int64) {
	for i := range f.Attempts {
		if a := &f.Attempts[i]; t == nil || a.Target == t {
			sum += a.Tokens
		}
	}
	if (t == nil || t == f.Target) && gave(&f.Call) {
		sum += f.Usage.Total()
	}
	return sum
}

// leaveRates ends what is left of f in case its end was not an orderly one.
func (f *flight) leaveRates() {
	if f.own.Open() {
		f.own.Leave(time.Now())
	}
	for _, p := range f.places {
		p.ticket.Leave(time.Now())
		p.target, p.ticket = nil, limit.Ticket{}
	}
	f.places, f.refused, f.estimate, f.Gate = f.places[:0], nil, 0, nil
}

// tokensWanted is the estimate of what f takes of rates of tokens: the prompt by
// its size, and as much of an answer as it asks for.
func (f *flight) tokensWanted() (n int64) {
	switch f.Op {
	case wire.OpChat, wire.OpCompletions:
		n = f.Facts.MaxTokens
		if most := f.Decision.MaxTokens; most > 0 && (n == 0 || n > most) {
			n = most
		}
		if n == 0 {
			n = usualAnswer
		}
		n = min(n, mostTokens) * min(max(f.Facts.N, 1), mostTokens)
	case wire.OpEmbeddings, wire.OpModeration, wire.OpRerank:
	default:
		return 0 // it is counted when it is known
	}
	if f.Facts.In&(scan.Image|scan.Audio|scan.File) == 0 { // the size of others says nothing
		n += f.InputTokens()
	}
	return n
}

// rateChains remembers the counters that the rates of a request come to, like
// chains.
type rateChains struct {
	mu sync.RWMutex
	m  map[rateKey]*limit.Chain
}

type rateKey struct {
	principal *call.Principal
	limits    *call.Limit // first of the decision's, nil if it has none
	model     *call.Model
	target    *call.Target // that an attempt goes to, nil: it is about the request
}

func firstOf(d *call.Decision) *call.Limit {
	if len(d.Limits) == 0 {
		return nil
	}
	return &d.Limits[0]
}

func (t *rateChains) of(l *limit.Limits, key rateKey, d *call.Decision) (*limit.Chain, error) {
	t.mu.RLock()
	ch, ok := t.m[key]
	t.mu.RUnlock()
	if ok {
		return ch, nil
	}
	var held []call.Limit
	for _, list := range [][]call.Limit{key.principal.Limits, d.Limits} {
		for _, lim := range list {
			if lim.Rate && key.holds(lim.Scope) {
				held = append(held, lim)
			}
		}
	}
	ch, err := l.Chain(call.Strictest(held))
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil || len(t.m) >= maxChains {
		t.m = map[rateKey]*limit.Chain{}
	}
	t.m[key] = ch
	return ch, nil
}

// holds reports whether a rate on scope is taken from for what key is about.
func (k *rateKey) holds(scope string) bool {
	kind, name, _ := strings.Cut(scope, "/")
	asked := kind == "model" && k.model != nil && k.model.Name == name
	switch {
	case k.target == nil:
		return asked || kind != "model" && kind != "provider"
	case kind == "provider":
		return k.target.Provider.Name == name
	}
	return kind == "model" && k.target.Name == name && !asked
}

// ofTargets reports whether some of limits are rates of models or providers.
func ofTargets(limits []call.Limit) bool {
	for i := range limits {
		if l := &limits[i]; l.Rate && ofTarget(l.Scope) {
			return true
		}
	}
	return false
}

// overRate says which rate refuses a request, and when to come back.
func overRate(d *limit.Denied) *wire.Error {
	l := &d.Limit
	var e *wire.Error
	switch {
	case l.Unit == call.UnitConcurrent:
		e = wire.Errorf(429, "too_many_concurrent", "%s has %d requests running, as many as it may have at once: wait for one to end, or ask for a larger limit", l.Scope, l.Max)
		e.RetryAfter = max(d.Wait, time.Second)
	case d.Never:
		e = wire.Errorf(429, "rate_limit_exceeded", "the request takes about %d %s, more than the rate of %s (%s) ever allows: lower max_tokens, shorten the prompt, or ask for a larger rate",
			d.Need, l.Unit, l.Scope, limitText(*l))
	default:
		e = wire.Errorf(429, "rate_limit_exceeded", "the rate of %s (%s) is used up: try again in %s, or ask for a larger rate", l.Scope, limitText(*l), whole(d.Wait))
		e.RetryAfter = max(d.Wait, time.Millisecond)
	}
	e.Class = wire.ClassRateLimit
	return e
}

// whole is d as people read it, rounded up.
func whole(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
