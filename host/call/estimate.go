package call

// BytesPerToken is the usual length of a token: prompts are never tokenised here.
const BytesPerToken = 4

// InputTokens is the estimate of the prompt's tokens from its size, which routing
// modules and rules are given.
func (c *Call) InputTokens() int64 {
	return (int64(c.Facts.Size) + BytesPerToken - 1) / BytesPerToken
}

// Hash is FNV-1a of s: what is split by it stays where it is, on every node and
// in every version.
func Hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
