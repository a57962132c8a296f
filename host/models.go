package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// tagNames are all tags of the configuration's targets, in the order of their bits.
func tagNames(cfg *config.Config) (names []string) {
	for _, m := range cfg.Models {
		for _, t := range m.Targets {
			names = append(names, t.Tags...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// limitsOf are the least max_in_flight that the configuration says of each target.
func limitsOf(cfg *config.Config) map[string]uint32 {
	out := map[string]uint32{}
	for _, m := range cfg.Models {
		for _, t := range m.Targets {
			if have := out[t.Model]; t.MaxInFlight > 0 && (have == 0 || t.MaxInFlight < have) {
				out[t.Model] = t.MaxInFlight
			}
		}
	}
	return out
}

// tagBits are names as a set.
func (g *generation) tagBits(names []string) (bits uint64) {
	for _, name := range names {
		if i, ok := slices.BinarySearch(g.tags, name); ok {
			bits |= 1 << i
		}
	}
	return bits
}

// resolveModels binds the configured names to providers, prices and state.
func (g *generation) resolveModels() error {
	var errs []error
	for name, m := range g.cfg.Models {
		model := &call.Model{Name: name, Route: m.Route, Filters: m.Filters, Hold: call.Hold(m.Hold), Mirror: call.Mirror{Share: m.Mirror.Share}}
		if m.Mirror.Target != "" {
			target, err := g.target(config.Target{Model: m.Mirror.Target})
			if err != nil {
				errs = append(errs, fmt.Errorf("models.%s.mirror.target: %w", name, err))
			}
			model.Mirror.Target = target
		}
		for i, t := range m.Targets {
			target, err := g.target(t)
			if err != nil {
				errs = append(errs, fmt.Errorf("models.%s.targets[%d]: %w", name, i, err))
				continue
			}
			model.Targets = append(model.Targets, target)
		}
		g.models[name] = model
		if rs, err := compileRules(m.Rules, model); err != nil {
			errs = append(errs, err)
		} else if rs != nil {
			g.rules[model] = rs
		}
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
		MaxInFlight: t.MaxInFlight, Breaker: g.breaker, Tags: g.tagBits(t.Tags), Price: g.prices.PriceIn(t.Model, t.Region), State: g.states.of(t.Model)}
	if out.MaxInFlight == 0 { // what one alias says holds by every name
		out.MaxInFlight = g.limits[t.Model]
	}
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

// list is what GET /v1/models shows.
func (g *generation) list() []server.Model {
	var out []server.Model
	for _, name := range sortedNames(g.pipelines) {
		out = append(out, server.Model{ID: pipelinePrefix + name, OwnedBy: "signalbox", Created: g.started})
	}
	for _, name := range sortedNames(g.models) {
		owner := "signalbox"
		if m := g.models[name]; len(m.Targets) == 1 {
			owner = m.Targets[0].Provider.Name
		}
		out = append(out, server.Model{ID: name, OwnedBy: owner, Created: g.started})
	}
	return out
}
