//go:build !race

package feature

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/guests"
)

func TestOfAllocatesNothing(t *testing.T) {
	c := prompt(strings.Repeat("Explain why the naïve proof of x + 1 > x fails for 3 cases.\n- one\n", 100))
	if n := testing.AllocsPerRun(500, func() { Of(c) }); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}

// BenchmarkOf counts over a prompt of 8 KB, of plain English and of Chinese.
func BenchmarkOf(b *testing.B) {
	for name, text := range map[string]string{"english": "Explain why the first proof fails for 3 cases, and compare it with the other one.\n", "chinese": "证明这个定理,然后比较两种方法的优缺点。\n"} {
		b.Run(name, func(b *testing.B) {
			c := prompt(strings.Repeat(text, 8<<10/len(text)))
			b.SetBytes(int64(len(c.Body)))
			b.ReportAllocs()
			spent := guests.Spent()
			for b.Loop() {
				Of(c)
			}
			b.ReportMetric(float64(spent().Nanoseconds())/float64(b.N), "cpu-ns")
		})
	}
}
