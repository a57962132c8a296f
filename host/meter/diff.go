package meter

import "github.com/signalbox-ai/signalbox/host/call"

// Difference is a rate that two lists give differently for a model, in
// nano-dollars; -1: the model is in one of them alone.
type Difference struct {
	Model, Field string
	Ours, Theirs int64
}

// Diff compares what l gives with what c has: every rate of the standard price,
// of long prompts and of tiers, and the bounds, as far as l tells them, for the
// models that both have, and names those that only one has, of the providers
// that both know.
func (c *Catalog) Diff(l *Loaded) []Difference {
	var out []Difference
	providers := map[string]bool{}
	for _, name := range sortedNames(l.Models) {
		ours, theirs := c.Model(name), l.Models[name]
		providers[providerOf(name)] = true
		if ours == nil {
			out = append(out, Difference{name, "", -1, theirs.Price.Input})
			continue
		}
		out = diffPrice(out, name, "", ours.Price, theirs.Price)
	}
	for _, name := range c.Names() {
		if l.Models[name] == nil && providers[providerOf(name)] {
			out = append(out, Difference{name, "", c.models[name].Price.Input, -1})
		}
	}
	return out
}

func providerOf(target string) string {
	for i := range len(target) {
		if target[i] == '/' {
			return target[:i]
		}
	}
	return ""
}

func diffPrice(out []Difference, name, part string, ours, theirs *call.Price) []Difference {
	a, b := ours.Rates(), theirs.Rates()
	for i := range a {
		if *a[i] != *b[i] && told(i, b) {
			out = append(out, Difference{name, part + call.RateNames[i], *a[i], *b[i]})
		}
	}
	for _, bound := range [...]struct {
		field string
		a, b  int64
	}{{"context", ours.Context, theirs.Context}, {"max_output", ours.MaxOutput, theirs.MaxOutput}, {"long.from", ours.LongFrom, theirs.LongFrom}} {
		if bound.a != bound.b && bound.b != 0 {
			out = append(out, Difference{name, part + bound.field, bound.a, bound.b})
		}
	}
	for _, v := range [...]struct {
		field        string
		ours, theirs *call.Price
	}{{"long.", ours.Long, theirs.Long}, {"batch.", ours.Batch, theirs.Batch}, {"flex.", ours.Flex, theirs.Flex}, {"priority.", ours.Priority, theirs.Priority}} {
		if v.ours != nil && v.theirs != nil {
			out = diffPrice(out, name, part+v.field, v.ours, v.theirs)
		}
	}
	return out
}

// standsFor is what a rate is when it is left out: the index of another.
var standsFor = [tokenRates]int{1: 0, 2: 0, 3: 2, 5: 4, 6: 0, 7: 4, 8: 0, 9: 4, 10: 1, 11: 1}

// told reports whether a list tells the rate: not if it is what it would be
// had it been left out, which most lists do with most rates.
func told(rate int, rates [call.NumRates]*int64) bool {
	if rate >= tokenRates {
		return *rates[rate] != 0
	}
	return rate == 0 || rate == 4 || *rates[rate] != *rates[standsFor[rate]]
}
