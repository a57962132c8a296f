//go:build !race

package policy

import (
	"cmp"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// What is in this file has one goroutine, and the race detector would make it
// take minutes.

const soundnessCalls = 1000 // pairs a unit

// leastHits is the part of all comparisons that must have come from memory, or
// they would show nothing.
const leastHits = 0.6

// TestWholeDecisionsAreSound compares what is remembered of whole decisions with
// fresh ones, of bundles of several awkward units. What units work out together
// is compared too.
func TestWholeDecisionsAreSound(t *testing.T) {
	whole, alone, hits := 0, 0, uint64(0)
	for i := 0; i+1 < len(awkward); i += 2 {
		a, b := awkward[i], awkward[i+1]
		if a.lib != "" && b.lib != "" {
			continue // they have names in common
		}
		bundle := a.bundle()
		bundle["v"] = b.unit
		if b.lib != "" {
			bundle["lib.rego"] = b.bundle()["lib.rego"]
		}
		s := bundle.open(t).snap.Load()
		if s.whole == nil {
			alone++
			continue
		}
		whole++
		rnd := rand.New(rand.NewPCG(7, uint64(i)))
		for range soundnessCalls / 4 {
			c := randomCall(rnd)
			r := getReader(c, &s.env)
			got, gotErr := s.decide(r)
			var verdicts []*verdict
			var wantErr error
			for _, u := range s.units {
				v, err := u.eval(r.document(), newDeadline(slack))
				verdicts, wantErr = append(verdicts, v), cmp.Or(wantErr, err)
			}
			putReader(r)
			if (gotErr == nil) != (wantErr == nil) || gotErr == nil && !reflect.DeepEqual(got, merge(verdicts, s.revision)) {
				t.Fatalf("%s and %s: got %+v, %v", a.name, b.name, got, gotErr)
			}
		}
		hits += s.answered.Load()
	}
	if calls := float64(whole * soundnessCalls / 4); float64(hits) < leastHits*calls/6 { // their keys are of many fields
		t.Errorf("%d of %.0f decisions came from memory", hits, calls)
	}
	if whole < 15 {
		t.Errorf("only %d bundles are remembered whole, %d are not", whole, alone)
	}
}

func TestMemoIsSound(t *testing.T) {
	if len(awkward) < 50 {
		t.Errorf("there are %d awkward units", len(awkward))
	}
	var hits, tried float64
	for _, a := range awkward {
		t.Run(a.name, func(t *testing.T) {
			e := a.bundle().open(t)
			s := e.snap.Load()
			remember(s.units[1])
			differs, part := differ(s, s.units[1], soundnessCalls)
			if differs {
				t.Errorf("a remembered decision differs from a fresh one")
			}
			hits, tried = hits+part, tried+1
			u := s.units[1]
			var reads []string
			for _, f := range u.reads.fields {
				reads = append(reads, f.String())
			}
			for _, need := range a.needs {
				if !slices.Contains(reads, "input."+need) {
					t.Errorf("reads %v without input.%s", reads, need)
				}
			}
		})
	}
	if hits /= tried; tried > 10 && hits < leastHits { // alone, a unit that reads much has few
		t.Errorf("%.0f %% of the verdicts came from memory", 100*hits)
	}
}

// remember makes u remember even if it reads something volatile: none of the
// awkward units depends on it.
func remember(u *unit) {
	u.reads.fields = slices.DeleteFunc(u.reads.fields, func(f field) bool { return leaves[f.id].volatile })
	u.memo = newMemo[verdict](memoSets, 1<<20)
}

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
