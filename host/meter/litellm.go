package meter

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
)

// liteLLM takes in one entry of a file in LiteLLM's shape: a model, or a size
// and quality of one that makes images ("hd/1024-x-1792/dall-e-3").
func (l *Loaded) liteLLM(name string, raw json.RawMessage) error {
	if name == "sample_spec" {
		return nil
	}
	f := fields{model: name}
	if err := json.Unmarshal(raw, &f.members); err != nil {
		return fmt.Errorf("%s: it is no object", name)
	}
	from := f.text("litellm_provider")
	provider := ourProvider(from)
	model, size, quality := name, "", ""
	for _, prefix := range []string{from, provider, "vertex_ai"} {
		if rest, ok := strings.CutPrefix(model, prefix+"/"); ok && prefix != "" {
			model = rest
			break
		}
	}
	if i := strings.LastIndexByte(model, '/'); i >= 0 && f.text("mode") == "image_generation" {
		size, quality = sizeOf(model[:i])
		if size != "" || quality != "" {
			model = model[i+1:]
		}
	}
	p := f.liteLLMPrice()
	if p != nil && p.Image == 0 {
		p.Image = f.perPixel(size)
	}
	if f.err != nil {
		return f.err
	}
	if p != nil && p.Image > 0 {
		l.withSize(provider+"/"+model, p, size, quality)
	}
	m := &Model{Out: liteLLMOut(f.text("mode"))}
	l.put(provider, model, p, m)
	return nil
}

func liteLLMOut(mode string) []string {
	switch mode {
	case "image_generation", "image_edit":
		return []string{"image"}
	case "audio_speech":
		return []string{"audio"}
	}
	return nil
}

// sizeOf reads "hd/1024-x-1792", "1024-x-1024" or "hd".
func sizeOf(prefix string) (size, quality string) {
	for part := range strings.SplitSeq(prefix, "/") {
		if w, h, ok := strings.Cut(part, "-x-"); ok {
			size = w + "x" + h
			continue
		}
		switch part {
		case "standard", "hd", "low", "medium", "high":
			quality = part
		}
	}
	return size, quality
}

// perPixel is the price of an image of a size that is priced by its pixels.
func (f *fields) perPixel(size string) int64 {
	w, h, _ := strings.Cut(size, "x")
	wide, err := strconv.ParseUint(w, 10, 15)
	high, err2 := strconv.ParseUint(h, 10, 15)
	if err != nil || err2 != nil {
		return 0
	}
	return max(0, f.first(int64(wide*high), "input_cost_per_pixel", "output_cost_per_pixel"))
}

// withSize adds to p the sizes that the model is known to have, and its own.
func (l *Loaded) withSize(target string, p *call.Price, size, quality string) {
	sizes := call.ImagePrices{}
	if old := l.Models[target]; old != nil && old.Price.Sizes != nil {
		sizes = append(sizes, *old.Price.Sizes...)
	}
	if size != "" || quality != "" {
		one := make(call.ImagePrices, 1)
		one[0].Size, one[0].Quality, one[0].USD = size, quality, p.Image
		sizes = append(sizes, one...)
	}
	for _, s := range sizes {
		p.Image = max(p.Image, s.USD)
	}
	if len(sizes) > 0 {
		p.Sizes = &sizes
	}
}

// liteLLMPrice makes the price of an entry, nil if it has none.
func (f *fields) liteLLMPrice() *call.Price {
	const million, perHour = 1_000_000, 3600
	p := &call.Price{
		Input: f.rate("input_cost_per_token", million, -1), Output: f.rate("output_cost_per_token", million, -1),
		CacheRead: f.rate("cache_read_input_token_cost", million, -1), CacheWrite5m: f.rate("cache_creation_input_token_cost", million, -1),
		CacheWrite1h: f.rate("cache_creation_input_token_cost_above_1hr", million, -1), Reasoning: f.rate("output_cost_per_reasoning_token", million, -1),
		AudioInput: f.rate("input_cost_per_audio_token", million, -1), AudioOutput: f.rate("output_cost_per_audio_token", million, -1),
		ImageInput: f.rate("input_cost_per_image_token", million, -1), ImageOutput: f.rate("output_cost_per_image_token", million, -1),
		CacheReadAudio: f.first(million, "cache_read_input_audio_token_cost", "cache_read_input_token_cost_per_audio_token"),
		CacheReadImage: f.rate("cache_read_input_image_token_cost", million, -1),
		Characters:     max(0, f.first(million, "input_cost_per_character", "output_cost_per_character")),
		Hour:           max(0, f.first(perHour, "input_cost_per_second", "output_cost_per_second")),
		Pages:          f.rate("ocr_cost_per_page", 1000, 0), Searches: f.rate("input_cost_per_query", 1000, 0),
		Request:   f.rate("input_cost_per_request", 1, 0),
		Context:   f.count("max_input_tokens"),
		MaxOutput: f.count("max_output_tokens", "max_tokens"),
	}
	switch f.text("mode") {
	case "image_generation", "image_edit":
		p.Image = max(0, f.first(1, "output_cost_per_image", "input_cost_per_image"))
	case "embedding", "rerank", "moderation", "audio_transcription", "audio_speech":
		p.Context = 0
		if p.Output < 0 {
			p.Output = 0
		}
	}
	p = wholePrice(p)
	if p == nil {
		return nil
	}
	for _, above := range [...]struct {
		suffix string
		from   int64
	}{{"_above_128k_tokens", 128_000}, {"_above_200k_tokens", 200_000}, {"_above_272k_tokens", 272_000}} {
		if long := f.variant(p, above.suffix); long != nil {
			p.Long, p.LongFrom = long, above.from
			break
		}
	}
	p.Batch, p.Flex, p.Priority = f.variant(p, "_batches"), f.variant(p, "_flex"), f.variant(p, "_priority")
	return p
}

// variant is p at the rates of the members that end in suffix, nil if there
// are none.
func (f *fields) variant(p *call.Price, suffix string) *call.Price {
	v := *p
	v.Long, v.Batch, v.Flex, v.Priority = nil, nil, nil, nil
	found := false
	for _, m := range [...]struct {
		name string
		to   []*int64
	}{
		{"input_cost_per_token", []*int64{&v.Input}}, {"output_cost_per_token", []*int64{&v.Output, &v.Reasoning}},
		{"cache_read_input_token_cost", []*int64{&v.CacheRead}}, {"cache_creation_input_token_cost", []*int64{&v.CacheWrite5m}},
		{"cache_creation_input_token_cost_above_1hr", []*int64{&v.CacheWrite1h}}, {"input_cost_per_audio_token", []*int64{&v.AudioInput}},
	} {
		if nano := f.rate(m.name+suffix, 1_000_000, -1); nano >= 0 {
			for _, to := range m.to {
				*to = nano
			}
			found = true
		}
	}
	if !found {
		return nil
	}
	return &v
}

// wholePrice fills p, nil if it has nothing: tokens are priced both ways.
func wholePrice(p *call.Price) *call.Price {
	tokens := false
	rates := p.Rates()
	for _, rate := range rates[:tokenRates] {
		tokens = tokens || *rate >= 0
	}
	others := false
	for _, rate := range rates[tokenRates:] {
		others = others || *rate > 0
	}
	if p.Input < 0 || p.Output < 0 {
		if tokens && !others && p.ImageOutput <= 0 && p.AudioOutput <= 0 {
			return nil // half a price would make the other half free
		}
		p.Input, p.Output = max(p.Input, 0), max(p.Output, 0)
	}
	return p.Filled()
}
