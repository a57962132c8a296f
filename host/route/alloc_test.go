//go:build !race

package route

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
)

func TestPlanAllocatesNothing(t *testing.T) {
	for name, code := range map[string][]byte{"rust": shipped(t), "go": guest(t, "priority"), "counting": guest(t, "rotating")} {
		h := load(t, "priority", code)
		c := someCall(rand.New(rand.NewPCG(1, 2)), 8)
		if n := testing.AllocsPerRun(2000, func() { h.Plan(c) }); n != 0 {
			t.Errorf("%s: %v allocations in Plan; want 0", name, n)
		}
		var r Recording
		if n := testing.AllocsPerRun(2000, func() { h.Record(c, &r) }); n != 0 {
			t.Errorf("%s: %v allocations in Record; want 0", name, n)
		}
		if n := testing.AllocsPerRun(2000, func() { Builtin(c) }); n != 0 {
			t.Errorf("%v allocations in Builtin; want 0", n)
		}
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	h := &Handle{}
	h.pump.waiting, h.pump.wake, h.pump.full = make([]record.Outcome, 0, 4), make(chan struct{}, 1), make(chan struct{}, 1)
	h.pump.on.Store(true)
	c := ended(7)
	if n := testing.AllocsPerRun(1000, func() { h.pump.waiting = h.pump.waiting[:0]; h.Observe(c) }); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}

// TestNeedsAllocateNothing once what they are has been found.
func TestNeedsAllocateNothing(t *testing.T) {
	c := needed()
	c.Need(allNeeds)
	b := make([]byte, recordSize(c, allNeeds))
	if n := testing.AllocsPerRun(1000, func() { encode(b, c, noon.UnixMilli(), 7, allNeeds) }); n != 0 {
		t.Errorf("%v allocations in encode; want 0", n)
	}
	var r Recording
	if n := testing.AllocsPerRun(1000, func() { (*Handle)(nil).Keep(c, &r) }); n != 0 {
		t.Errorf("%v allocations in Keep; want 0", n)
	}
}

func TestLanesAllocateNothing(t *testing.T) {
	l := newLanes(t)
	active, canary, shadow := l.version(shipped(t), false), l.version(fussy(nil, nil), false), l.version(shipped(t), true)
	c := someCall(rand.New(rand.NewPCG(1, 2)), 8)
	for _, by := range []lane.By{lane.ByKey, lane.ByRequest, lane.BySession} {
		l.Put("m", lane.Lanes{Active: active, Canary: canary, Share: 0.5, By: by, Guard: lane.DefaultGuard})
		h, id := l.Handle("m"), c.ID
		if n := testing.AllocsPerRun(2000, func() {
			c.ID++
			h.Plan(c)
			h.Outcome(&c.Plan, Outcome{TTFT: 1})
		}); n != 0 {
			t.Errorf("by %s: %v allocations with a canary; want 0", by, n)
		}
		c.ID = id
	}
	l.Put("m", lane.Lanes{Active: active, Shadow: shadow})
	h := l.Handle("m")
	for range 2 * shadowRing { // the ring's room is made
		h.Plan(c)
	}
	if n := testing.AllocsPerRun(2000, func() { h.Plan(c) }); n != 0 {
		t.Errorf("%v allocations with a shadow; want 0", n)
	}
}

// TestAllocatingGuestStaysFlat runs a careless Go guest: its memory must stop
// growing, although its clocks stand still within calls and may do so between
// them, or run backwards.
func TestAllocatingGuestStaysFlat(t *testing.T) {
	const calls = 300_000 // a clock that is false in the wrong way kills Go guests at call 289,683
	for name, step := range map[string]time.Duration{"stands still": 0, "runs": 10 * time.Microsecond, "runs backwards": -time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			h := load(t, "hungry", guest(t, "hungry"))
			c := someCall(rand.New(rand.NewPCG(1, 2)), 4)
			var warm uint32
			for i := range calls {
				c.Received = noon.Add(time.Duration(i) * step)
				h.Plan(c)
				if i == calls/3 {
					warm = memoryOf(t, h)
				}
			}
			if s := h.Stats(); s.Instances != 1 || s.Faults["memory"]+s.Faults["trap"]+s.Faults["fuel"] > 0 {
				t.Fatalf("got %+v; want one instance without faults", s)
			}
			if end := memoryOf(t, h); end > warm+warm/8 { // the collector has not quite settled yet
				t.Errorf("memory grew from %d to %d bytes between call %d and %d", warm, end, calls/3, calls)
			}
		})
	}
}

// memoryOf is the memory of the instance that was used last.
func memoryOf(t *testing.T, h *Handle) uint32 {
	t.Helper()
	in, err := h.lanes.View().Active.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release(nil)
	return in.MemorySize()
}
