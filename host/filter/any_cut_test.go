//go:build !race

// One goroutine, and minutes under the race detector.

package filter

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAnyCutGivesTheSame: however a stream is cut, and its events arrive, the
// same is hidden of every channel, and little is held back.
func TestAnyCutGivesTheSame(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	for d, write := range writers {
		for seed := range uint64(60) {
			r := rand.New(rand.NewPCG(seed, 1))
			say := someTexts(r)
			events := write(r, say, 1+r.IntN(12))
			out := pass(t, s, chain, d, events, r)
			got, whole := gather(t, d, out)
			want := texts{hidden(say.answer), hidden(say.reasoning), hidden(say.args)}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(texts{})); diff != "" {
				t.Fatalf("%s, seed %d (-want +got):\n%s\n%s", d, seed, diff, out)
			}
			for _, w := range whole {
				if w.answer != want.answer || w.args != "" && w.args != want.args || w.reasoning != "" && w.reasoning != want.reasoning {
					t.Fatalf("%s, seed %d: repeated as %+v; want %+v", d, seed, w, want)
				}
			}
		}
	}
}

// TestHoldBackIsSeen: a filter that holds back all it can does not pass for one
// that holds back little, and what it holds is not lost.
func TestHoldBackIsSeen(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "greedy", "")}
	r := rand.New(rand.NewPCG(1, 1))
	say := texts{answer: strings.Repeat("words and more words ", 40), reasoning: "r", args: "{}"}
	for d, write := range writers {
		out, held := through(t, s, chain, d, write(r, say, 5), r)
		if held <= maxHeld {
			t.Errorf("%s: the greedy filter holds back %d bytes", d, held)
		}
		if got, _ := gather(t, d, out); got != say {
			t.Errorf("%s: got %+v", d, got)
		}
	}
}
