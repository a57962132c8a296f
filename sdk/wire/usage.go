package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// maxCount bounds a reported count: no request comes near it, and sums and
// products of such counts stay far from overflow.
const maxCount = 1 << 40

var usageKey = []byte(`"usage"`)

// ReadUsage reads the usage that a complete answer in dialect d reports; ok is
// false when it reports none or is not valid JSON.
func ReadUsage(d Dialect, body []byte) (u Usage, ok bool) {
	if bytes.Contains(body, usageKey) {
		ok = readUsage(d, body, &u)
	}
	return u, ok
}

// ReadUsageEvent folds the usage that one event of a stream reports, if any,
// into into: data is what follows "data: ". The last report wins, field by
// field where the dialect reports in parts (Anthropic: message_start, then
// message_delta). It reports whether there was any; invalid JSON has none.
func ReadUsageEvent(d Dialect, data []byte, into *Usage) bool {
	return reportsUsage(data) && readUsage(d, data, into)
}

// reportsUsage is the fast path for the events that have no usage or only
// `"usage":null`. An unescaped `"usage"` cannot lie within a JSON string, so
// the bytes are a member's name, or a whole value that the reader then skips.
func reportsUsage(data []byte) bool {
	for {
		i := bytes.Index(data, usageKey)
		if i < 0 {
			return false
		}
		data = data[i+len(usageKey):]
		if !bytes.HasPrefix(data, []byte(":null")) && !bytes.HasPrefix(data, []byte(": null")) {
			return true
		}
	}
}

func readUsage(d Dialect, data []byte, into *Usage) bool {
	r := lex.New(data)
	u, found := *into, false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "usage":
			found = usageObject(d, &r, &u) || found
		case "message": // Anthropic's message_start
			if d == AnthropicMessages {
				found = usageWithin(d, &r, &u) || found
			}
		case "x_groq":
			found = usageWithin(d, &r, &u) || found
		case "choices": // Moonshot reports in the last chunk's choice
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				found = usageWithin(d, &r, &u) || found
			}
		}
	}
	if !found || !r.Done() {
		return false
	}
	*into = u
	return true
}

func usageWithin(d Dialect, r *lex.Reader, u *Usage) (found bool) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) == "usage" {
			found = usageObject(d, r, u) || found
		}
	}
	return found
}

func usageObject(d Dialect, r *lex.Reader, u *Usage) bool {
	switch d {
	case OpenAIChat, OpenAIEmbeddings:
		return openAIUsage(r, u)
	case AnthropicMessages:
		return anthropicUsage(r, u)
	}
	return false
}

// openAIUsage reads a usage object in OpenAI's form: cached and written tokens
// lie inside the prompt, reasoning inside the completion. Services that count
// them beside are known by their total.
func openAIUsage(r *lex.Reader, u *Usage) bool {
	var prompt, completion, total, cached, written, reasoning int64
	found := false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "prompt_tokens":
			found = count(r, &prompt) || found
		case "completion_tokens":
			found = count(r, &completion) || found
		case "total_tokens":
			found = count(r, &total) || found
		case "cached_tokens", "prompt_cache_hit_tokens": // Moonshot, DeepSeek
			count(r, &cached)
		case "prompt_tokens_details":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "cached_tokens":
					count(r, &cached)
				case "cache_write_tokens":
					count(r, &written)
				}
			}
		case "completion_tokens_details":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				if string(r.Name()) == "reasoning_tokens" {
					count(r, &reasoning)
				}
			}
		}
	}
	if found {
		*u = openAIBuckets(prompt, completion, total, cached, written, reasoning)
	}
	return found
}

func openAIBuckets(prompt, completion, total, cached, written, reasoning int64) Usage {
	u := Usage{Input: prompt, CacheRead: cached, CacheWrite5m: written, Output: completion, Reasoning: reasoning}
	if cached+written <= prompt {
		u.Input = prompt - cached - written
	}
	beside := total - prompt - completion // more than the parts: hidden reasoning
	switch {
	case reasoning > completion || reasoning > 0 && beside == reasoning: // reported beside the completion
	case beside > 0 && completion > 0:
		u.Output, u.Reasoning = completion-reasoning, reasoning+beside
	default:
		u.Output = completion - reasoning
	}
	return u
}

// anthropicUsage reads a usage object in Anthropic's form: cache reads and
// writes lie beside the input, thinking inside the output. What the object
// does not mention stays as it was.
func anthropicUsage(r *lex.Reader, u *Usage) bool {
	written, w5, w1, thinking := int64(-1), int64(-1), int64(-1), u.Reasoning
	output := u.Output + u.Reasoning
	found := false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "input_tokens":
			found = count(r, &u.Input) || found
		case "output_tokens":
			found = count(r, &output) || found
		case "cache_read_input_tokens":
			count(r, &u.CacheRead)
		case "cache_creation_input_tokens":
			count(r, &written)
		case "cache_creation":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "ephemeral_5m_input_tokens":
					count(r, &w5)
				case "ephemeral_1h_input_tokens":
					count(r, &w1)
				}
			}
		case "output_tokens_details":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				if string(r.Name()) == "thinking_tokens" {
					count(r, &thinking)
				}
			}
		}
	}
	u.Reasoning = min(thinking, output)
	u.Output = output - u.Reasoning
	cacheWrites(u, written, w5, w1)
	return found
}

// cacheWrites sets the buckets from the total and its parts, each -1 if absent.
func cacheWrites(u *Usage, total, w5, w1 int64) {
	if w1 >= 0 {
		u.CacheWrite1h = w1
	}
	switch {
	case total >= 0: // the parts may be missing or fall short: the total counts
		u.CacheWrite1h = min(u.CacheWrite1h, total)
		u.CacheWrite5m = total - u.CacheWrite1h
	case w5 >= 0:
		u.CacheWrite5m = w5
	}
}

// count reads a count into n, which stays as it was if there is none.
func count(r *lex.Reader, n *int64) bool {
	v, ok := r.Int()
	if !ok || v < 0 {
		return false
	}
	*n = min(v, maxCount)
	return true
}
