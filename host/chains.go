package host

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
)

// chains remembers the counters that a principal's and a decision's limits come
// to. Both are immutable and shared between requests, so their addresses name
// them; the table is dropped when it has grown, as stale ones pile up.
type chains struct {
	mu sync.RWMutex
	m  map[chainKey]*budget.Chain
}

type chainKey struct {
	principal *call.Principal
	limits    *call.Limit // first of the decision's, nil if it has none
	model     *call.Model // nil: no limit is about models or providers
}

const maxChains = 16 << 10

func (t *chains) of(pool *budget.Pool, p *call.Principal, d *call.Decision, m *call.Model) (*budget.Chain, error) {
	key := chainKey{principal: p}
	if len(d.Limits) > 0 {
		key.limits = &d.Limits[0]
	}
	if ofModels(p.Limits) || ofModels(d.Limits) {
		key.model = m
	}
	t.mu.RLock()
	ch, ok := t.m[key]
	t.mu.RUnlock()
	if ok {
		return ch, nil
	}
	limits, err := holding(p, d, m)
	if err == nil {
		ch, err = pool.Chain(limits)
	}
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil || len(t.m) >= maxChains {
		t.m = map[chainKey]*budget.Chain{}
	}
	t.m[key] = ch
	return ch, nil
}

// holding are the budgets that hold for a request by p under d that asks for m.
// Of p's, those on other models and providers do not; d's are about this very
// request, so one that is not is an error.
func holding(p *call.Principal, d *call.Decision, m *call.Model) (limits []call.Limit, err error) {
	for _, l := range slices.Concat(p.Limits, d.Limits) {
		if err := budget.CheckScope(l.Scope); err != nil {
			return nil, fmt.Errorf("cannot use limit on %q: %w", l.Scope, err)
		}
	}
	for _, l := range p.Limits {
		if concerns(l.Scope, m) {
			limits = append(limits, l)
		}
	}
	for _, l := range d.Limits {
		if !concerns(l.Scope, m) {
			return nil, fmt.Errorf("policy sets a limit on %q, which the request does not ask for", l.Scope)
		}
		limits = append(limits, l)
	}
	return limits, nil
}

// concerns reports whether a limit on scope holds for requests that ask for m:
// one on a model for those that ask for it or may go to it, one on a provider
// for those that may go there, and any other always.
func concerns(scope string, m *call.Model) bool {
	kind, name, _ := strings.Cut(scope, "/")
	switch {
	case kind != scopeModel && kind != scopeProvider:
		return true
	case m == nil:
		return false
	case kind == scopeModel && m.Name == name:
		return true
	}
	return slices.ContainsFunc(m.Targets, func(t *call.Target) bool {
		return kind == scopeModel && t.Name == name || kind == scopeProvider && t.Provider.Name == name
	})
}

const (
	scopeModel    = "model"
	scopeProvider = "provider"
)

// ofModels reports whether some of limits do not hold for all models.
func ofModels(limits []call.Limit) bool {
	for i := range limits {
		if s := limits[i].Scope; strings.HasPrefix(s, scopeModel+"/") || strings.HasPrefix(s, scopeProvider+"/") {
			return true
		}
	}
	return false
}
