package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestGatewaysShareAnswers: what one gateway keeps, another gives, exactly and
// by meaning; a purge is for all. Without the Redis answers go on.
func TestGatewaysShareAnswers(t *testing.T) {
	t.Parallel()
	const caches = "budgets: [{usd: 1000, window: day}]}]\ncache: {exact: {}, semantic: {model: demo/embed, threshold: 0.8, deadline: 10s}}\n#"
	c := newCluster(t, 2, caches, "timeout: 5s") // one that is given up is not asked
	ask := func(node int, text, from string) {
		t.Helper()
		_, h := c.nodes[node].told(nil, request("fast", text, false))
		if cached(h) != from {
			t.Errorf("node %d answers %q from the cache %q; want %q", node, text, cached(h), from)
		}
	}
	learnt := func(node, n int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d answers are learnt", n), func() bool {
			_, text := c.nodes[node].adminDo("GET", "/admin/cache", "")
			return strings.Contains(text, fmt.Sprintf(`"learnt":%d,`, n))
		})
	}
	ask(0, "How can I reset my password?", "")
	learnt(0, 1)
	eventually(t, "the answer is in the Redis, and that of the embedding", func() bool {
		return strings.Count(c.redis.Client("--scan", "--pattern", "signalbox:cache:*"), "signalbox:cache:") == 2
	})
	ask(1, "How can I reset my password?", "exact")
	ask(1, "how can I reset my password", "semantic")
	ask(0, "so how can I reset my password", "semantic")

	c.way.Shut()
	for i := range 20 {
		ask(1, fmt.Sprint("what is the weather like in ", i), "")
	}
	ask(1, "what is the weather like in 3", "exact") // in its own memory
	c.way.Open()

	if status, text := c.nodes[0].adminDo("DELETE", "/admin/cache?all=true", ""); status != http.StatusOK {
		t.Fatalf("got %d %s", status, text)
	}
	ask(0, "what is the weather like in 3", "") // at once here
	eventually(t, "the other has heard of the purge", func() bool {
		_, h := c.nodes[1].told(nil, request("fast", "How can I reset my password?", false))
		return cached(h) == ""
	})
}
