package route

import (
	"bytes"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
)

// resident is the process's memory in KB, when what is free has been given back.
func resident(b *testing.B) int {
	b.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("\nVmRSS:"))
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	kb, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil {
		b.Fatal(err)
	}
	return kb
}

// BenchmarkGrowth decides as often as -benchtime says, 10000000x for ten
// million, and reports by how much the process grows after the first tenth.
// One module allocates nothing, the other at every decision.
func BenchmarkGrowth(b *testing.B) {
	for name, code := range map[string][]byte{"rust": shipped(b), "allocating_go": guest(b, "hungry")} {
		b.Run(name, func(b *testing.B) {
			h := load(b, "priority", code)
			c := someCall(rand.New(rand.NewPCG(1, 2)), 8)
			early := 0
			for n := range b.N {
				if n == b.N/10 {
					early = resident(b)
				}
				h.Plan(c)
			}
			var faults int64
			for _, n := range h.Stats().Faults {
				faults += n
			}
			b.ReportMetric(float64(b.N), "decisions")
			b.ReportMetric(float64(max(resident(b)-early, 0)), "grown-kb")
			b.ReportMetric(float64(faults), "faults")
		})
	}
}
