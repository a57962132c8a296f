package host

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/signalbox-ai/signalbox/host/policy"
)

// keptPolicy lies beside the store.
const keptPolicy = "policy-kept.tar.gz"

// openPolicy gives g's catalogue to old's engine, or opens another where the
// configuration asks for one. It follows the building of all that the catalogue
// is made of.
func (h *Host) openPolicy(ctx context.Context, g, old *generation) (*policy.Engine, error) {
	cfg := g.cfg.Policy
	if old != nil && reflect.DeepEqual(old.cfg.Policy, cfg) && slices.Equal(sortedNames(old.cfg.Filters), sortedNames(g.cfg.Filters)) {
		if err := old.policy.SetCatalogue(g.catalogue); err != nil {
			return nil, err
		}
		g.served = old.served
		return old.policy, nil
	}
	opt, err := h.policyOptions(g)
	if err != nil {
		return nil, err
	}
	// Close ends the watch: a reload's context ends with the request for it.
	e, err := policy.Open(context.WithoutCancel(ctx), opt)
	if err != nil || old == nil || !e.Stats().Kept {
		return e, err
	}
	e.Close() // what runs is better than what was kept
	return nil, e.Stats().LastError
}

// describe is what policies see of g's models. A region and tags are what any
// alias says of its target.
func (g *generation) describe() (policy.Catalogue, error) {
	out := policy.Catalogue{Models: map[string]policy.CatalogueModel{}, Aliases: map[string][]string{}}
	for _, m := range g.models {
		for _, t := range m.Targets {
			d := policy.CatalogueModel{Provider: t.Provider.Name, Model: t.Model, Price: policy.PriceOf(t.Price)}
			if t.Price != nil {
				d.Context, d.MaxOutput = t.Price.Context, t.Price.MaxOutput
			}
			out.Models[t.Name] = d
		}
	}
	for _, name := range sortedNames(g.cfg.Models) {
		for i, t := range g.cfg.Models[name].Targets {
			d := out.Models[t.Model]
			if d.Region != "" && t.Region != "" && d.Region != t.Region {
				return out, fmt.Errorf("models.%s.targets[%d].region: %s is in %q here and in %q elsewhere: a target has one region",
					name, i, t.Model, t.Region, d.Region)
			}
			if t.Region != "" {
				d.Region = t.Region
			}
			d.Tags = append(d.Tags, t.Tags...)
			slices.Sort(d.Tags)
			d.Tags = slices.Compact(d.Tags)
			out.Models[t.Model] = d
			out.Aliases[name] = append(out.Aliases[name], t.Model)
		}
		slices.Sort(out.Aliases[name])
		out.Aliases[name] = slices.Compact(out.Aliases[name])
	}
	for name, p := range g.pipelines { // they are served where their steps are
		for _, asked := range p.Models() {
			m, err := g.model([]byte(asked))
			if err != nil {
				continue // it was there when the pipeline was compiled
			}
			for _, t := range m.Targets {
				out.Aliases[pipelinePrefix+name] = append(out.Aliases[pipelinePrefix+name], t.Name)
			}
		}
		slices.Sort(out.Aliases[pipelinePrefix+name])
		out.Aliases[pipelinePrefix+name] = slices.Compact(out.Aliases[pipelinePrefix+name])
	}
	return out, nil
}
