package meter

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func shipped(t testing.TB, overrides map[string]*call.Price) *Catalog {
	t.Helper()
	c, err := NewCatalog(overrides)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestShippedPrices(t *testing.T) {
	c := shipped(t, nil)
	f := func(target string, want call.Price) {
		t.Helper()
		got := c.Price(target)
		if got == nil {
			t.Errorf("%s has no price", target)
			return
		}
		if *got != want {
			t.Errorf("%s = %+v; want %+v", target, *got, want)
		}
	}
	mini := call.Price{Input: 150e6, CacheRead: 75e6, CacheWrite5m: 150e6, CacheWrite1h: 150e6, Output: 600e6, Reasoning: 600e6, Context: 128_000, MaxOutput: 16_384}
	f("openai/gpt-4o-mini", mini)
	f("openai/gpt-4o-mini-2024-07-18", mini)
	f("anthropic/claude-haiku-4-5", call.Price{Input: 1e9, CacheRead: 100e6, CacheWrite5m: 1250e6, CacheWrite1h: 2e9, Output: 5e9, Reasoning: 5e9, Context: 200_000, MaxOutput: 64_000})
	f("demo/echo", mini)
	f("demo/embed", call.Price{Input: 20e6, CacheRead: 20e6, CacheWrite5m: 20e6, CacheWrite1h: 20e6})
	for _, unknown := range []string{"openai/gpt-unheard-of", "ollama/llama", "gpt-4o-mini", "openai/", ""} {
		if p := c.Price(unknown); p != nil {
			t.Errorf("%q costs %+v; want no price", unknown, *p)
		}
	}
	if c.AsOf().IsZero() {
		t.Error("the list has no date")
	}
}

func TestEveryShippedPriceIsPlausible(t *testing.T) {
	for name, p := range shipped(t, nil).prices {
		if p.Input <= 0 || p.CacheRead > p.Input || p.CacheWrite5m < p.Input || p.CacheWrite1h < p.CacheWrite5m {
			t.Errorf("%s: prices of the prompt are out of order: %+v", name, *p)
		}
		if p.Output > 0 && (p.Output < p.Input || p.Context == 0 || p.MaxOutput == 0) {
			t.Errorf("%s: answers are cheaper than prompts or have no bound: %+v", name, *p)
		}
		if l := p.Long; l != nil && (l.Input < p.Input || l.Output < p.Output || p.LongFrom <= 0 || p.LongFrom > p.Context) {
			t.Errorf("%s: long prompts are cheaper or have no start: %+v from %d", name, *l, p.LongFrom)
		}
	}
}

func TestOverrides(t *testing.T) {
	own, rest := &call.Price{Input: 1, Output: 2}, &call.Price{Input: 3, Output: 4}
	c := shipped(t, map[string]*call.Price{"openai/gpt-4o": own, "openai/*": rest})
	if c.Price("openai/gpt-4o") != own || c.Price("openai/unheard-of") != rest || c.Price("openai/gpt-4.1") == rest {
		t.Error("an override does not hold for its target, or holds for others")
	}
}

func TestMalformedListsAreErrors(t *testing.T) {
	f := func(models, want string) {
		t.Helper()
		raw := `[{"provider":"p","source":"s","models":[` + models + `]}]`
		c, err := parseCatalog([]byte(raw))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v; want %q", models, c, err, want)
		}
	}
	good := `{"model":"m","input":"1","output":"2","as_of":"2026-01-01"}`
	f(good+","+good, "listed twice")
	f(`{"model":"m","input":"1","as_of":"2026-01-01"}`, `output ""`)
	f(`{"model":"m","input":"1e-3","output":"2","as_of":"2026-01-01"}`, `input "1e-3"`)
	f(`{"model":"m","input":"1","output":"-2","as_of":"2026-01-01"}`, `output "-2"`)
	f(`{"model":"m","input":"1","output":"2000","as_of":"2026-01-01"}`, "more than 1000 dollars")
	f(`{"model":"m","input":1,"output":"2","as_of":"2026-01-01"}`, "cannot unmarshal")
	f(`{"model":"m","input":"1","output":"2"}`, "as_of")
	f(`{"model":"m","inptu":"1","output":"2","as_of":"2026-01-01"}`, `unknown field "inptu"`)
	f(`{"model":"m","input":"1","output":"2","as_of":"2026-01-01","long":{"from":1,"input":"1"}}`, "long: output")
	for _, raw := range []string{"", "{", "[]]", `[{"models":[]}]`, "null 1"} {
		if _, err := parseCatalog([]byte(raw)); err == nil {
			t.Errorf("%q is taken for a price list", raw)
		}
	}
}

func TestLongPromptsCostMore(t *testing.T) {
	p := shipped(t, nil).Price("gemini/gemini-2.5-pro")
	f := func(u wire.Usage, want int64) {
		t.Helper()
		if got := p.Cost(u); got != want {
			t.Errorf("%+v costs %d; want %d", u, got, want)
		}
	}
	f(wire.Usage{Input: 200_000, Output: 1000}, 200_000*1250+1000*10_000)
	f(wire.Usage{Input: 200_001, Output: 1000}, 200_001*2500+1000*15_000)
	f(wire.Usage{CacheRead: 200_001}, 200_001*250)
}

func TestCostOfTheLargestUsageDoesNotOverflow(t *testing.T) {
	p := call.Price{Input: call.MaxPrice, CacheRead: call.MaxPrice, CacheWrite5m: call.MaxPrice, CacheWrite1h: call.MaxPrice, Output: call.MaxPrice, Reasoning: call.MaxPrice}
	const most = 1 << 40
	got := p.Cost(wire.Usage{Input: most, CacheRead: most, CacheWrite5m: most, CacheWrite1h: most, Output: most, Reasoning: most})
	if want := int64(6 * most * (call.MaxPrice / 1e6)); got != want {
		t.Errorf("got %d; want %d", got, want)
	}
}

func FuzzParseCatalog(f *testing.F) {
	f.Add(pricesJSON)
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseCatalog(raw)
		if err != nil {
			return
		}
		for name, p := range c.prices {
			if min(p.Input, p.CacheRead, p.CacheWrite5m, p.CacheWrite1h, p.Output, p.Reasoning, p.Context, p.MaxOutput) < 0 || p.Input > call.MaxPrice {
				t.Fatalf("%s: %+v", name, *p)
			}
		}
	})
}
