package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// geminiCounts is a usageMetadata object as it is written. Cached tokens lie
// inside the prompt; thoughts and what tools put into the prompt lie beside
// prompt and candidates. Details split each by modality.
type geminiCounts struct {
	prompt, cached, candidates, thoughts, tools, total int64

	in, inCached, inTools, out modalities
}

type modalities struct{ audio, image int64 }

// geminiUsage reads a usageMetadata object into u, whose buckets it replaces.
func geminiUsage(r *lex.Reader, u *Usage) bool {
	var c geminiCounts
	found := false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "promptTokenCount":
			found = count(r, &c.prompt) || found
		case "candidatesTokenCount", "responseTokenCount":
			found = count(r, &c.candidates) || found
		case "totalTokenCount":
			found = count(r, &c.total) || found
		case "cachedContentTokenCount":
			count(r, &c.cached)
		case "thoughtsTokenCount":
			count(r, &c.thoughts)
		case "toolUsePromptTokenCount":
			count(r, &c.tools)
		case "promptTokensDetails":
			c.in.read(r)
		case "cacheTokensDetails":
			c.inCached.read(r)
		case "toolUsePromptTokensDetails":
			c.inTools.read(r)
		case "candidatesTokensDetails", "responseTokensDetails":
			c.out.read(r)
		}
	}
	if found {
		*u = c.buckets()
	}
	return found
}

// read adds up a list of {modality, tokenCount}. Documents are counted
// with text, video with pictures: they have the price.
func (m *modalities) read(r *lex.Reader) {
	for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
		var modality []byte
		var n int64
		for ok := r.Object() && r.Key(); ok; ok = r.Key() {
			switch string(r.Name()) {
			case "modality":
				modality = r.Text()
			case "tokenCount":
				count(r, &n)
			}
		}
		switch string(modality) {
		case "AUDIO":
			m.audio = min(m.audio+n, maxCount)
		case "IMAGE", "VIDEO":
			m.image = min(m.image+n, maxCount)
		}
	}
}

// buckets takes the counts apart; they add up to the total.
func (c *geminiCounts) buckets() (u Usage) {
	prompt := c.prompt + c.tools
	cached := min(c.cached, prompt)
	u.CacheReadAudio = min(c.inCached.audio, cached)
	u.CacheReadImage = min(c.inCached.image, cached-u.CacheReadAudio)
	u.CacheRead = cached - u.CacheReadAudio - u.CacheReadImage
	rest := prompt - cached
	u.AudioInput = min(max(c.in.audio+c.inTools.audio-c.inCached.audio, 0), rest)
	rest -= u.AudioInput
	u.ImageInput = min(max(c.in.image+c.inTools.image-c.inCached.image, 0), rest)
	u.Input = rest - u.ImageInput

	out := c.candidates
	u.Reasoning = c.thoughts
	switch beside := c.total - prompt - out; {
	case c.total == 0 || beside == c.thoughts:
	case beside == 0 && c.thoughts <= out: // some answers count thoughts among the candidates
		out -= c.thoughts
	case beside > c.thoughts: // more than the parts: hidden reasoning
		u.Reasoning = beside
	}
	u.AudioOutput = min(c.out.audio, out)
	out -= u.AudioOutput
	u.ImageOutput = min(c.out.image, out)
	u.Output = out - u.ImageOutput
	return u
}

// appendGeminiUsage appends u as a usageMetadata object.
func appendGeminiUsage(dst []byte, u *Usage) []byte {
	dst = append(dst, `{"promptTokenCount":`...)
	dst = appendInt(dst, u.Prompt())
	if cached := u.CacheRead + u.CacheReadAudio + u.CacheReadImage; cached > 0 {
		dst = append(dst, `,"cachedContentTokenCount":`...)
		dst = appendInt(dst, cached)
	}
	dst = append(dst, `,"candidatesTokenCount":`...)
	dst = appendInt(dst, u.Completion()-u.Reasoning)
	if u.Reasoning > 0 {
		dst = append(dst, `,"thoughtsTokenCount":`...)
		dst = appendInt(dst, u.Reasoning)
	}
	dst = append(dst, `,"totalTokenCount":`...)
	dst = appendInt(dst, u.Total())
	dst = appendModalities(dst, "promptTokensDetails", u.Prompt(), u.AudioInput+u.CacheReadAudio, u.ImageInput+u.CacheReadImage)
	dst = appendModalities(dst, "candidatesTokensDetails", u.Completion()-u.Reasoning, u.AudioOutput, u.ImageOutput)
	return append(dst, '}')
}

func appendModalities(dst []byte, name string, all, audio, image int64) []byte {
	if audio == 0 && image == 0 {
		return dst
	}
	dst = appendName(dst, name)
	sep := byte('[')
	for _, m := range [...]struct {
		name string
		n    int64
	}{{"TEXT", all - audio - image}, {"AUDIO", audio}, {"IMAGE", image}} {
		if m.n == 0 {
			continue
		}
		dst = append(append(append(dst, sep), `{"modality":"`...), m.name...)
		dst = append(dst, `","tokenCount":`...)
		dst = append(appendInt(dst, m.n), '}')
		sep = ','
	}
	return append(dst, ']')
}
