//go:build !race

package routes_test

import "testing"

// TestPlansAllocateNothing: whatever the module, a decision leaves nothing
// behind on the host's side.
func TestPlansAllocateNothing(t *testing.T) {
	for _, name := range shipped(t) {
		h := load(t, name, sample(name))
		c := request(1, crowd(8)...)
		if n := testing.AllocsPerRun(500, func() { h.Plan(c) }); n != 0 {
			t.Errorf("%s: %v allocations; want 0", name, n)
		}
	}
}
