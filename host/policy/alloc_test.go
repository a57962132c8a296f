//go:build !race

package policy

import "testing"

// The race detector makes sync.Pool drop what it is given, so that allocations
// cannot be counted under it.

func TestHitAllocatesNothing(t *testing.T) {
	e := openWith(t, Options{Deadline: slack})
	c := sampleCall()
	wantAllowed(t, e.Decide(c))
	if n := testing.AllocsPerRun(1000, func() { e.Decide(c) }); n != 0 {
		t.Errorf("a decision from memory allocates %v times", n)
	}
}

// TestHitOfEveryFieldAllocatesNothing reads all that can be part of a key.
func TestHitOfEveryFieldAllocatesNothing(t *testing.T) {
	e := files{"u": `deny contains {"code": "x"} if {
	count([input.principal, input.net, input.time, input.request]) == 0
}`}.open(t)
	c := sampleCall()
	c.Facts.Tools = [][]byte{[]byte("b"), []byte("a")}
	wantAllowed(t, e.Decide(c))
	if n := testing.AllocsPerRun(1000, func() { e.Decide(c) }); n != 0 {
		t.Errorf("a decision from memory allocates %v times", n)
	}
	if st := e.Stats(); st.Units[1].Misses != 1 {
		t.Errorf("the unit was not remembered: %+v", st)
	}
}
