package meter

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

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
	text := func(p call.Price) call.Price { // what is not text costs the same
		p.Reasoning, p.AudioInput, p.AudioOutput, p.ImageInput, p.ImageOutput = p.Output, p.Input, p.Output, p.Input, p.Output
		p.CacheReadAudio, p.CacheReadImage = p.CacheRead, p.CacheRead
		return p
	}
	mini := text(call.Price{Input: 150e6, CacheRead: 75e6, CacheWrite5m: 150e6, CacheWrite1h: 150e6, Output: 600e6, Context: 128_000, MaxOutput: 16_384})
	f("demo/echo", mini)
	f("demo/embed", text(call.Price{Input: 20e6, CacheRead: 20e6, CacheWrite5m: 20e6, CacheWrite1h: 20e6}))
	f("cerebras/gpt-oss-120b", text(call.Price{Input: 350e6, CacheRead: 350e6, CacheWrite5m: 350e6, CacheWrite1h: 350e6, Output: 750e6, Context: 131_072, MaxOutput: 65_536}))
	f("deepgram/nova-3", call.Price{Hour: 258e6})
	f("deepgram/aura-2-thalia-en", call.Price{Characters: 30e9})
	f("openai/omni-moderation-latest", call.Price{})
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
	for name, m := range shipped(t, nil).models {
		p := m.Price
		if p.Input < 0 || p.CacheRead > p.Input || p.CacheWrite5m < p.Input || p.CacheWrite1h < p.CacheWrite5m {
			t.Errorf("%s: prices of the prompt are out of order: %+v", name, *p)
		}
		if p.Free() && !strings.Contains(name, "moderation") {
			t.Errorf("%s is free", name)
		}
		if p.Output > 0 && p.AudioOutput == p.Output && p.ImageOutput == p.Output && m.Out == nil && (p.Output < p.Input || p.Context == 0 || p.MaxOutput == 0) {
			t.Errorf("%s: answers are cheaper than prompts or have no bound: %+v", name, *p)
		}
		if p.ImageOutput > 0 && len(m.Out) > 0 && p.MaxOutput == 0 && p.Image == 0 && slices.Contains(m.Out, "image") {
			t.Errorf("%s: its images have no bound", name)
		}
		if l := p.Long; l != nil && (l.Input < p.Input || l.Output < p.Output || l.Searches < p.Searches || p.LongFrom <= 0 || p.LongFrom > p.Context) {
			t.Errorf("%s: long prompts are cheaper or have no start: %+v from %d", name, *l, p.LongFrom)
		}
		if p.At(time.Now()) == nil && p.At(m.AsOf) == nil || p.Until != 0 && p.Next == nil {
			t.Errorf("%s has no price at all, or none any more from a day on", name)
		}
		if m.Source == "" || m.AsOf.Year() < 2025 {
			t.Errorf("%s has no source or no date", name)
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
		raw := `{"provider":"p","source":"s","models":[` + models + `]}`
		c := &Catalog{models: map[string]*Model{}}
		err := c.addList([]byte(raw), time.Now())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v; want %q", models, c, err, want)
		}
	}
	good := `{"model":"m","input":"1","output":"2","as_of":"2026-01-01"}`
	f(good+","+good, "listed twice")
	f(`{"model":"m","input":"1","as_of":"2026-01-01"}`, `output is missing`)
	f(`{"model":"m","audio_output":"1","as_of":"2026-01-01"}`, `input is missing`)
	f(`{"model":"m","input":"1","output":"2","as_of":"2026-01-01","batch":"0"}`, `batch: "0" is not a factor`)
	f(`{"model":"m","input":"1","output":"2","as_of":"2026-01-01","flex":{"inptu":"1"}}`, `flex: json: unknown field`)
	f(`{"model":"m","input":"1","output":"2","as_of":"2026-01-01","regions":{"us":"1.00001"}}`, `regions.us`)
	f(`{"model":"m","input":"1","output":"2","as_of":"2026-01-01","from":"soon"}`, `from is not a date`)
	f(`{"model":"m","input":"1","output":"2","as_of":"2026-01-01","from":"2026-02-01","until":"2026-01-01"}`, `until is not after from`)
	f(`{"model":"m","input":"1","output":"2","as_of":"2026-01-01","from":"2026-02-01"},`+good, `listed twice`)
	f(`{"model":"m","sizes":[{"usd":"x"}],"as_of":"2026-01-01"}`, `sizes "x"`)
	f(`{"model":"m","input":"1e-3","output":"2","as_of":"2026-01-01"}`, `input "1e-3"`)
	f(`{"model":"m","input":"1","output":"-2","as_of":"2026-01-01"}`, `output "-2"`)
	f(`{"model":"m","input":"1","output":"2000","as_of":"2026-01-01"}`, "more than 1000 dollars")
	f(`{"model":"m","input":1,"output":"2","as_of":"2026-01-01"}`, "cannot unmarshal")
	f(`{"model":"m","input":"1","output":"2"}`, "as_of")
	f(`{"model":"m","inptu":"1","output":"2","as_of":"2026-01-01"}`, `unknown field "inptu"`)
	f(`{"model":"m","input":"1","output":"2","as_of":"2026-01-01","long":{"from":1,"input":"1"}}`, "long: output is missing")
	for _, raw := range []string{"", "{", "[]]", `{"models":[]}`, "null 1"} {
		c := &Catalog{models: map[string]*Model{}}
		if err := c.addList([]byte(raw), time.Now()); err == nil {
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

func TestCostOfTheLargestUsageSaturates(t *testing.T) {
	var p call.Price
	var u wire.Usage
	for _, rate := range p.Rates() {
		*rate = call.MaxPrice
	}
	for _, n := range u.Buckets() {
		*n = 1 << 40
	}
	if got := p.Cost(u); got != math.MaxInt64 {
		t.Errorf("got %d; want the largest number", got)
	}
	const most = 1 << 40
	u = wire.Usage{Input: most, CacheRead: most, CacheWrite5m: most, CacheWrite1h: most, Output: most, Reasoning: most}
	p.Request = 0
	if got, want := p.Cost(u), int64(6*most*(call.MaxPrice/1e6)); got != want {
		t.Errorf("got %d; want %d", got, want)
	}
}

func FuzzShippedLists(f *testing.F) {
	lists, err := shippedLists.ReadDir("prices")
	if err != nil {
		f.Fatal(err)
	}
	for _, l := range lists {
		raw, err := shippedLists.ReadFile("prices/" + l.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := &Catalog{models: map[string]*Model{}}
		if c.addList(raw, time.Now()) != nil {
			return
		}
		for name, m := range c.models {
			plausible(t, name, m.Price)
		}
	})
}

// plausible holds what every price must, however it was read.
func plausible(t *testing.T, name string, p *call.Price) {
	for ; p != nil; p = p.Next {
		for i, rate := range p.Rates() {
			if *rate < 0 || *rate > 100*call.MaxPrice {
				t.Fatalf("%s: %s is %d", name, call.RateNames[i], *rate)
			}
		}
		if p.Context < 0 || p.MaxOutput < 0 {
			t.Fatalf("%s: %+v", name, *p)
		}
		for _, other := range []*call.Price{p.Long, p.Batch, p.Flex, p.Priority} {
			if other != nil {
				plausible(t, name, other)
			}
		}
	}
}
