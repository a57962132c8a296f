//go:build !race

package meter

import (
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestBoundDoesNotAllocate(t *testing.T) {
	ok, refused := scan.Facts{Size: 1024, MaxTokens: 100}, scan.Facts{Unbounded: true}
	if n := testing.AllocsPerRun(100, func() {
		_, _ = Bound(&flat, &Ask{Op: wire.OpChat, Facts: &ok})
		_, _ = Bound(&flat, &Ask{Op: wire.OpChat, Facts: &refused})
	}); n != 0 {
		t.Errorf("Bound allocates %v times; want 0", n)
	}
}
