package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// bedrockUsage reads the usage of a Converse answer: cache reads and writes
// lie beside the input.
func bedrockUsage(r *lex.Reader, u *Usage) bool {
	var n Usage
	written, w1 := int64(-1), int64(-1)
	found := false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "inputTokens":
			found = count(r, &n.Input) || found
		case "outputTokens":
			found = count(r, &n.Output) || found
		case "cacheReadInputTokens":
			count(r, &n.CacheRead)
		case "cacheWriteInputTokens":
			count(r, &written)
		case "cacheDetails":
			w1 = hourly(r)
		}
	}
	if found {
		cacheWrites(&n, written, -1, w1)
		*u = n
	}
	return found
}

// hourly is what Bedrock's cache details say was written for an hour.
func hourly(r *lex.Reader) (n int64) {
	for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
		var v int64
		var hour bool
		for ok := r.Object() && r.Key(); ok; ok = r.Key() {
			switch string(r.Name()) {
			case "ttl":
				raw, _ := r.Raw()
				hour = string(raw) == "1h"
			case "inputTokens":
				count(r, &v)
			}
		}
		if hour {
			n = min(n+v, maxCount)
		}
	}
	return n
}

// cohereUsage reads Cohere's usage (chat) or meta (embed, rerank): what is
// billed counts, and the tokens of the model only where nothing is.
func cohereUsage(r *lex.Reader, u *Usage) bool {
	var billed, tokens Usage
	var cached int64
	isBilled, known := false, false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "billed_units":
			isBilled = cohereUnits(r, &billed)
		case "tokens":
			known = cohereUnits(r, &tokens)
		case "cached_tokens":
			count(r, &cached)
		case "total_tokens", "prompt_tokens": // rerankers that follow Cohere: Jina, Voyage
			known = count(r, &tokens.Input) || known
		}
	}
	if isBilled {
		tokens = billed
	} else if !known {
		return false
	}
	if cached <= tokens.Input {
		tokens.Input, tokens.CacheRead = tokens.Input-cached, cached
	}
	*u = tokens
	return true
}

func cohereUnits(r *lex.Reader, u *Usage) (found bool) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "input_tokens":
			found = count(r, &u.Input) || found
		case "output_tokens":
			found = count(r, &u.Output) || found
		case "image_tokens":
			found = count(r, &u.ImageInput) || found
		case "search_units":
			found = count(r, &u.Searches) || found
		}
	}
	return found
}
