package call

import (
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestRecheck: those alone whose answers stream are asked about, once they may
// not stay it stays so, and others who want the answer have it.
func TestRecheck(t *testing.T) {
	why := wire.Errorf(401, "key_revoked", "ask for a new one")
	asked := 0
	may := func(*Principal) *wire.Error { asked++; return why }
	var g Gone
	if g.Recheck(may) != nil || asked != 0 || g.Left() {
		t.Error("an answer that does not stream is ended")
	}
	g.Streams(&Principal{})
	if g.Recheck(func(*Principal) *wire.Error { return nil }) != nil || g.Left() {
		t.Error("who may stay is sent away")
	}
	if g.Recheck(may) != why || !g.Left() || g.Why() != why {
		t.Error("who may not stay does")
	}
	if g.Recheck(func(*Principal) *wire.Error { return nil }) != why || asked != 1 {
		t.Error("why has been forgotten")
	}
	select {
	case <-g.Done():
	default:
		t.Error("nobody is told")
	}
	g.Reset()
	if g.Recheck(may) != nil || g.Left() || g.Why() != nil {
		t.Error("the next call is ended")
	}
	wanted := true
	g.Stay(func() bool { return wanted })
	g.Streams(&Principal{})
	if g.Recheck(may) != why || g.Left() {
		t.Error("others lose the answer")
	}
	wanted = false
	if g.Again(); !g.Left() {
		t.Error("it goes on for nobody")
	}
}
