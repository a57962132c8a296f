package meter

import (
	"math"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// flat costs a thousand nano-dollars a token each way, writes to a cache 1.5
// and 2 thousand.
var flat = call.Price{Input: 1e9, CacheRead: 1e8, CacheWrite5m: 1e9, CacheWrite1h: 2e9, Output: 1e9, Reasoning: 1e9, Context: 100_000, MaxOutput: 1000}

func TestBound(t *testing.T) {
	f := func(name string, p call.Price, facts scan.Facts, maxTokens, unbounded, want int64) {
		t.Helper()
		got, err := Bound(&p, &Ask{Op: wire.OpChat, Facts: &facts, MaxTokens: maxTokens, Unbounded: unbounded})
		if err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", name, got, err, want)
		}
	}
	with := func(change func(*call.Price)) call.Price {
		p := flat
		change(&p)
		return p
	}
	f("a token per byte, the model's longest answer", flat, scan.Facts{Size: 500}, 0, 0, 1_500_000)
	f("the caller's max_tokens", flat, scan.Facts{Size: 500, MaxTokens: 10}, 0, 0, 510_000)
	f("max_tokens above the model's", flat, scan.Facts{Size: 500, MaxTokens: 1 << 39}, 0, 0, 1_500_000)
	f("the policy's cap", flat, scan.Facts{Size: 500, MaxTokens: 100}, 7, 0, 507_000)
	f("several answers", flat, scan.Facts{Size: 500, MaxTokens: 10, N: 3}, 0, 0, 3*510_000)
	f("tools bring a prompt of their own", flat, scan.Facts{Size: 500, MaxTokens: 10, Tools: [][]byte{[]byte("t")}}, 0, 0, (500+toolPrompt+10)*1000)
	f("cache writes asked for", flat, scan.Facts{Size: 500, MaxTokens: 10, CacheControl: true}, 0, 0, 1_010_000)
	f("cache writes unasked", with(func(p *call.Price) { p.CacheWrite5m = 125e7 }), scan.Facts{Size: 400, MaxTokens: 10}, 0, 0, 510_000)
	f("a dear tier", flat, scan.Facts{Size: 500, MaxTokens: 10, ServiceTier: []byte("priority")}, 0, 0, 2*510_000)
	f("a cheap tier", flat, scan.Facts{Size: 500, MaxTokens: 10, ServiceTier: []byte("flex")}, 0, 0, 510_000)
	f("dearer reasoning", with(func(p *call.Price) { p.Reasoning = 3e9 }), scan.Facts{Size: 500, MaxTokens: 10}, 0, 0, 530_000)
	f("no prompt is longer than the context", flat, scan.Facts{Size: 1 << 20, MaxTokens: 10}, 0, 0, 100_010_000)
	f("an image takes the context", flat, scan.Facts{Size: 500, MaxTokens: 10, In: scan.Text | scan.Image}, 0, 0, 100_010_000)
	f("a cap for what has no bound", flat, scan.Facts{Size: 500, MaxTokens: 10, Unbounded: true}, 0, 77, 510_077)
	f("long prompts", with(func(p *call.Price) {
		long := flat
		long.Input, long.Output = 2e9, 3e9
		p.Long, p.LongFrom = &long, 400
	}), scan.Facts{Size: 500, MaxTokens: 10}, 0, 0, 1_030_000)
	f("embeddings have no answer and many inputs", call.Price{Input: 1e9, Context: 10}, scan.Facts{Size: 500}, 0, 0, 500_000)
	f("free of charge", call.Price{}, scan.Facts{Size: 500}, 0, 0, 0)
	f("rounded up", call.Price{Input: 1}, scan.Facts{Size: 1}, 0, 0, 1)
}

func TestBoundRefuses(t *testing.T) {
	f := func(name string, p call.Price, facts scan.Facts, code string) {
		t.Helper()
		got, err := Bound(&p, &Ask{Op: wire.OpChat, Facts: &facts})
		if err == nil || err.Code != code || err.Status != 402 || err.Class != wire.ClassPolicy {
			t.Errorf("%s: got %d, %v; want %s", name, got, err, code)
		}
	}
	noContext, noMax := flat, flat
	noContext.Context, noMax.MaxOutput = 0, 0
	f("remote content", flat, scan.Facts{Size: 1, Unbounded: true}, "content_unbounded")
	f("an image, context unknown", noContext, scan.Facts{Size: 1, In: scan.Image}, "content_unbounded")
	f("a document, context unknown", noContext, scan.Facts{Size: 1, In: scan.File}, "content_unbounded")
	f("no longest answer", noMax, scan.Facts{Size: 1}, "max_tokens_required")
}

func TestBoundSaturates(t *testing.T) {
	p := call.Price{Input: call.MaxPrice, Output: call.MaxPrice}
	got, err := Bound(&p, &Ask{Op: wire.OpChat, Facts: &scan.Facts{Size: math.MaxInt, N: 1 << 40, MaxTokens: 1 << 40}, Unbounded: math.MaxInt64 / 2})
	if err != nil || got != maxBound {
		t.Errorf("got %d, %v; want %d", got, err, int64(maxBound))
	}
}

// FuzzBound holds the promise against every way that a request within its
// bounds can be billed.
func FuzzBound(f *testing.F) {
	f.Add(uint32(500), uint32(100), uint8(1), uint16(7), uint16(300))
	f.Fuzz(func(t *testing.T, size, answer uint32, n uint8, split, from uint16) {
		long := call.Price{Input: 4e9, CacheRead: 5e8, CacheWrite5m: 3e9, CacheWrite1h: 3e9, Output: 9e9, Reasoning: 9e9}
		p := flat
		p.Long, p.LongFrom = &long, int64(from)
		facts := scan.Facts{Size: int(size % 90_000), MaxTokens: int64(answer%2000 + 1), N: int64(n%8 + 1), CacheControl: true}
		bound, err := Bound(&p, &Ask{Op: wire.OpChat, Facts: &facts})
		if err != nil {
			t.Fatal(err)
		}
		in, out := int64(facts.Size), min(facts.MaxTokens, p.MaxOutput)*facts.N
		part := in * int64(split) / (1 << 16)
		for _, u := range []wire.Usage{{Input: in, Output: out}, {CacheRead: part, CacheWrite5m: in - part, Reasoning: out}, {Input: part, CacheWrite1h: in - part, Output: out / 2, Reasoning: out - out/2}} {
			if cost := p.Cost(u); cost > bound {
				t.Fatalf("%+v costs %d, above the bound %d", u, cost, bound)
			}
		}
	})
}

func BenchmarkBound(b *testing.B) {
	facts := scan.Facts{Size: 1024, MaxTokens: 100, N: 1}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Bound(&flat, &Ask{Op: wire.OpChat, Facts: &facts}); err != nil {
			b.Fatal(err)
		}
	}
}
