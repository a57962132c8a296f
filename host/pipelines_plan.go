package host

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/meter"
	"github.com/signalbox-ai/signalbox/host/pipeline"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// bounds tells what requests may cost by the prices of g.
type bounds struct{ g *generation }

// Attempts implements pipeline.Bounds.
func (b bounds) Attempts() int { return b.g.cfg.Limits.Attempts }

// Bound implements pipeline.Bounds: that of the model's dearest target.
func (b bounds) Bound(model string, a *pipeline.Ask) (most int64, why string) {
	m, err := b.g.model([]byte(model))
	if err != nil {
		return 0, err.Message
	}
	facts := scan.Facts{N: a.N, Size: int(a.Bytes), MaxTokens: a.MaxTokens, Messages: a.Inputs, Characters: a.Characters, In: scan.Text}
	for kind, has := range map[scan.Modality]bool{scan.Image: a.Image, scan.Audio: a.Audio, scan.File: a.File} {
		if has {
			facts.In |= kind
		}
	}
	for _, t := range m.Targets {
		price := t.Price.At(time.Now())
		if price == nil {
			return 0, t.Name + " has no price: the operator can set one under prices"
		}
		bound, err := meter.Bound(price, &meter.Ask{Op: a.Op, Facts: &facts, Unbounded: b.g.unbounded})
		if err != nil {
			return 0, err.Message
		}
		most = max(most, bound)
	}
	return most, ""
}

// Longest implements pipeline.Bounds.
func (b bounds) Longest(model string) (tokens int64) {
	m, err := b.g.model([]byte(model))
	if err != nil {
		return 0
	}
	for _, t := range m.Targets {
		price := t.Price.At(time.Now())
		if price == nil || price.MaxOutput == 0 {
			return 0
		}
		tokens = max(tokens, price.MaxOutput)
	}
	return tokens
}
