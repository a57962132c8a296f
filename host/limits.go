package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/signalbox-ai/signalbox/host/admin"
	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/limit"
	"github.com/signalbox-ai/signalbox/host/redis"
)

// limitKind is that of documents which hold the limits of a scope, whose name is theirs.
const limitKind = "limit"

// heldLimits are the limits that are nobody's own: of the configuration and of
// the store. They are immutable.
type heldLimits struct {
	config  map[string][]call.Limit // by scope
	stored  map[string][]call.Limit
	docs    map[string]call.Document // of stored ones, without bodies
	targets []call.Limit             // of models and providers, which hold for all callers
	unread  map[string]bool          // scopes of stored ones that cannot be read: nothing of theirs passes
}

// errLimitsUnread says that not all limits of a caller are known.
var errLimitsUnread = errors.New("limits that are stored for it cannot be read: set them anew")

// check says whether all limits of p are known.
func (t *heldLimits) check(p *call.Principal) error {
	if t == nil || len(t.unread) == 0 {
		return nil
	}
	for _, scope := range scopesOf(p) {
		if t.unread[scope] {
			return fmt.Errorf("%s: %w", scope, errLimitsUnread)
		}
	}
	return nil
}

// refuseUnread takes note of a document that err keeps from being read: one must
// not keep what others say from holding. Its scope is refused; of a model or a
// provider, by a limit that lets nothing run.
func (h *Host) refuseUnread(held *heldLimits, d call.Document, err error) {
	h.log.Error("stored limits cannot be read, and their scope is refused", "scope", d.Name, "err", err)
	held.unread[d.Name], held.stored[d.Name] = true, nil
	if ofTarget(d.Name) {
		held.stored[d.Name] = []call.Limit{{Scope: d.Name, Unit: call.UnitConcurrent, Rate: true}}
	}
}

// limitBody is the body of a document.
type limitBody struct {
	Limits []call.Limit `json:"limits"`
}

// openLimits makes the counters of rates, and the way to those that nodes share.
func (h *Host) openLimits(cfg *config.Config) (err error) {
	c := cfg.Counters
	opt := limit.Options{Log: h.log, Timeout: c.Timeout, Exact: c.Mode == "exact", Nodes: c.Nodes, Node: rand.Text()}
	if url := c.URL.Reveal(); url != "" {
		if h.redis, err = redis.Open(redis.Options{URL: url, Timeout: c.Timeout, Log: h.log}); err != nil {
			return fmt.Errorf("cannot use counters.url: %w", err)
		}
		opt.Remote = h.redis
	}
	h.limits = limit.New(opt)
	return nil
}

func (h *Host) closeLimits() {
	if h.limits != nil {
		h.limits.Stop()
	}
	if h.redis != nil {
		h.redis.Close()
	}
}

// loadLimits reads the limits of cfg and of the store.
func (h *Host) loadLimits(ctx context.Context, cfg *config.Config) error {
	held, err := h.readLimits(ctx, cfg)
	if err == nil {
		h.held.Store(held)
	}
	return err
}

func (h *Host) readLimits(ctx context.Context, cfg *config.Config) (*heldLimits, error) {
	docs, err := h.store.Documents(ctx, limitKind)
	if err != nil {
		return nil, err
	}
	held := &heldLimits{config: map[string][]call.Limit{}, stored: map[string][]call.Limit{}, docs: map[string]call.Document{}, unread: map[string]bool{}}
	for _, l := range cfg.Held() {
		l.Scope = keyScope(l.Scope, cfg)
		if err := checkLimit(&l); err != nil {
			return nil, fmt.Errorf("cannot use the limit of the configuration on %q: %w", l.Scope, err)
		}
		held.config[l.Scope] = append(held.config[l.Scope], l)
	}
	for _, d := range docs {
		if limits, err := parseLimits(d); err != nil {
			h.refuseUnread(held, d, err)
		} else {
			held.stored[d.Name] = limits
		}
		d.Body = nil
		held.docs[d.Name] = d
	}
	for _, by := range []map[string][]call.Limit{held.config, held.stored} {
		for _, scope := range sortedNames(by) {
			if ofTarget(scope) {
				held.targets = append(held.targets, by[scope]...)
			}
		}
	}
	return held, nil
}

// keyScope is scope with the id of a key of cfg in place of its name.
func keyScope(scope string, cfg *config.Config) string {
	if name, ok := strings.CutPrefix(scope, "key/"); ok {
		for _, k := range cfg.Keys {
			if k.Name == name {
				return "key/" + k.ID()
			}
		}
	}
	return scope
}

func parseLimits(d call.Document) ([]call.Limit, error) {
	var b limitBody
	dec := json.NewDecoder(bytes.NewReader(d.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return nil, fmt.Errorf("cannot read the limits of %q: %w", d.Name, err)
	}
	for i := range b.Limits {
		l := &b.Limits[i]
		l.Scope = d.Name
		if err := checkLimit(l); err != nil {
			return nil, fmt.Errorf("cannot use a limit of %q: %w", d.Name, err)
		}
	}
	return b.Limits, nil
}

// checkLimit says why l cannot be held.
func checkLimit(l *call.Limit) error {
	if l.Rate {
		return limit.Check(l)
	}
	return budget.CheckLimit(*l)
}

// scopesOf are the scopes whose limits hold for p, from the narrowest.
func scopesOf(p *call.Principal) (scopes []string) {
	for _, s := range [...][2]string{{"key", p.KeyID}, {"user", p.User}, {"project", p.Project}, {"team", p.Team}, {"org", p.Org}, {"env", p.Env}} {
		if s[1] != "" {
			scopes = append(scopes, s[0]+"/"+s[1])
		}
	}
	return scopes
}

// of are all limits that hold for p beside policy's, each counter's strictest.
func (t *heldLimits) of(p *call.Principal) []call.Limit {
	if t == nil {
		return p.Budgets
	}
	all := append([]call.Limit(nil), p.Budgets...)
	for _, scope := range scopesOf(p) {
		all = append(append(all, t.config[scope]...), t.stored[scope]...)
	}
	return call.Strictest(append(all, t.targets...))
}

// mostRates is how many rates may hold for a caller: those of one scope, of the
// model that it asks for, come on top.
const mostRates = limit.MaxRates - admin.MaxLimits

// checkRates says whether the rates among limits can be held for one caller.
func (h *Host) checkRates(limits []call.Limit) error {
	n := 0
	list := ofCallers(limits)
	for i := range list {
		if list[i].Rate {
			n++
		}
	}
	if n > mostRates {
		return fmt.Errorf("%d rates hold for it: %d are the most; merge or drop some", n, mostRates)
	}
	_, err := h.limits.Chain(list)
	return err
}

// ofCallers are those of limits that hold wherever a request goes.
func ofCallers(limits []call.Limit) (out []call.Limit) {
	for _, l := range limits {
		if !ofTarget(l.Scope) {
			out = append(out, l)
		}
	}
	return out
}

// ofTarget reports whether scope is a model or a provider.
func ofTarget(scope string) bool {
	return strings.HasPrefix(scope, "model/") || strings.HasPrefix(scope, "provider/")
}

// applying are the limits that hold for p, each with where it comes from and
// whether a stricter one stands in for it.
func (t *heldLimits) applying(p *call.Principal) (out []admin.AppliedLimit) {
	strictest := t.of(p)
	add := func(source string, limits []call.Limit) {
		for _, l := range limits {
			holds := false
			for i := range strictest {
				holds = holds || strictest[i] == l
			}
			out = append(out, admin.AppliedLimit{Source: source, Scope: l.Scope, Holds: holds, Limit: l})
		}
	}
	add("key", p.Budgets)
	for _, scope := range append(scopesOf(p), targetScopes(t.targets)...) {
		add("config", t.config[scope])
		add("store", t.stored[scope])
	}
	return out
}

func targetScopes(limits []call.Limit) (scopes []string) {
	seen := map[string]bool{}
	for _, l := range limits {
		if !seen[l.Scope] {
			seen[l.Scope] = true
			scopes = append(scopes, l.Scope)
		}
	}
	return scopes
}
