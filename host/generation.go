package host

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/host/release"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/host/store"
	"github.com/signalbox-ai/signalbox/host/trace"
)

// generation is what one configuration became. Requests load the current one
// once and keep it to their end; a new one is built beside it and published
// whole, or not at all.
type generation struct {
	cfg       *config.Config
	started   time.Time
	providers *provider.Set
	policy    *policy.Engine
	served    *served          // where its bundles come from, nil: no service
	catalogue policy.Catalogue // what policy sees of models
	prices    *meter.Catalog
	states    *states
	stored    []store.Credential // that providers has
	models    map[string]*call.Model
	rules     map[*call.Model]*rules // of those that have any
	routes    *release.Prepared      // until it is published
	filters   filterPlan
	handles   map[string]*route.Handle  // by route
	tags      []string                  // of targets, by bit
	bare      map[string]*call.Model    // model names of adapters without their provider's
	pipelines map[string]*pipelineModel // by name, nil: there is none
	direct    sync.Map                  // "provider/model" as asked for → *call.Model
	directN   atomic.Int64

	allowUnpriced bool
	breaker       *call.Breaker
	limits        map[string]uint32 // max_in_flight by target
	probes        []probe
	caching       *caching      // nil: there is no cache
	sharing       *sharing      // nil: no answer is shared
	gathering     *gathering    // nil: each request goes alone
	unbounded     int64         // nano-dollars reserved for content without a bound, 0: refused
	telling       *telling      // nil: nothing is told of requests
	tracer        *trace.Tracer // nil: nothing is traced
}

// maxDirect bounds the models that callers name without their being configured,
// and maxStates what is remembered of any: callers can think of many names.
const (
	maxDirect = 4096
	maxStates = 4 * maxDirect
)

// states are the live states of targets; they outlive a generation.
type states struct {
	mu     sync.Mutex
	byName map[string]*call.TargetState
}

func (s *states) of(name string) *call.TargetState {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.byName[name]
	if st == nil {
		st = call.NewTargetState()
		if len(s.byName) < maxStates {
			s.byName[name] = st
		}
	}
	return st
}

// build makes a generation of cfg. What it shares with old goes on unchanged.
func (h *Host) build(ctx context.Context, cfg *config.Config, old *generation) (g *generation, err error) {
	g = &generation{cfg: cfg, tags: tagNames(cfg), started: h.started, states: &h.states, models: map[string]*call.Model{}, rules: map[*call.Model]*rules{}, bare: map[string]*call.Model{},
		handles: map[string]*route.Handle{}, allowUnpriced: cfg.Budget.Unpriced == "allow", unbounded: int64(cfg.Budget.UnboundedUSD)}
	g.breaker, g.limits = breakerOf(cfg.Breaker), limitsOf(cfg)
	g.caching = newCaching(cfg)
	g.sharing, g.gathering = newSharing(cfg, old), newGathering(cfg)
	defer func() {
		if err != nil {
			h.discard(g, old)
		}
	}()
	if g.telling, err = h.tell(ctx, cfg, old); err != nil {
		return g, err
	}
	g.tracer = tracerOf(cfg, g.telling)
	if g.prices, err = meter.NewCatalog(cfg.PriceOverrides(), cfg.PriceFiles...); err != nil {
		return g, err
	}
	stored, err := h.storedCredentials(ctx, g)
	if err != nil {
		return g, err
	}
	if err = h.trust(cfg); err != nil {
		return g, err
	}
	if err = h.prepareRoutes(ctx, g); err != nil {
		return g, err
	}
	if err = h.prepareFilters(ctx, g); err != nil {
		return g, err
	}
	if g.providers, err = h.supervisor.Apply(ctx, specs(cfg, stored)); err != nil {
		return g, err
	}
	if err = g.resolveModels(); err != nil {
		return g, err
	}
	if err = g.compilePipelines(); err != nil {
		return g, err
	}
	if g.probes, err = g.probesOf(cfg); err != nil {
		return g, err
	}
	if g.catalogue, err = g.describe(); err != nil {
		return g, err
	}
	g.policy, err = h.openPolicy(ctx, g, old)
	return g, err
}

// discard ends g, which does not come into use; what old trusts is trusted again.
func (h *Host) discard(g, old *generation) {
	if old != nil {
		_ = h.trust(old.cfg) // it was no error before
	}
	g.discard(old)
}

// discard ends what g does not share with old.
func (g *generation) discard(old *generation) {
	if g.providers != nil {
		g.providers.Abort()
	}
	switch {
	case g.policy == nil:
	case old == nil || g.policy != old.policy:
		g.policy.Close()
	default:
		_ = old.policy.SetCatalogue(old.catalogue) // its status shows if the bundle is no longer good
	}
	if g.telling != nil && (old == nil || g.telling != old.telling) {
		g.telling.end()
	}
	if g.routes != nil {
		g.routes.Abort()
	}
	if g.filters.modules != nil {
		g.filters.modules.Abort()
	}
}

func specs(cfg *config.Config, stored map[string][]provider.SpecCredential) []provider.Spec {
	var out []provider.Spec
	for name, p := range cfg.Providers {
		s := provider.Spec{Name: name, Adapter: p.Adapter.Name, Version: p.Adapter.Version, Path: p.Adapter.Path, SHA256: p.Adapter.SHA256,
			Config: p.Config, Hosts: p.Hosts,
			Timeouts: call.Timeouts{Connect: p.Timeouts.Connect, FirstByte: p.Timeouts.FirstByte, Idle: p.Timeouts.Idle}}
		s.Drain, s.Propagate = drainOf(&p), p.Propagate
		s.Isolation = provider.Isolation{Network: p.Isolation.Network, Memory: int64(p.Isolation.Memory), Files: p.Isolation.Files, Processes: p.Isolation.Processes}
		for _, c := range p.Credentials {
			s.Credentials = append(s.Credentials, provider.SpecCredential{Name: c.Name, Value: c.Value.Reveal(), Weight: c.Share()})
		}
		s.Credentials = append(s.Credentials, stored[name]...)
		s.Awaiting = len(s.Credentials) == 0 && p.Credentials != nil // "credentials: []"
		out = append(out, s)
	}
	return out
}

// drainLimit is for how long answers are read on whose callers have left, where
// the configuration does not say.
const drainLimit = 30 * time.Second

func drainOf(p *config.Provider) time.Duration {
	switch {
	case p.ClientGone != "drain":
		return 0
	case p.DrainLimit > 0:
		return p.DrainLimit
	}
	return drainLimit
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// chain is what limits p under d where it asks for m: the caller's own budgets
// and those that policy adds.
func (h *Host) chain(p *call.Principal, d *call.Decision, m *call.Model) (*budget.Chain, error) {
	if len(p.Limits) == 0 && len(d.Limits) == 0 {
		return nil, nil
	}
	return h.chains.of(h.budget, p, d, m)
}
