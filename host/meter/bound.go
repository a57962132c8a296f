package meter

import (
	"math/bits"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

const (
	// maxBound is where bounds end: beyond every budget, and far enough from
	// overflow that a few can be added.
	maxBound = 1 << 60
	// toolPrompt is more than the tokens of the prompt that providers add when
	// tools are declared (Anthropic: up to 735).
	toolPrompt = 1024
)

var (
	errUnbounded = policyError(402, "content_unbounded",
		"the request holds content whose price cannot be bounded (a remote URL, a stored file, an inline document or image for a model of unknown context, a tool that the provider runs), and a budget applies to the key: send the content inline, or ask the operator to set budget.unbounded_usd", "messages")
	errNoMaximum = policyError(402, "max_tokens_required",
		"the longest answer of this model is not known, and a budget applies to the key: send max_tokens", "max_tokens")
)

func policyError(status int, code, message, param string) *wire.Error {
	return &wire.Error{Status: status, Class: wire.ClassPolicy, Code: code, Message: message, Param: param}
}

// Bound is the most that one attempt can cost at price p, in nano-dollars: at
// most one token per byte of the body, an answer as long as the caller, the
// policy (maxTokens, 0: no cap) or the model allows, each as often as answers
// are asked for, at the dearest rate that could apply. Content without a bound
// is taken at unbounded nano-dollars, or refused if that is zero. The errors
// are shared: they must not be changed.
func Bound(p *call.Price, f *scan.Facts, maxTokens, unbounded int64) (int64, *wire.Error) {
	out, err := longestAnswer(p, f, maxTokens)
	if err != nil {
		return 0, err
	}
	in, bounded := longestPrompt(p, f)
	bounded = bounded && !f.Unbounded
	if !bounded && unbounded == 0 {
		return 0, errUnbounded
	}
	inRate, outRate := dearest(p, f.CacheControl)
	if p.Long != nil && in > p.LongFrom {
		longIn, longOut := dearest(p.Long, f.CacheControl)
		inRate, outRate = max(inRate, longIn), max(outRate, longOut)
	}
	n := max(f.N, 1) * Tier(f.ServiceTier)
	bound := min(perMillion(in, inRate, n)+perMillion(out, outRate, n), maxBound)
	if !bounded {
		bound = min(bound+unbounded, maxBound)
	}
	return bound, nil
}

// longestPrompt is the most tokens that the prompt can come to. bounded is
// false where only the model's context could bound it and that is not known.
func longestPrompt(p *call.Price, f *scan.Facts) (tokens int64, bounded bool) {
	tokens = int64(f.Size)
	if len(f.Tools) > 0 {
		tokens += toolPrompt
	}
	// An embedding takes many inputs, each up to the context; its answers are free.
	context := p.Context
	if p.Output == 0 {
		context = 0
	}
	if f.In&(scan.Image|scan.File) != 0 {
		// A small picture or document can unfold to far more tokens than it has bytes.
		return max(context, tokens), context > 0
	}
	if context > 0 {
		tokens = min(tokens, context)
	}
	return tokens, true
}

func longestAnswer(p *call.Price, f *scan.Facts, maxTokens int64) (int64, *wire.Error) {
	if p.Output == 0 && p.Reasoning == 0 {
		return 0, nil
	}
	out := p.MaxOutput
	for _, limit := range [...]int64{f.MaxTokens, maxTokens} {
		if limit > 0 && (out == 0 || limit < out) {
			out = limit
		}
	}
	if out == 0 {
		return 0, errNoMaximum
	}
	return out, nil
}

// dearest are the rates that no token of the prompt or the answer exceeds.
// Some providers write to their cache unasked; the long-lived one is asked for.
func dearest(p *call.Price, cacheControl bool) (in, out int64) {
	in = max(p.Input, p.CacheRead, p.CacheWrite5m)
	if cacheControl {
		in = max(in, p.CacheWrite1h)
	}
	return in, max(p.Output, p.Reasoning)
}

// Tier is how many times the catalogue's price the service tier that a request
// asks for may cost: the dearest of the known ones costs twice.
func Tier(tier []byte) int64 {
	switch string(tier) {
	case "", "auto", "default", "standard", "standard_only", "flex", "scale":
		return 1
	}
	return 2
}

// perMillion is tokens × rate × n / 1e6 rounded up, at most maxBound.
func perMillion(tokens, rate, n int64) int64 {
	hi, lo := bits.Mul64(uint64(tokens), uint64(rate)) // both below 2^41: fits one word twice over
	if hi != 0 {
		return maxBound
	}
	one := (lo + 999_999) / 1_000_000
	hi, all := bits.Mul64(one, uint64(n))
	if hi != 0 || all > maxBound {
		return maxBound
	}
	return int64(all)
}
