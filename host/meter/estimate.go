package meter

import (
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// bytesPerToken is what prose and JSON come to with the tokenizers of the big
// providers, rounded so that estimates err on the high side.
const bytesPerToken = 3

// usualBytesPerSecond is what a second of sound takes where nobody says how
// long it is: 24 kbit/s, less than what phones and browsers record at.
const usualBytesPerSecond = 3000

// Estimate is the usage of an answer of op whose upstream reported none, or
// that broke off before it did, as far as price p, nil if unknown, is by it:
// the prompt by the size of the request, the answer by its size in bytes
// (whole) or by its events (streamed, about a token each), never more than the
// caller allowed; speech by the characters asked for, images by their number,
// and sound by the size of the upload.
func Estimate(op wire.Op, p *call.Price, f *scan.Facts, answerBytes, events int64) wire.Usage {
	switch op {
	case wire.OpCountTokens, wire.OpFiles, wire.OpBatches:
		return wire.Usage{}
	case wire.OpModeration:
		if p == nil || p.Input == 0 {
			return wire.Usage{}
		}
		return wire.Usage{Input: int64(f.Size+bytesPerToken-1) / bytesPerToken}
	case wire.OpSpeech:
		u := wire.Usage{Characters: characters(f)}
		if p != nil && p.Characters == 0 {
			u.Input, u.AudioOutput = u.Characters/bytesPerToken+1, u.Characters*speechTokens/4
		}
		return u
	case wire.OpTranscription, wire.OpTranslation:
		u := wire.Usage{Millis: int64(f.Size) * 1000 / usualBytesPerSecond}
		if p != nil && p.Hour == 0 {
			u.AudioInput = int64(f.Size+bytesPerToken-1) / bytesPerToken
			if p.Context > 0 {
				u.AudioInput = min(u.AudioInput, p.Context)
			}
			u.Output = max((answerBytes+bytesPerToken-1)/bytesPerToken, events)
		}
		return u
	case wire.OpImages, wire.OpImageEdits:
		u := wire.Usage{Images: max(f.N, 1)}
		if p != nil && p.Image == 0 {
			u.Input, u.ImageOutput = int64(f.Size+bytesPerToken-1)/bytesPerToken, u.Images*p.MaxOutput
		}
		return u
	case wire.OpRerank:
		return wire.Usage{Searches: (documents(f) + unitDocuments - 1) / unitDocuments, Input: int64(f.Size+bytesPerToken-1) / bytesPerToken}
	}
	return estimateText(f, answerBytes, events)
}

func estimateText(f *scan.Facts, answerBytes, events int64) wire.Usage {
	out := max((answerBytes+bytesPerToken-1)/bytesPerToken, events)
	if most := f.Longest(); most > 0 {
		out = min(out, most)
	}
	return wire.Usage{Input: int64(f.Size+bytesPerToken-1) / bytesPerToken, Output: out}
}
