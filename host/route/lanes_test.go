package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// lanes are the versions of "m" in a router of their own.
type lanes struct {
	*Router
	t testing.TB
}

func newLanes(t testing.TB) lanes {
	t.Helper()
	r, err := New(Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	l := lanes{r, t}
	t.Cleanup(func() {
		if err := r.Close(); err != nil { // waits for all versions
			t.Error(err)
		}
	})
	return l
}

// version compiles code.
func (l lanes) version(code []byte, apart bool) *lane.Version {
	l.t.Helper()
	v, err := l.Compile("m", lane.Source{Code: code, Apart: apart})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		l.Put("m", lane.Lanes{})
		v.Close()
	})
	return v
}

func (l lanes) plan(c *call.Call) *call.Plan {
	l.Plan("m", c)
	return &c.Plan
}

func TestCanaryFallsBack(t *testing.T) {
	l := newLanes(t)
	good, bad := l.version(fussy(nil, nil), false), l.version(fussy([]any{0x00}, nil), false)
	l.Put("m", lane.Lanes{Active: good, Canary: bad, Share: 1, Guard: lane.Guard{Min: 1000}})
	h := l.Handle("m")
	ordinary, poor := requestFor(1, "k", false), requestFor(2, "k", true)
	if p := l.plan(ordinary); p.Route != bad.Label {
		t.Errorf("planned by %s; want the canary", p.Route)
	}
	var r Recording
	if h.Record(poor, &r); poor.Plan.Route != good.Label || r.Module != good.Label || !slices.Equal(order(poor), []uint8{0}) || len(r.Answer) == 0 {
		t.Errorf("planned by %s, recorded of %s; want the active version: %+v", poor.Plan.Route, r.Module, h.Stats())
	}
	if s := h.Stats(); s.FellBack != 1 || s.LaneFaults["canary"] != 1 || s.LaneCalls["canary"] != 2 || s.Canary != bad.Label {
		t.Errorf("got %+v", s)
	}
}

func TestOnErrorRefuses(t *testing.T) {
	l := newLanes(t)
	bad := l.version(fussy([]any{0x00}, nil), false)
	poor := requestFor(2, "k", true)
	l.Put("m", lane.Lanes{Active: bad})
	if p := l.plan(poor); p.Route != builtin || p.Code != 0 {
		t.Errorf("by default: planned by %s with code %d", p.Route, p.Code)
	}
	l.Put("m", lane.Lanes{Active: bad, OnError: module.Refuse})
	if p := l.plan(poor); p.Code != CodeFailed || p.N != 0 || p.Route != bad.Label {
		t.Errorf("refused: planned by %s with code %d and %d attempts", p.Route, p.Code, p.N)
	}
	for i := range 3 {
		l.plan(requestFor(2, fmt.Sprint(i), true))
	}
	if p := l.plan(requestFor(1, "k", false)); p.Code != CodeFailed || l.Handle("m").Stats().Quarantined != bad.Label {
		t.Errorf("in quarantine: planned by %s with code %d", p.Route, p.Code)
	}
	own := l.version(fussy(answer(badPlan, 32), with(planBytes(), 16, CodeFailed)), false)
	l.Put("m", lane.Lanes{Active: own})
	if p := l.plan(poor); p.Code != 0 || l.Handle("m").Stats().Faults["bad_answer"] != 1 {
		t.Errorf("a module's own refusal with the host's code: code %d, %v", p.Code, l.Handle("m").Stats().Faults)
	}
}

// compared waits until the shadow has seen n decisions.
func compared(t *testing.T, h *Handle, n int64) *ShadowStats {
	t.Helper()
	for {
		s := h.Stats().Shadow
		if s.Compared+s.Dropped >= n {
			return s
		}
		runtime.Gosched()
	}
}

func TestShadowActsOnNothing(t *testing.T) {
	l := newLanes(t)
	active, other := l.version(shipped(t), false), l.version(fussy([]any{0x00}, nil), true)
	same := l.version(guest(t, "priority"), true)
	h := l.Handle("m")
	if h.Stats().Shadow != nil {
		t.Error("there is a shadow before there was one")
	}
	l.Put("m", lane.Lanes{Active: active, Shadow: same})
	rng := rand.New(rand.NewPCG(31, 32))
	for i := range 200 {
		if p := l.plan(someCall(rng, 1+i%64)); p.Route != active.Label {
			t.Fatalf("planned by %s", p.Route)
		}
		compared(t, h, int64(i+1)) // one at a time: none is dropped
	}
	if s := h.Stats().Shadow; s.Same != 200 || s.Compared != 200 || len(s.Last) != 0 {
		t.Errorf("the same module: %+v", s)
	}
	l.Put("m", lane.Lanes{Active: active, Shadow: other})
	firsts, failed := int64(0), int64(0)
	for i := range 100 {
		c := requestFor(i, "k", i%10 == 0)
		want := builtinOrder(c)
		if l.plan(c); !slices.Equal(order(c), want) {
			t.Fatalf("got %v; want %v whatever the shadow says", order(c), want)
		}
		switch {
		case i%10 == 0:
			failed++
		case want[0] != 0:
			firsts++
		}
		compared(t, h, int64(i+1))
	}
	s := h.Stats()
	if s.Shadow.Compared != 100 || s.Shadow.Failed != failed || s.Shadow.FirstChoice != firsts || s.Shadow.Same != 0 || len(s.Shadow.Last) != shadowDiffs {
		t.Errorf("another module: %+v", s.Shadow)
	}
	last := s.Shadow.Last[shadowDiffs-1]
	if last.By != active.Label || last.Shadow != "openai/model-0" || last.Request == "" || s.Faults["trap"] != 0 || s.Quarantined != "" {
		t.Errorf("last difference %+v of %+v", last, s)
	}
	l.Put("m", lane.Lanes{Active: active})
	if l.plan(requestFor(1, "k", false)); h.Stats().Shadow.Compared != 100 {
		t.Error("a shadow that has ended still compares")
	}
}

// TestShadowIsBehind gives the shadow more than it can take: requests do not wait.
func TestShadowIsBehind(t *testing.T) {
	l := newLanes(t)
	slow := []any{0x41, 0, 0x21, 2, 0x03, 0x40, 0x20, 2, 0x41, 1, 0x6a, 0x22, 2, 0x41, S(50_000), 0x48, 0x0d, 0, 0x0b}
	active, shadow := l.version(fussy(nil, nil), false), l.version(looping(slow), true)
	l.Put("m", lane.Lanes{Active: active, Shadow: shadow})
	h := l.Handle("m")
	var planned atomic.Int64
	var wg sync.WaitGroup
	for id := range 4 { // more than one shadow keeps up with, on any machine
		wg.Go(func() {
			c := requestFor(id, "k", true)
			for h.Stats().Shadow.Dropped == 0 || planned.Load() < 2*shadowRing {
				h.Plan(c)
				planned.Add(1)
			}
		})
	}
	wg.Wait()
	n := planned.Load()
	if s := compared(t, h, n); s.Dropped == 0 || s.Compared == 0 || s.Compared+s.Dropped != n {
		t.Errorf("of %d: got %+v", n, s)
	}
}

// recordings are decisions of a module, as a log of decisions would have them.
func recordings(t testing.TB, code []byte, n int) []*Decision {
	t.Helper()
	h := load(t, "m", code)
	rng := rand.New(rand.NewPCG(41, 42))
	var out []*Decision
	for i := range n {
		c := someCall(rng, 4)
		c.Facts.Stream = i%10 == 0
		d := &Decision{Time: noon.Add(time.Duration(i) * time.Second)}
		h.Record(c, &d.Recording)
		plan := c.Plan
		d.Plan = &plan
		first := c.Candidates[plan.Attempts[0].Index].Target.Name
		cost := int64(first[len(first)-1]-'0'+1) * 1e6 // model-0 costs 0.001, model-3 0.004
		d.Outcomes = []Tried{{Target: first, Cost: cost, TTFT: time.Duration(cost), Total: time.Duration(2 * cost)}}
		out = append(out, d)
	}
	return out
}

func hand(list []*Decision) func(func(*Decision) error) error {
	return func(f func(*Decision) error) error {
		for _, d := range list {
			if err := f(d); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestCompare(t *testing.T) {
	list := recordings(t, shipped(t), 500)
	l := newLanes(t)
	f := func(what string, code []byte) *Report {
		t.Helper()
		r, err := l.Compare("m", lane.Source{Code: code}, hand(list))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if r.Decisions != 500 || r.RecordedBy[list[0].Module] != 500 || !r.From.Equal(noon) || !r.To.Equal(noon.Add(499*time.Second)) || len(r.Targets) != 4 {
			t.Errorf("%s: got %+v", what, r)
		}
		return r
	}
	for what, code := range map[string][]byte{"the same": shipped(t), "the same in Go": guest(t, "priority")} {
		r := f(what, code)
		if r.Same != 500 || r.FirstChoice+r.Later+r.Failed+r.Diverged != 0 || !r.Passed || r.Checked < 20 || r.FuelP50 <= 0 || r.FuelMax < r.FuelP50 || len(r.Pairs) != 0 {
			t.Errorf("%s: got %+v", what, r)
		}
		if e := r.Expected; e.Decisions != 500 || e.CostBefore != e.CostThen || e.TotalBefore != e.TotalThen {
			t.Errorf("%s: expects %+v", what, e)
		}
	}
	r := f("always the first", fussy(nil, nil))
	moved := 0
	for _, d := range list {
		if d.Plan.Attempts[0].Index != 0 {
			moved++
		}
	}
	pairs := 0
	for _, p := range r.Pairs {
		pairs += p.Decisions
		if p.To != "openai/model-0" {
			t.Errorf("pair %+v", p)
		}
	}
	if r.FirstChoice != moved || pairs != moved || r.Later != 500-moved || !r.Passed {
		t.Errorf("got %+v; want %d moved", r, moved)
	}
	if e := r.Expected; e.CostThen < 0.00099 || e.CostThen > 0.00101 || e.CostBefore < e.CostThen || e.TTFTThen >= e.TTFTBefore {
		t.Errorf("expects %+v", e)
	}
	if r := f("traps for streams", fussy([]any{0x00}, nil)); r.Failed != 50 || r.Faults["trap"] != 50 || r.Passed {
		t.Errorf("got %+v", r)
	}
	if r := f("declines for streams", fussy([]any{0x42, 0, 0x0f}, nil)); r.Declines != 50 || !r.Passed || r.Same != 50 {
		t.Errorf("got %+v", r)
	}
	refusal := with(planBytes(), 16, 402)
	if r := f("refuses streams", fussy(answer(badPlan, 32), refusal)); r.Refusals != 50 || r.Pairs[len(r.Pairs)-1].To != "" && r.Pairs[0].To != "" {
		t.Errorf("got %+v", r)
	}
	if text, err := json.Marshal(r); err != nil || !strings.Contains(string(text), `"cost_then_usd":0.001`) {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := l.Compare("m", lane.Source{Code: []byte("text")}, hand(list)); err == nil {
		t.Error("text was compared")
	}
	stop := errors.New("stop")
	if _, err := l.Compare("m", lane.Source{Code: shipped(t)}, func(func(*Decision) error) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if r, err := l.Compare("m", lane.Source{Code: shipped(t)}, hand(nil)); err != nil || r.Passed {
		t.Errorf("of no decisions: %+v, %v", r, err)
	}
}

// TestCompareFindsState repeats decisions on modules that keep state or count.
func TestCompareFindsState(t *testing.T) {
	l := newLanes(t)
	counting := guest(t, "rotating")
	r, err := l.Compare("m", lane.Source{Code: counting}, hand(recordings(t, counting, 40)))
	if err != nil || r.Failed != 0 || r.Diverged != 0 || r.Checked == 0 {
		t.Errorf("a module that counts: %+v, %v", r, err)
	}
	r, err = l.Compare("m", lane.Source{Code: shipped(t)}, hand(recordings(t, counting, 40)))
	if err != nil || r.Failed != 0 || r.Diverged != 0 || !r.Passed {
		t.Errorf("one that does not after one that does: %+v, %v", r, err)
	}
	if wasm.Fuel != r.FuelLimit {
		t.Errorf("limit %d", r.FuelLimit)
	}
}

// BenchmarkCompare repeats 10,000 decisions.
func BenchmarkCompare(b *testing.B) {
	for name, code := range map[string][]byte{"rust": shipped(b), "go": guest(b, "priority")} {
		b.Run(name, func(b *testing.B) {
			list := recordings(b, shipped(b), 10_000)
			l := newLanes(b)
			for b.Loop() {
				if _, err := l.Compare("m", lane.Source{Code: code}, hand(list)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// looping is a fussy guest whose code has a local to count in.
func looping(code []any) []byte {
	m := &wasmtest.Module{}
	m.Memory(1)
	m.Data(goodPlan, string(planBytes(0)))
	m.Func("sb_abi", "", "i", "", 0x41, S(abi.Version))
	m.Func("sb_buf", "i", "I", "", 0x42, S(buffer<<32|32<<10))
	m.Func("sb_route", "ii", "I", "i", append(slices.Clone(code), answer(goodPlan, uint32(len(planBytes(0))))...)...)
	return m.Bytes()
}

// TestCanaryDeclines: a canary that leaves requests to the built-in order
// answers for what becomes of them.
func TestCanaryDeclines(t *testing.T) {
	l := newLanes(t)
	declines := fussy([]any{0x42, 0, 0x0f}, nil)
	active, canary := l.version(fussy(nil, nil), false), l.version(declines, false)
	l.Put("m", lane.Lanes{Active: active, Canary: canary, Share: 0.5, Guard: lane.Guard{Min: 5, Errors: 0.1}})
	for i := range 100 {
		c := requestFor(i, "k", true)
		p := l.plan(c)
		if (p.Route == builtin) != (p.Declined == canary.Label) {
			t.Fatalf("planned by %q, declined by %q", p.Route, p.Declined)
		}
		l.Handle("m").Outcome(p, Outcome{Failed: p.Route == builtin})
	}
	if s := l.Lanes("m"); s.Canary != "" || s.Rollbacks["errors"] != 1 {
		t.Errorf("a canary that declines, and whose requests fail, stays: %+v", s)
	}
}
