package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// tally is what a usage object in one of OpenAI's forms reports: what was
// cached, heard or seen lies inside the prompt, reasoning and what is not text
// inside the completion.
type tally struct {
	prompt, completion, total                     int64
	cached, written, cachedAudio, cachedImage     int64
	audioIn, imageIn, audioOut, imageOut, reasons int64
	millis, searches, cost                        int64
}

// openAIUsage reads a usage object in OpenAI's forms, those of chat (prompt,
// completion) and of the newer APIs (input, output). Services that count parts
// beside the whole are known by their total.
func openAIUsage(r *lex.Reader, u *Usage) bool {
	var t tally
	if !t.read(r) {
		return false
	}
	*u = t.usage()
	return true
}

// speechUsage is like openAIUsage of an answer that is all audio, imagesUsage
// of one that is all pictures.
func speechUsage(r *lex.Reader, u *Usage) bool {
	var t tally
	if !t.read(r) {
		return false
	}
	t.audioOut = t.completion
	*u = t.usage()
	return true
}

func imagesUsage(r *lex.Reader, u *Usage) bool {
	var t tally
	if !t.read(r) {
		return false
	}
	if t.imageOut == 0 {
		t.imageOut = t.completion
	}
	*u = t.usage()
	return true
}

func (t *tally) read(r *lex.Reader) (found bool) {
	var byok bool
	var upstream int64
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "prompt_tokens", "input_tokens":
			found = count(r, &t.prompt) || found
		case "completion_tokens", "output_tokens":
			found = count(r, &t.completion) || found
		case "total_tokens":
			found = count(r, &t.total) || found
		case "seconds", "prompt_audio_seconds": // Whisper's; Mistral's
			found = duration(r, &t.millis) || found
		case "cached_tokens", "prompt_cache_hit_tokens": // Moonshot, DeepSeek
			count(r, &t.cached)
		case "prompt_tokens_details", "input_tokens_details", "input_token_details":
			t.in(r)
		case "completion_tokens_details", "output_tokens_details", "output_token_details":
			t.out(r)
		case "num_search_queries", "num_sources_used": // Perplexity; xAI
			count(r, &t.searches)
		case "cost": // OpenRouter; Perplexity by parts
			t.charged(r)
		case "cost_in_usd_ticks": // xAI
			ticks(r, &t.cost)
		case "is_byok": // OpenRouter: the cost is its fee, what the key is charged comes on top
			byok = r.Bool()
		case "cost_details":
			upstream = within(r, "upstream_inference_cost")
		}
	}
	if byok {
		t.cost = min(t.cost+upstream, maxCount)
	}
	return found
}

func (t *tally) in(r *lex.Reader) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "cached_tokens":
			count(r, &t.cached)
		case "cache_write_tokens":
			count(r, &t.written)
		case "audio_tokens":
			count(r, &t.audioIn)
		case "image_tokens", "video_tokens":
			more(r, &t.imageIn)
		case "cached_tokens_details":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "audio_tokens":
					count(r, &t.cachedAudio)
				case "image_tokens":
					count(r, &t.cachedImage)
				}
			}
		}
	}
}

func (t *tally) out(r *lex.Reader) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "reasoning_tokens":
			count(r, &t.reasons)
		case "audio_tokens":
			count(r, &t.audioOut)
		case "image_tokens":
			count(r, &t.imageOut)
		}
	}
}

// charged reads a cost in dollars: a number, or an object with a total.
func (t *tally) charged(r *lex.Reader) {
	if r.Kind() == '{' {
		t.cost = within(r, "total_cost")
		return
	}
	dollars(r, &t.cost)
}

// within reads the amount in dollars that the object which is due has under name.
func within(r *lex.Reader, name string) (nano int64) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) == name {
			dollars(r, &nano)
		}
	}
	return nano
}

// usage takes the tally apart into disjoint buckets.
func (t *tally) usage() Usage {
	u := Usage{Millis: t.millis, Searches: t.searches, Cost: t.cost}
	if t.completion == 0 && t.prompt == 0 && t.total > 0 && t.millis == 0 { // only a total: rerankers, embeddings
		t.prompt = t.total
	}
	t.prompts(&u)
	t.answers(&u, t.total-t.prompt-t.completion)
	return u
}

// prompts shares the prompt out. Where the parts that were cached are not told
// apart, text is taken for cached first.
func (t *tally) prompts(u *Usage) {
	if t.millis > 0 && t.total > t.prompt+t.completion { // Mistral counts audio beside the prompt
		t.audioIn = t.total - t.prompt - t.completion
		t.prompt += t.audioIn
	}
	if t.cached+t.written > t.prompt { // beside the prompt
		u.Input, u.CacheRead, u.CacheWrite5m = t.prompt, t.cached, t.written
		return
	}
	u.AudioInput = min(t.audioIn, t.prompt)
	u.ImageInput = min(t.imageIn, t.prompt-u.AudioInput)
	u.Input = t.prompt - u.AudioInput - u.ImageInput
	left := t.cached
	move := func(n int64, from, to *int64) {
		n = min(n, left, *from)
		*from, *to, left = *from-n, *to+n, left-n
	}
	move(t.cachedAudio, &u.AudioInput, &u.CacheReadAudio)
	move(t.cachedImage, &u.ImageInput, &u.CacheReadImage)
	move(left, &u.Input, &u.CacheRead)
	move(left, &u.AudioInput, &u.CacheReadAudio)
	move(left, &u.ImageInput, &u.CacheReadImage)
	left = t.written
	move(left, &u.Input, &u.CacheWrite5m)
	move(left, &u.AudioInput, &u.CacheWrite5m)
	move(left, &u.ImageInput, &u.CacheWrite5m)
}

// answers shares the completion out; beside is how many tokens the total has
// more than prompt and completion: hidden reasoning.
func (t *tally) answers(u *Usage, beside int64) {
	text := t.completion
	switch {
	case t.reasons > t.completion || t.reasons > 0 && beside == t.reasons: // reported beside the completion
		u.Reasoning = t.reasons
	case beside > 0 && t.completion > 0:
		u.Reasoning, text = t.reasons+beside, text-t.reasons
	default:
		u.Reasoning, text = t.reasons, text-t.reasons
	}
	u.AudioOutput = min(t.audioOut, text)
	u.ImageOutput = min(t.imageOut, text-u.AudioOutput)
	u.Output = text - u.AudioOutput - u.ImageOutput
}
