//go:build !race

package telemetry

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestRequestDoesNotAllocate(t *testing.T) {
	m, r := New(), sample()
	m.Request(r, call.TraceID{})
	if n := testing.AllocsPerRun(1000, func() { m.Request(r, call.TraceID{}) }); n != 0 {
		t.Errorf("Request allocates %v times; want 0", n)
	}
}
