package host

import (
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestReorder(t *testing.T) {
	plan := func(indexes ...uint8) *call.Plan {
		p := &call.Plan{N: len(indexes)}
		for i, index := range indexes {
			p.Attempts[i] = call.PlannedAttempt{Index: index}
		}
		return p
	}
	f := func(p, by *call.Plan, open uint64, want ...uint8) {
		t.Helper()
		reorder(p, by, open)
		for i, index := range want {
			if p.Attempts[i].Index != index || p.N != len(want) {
				t.Fatalf("place %d goes to %d: %+v; want %v", i, p.Attempts[i].Index, p.Attempts[:p.N], want)
			}
		}
	}
	f(plan(0, 1, 2, 3), plan(3, 2, 1, 0), 0b1110, 0, 3, 2, 1)
	f(plan(0, 1, 2, 3), plan(0, 1, 2, 3), 0b1110, 0, 1, 2, 3)
	f(plan(0, 1, 2, 3), plan(2, 0), 0b1110, 0, 2, 1, 3)
	f(plan(0, 1, 2, 3), plan(3, 1), 0b1010, 0, 3, 2, 1)
	f(plan(0, 1, 2, 3), plan(4, 5, 3), 0b1100, 0, 1, 3, 2)
	f(plan(5, 6, 7), plan(), 0b110, 5, 6, 7)
	by := plan(2, 1)
	by.Attempts[0].Timeout = 7
	p := plan(0, 1, 2)
	if reorder(p, by, 0b110); p.Attempts[1] != by.Attempts[0] || p.Attempts[2].Timeout != 0 {
		t.Errorf("%+v", p.Attempts[:3])
	}
}
