package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestUsageShowsUnitsThatWereUsed(t *testing.T) {
	f := func(answer, head, total string) {
		t.Helper()
		var a usageAnswer
		if err := json.Unmarshal([]byte(answer), &a); err != nil {
			t.Fatal(err)
		}
		var w strings.Builder
		if err := printUsage(&w, &a); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(w.String(), "\n")
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
		if got := squeeze(lines[0]); got != head {
			t.Errorf("the head is %q; want %q", got, head)
		}
		if got := squeeze(lines[2]); got != total {
			t.Errorf("the total is %q; want %q", got, total)
		}
	}
	f(`{"by":["day","key","model"],"source":"sums","rows":[{"day":"d"}],"total":{"requests":2,"tokens":{"input":1,"cache_read":2,"output":3,"reasoning":4},"cost_usd":0.5,"computed_usd":0.25,"reported_usd":0}}`,
		"DAY KEY MODEL REQUESTS ERRORS INPUT CACHED OUTPUT COMPUTED USD", "total - - 2 0 1 2 7 50% 0.5")
	f(`{"by":["day","key","model"],"source":"sums","rows":[{"day":"d"}],"total":{"requests":2,"tokens":{"input":1,"audio_input":5,"cache_read_audio":2},"units":{"audio_ms":1001,"images":3},"cost_usd":0.5}}`,
		"DAY KEY MODEL REQUESTS ERRORS INPUT CACHED OUTPUT AUDIO IN SECONDS IMAGES USD", "total - - 2 0 1 2 0 5 2 3 0.5")
}
