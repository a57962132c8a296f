package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

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
		case "server_tool_use":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				if string(r.Name()) == "web_search_requests" {
					count(r, &u.Searches)
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
