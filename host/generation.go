package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// generation is what one configuration became. Requests load the current one
// once and keep it to their end; a new one is built beside it and published
// whole, or not at all.
type generation struct {
	cfg       *config.Config
	started   time.Time
	providers *provider.Set
	policy    *policy.Engine
	catalogue policy.Catalogue // what policy sees of models
	router    *route.Router
	prices    *meter.Catalog
	states    *states
	models    map[string]*call.Model
	routes    map[string]routeSource   // what router was made of
	handles   map[string]*route.Handle // by route
	bare      map[string]*call.Model   // model names of adapters without their provider's
	direct    sync.Map                 // "provider/model" as asked for → *call.Model
	directN   atomic.Int64

	allowUnpriced bool
	unbounded     int64 // nano-dollars reserved for content without a bound, 0: refused
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
	g = &generation{cfg: cfg, started: h.started, states: &h.states, models: map[string]*call.Model{}, bare: map[string]*call.Model{},
		handles: map[string]*route.Handle{}, allowUnpriced: cfg.Budget.Unpriced == "allow", unbounded: int64(cfg.Budget.UnboundedUSD)}
	defer func() {
		if err != nil {
			g.discard(old)
		}
	}()
	if g.prices, err = meter.NewCatalog(cfg.PriceOverrides(), cfg.PriceFiles...); err != nil {
		return g, err
	}
	if err = h.loadRoutes(g, old); err != nil {
		return g, err
	}
	stored, err := h.storedCredentials(ctx)
	if err != nil {
		return g, err
	}
	if err = h.trust(cfg); err != nil {
		return g, err
	}
	if g.providers, err = h.supervisor.Apply(ctx, specs(cfg, stored)); err != nil {
		return g, err
	}
	if err = g.resolveModels(); err != nil {
		return g, err
	}
	if g.catalogue, err = g.describe(); err != nil {
		return g, err
	}
	g.policy, err = h.openPolicy(ctx, g, old)
	return g, err
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
	if g.router != nil && (old == nil || g.router != old.router) {
		_ = g.router.Close() // what it was built for has failed already
	}
}

// loadRoutes compiles the routing modules; where none has changed the running
// ones stay.
func (h *Host) loadRoutes(g, old *generation) error {
	sources := map[string]routeSource{}
	for name, r := range g.cfg.Routes {
		src, err := readRoute(r)
		if err != nil {
			return fmt.Errorf("cannot load route %q: %w", name, err)
		}
		sources[name] = src
	}
	g.routes = sources
	if old != nil && sameRoutes(old.routes, sources) {
		g.router = old.router
	} else {
		router, err := route.New(route.Options{Log: h.log, CacheDir: filepath.Join(h.dir, "wasm-cache")})
		if err != nil {
			return err
		}
		g.router = router
		for name, src := range sources {
			if err := router.Load(name, src.path, src.module, src.config); err != nil {
				return fmt.Errorf("cannot load route %q: %w", name, err)
			}
		}
	}
	for name := range sources {
		g.handles[name] = g.router.Handle(name)
	}
	return nil
}

type routeSource struct {
	path           string
	module, config []byte
}

func readRoute(r config.Route) (src routeSource, err error) {
	src.path = r.File
	if src.module, err = os.ReadFile(r.File); err != nil {
		return src, err
	}
	if r.SHA256 != "" {
		sum := sha256.Sum256(src.module)
		if sum := hex.EncodeToString(sum[:]); !strings.EqualFold(sum, r.SHA256) {
			return src, fmt.Errorf("%s has sha256 %s, the configuration pins %s", r.File, sum, r.SHA256)
		}
	}
	if len(r.Config) > 0 {
		src.config, err = json.Marshal(map[string]any(r.Config))
	}
	return src, err
}

func sameRoutes(a, b map[string]routeSource) bool {
	if len(a) != len(b) {
		return false
	}
	for name, x := range a {
		y, ok := b[name]
		if !ok || x.path != y.path || !slices.Equal(x.module, y.module) || !slices.Equal(x.config, y.config) {
			return false
		}
	}
	return true
}

func specs(cfg *config.Config, stored map[string][]provider.SpecCredential) []provider.Spec {
	var out []provider.Spec
	for name, p := range cfg.Providers {
		s := provider.Spec{Name: name, Adapter: p.Adapter.Name, Version: p.Adapter.Version, Path: p.Adapter.Path, SHA256: p.Adapter.SHA256,
			Config: p.Config, Hosts: p.Hosts,
			Timeouts: call.Timeouts{Connect: p.Timeouts.Connect, FirstByte: p.Timeouts.FirstByte, Idle: p.Timeouts.Idle}}
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

// resolveModels binds the configured names to providers, prices and state.
func (g *generation) resolveModels() error {
	var errs []error
	for name, m := range g.cfg.Models {
		model := &call.Model{Name: name, Route: m.Route}
		for i, t := range m.Targets {
			target, err := g.target(t)
			if err != nil {
				errs = append(errs, fmt.Errorf("models.%s.targets[%d]: %w", name, i, err))
				continue
			}
			model.Targets = append(model.Targets, target)
		}
		g.models[name] = model
	}
	for _, p := range sortedNames(g.cfg.Providers) {
		for _, m := range g.providers.Models(p) {
			full := p + "/" + m.Name
			if t, err := g.target(config.Target{Model: full}); err == nil {
				model := &call.Model{Name: full, Targets: []*call.Target{t}}
				g.models[full] = model
				if _, taken := g.bare[m.Name]; !taken {
					g.bare[m.Name] = model
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (g *generation) target(t config.Target) (*call.Target, error) {
	providerName, model := t.Split()
	p := g.providers.Provider(providerName)
	if p == nil {
		return nil, fmt.Errorf("provider %q is not configured: add it under providers", providerName)
	}
	out := &call.Target{Name: t.Model, Provider: p, Model: model, Weight: t.Weight, Region: t.Region, Quality: t.Quality,
		Price: g.prices.PriceIn(t.Model, t.Region), State: g.states.of(t.Model)}
	if t.Priority != nil {
		out.Priority = *t.Priority
	}
	return out, nil
}

// model finds what a caller asks for: an alias, provider/model, or the bare
// name of a model that an adapter names.
func (g *generation) model(asked []byte) (*call.Model, *wire.Error) {
	if len(asked) > maxName {
		e := wire.Errorf(404, "model_not_found", "there is no model with a name of %d bytes", len(asked))
		e.Class, e.Param = wire.ClassModelNotFound, "model"
		return nil, e
	}
	if m := g.models[string(asked)]; m != nil {
		return m, nil
	}
	if m := g.bare[string(asked)]; m != nil {
		return m, nil
	}
	name := string(asked)
	if m, ok := g.direct.Load(name); ok {
		return m.(*call.Model), nil
	}
	if p, model, ok := strings.Cut(name, "/"); ok && model != "" && g.providers.Provider(p) != nil && plainName(model) {
		if t, err := g.target(config.Target{Model: name}); err == nil {
			m := &call.Model{Name: name, Targets: []*call.Target{t}}
			if g.directN.Add(1) <= maxDirect {
				g.direct.Store(name, m)
			}
			return m, nil
		}
	}
	e := wire.Errorf(404, "model_not_found", "there is no model %q%s", name, g.hint(name))
	e.Class, e.Param = wire.ClassModelNotFound, "model"
	return nil, e
}

// maxName bounds the names that are looked for: to find the nearest one costs
// the product of the lengths.
const maxName = 512

// plainName reports whether name may go into a request to an upstream.
func plainName(name string) bool {
	if len(name) > 256 {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}

func (g *generation) hint(name string) string {
	if near := config.Nearest(name, sortedNames(g.models)); near != "" {
		return fmt.Sprintf(": did you mean %q? GET /v1/models lists them all", near)
	}
	return ": GET /v1/models lists those that are, others are named provider/model"
}

func (g *generation) anyModel() string {
	names := sortedNames(g.cfg.Models)
	if len(names) == 0 {
		names = sortedNames(g.models)
	}
	if len(names) == 0 {
		return "provider/model"
	}
	return names[0]
}

// plan orders the call's candidates, unless the routing module refuses it.
func (g *generation) plan(f *flight) *wire.Error {
	r := g.handles[f.Model.Route]
	if r == nil || f.Model.Route == "" {
		route.Builtin(&f.Call)
		return nil
	}
	r.Plan(&f.Call)
	if f.Plan.Code == 0 {
		return nil
	}
	e := wire.Errorf(403, "route_refused", "route %q refuses the request with code %d: %s", f.Model.Route, f.Plan.Code, f.Plan.Reason())
	e.Class = wire.ClassPolicy
	return e
}

// list is what GET /v1/models shows.
func (g *generation) list() []server.Model {
	var out []server.Model
	for _, name := range sortedNames(g.models) {
		owner := "signalbox"
		if m := g.models[name]; len(m.Targets) == 1 {
			owner = m.Targets[0].Provider.Name
		}
		out = append(out, server.Model{ID: name, OwnedBy: owner, Created: g.started})
	}
	return out
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// chain is what limits money for p under d: the key's own budgets and those
// that policy adds.
func (h *Host) chain(p *call.Principal, d *call.Decision) (*budget.Chain, error) {
	if len(p.Budgets) == 0 && len(d.Limits) == 0 {
		return nil, nil
	}
	return h.chains.of(h.budget, p, d)
}
