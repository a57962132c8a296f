//go:build !race

package record

import (
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

func TestWindowAllocatesNothing(t *testing.T) {
	w := someWindow()
	dst := make([]byte, w.Size())
	said := answer(abi.ActionReplace, uint32(len(w.Text)), "x", "state", "reason")
	if n := testing.AllocsPerRun(1000, func() {
		w.Encode(dst)
		if _, err := ReadVerdict(said, w); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per window; want 0", n)
	}
}
