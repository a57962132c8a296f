package route

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestScratchHungry(t *testing.T) {
	h := load(t, "hungry", guest(t, "hungry"))
	c := someCall(rand.New(rand.NewPCG(1, 2)), 8)
	var most, sum int64
	for i := range 300_000 {
		before := h.spent.Load()
		h.Plan(c)
		d := h.spent.Load() - before
		most = max(most, d)
		sum += d
		if i == 100_000 {
			fmt.Println("mem", mem(h), most)
		}
	}
	fmt.Println("mem", mem(h), "max", most, "mean", sum/300000, h.Stats())
}

func mem(h *Handle) uint32 {
	in, _ := h.slot.Acquire()
	defer in.Release(nil)
	return in.MemorySize()
}
