//go:build !race

package route

import (
	"math/rand/v2"
	"testing"
)

// leakCalls is how often the leak test calls; the race detector makes guests slow.
// A clock that is false in the wrong way kills Go guests at call 289,683.
const leakCalls = 300_000

func TestPlanAllocatesNothing(t *testing.T) {
	for name, code := range map[string][]byte{"rust": shipped(t), "go": guest(t, "priority"), "counting": guest(t, "rotating")} {
		h := load(t, "priority", code)
		c := someCall(rand.New(rand.NewPCG(1, 2)), 8)
		if n := testing.AllocsPerRun(2000, func() { h.Plan(c) }); n != 0 {
			t.Errorf("%s: %v allocations in Plan; want 0", name, n)
		}
		var r Recording
		if n := testing.AllocsPerRun(2000, func() { h.Record(c, &r) }); n != 0 {
			t.Errorf("%s: %v allocations in Record; want 0", name, n)
		}
		if n := testing.AllocsPerRun(2000, func() { Builtin(c) }); n != 0 {
			t.Errorf("%v allocations in Builtin; want 0", n)
		}
	}
}
