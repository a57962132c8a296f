package meter

import (
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// bytesPerToken is what prose and JSON come to with the tokenizers of the big
// providers, rounded so that estimates err on the high side.
const bytesPerToken = 3

// Estimate is the usage of an answer whose upstream reported none, or that
// broke off before it did: the prompt by the size of the request, the answer by
// its size in bytes (whole) or by its events (streamed, about a token each).
// The answer's part never exceeds what the caller allowed.
func Estimate(f *scan.Facts, answerBytes, events int64) wire.Usage {
	out := max((answerBytes+bytesPerToken-1)/bytesPerToken, events)
	if f.MaxTokens > 0 {
		out = min(out, f.MaxTokens*max(f.N, 1))
	}
	return wire.Usage{Input: int64(f.Size+bytesPerToken-1) / bytesPerToken, Output: out}
}
