package host

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/provider"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// card is a model that callers may ask for, as GET /admin/models shows it.
type card struct {
	Name    string       `json:"name"`
	Alias   bool         `json:"alias"` // of the configuration
	Route   string       `json:"route,omitempty"`
	Filters []string     `json:"filters,omitempty"`
	Targets []targetCard `json:"targets"`
}

// targetCard is one of a model's targets. Operations are those that its provider
// serves in some dialect, unless the adapter says more of the model.
type targetCard struct {
	Target       string        `json:"target"`
	Region       string        `json:"region,omitempty"`
	Priority     uint32        `json:"priority"`
	Weight       uint32        `json:"weight"`
	Breaker      string        `json:"breaker"`
	Up           bool          `json:"up"`
	Operations   []string      `json:"operations"`
	Capabilities []string      `json:"capabilities"`
	Context      int64         `json:"context,omitempty"`
	MaxOutput    int64         `json:"max_output,omitempty"`
	Prices       []priceOfCard `json:"prices"` // none: unknown
}

// priceOfCard is one price, in dollars.
type priceOfCard struct {
	What string `json:"what"` // "input"
	USD  string `json:"usd"`
	Per  string `json:"per"` // "million tokens"
}

// cards implements admin.Cards.
func (h *Host) cards(context.Context) any {
	g, now := h.gen.Load(), time.Now()
	known := map[string]*provider.Model{}
	for name := range g.cfg.Providers {
		for _, m := range g.providers.Models(name) {
			known[name+"/"+m.Name] = &m
		}
	}
	list := []card{}
	for _, name := range slices.Sorted(maps.Keys(g.models)) {
		m := g.models[name]
		_, alias := g.cfg.Models[name]
		c := card{Name: name, Alias: alias, Route: m.Route, Filters: m.Filters, Targets: []targetCard{}}
		for _, t := range m.Targets {
			plain, _, _ := strings.Cut(t.Name, "?") // what some adapters take beside a name
			c.Targets = append(c.Targets, cardOf(t, known[plain], now))
		}
		list = append(list, c)
	}
	return map[string]any{"models": list}
}

func cardOf(t *call.Target, known *provider.Model, now time.Time) targetCard {
	c := targetCard{Target: t.Name, Region: t.Region, Priority: t.Priority, Weight: max(t.Weight, 1), Up: t.Provider.Up() && !t.Provider.Down(),
		Breaker: t.Circuit(now.UnixMilli()).String(), Operations: []string{}, Capabilities: []string{}, Prices: []priceOfCard{}}
	ops := map[wire.Op]bool{}
	if known != nil {
		c.Capabilities = append(c.Capabilities, known.Capabilities...)
		c.Context, c.MaxOutput = known.Context, known.MaxOutput
		for _, op := range known.Ops {
			ops[op] = true
		}
	}
	if len(ops) == 0 {
		ops = operationsOf(t.Provider)
	}
	for op := range wire.NumOps {
		if ops[op] {
			c.Operations = append(c.Operations, op.String())
		}
	}
	if p := t.Price.At(now); p != nil {
		c.Prices = pricesOf(p)
		if c.Context == 0 {
			c.Context = p.Context
		}
		if c.MaxOutput == 0 {
			c.MaxOutput = p.MaxOutput
		}
	}
	return c
}

// operationsOf are those of callers that p serves in some dialect.
func operationsOf(p *call.Provider) map[wire.Op]bool {
	ops := map[wire.Op]bool{}
	for op := range wire.NumOps {
		for d := range wire.NumDialects {
			if op != wire.OpCredential && p.Endpoint(op, d) != nil {
				ops[op] = true
			}
		}
	}
	return ops
}

// pricesOf are the parts of p that are not free.
func pricesOf(p *call.Price) []priceOfCard {
	const tokens = "million tokens"
	out := []priceOfCard{}
	for _, one := range []struct {
		what string
		nano int64
		per  string
	}{
		{"input", p.Input, tokens}, {"output", p.Output, tokens}, {"cached input", p.CacheRead, tokens}, {"audio input", p.AudioInput, tokens},
		{"audio output", p.AudioOutput, tokens}, {"image input", p.ImageInput, tokens}, {"image output", p.ImageOutput, tokens},
		{"characters", p.Characters, "million characters"}, {"audio", p.Hour, "hour"}, {"image", p.Image, "image"},
		{"pages", p.Pages, "thousand pages"}, {"searches", p.Searches, "thousand searches"}, {"request", p.Request, "request"},
	} {
		if one.nano > 0 {
			out = append(out, priceOfCard{one.what, string(call.AppendUSD(nil, one.nano)), one.per})
		}
	}
	return out
}
