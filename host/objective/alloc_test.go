//go:build !race

package objective

import (
	"testing"
	"time"
)

func TestNoteDoesNotAllocate(t *testing.T) {
	k := kept()
	o := Outcome{First: time.Second}
	if n := testing.AllocsPerRun(1000, func() { k.Note(noon, "a", "a/m", o) }); n != 0 {
		t.Errorf("Note allocates %v times; want 0", n)
	}
}
