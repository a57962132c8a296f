//go:build !race

package access

import (
	"runtime"
	"testing"
)

// TestRequestDoesNotAllocate, nor does what writes it.
func TestRequestDoesNotAllocate(t *testing.T) {
	l, _ := openLog(t, Options{Sample: 1})
	c, r := sample()
	one := func() {
		l.Request(c, r)
		for l.queue.Waiting() > 0 {
			runtime.Gosched() // written ones are used again
		}
	}
	for range 100 {
		one()
	}
	if n := testing.AllocsPerRun(1000, one); n != 0 {
		t.Errorf("a request allocates %v times; want 0", n)
	}
}
