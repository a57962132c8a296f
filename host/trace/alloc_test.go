//go:build !race

package trace

import (
	"testing"
	"time"
)

// TestPathDoesNotAllocate: neither deciding nor handing over costs memory.
func TestPathDoesNotAllocate(t *testing.T) {
	m := &memory{gate: make(chan struct{})}
	tr := New(Options{Export: m, Queue: 1 << 12, Batch: 1 << 12, Every: time.Hour, Stop: time.Millisecond})
	defer tr.Close()
	c, r := sample()
	c.Header = headers{}
	for range 64 { // as many as are used at a time
		it := tr.Item()
		it.Fill(c, r)
		tr.free(it)
	}
	n := testing.AllocsPerRun(500, func() {
		tr.Begin(c)
		it := tr.Item()
		it.Fill(c, r)
		tr.free(it) // as the exporter does once it has it
	})
	if n != 0 {
		t.Errorf("a request allocates %v times; want 0", n)
	}
}
