//go:build !race

package telemetry

import "testing"

func TestRequestDoesNotAllocate(t *testing.T) {
	m, r := New(), sample()
	m.Request(r)
	if n := testing.AllocsPerRun(1000, func() { m.Request(r) }); n != 0 {
		t.Errorf("Request allocates %v times; want 0", n)
	}
}
