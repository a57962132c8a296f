//go:build !race

package policy

import (
	"slices"
	"testing"
)

const soundnessCalls = 1000 // pairs a unit

// leastHits is the part of all comparisons that must have come from memory, or
// they would show nothing.
const leastHits = 0.6

// TestUnsoundAnalysisIsCaught plants, one at a time, every gap that the
// analysis could have: the comparison must notice each.
func TestUnsoundAnalysisIsCaught(t *testing.T) {
	for _, a := range awkward {
		for _, need := range a.needs {
			t.Run(a.name+"/"+need, func(t *testing.T) {
				s := a.bundle().open(t).snap.Load()
				u := s.units[1]
				remember(u)
				u.reads.fields = slices.DeleteFunc(u.reads.fields, func(f field) bool { return f.String() == "input."+need })
				if differs, _ := differ(s, u, 4*soundnessCalls); !differs {
					t.Errorf("nobody noticed that %s was left out", need)
				}
			})
		}
	}
}

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
