package route

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Counters of the observing guest.
const (
	countOutcomes = 1 + iota
	countDropped
	countLast
)

// observing is a guest that routes to target 0 and adds up what it is told: how
// many outcomes, how many were dropped, and the error of the first of each
// observation. It runs for ever over outcomes of request 666.
func observing() []byte {
	m := &wasmtest.Module{}
	m.Import("sb", "counter_add", "iI", "I")
	m.Memory(1)
	m.Data(goodPlan, string(planBytes(0)))
	m.Func("sb_abi", "", "i", "", 0x41, S(abi.Version))
	m.Func("sb_buf", "i", "I", "", 0x42, S(buffer<<32|32<<10))
	m.Func("sb_route", "ii", "I", "", answer(goodPlan, uint32(len(planBytes(0))))...)
	count := func(id int64, value ...any) []any {
		return append(append([]any{0x41, S(id), 0x20, 0}, value...), 0x10, 0, 0x1a)
	}
	code := []any{0x20, 0, 0x29, 3, U(abi.ObservationSize), 0x42, S(666), 0x51, 0x04, 0x40, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b}
	code = append(code, count(countOutcomes, 0x28, 2, 40, 0xad)...)
	code = append(code, count(countDropped, 0x29, 3, 16)...)
	code = append(code, count(countLast, 0x28, 2, U(abi.ObservationSize+76), 0xad)...)
	m.Func("sb_observe", "ii", "", "", code...)
	return m.Bytes()
}

// ended is a request that has failed at one target and been answered by another.
func ended(id call.ID) *call.Call {
	a, b := &call.Target{Name: "a/one"}, &call.Target{Name: "b/two"}
	return &call.Call{ID: id, Received: noon, Op: wire.OpChat, Model: &call.Model{Name: "fast"}, Target: b, Cost: 70,
		Usage: wire.Usage{Input: 10, Output: 20},
		Attempts: []call.Attempt{{Target: a, Class: wire.ClassServer, Duration: time.Second, Cost: 30},
			{Target: b, Start: time.Second, FirstByte: time.Millisecond, Duration: time.Second, Hedge: true}}}
}

func TestOutcomesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, "learning", observing())
		for i := range call.ID(100) {
			h.Observe(ended(i + 1))
		}
		time.Sleep(2 * pumpEvery)
		synctest.Wait()
		if n := h.state.Counter(countOutcomes); n != 200 {
			t.Errorf("told of %d outcomes; want 200", n)
		}
		// Each observation's first is an error; 200 take two of them, or more where one was soon.
		if n := h.state.Counter(countLast); n < 2*int64(wire.ClassServer) || n%int64(wire.ClassServer) != 0 {
			t.Errorf("errors add up to %d; want those of each observation's first", n)
		}
		if s := h.Stats().Observing; s == nil || *s != (Observing{Told: 200}) {
			t.Errorf("%+v", s)
		}
	})
}

func TestOutcomesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, "learning", observing())
		for i := range call.ID(pumpRoom) { // faster than anybody takes them
			h.Observe(ended(i + 1))
		}
		time.Sleep(2 * pumpEvery)
		synctest.Wait()
		h.Observe(ended(1))
		time.Sleep(2 * pumpEvery)
		synctest.Wait()
		s := h.Stats().Observing
		if s.Told+s.Dropped != 2*pumpRoom+2 || h.state.Counter(countDropped) != s.Dropped {
			t.Errorf("%+v of %d; the guest was told of %d dropped", s, 2*pumpRoom+2, h.state.Counter(countDropped))
		}
	})
}

// TestObserverThatFails goes on to decide.
func TestObserverThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, "learning", observing())
		tell := func(id call.ID) {
			h.Observe(ended(id))
			time.Sleep(2 * pumpEvery)
			synctest.Wait()
		}
		for range pumpFaults {
			tell(666)
		}
		tell(1)
		if s := h.Stats(); *s.Observing != (Observing{Dropped: 2 * (pumpFaults + 1), Faults: pumpFaults}) || s.Quarantined != "" {
			t.Errorf("%+v", s.Observing)
		}
		c := goldenCall()
		if h.Plan(c); c.Plan.Route == builtin {
			t.Error("it decides no more")
		}
	})
}

func TestNobodyObserves(t *testing.T) {
	h := load(t, "priority", shipped(t))
	h.Observe(ended(1))
	(*Handle)(nil).Observe(ended(1))
	if s := h.Stats().Observing; s != nil || h.pump.waiting != nil {
		t.Errorf("%+v", s)
	}
}

// TestOutcome looks at what an attempt says.
func TestOutcomeOfAttempts(t *testing.T) {
	h := &Handle{}
	h.pump.waiting, h.pump.wake, h.pump.full = make([]record.Outcome, 0, 4), make(chan struct{}, 1), make(chan struct{}, 1)
	h.pump.on.Store(true)
	c := ended(7)
	c.Facts.Stream = true
	h.Observe(c)
	failed, answered := h.pump.waiting[0], h.pump.waiting[1]
	if failed.Target != "a/one" || failed.Error != uint32(wire.ClassServer) || failed.Cost != 30 || failed.TotalMS != 1000 || failed.Attempt != 0 ||
		failed.EndMS != noon.UnixMilli()+1000 || failed.Flags != abi.OutcomeStream || failed.OutTokens != 0 {
		t.Errorf("%+v", failed)
	}
	if answered.Target != "b/two" || answered.Error != 0 || answered.Cost != 40 || answered.TTFTMS != 1 || answered.Attempt != 1 ||
		answered.EndMS != noon.UnixMilli()+2000 || answered.Flags != abi.OutcomeStream|abi.OutcomeHedge || answered.InTokens != 10 || answered.OutTokens != 20 {
		t.Errorf("%+v", answered)
	}
}

func BenchmarkObserve(b *testing.B) {
	h := &Handle{}
	h.pump.waiting, h.pump.wake, h.pump.full = make([]record.Outcome, 0, pumpRoom), make(chan struct{}, 1), make(chan struct{}, 1)
	h.pump.on.Store(true)
	c := ended(7)
	b.ReportAllocs()
	for b.Loop() {
		h.Observe(c)
		if len(h.pump.waiting) > pumpRoom-4 {
			h.pump.waiting = h.pump.waiting[:0]
		}
	}
}
