package meter

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// TestBoundIsNoLess: what looks like a bound, and is none.
func TestBoundIsNoLess(t *testing.T) {
	f := func(name string, op wire.Op, p call.Price, facts scan.Facts, maxTokens, least int64) {
		t.Helper()
		got, err := Bound(&p, &Ask{Op: op, Facts: &facts, MaxTokens: maxTokens})
		if err != nil || got < least {
			t.Errorf("%s: got %d, %v; want %d at least", name, got, err, least)
		}
	}
	// 439125228929 × 42007935 is the largest number of 64 bits.
	f("a product just below the word's end", wire.OpChat, call.Price{Input: 1, Output: 42007935}, scan.Facts{Size: 1, MaxTokens: 439125228929}, 0, 1<<64/1_000_000)
	// Only chats have a member that a cap could be written to.
	f("the policy's cap on a transcription", wire.OpTranscription, call.Price{Input: 1e6, Output: 1e9, MaxOutput: 2000}, scan.Facts{Size: 10}, 7, 2_000_000)
	// Each of many inputs may be as long as the context.
	f("embeddings of a model that also answers", wire.OpEmbeddings, call.Price{Input: 1e9, Output: 1e9, Context: 100}, scan.Facts{Size: 5000}, 0, 5_000_000)
	f("many answers", wire.OpChat, call.Price{Input: 1e9, Output: 1e9}, scan.Facts{Size: 10, MaxTokens: 1 << 40, N: 1 << 40}, 0, maxBound)
}

// TestEstimateOfManyAnswers: a product that does not fit a word bounds nothing.
func TestEstimateOfManyAnswers(t *testing.T) {
	u := Estimate(wire.OpChat, nil, &scan.Facts{Size: 3, MaxTokens: 1 << 40, N: 1 << 24}, 0, 500)
	if u.Output != 500 {
		t.Errorf("500 events are estimated as %d tokens", u.Output)
	}
}
