//go:build !race

package decision

import (
	"testing"
	"time"
)

func TestAppendAllocatesNothing(t *testing.T) {
	l := open(t, t.TempDir(), all, Options{Every: time.Hour, Room: 8 << 20})
	e := someEntry(7)
	if n := testing.AllocsPerRun(500, func() {
		l.Sampled(e.ID, noon)
		l.Append(e)
	}); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}
