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
	// bytesPerSecond is the least that a second of recorded speech takes: 8 kbit/s.
	bytesPerSecond = 1000
	// speechTokens is more than the tokens of sound that a character comes to:
	// at 15 characters and 21 tokens a second, spoken four times slower, 5.6.
	speechTokens = 8
	// A search of Cohere's rerankers ranks up to unitDocuments documents, and
	// longer ones are cut, query included, into documents of 500 tokens: with a
	// query of up to half of that, another one for every chunkBytes.
	unitDocuments = 100
	chunkBytes    = 250
	// leastDocument is the least that a document takes in a request: "",
	leastDocument = 3
)

var (
	errUnbounded = policyError(402, "content_unbounded",
		"the request holds content whose price cannot be bounded (a remote URL, a stored file, an inline document or image for a model of unknown context, a tool that the provider runs, a session or a batch), and a budget applies to the key: send the content inline, or ask the operator to set budget.unbounded_usd", "messages")
	errNoMaximum = policyError(402, "max_tokens_required",
		"the longest answer of this model is not known, and a budget applies to the key: send max_tokens", "max_tokens")
	errNoRate = policyError(402, "model_unpriced",
		"the price of this model has no rate for what the operation is billed by, and a budget applies to the key: the operator can set one under prices", "model")
)

func policyError(status int, code, message, param string) *wire.Error {
	return &wire.Error{Status: status, Class: wire.ClassPolicy, Code: code, Message: message, Param: param}
}

// Ask is a request as far as its bound depends on it.
type Ask struct {
	Op        wire.Op
	Facts     *scan.Facts
	MaxTokens int64 // the policy's cap on the answer, 0: none
	Unbounded int64 // nano-dollars to take for content without a bound, 0: refuse it
}

// Bound is the most that one attempt can cost at price p, in nano-dollars: at
// most one token per byte of the body, an answer as long as the caller, the
// policy or the model allows, each as often as answers are asked for, at the
// dearest rate that could apply. What is not counted in tokens is bound by what
// the request says of it: characters, number, size and quality of images,
// documents, and the length that an upload can have as sound. The errors are
// shared: they must not be changed.
func Bound(p *call.Price, a *Ask) (int64, *wire.Error) {
	tier, times := p.Tier(a.Facts.ServiceTier)
	bound, err := boundAt(tier, times, a)
	if err == nil && tier != p { // a tier may fall back to the standard one
		var standard int64
		standard, err = boundAt(p, 1, a)
		bound = max(bound, standard)
	}
	return bound, err
}

func boundAt(p *call.Price, times int64, a *Ask) (int64, *wire.Error) {
	if a.Op == wire.OpCountTokens || a.Op == wire.OpFiles || p.Free() {
		return 0, nil
	}
	if !covers(p, a.Op) {
		return 0, errNoRate
	}
	bounded := !a.Facts.Unbounded
	if a.Op == wire.OpRealtime || a.Op == wire.OpBatches || a.Op == wire.OpPass && p.Request == 0 {
		if a.Unbounded == 0 {
			return 0, errUnbounded
		}
		return min(a.Unbounded, maxBound), nil
	}
	tokens, known, err := tokenBound(p, times, a)
	if err != nil {
		return 0, err
	}
	bounded = bounded && known
	if !bounded && a.Unbounded == 0 {
		return 0, errUnbounded
	}
	bound := min(tokens+unitBound(p, times, a), maxBound)
	if !bounded {
		bound = min(bound+a.Unbounded, maxBound)
	}
	return bound, nil
}

// covers reports whether p has a rate for what op is billed by.
func covers(p *call.Price, op wire.Op) bool {
	in, out := p.Input|p.AudioInput, p.Output|p.AudioOutput
	switch op {
	case wire.OpSpeech:
		return p.Characters|p.Hour|p.Request|out != 0
	case wire.OpTranscription, wire.OpTranslation:
		return p.Hour|p.Request|in != 0
	case wire.OpImages, wire.OpImageEdits:
		return p.Image|p.Request|p.ImageOutput != 0
	case wire.OpRerank:
		return p.Searches|p.Request|p.Input != 0
	case wire.OpPass, wire.OpBatches:
		return true
	}
	return in|out|p.Request != 0
}

// tokenBound is the bound of what is counted in tokens.
func tokenBound(p *call.Price, times int64, a *Ask) (bound int64, bounded bool, err *wire.Error) {
	f := a.Facts
	out, err := longestAnswer(p, a)
	if err != nil {
		return 0, false, err
	}
	in, bounded := longestPrompt(p, a)
	inRate, outRate := dearest(p, a)
	if p.Long != nil && in > p.LongFrom {
		longIn, longOut := dearest(p.Long, a)
		inRate, outRate = max(inRate, longIn), max(outRate, longOut)
	}
	n := max(f.N, 1)
	if a.Op == wire.OpRerank { // the query is counted with each document
		n += documents(f)
	}
	n *= times
	return min(perMillion(in, inRate, n)+perMillion(out, outRate, n), maxBound), bounded || inRate == 0, nil
}

// unitBound is the bound of what is not.
func unitBound(p *call.Price, times int64, a *Ask) int64 {
	f := a.Facts
	u := wire.Usage{}
	switch a.Op {
	case wire.OpSpeech:
		u.Characters = characters(f)
		u.Millis = u.Characters * 1000 // nobody speaks as slowly as a character a second
	case wire.OpTranscription, wire.OpTranslation:
		u.Millis = heard(f)
	case wire.OpImages, wire.OpImageEdits:
		u.Images = max(f.N, 1)
	case wire.OpRerank:
		docs := documents(f)
		u.Searches = (docs + int64(f.Size)/chunkBytes + unitDocuments - 1) / unitDocuments
	}
	units := call.Price{Characters: p.Characters, Hour: p.Hour, Searches: p.Searches, Request: p.Request}
	one := min(units.CostOf(&u, p.PerImage(f.ImageSize, f.Quality)), maxBound)
	return multiple(one, times)
}

// documents is how many documents a rerank request has at most.
func documents(f *scan.Facts) int64 {
	if f.Messages > 0 {
		return int64(f.Messages)
	}
	return int64(f.Size)/leastDocument + 1
}

// characters is how many are to be spoken, at most.
func characters(f *scan.Facts) int64 {
	if f.Characters > 0 {
		return f.Characters
	}
	return int64(f.Size)
}

// heard is the longest that an upload can be as sound, in ms.
func heard(f *scan.Facts) int64 { return int64(f.Size) * 1000 / bytesPerSecond }

// longestPrompt is the most tokens that the prompt can come to. bounded is
// false where only the model's context could bound it and that is not known.
func longestPrompt(p *call.Price, a *Ask) (tokens int64, bounded bool) {
	f := a.Facts
	tokens = int64(f.Size)
	if len(f.Tools) > 0 {
		tokens += toolPrompt
	}
	// An embedding takes many inputs, each up to the context; its answers are free.
	context := p.Context
	if a.Op == wire.OpEmbeddings || a.Op == wire.OpModeration || p.Output == 0 && p.AudioOutput == 0 && p.ImageOutput == 0 {
		context = 0
	}
	if f.In&(scan.Image|scan.File) != 0 || a.Op == wire.OpImageEdits {
		// A small picture or document can unfold to far more tokens than it has bytes.
		return max(context, tokens), context > 0
	}
	if context > 0 {
		tokens = min(tokens, context)
	}
	return tokens, true
}

func longestAnswer(p *call.Price, a *Ask) (int64, *wire.Error) {
	f := a.Facts
	switch a.Op {
	case wire.OpEmbeddings, wire.OpModeration, wire.OpRerank:
		return 0, nil
	case wire.OpSpeech:
		out := characters(f) * speechTokens
		if p.MaxOutput > 0 {
			out = min(out, p.MaxOutput)
		}
		return out, nil
	}
	if p.Output|p.Reasoning|p.AudioOutput|p.ImageOutput == 0 {
		return 0, nil
	}
	out := p.MaxOutput
	if a.Op == wire.OpChat || a.Op == wire.OpCompletions { // of others nothing upstream is told of a cap
		for _, limit := range [...]int64{f.MaxTokens, a.MaxTokens} {
			if limit > 0 && (out == 0 || limit < out) {
				out = limit
			}
		}
	}
	if out == 0 {
		return 0, errNoMaximum
	}
	return out, nil
}

// dearest are the rates that no token of the prompt or the answer exceeds.
// Some providers write to their cache unasked; the long-lived one is asked for.
func dearest(p *call.Price, a *Ask) (in, out int64) {
	f := a.Facts
	in = max(p.Input, p.CacheRead, p.CacheWrite5m)
	if f.CacheControl {
		in = max(in, p.CacheWrite1h)
	}
	if f.In&scan.Audio != 0 || a.Op == wire.OpTranscription || a.Op == wire.OpTranslation {
		in = max(in, p.AudioInput, p.CacheReadAudio)
	}
	if f.In&(scan.Image|scan.File) != 0 || a.Op == wire.OpImageEdits {
		in = max(in, p.ImageInput, p.CacheReadImage)
	}
	return in, max(p.Output, p.Reasoning, p.AudioOutput, p.ImageOutput)
}

// perMillion is tokens × rate × n / 1e6 rounded up, at most maxBound.
func perMillion(tokens, rate, n int64) int64 {
	hi, lo := bits.Mul64(uint64(tokens), uint64(rate))
	lo, carry := bits.Add64(lo, 999_999, 0)
	if hi != 0 || carry != 0 {
		return maxBound
	}
	return multiple(int64(lo/1_000_000), n)
}

// multiple is one × n, at most maxBound.
func multiple(one, n int64) int64 {
	hi, all := bits.Mul64(uint64(one), uint64(n))
	if hi != 0 || all > maxBound {
		return maxBound
	}
	return int64(all)
}
