package route

import (
	"math/rand/v2"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
)

// FuzzRecord reads what a spoiled log may hand over as the record of a decision.
func FuzzRecord(f *testing.F) {
	c := someCall(rand.New(rand.NewPCG(5, 6)), 5)
	r := new(Recording)
	(&Handle{name: "m", lanes: lane.NewSet("m", nil, nil)}).Keep(c, r)
	if len(r.Record) == 0 {
		f.Fatal("nothing was recorded")
	}
	f.Add(r.Record)
	f.Add(r.Record[:len(r.Record)/2])
	f.Fuzz(func(t *testing.T, record []byte) {
		s, err := Show(record, []string{"eu"})
		p, errBuiltin := BuiltinOf(record)
		if (err == nil) != (errBuiltin == nil) {
			t.Errorf("shown with %v, ordered with %v", err, errBuiltin)
		}
		if err != nil {
			return
		}
		if p.N != len(s.Candidates) || p.N > call.MaxCandidates {
			t.Errorf("%d places for %d candidates", p.N, len(s.Candidates))
		}
		if name := firstTarget(record, p); p.N > 0 && name != s.TargetNames[p.Attempts[0].Index] {
			t.Errorf("first is %q of %q", name, s.TargetNames)
		}
	})
}

// TestRepeatsOfGarbage repeats decisions of which nothing is as it was recorded:
// each ends with an error or another plan, and the module serves on.
func TestRepeatsOfGarbage(t *testing.T) {
	l := newLanes(t)
	v := l.version(shipped(t), false)
	l.Put("m", lane.Lanes{Active: v})
	rng := rand.New(rand.NewPCG(7, 8))
	c := someCall(rng, 8)
	var good Recording
	l.Handle("m").Record(c, &good)
	for i := range 300 {
		bad := Recording{Module: good.Module, Recording: wasm.Recording{Record: append([]byte(nil), good.Record...), Answer: append([]byte(nil), good.Answer...)}}
		for range 1 + i%8 {
			bad.Record[rng.IntN(len(bad.Record))] = byte(rng.Uint32())
		}
		switch i % 4 {
		case 1:
			bad.Record = bad.Record[:rng.IntN(len(bad.Record))]
		case 2:
			bad.Answer = bad.Answer[:rng.IntN(len(bad.Answer))]
		case 3:
			bad.Calls = []wasm.HostCall{{Counter: rng.Uint32(), Delta: rng.Int64()}}
		}
		if got, err := l.Repeat(&bad, nil); (got == nil) == (err == nil) {
			t.Fatalf("repeat %d: %v, %v", i, got, err)
		}
	}
	if got, err := l.Repeat(&good, nil); err != nil || !got.Same {
		t.Errorf("the decision itself: %+v, %v", got, err)
	}
	if s := l.Handle("m").Stats(); s.Quarantined != "" {
		t.Errorf("repeats have taken the module out: %+v", s)
	}
}
