package route

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkPlan is a whole decision: encode, call, decide, decode.
func BenchmarkPlan(b *testing.B) {
	modules := map[string][]byte{"rust": shipped(b), "go": guest(b, "priority")}
	for _, name := range []string{"rust", "go"} {
		h := load(b, "priority", modules[name])
		for _, n := range []int{1, 2, 8, 64} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				c := someCall(rand.New(rand.NewPCG(1, 2)), n)
				b.ReportAllocs()
				before, calls := h.spent.Load(), 0
				for b.Loop() {
					h.Plan(c)
					calls++
				}
				b.ReportMetric(float64(h.spent.Load()-before)/float64(calls), "fuel/op")
			})
		}
	}
}

// BenchmarkPlanParallel shares one module between all processors.
func BenchmarkPlanParallel(b *testing.B) {
	h := load(b, "priority", shipped(b))
	b.RunParallel(func(pb *testing.PB) {
		c := someCall(rand.New(rand.NewPCG(1, 2)), 8)
		for pb.Next() {
			h.Plan(c)
		}
	})
}

// BenchmarkBuiltin is the same decision in native Go.
func BenchmarkBuiltin(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := someCall(rand.New(rand.NewPCG(1, 2)), n)
			b.ReportAllocs()
			for b.Loop() {
				Builtin(c)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := someCall(rand.New(rand.NewPCG(1, 2)), n)
			dst := make([]byte, recordSize(c, 0))
			b.ReportAllocs()
			for b.Loop() {
				encode(dst[:recordSize(c, 0)], c, noon.UnixMilli(), 7, 0)
			}
		})
	}
}
