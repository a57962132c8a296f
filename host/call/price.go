package call

import (
	"math"
	"math/bits"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// MaxPrice is the dearest price that is taken for true, in nano-dollars. It
// keeps Cost far from overflow.
const MaxPrice = 1000e9

// Price is what a model costs, in nano-dollars, each rate at most MaxPrice,
// and the bounds that a worst case needs. It is immutable.
type Price struct {
	// Per million tokens.
	Input          int64
	CacheRead      int64
	CacheWrite5m   int64
	CacheWrite1h   int64
	Output         int64
	Reasoning      int64
	AudioInput     int64
	AudioOutput    int64
	ImageInput     int64
	ImageOutput    int64
	CacheReadAudio int64
	CacheReadImage int64

	Characters int64 // per million
	Hour       int64 // of audio
	Image      int64 // each; the dearest where Sizes tells them apart
	Pages      int64 // per thousand
	Searches   int64 // per thousand
	Request    int64 // each, beside the rest

	// Sizes are the prices of images by size and quality, the service's own
	// choice first; nil: all cost Image.
	Sizes *ImagePrices

	Context   int64 // tokens of prompt and answer together, 0: unknown
	MaxOutput int64 // tokens of one answer or image, 0: unknown

	// Long is the price of a whole request whose prompt is longer than
	// LongFrom tokens; nil: the same.
	Long     *Price
	LongFrom int64

	// The prices of the service tiers. Nil: batch and flex cost the same,
	// priority twice as much.
	Batch, Flex, Priority *Price

	// From and Until bound when the price holds, in Unix seconds, 0: without
	// bound; Next is the price of another time.
	From, Until int64
	Next        *Price
}

// ImagePrices are the prices of images by what is asked for.
type ImagePrices []struct {
	Size, Quality string // "": whichever
	USD           int64  // nano-dollars
}

// At is the price that holds at t, nil if there is none.
func (p *Price) At(t time.Time) *Price {
	for sec := t.Unix(); p != nil; p = p.Next {
		if (p.From == 0 || sec >= p.From) && (p.Until == 0 || sec < p.Until) {
			return p
		}
	}
	return nil
}

// Tier is the price of requests in a service tier, as they ask for it, and how
// often it is to be paid: of a tier that is not known, the dearest that is
// usual. A tier that the service chooses is taken for the standard one.
func (p *Price) Tier(name []byte) (tier *Price, times int64) {
	switch string(name) {
	case "", "auto", "default", "standard", "standard_only", "scale":
		return p, 1
	case "flex":
		return or(p.Flex, p), 1
	case "batch":
		return or(p.Batch, p), 1
	}
	if p.Priority != nil {
		return p.Priority, 1
	}
	return p, 2
}

func or(p, other *Price) *Price {
	if p == nil {
		return other
	}
	return p
}

// PerImage is the price of one image of the size and quality asked for, which
// may be left open.
func (p *Price) PerImage(size, quality []byte) int64 {
	if p.Sizes == nil {
		return p.Image
	}
	fits := func(want string, asked []byte) bool {
		return want == "" || len(asked) == 0 || string(asked) == "auto" || want == string(asked)
	}
	for _, s := range *p.Sizes {
		if fits(s.Size, size) && fits(s.Quality, quality) {
			return s.USD
		}
	}
	return p.Image
}

// Free reports whether nothing costs anything.
func (p *Price) Free() bool {
	return p.Input|p.Output|p.Reasoning|p.AudioInput|p.AudioOutput|p.ImageInput|p.ImageOutput|
		p.CacheRead|p.CacheWrite5m|p.CacheWrite1h|p.CacheReadAudio|p.CacheReadImage|
		p.Characters|p.Hour|p.Image|p.Pages|p.Searches|p.Request == 0
}

// Cost is the price of u, images at the dearest, rounded up to a whole
// nano-dollar.
func (p *Price) Cost(u wire.Usage) int64 { return p.CostOf(&u, p.Image) }

// CostOf is the price of u with images at perImage, rounded up to a whole
// nano-dollar for tokens and for each other unit.
func (p *Price) CostOf(u *wire.Usage, perImage int64) int64 {
	if p.Long != nil && u.Prompt() > p.LongFrom {
		p = p.Long
	}
	var sum wide
	sum.add(u.Input, p.Input)
	sum.add(u.CacheRead, p.CacheRead)
	sum.add(u.CacheWrite5m, p.CacheWrite5m)
	sum.add(u.CacheWrite1h, p.CacheWrite1h)
	sum.add(u.Output, p.Output)
	sum.add(u.Reasoning, p.Reasoning)
	if u.AudioInput|u.AudioOutput|u.ImageInput|u.ImageOutput|u.CacheReadAudio|u.CacheReadImage|u.Characters != 0 {
		sum.add(u.AudioInput, p.AudioInput)
		sum.add(u.AudioOutput, p.AudioOutput)
		sum.add(u.ImageInput, p.ImageInput)
		sum.add(u.ImageOutput, p.ImageOutput)
		sum.add(u.CacheReadAudio, p.CacheReadAudio)
		sum.add(u.CacheReadImage, p.CacheReadImage)
		sum.add(u.Characters, p.Characters)
	}
	cost := sum.over(1e6)
	if u.Millis|u.Images|u.Pages|u.Searches|p.Request != 0 {
		for _, part := range [...]struct{ n, rate, per int64 }{
			{u.Millis, p.Hour, 3_600_000}, {u.Images, perImage, 1}, {u.Pages, p.Pages, 1000}, {u.Searches, p.Searches, 1000}, {1, p.Request, 1},
		} {
			var sum wide
			sum.add(part.n, part.rate)
			cost = saturated(cost, sum.over(uint64(part.per)))
		}
	}
	return cost
}

// wide is a sum of products.
type wide struct{ hi, lo uint64 }

func (w *wide) add(n, rate int64) {
	hi, lo := bits.Mul64(uint64(n), uint64(rate))
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, lo, 0)
	w.hi += hi + carry
}

// over is the sum divided by per, rounded up, at most the largest int64.
func (w *wide) over(per uint64) int64 {
	if w.hi >= per {
		return math.MaxInt64
	}
	q, r := bits.Div64(w.hi, w.lo, per)
	if r > 0 && q < math.MaxInt64 {
		q++
	}
	return int64(min(q, math.MaxInt64))
}

func saturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Filled is p with the rates that were left out, which are -1, set to those
// that stand for them: what is cached, written or of another modality costs
// what plain tokens do.
func (p Price) Filled() *Price {
	for _, f := range [...]struct {
		rate *int64
		or   *int64
	}{
		{&p.CacheRead, &p.Input}, {&p.CacheWrite5m, &p.Input}, {&p.CacheWrite1h, &p.CacheWrite5m}, {&p.Reasoning, &p.Output},
		{&p.AudioInput, &p.Input}, {&p.AudioOutput, &p.Output}, {&p.ImageInput, &p.Input}, {&p.ImageOutput, &p.Output},
		{&p.CacheReadAudio, &p.CacheRead}, {&p.CacheReadImage, &p.CacheRead},
	} {
		if *f.rate < 0 {
			*f.rate = *f.or
		}
	}
	return &p
}

// Scaled is p with all rates times permille/1000, rounded up; the prices of
// tiers, long prompts and other times likewise.
func (p *Price) Scaled(permille int64) *Price {
	if p == nil || permille == 1000 {
		return p
	}
	q := *p
	for _, rate := range q.Rates() {
		*rate = (*rate*permille + 999) / 1000
	}
	if p.Sizes != nil {
		sizes := append(ImagePrices(nil), *p.Sizes...)
		for i := range sizes {
			sizes[i].USD = (sizes[i].USD*permille + 999) / 1000
		}
		q.Sizes = &sizes
	}
	for _, other := range [...]**Price{&q.Long, &q.Batch, &q.Flex, &q.Priority, &q.Next} {
		*other = (*other).Scaled(permille)
	}
	return &q
}

// NumRates is the number of rates of a price, RateNames what they are called
// in price lists, in the order of Rates.
const NumRates = 18

// RateNames are the names of rates.
var RateNames = [NumRates]string{"input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning",
	"audio_input", "audio_output", "image_input", "image_output", "cache_read_audio", "cache_read_image",
	"characters", "hour", "image", "pages", "searches", "request"}

// Rates are the rates of p in one order.
func (p *Price) Rates() [NumRates]*int64 {
	return [...]*int64{&p.Input, &p.CacheRead, &p.CacheWrite5m, &p.CacheWrite1h, &p.Output, &p.Reasoning,
		&p.AudioInput, &p.AudioOutput, &p.ImageInput, &p.ImageOutput, &p.CacheReadAudio, &p.CacheReadImage,
		&p.Characters, &p.Hour, &p.Image, &p.Pages, &p.Searches, &p.Request}
}
