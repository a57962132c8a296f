package lane

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guest is a module that answers nothing; salt tells guests apart.
func guest(salt string) []byte {
	m := &wasmtest.Module{}
	m.Memory(1)
	m.Data(0, salt)
	m.Func("sb_abi", "", "i", "", 0x41, wasmtest.S(abi.Version))
	m.Func("sb_buf", "i", "I", "", 0x42, wasmtest.S(1024<<32|16<<10))
	m.Func("sb_route", "ii", "I", "", 0x42, 0)
	return m.Bytes()
}

// fleet makes versions, and a set that they go into.
type fleet struct {
	t       *testing.T
	runtime *wasm.Runtime
	set     *Set
	mu      sync.Mutex
	notices []Notice
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t}
	var err error
	if f.runtime, err = wasm.New(wasm.Options{}); err != nil {
		t.Fatal(err)
	}
	f.set = NewSet("m", slog.New(slog.DiscardHandler), func(n Notice) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.notices = append(f.notices, n)
	})
	t.Cleanup(func() {
		f.set.Close()
		if f.set.Put(Lanes{}) {
			t.Error("a closed set takes lanes")
		}
		if err := f.runtime.Close(); err != nil { // waits for all versions
			t.Error(err)
		}
	})
	return f
}

func (f *fleet) version(salt string, m *module.Manifest) *Version {
	f.t.Helper()
	v, err := f.runtime.Load(wasm.Module{Name: "m", Code: guest(salt), Manifest: m, Entry: "sb_route", Params: 2, State: wasm.NewState(slog.New(slog.DiscardHandler))})
	if err != nil {
		f.t.Fatal(err)
	}
	if m == nil {
		m = module.Default(module.Route, "m")
	}
	out := NewVersion(v, m)
	f.t.Cleanup(out.Close)
	return out
}

func (f *fleet) noticed() []Notice {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.notices
}

func TestSplitIsStable(t *testing.T) {
	f := newFleet(t)
	a, b := f.version("a", nil), f.version("b", nil)
	served := func(share float64, by By, split func(i int) Split) map[int]bool {
		f.set.Put(Lanes{Active: a, Canary: b, Share: share, By: by, Guard: DefaultGuard})
		got := map[int]bool{}
		for i := range 20_000 {
			if f.set.View().Pick(split(i)) == b {
				got[i] = true
			}
		}
		return got
	}
	for _, c := range []struct {
		by    By
		split func(i int) Split
	}{
		{ByRequest, func(i int) Split { return Split{Key: "k", Request: uint64(i) << 22} }},
		{ByKey, func(i int) Split { return Split{Key: fmt.Sprint("key", i), Request: 7} }},
		{BySession, func(i int) Split { return Split{Key: "k", Session: uint64(i + 1)} }},
		{BySession, func(i int) Split { return Split{Key: fmt.Sprint("key", i)} }},
	} {
		small, large := served(0.05, c.by, c.split), served(0.25, c.by, c.split)
		if n := float64(len(small)) / 20_000; math.Abs(n-0.05) > 0.01 {
			t.Errorf("by %s: a share of 5 %% is %.1f %%", c.by, 100*n)
		}
		if n := float64(len(large)) / 20_000; math.Abs(n-0.25) > 0.02 {
			t.Errorf("by %s: a share of 25 %% is %.1f %%", c.by, 100*n)
		}
		for i := range small {
			if !large[i] {
				t.Fatalf("by %s: a larger share loses what a smaller one had", c.by)
			}
		}
		if n := len(served(1, c.by, c.split)); n != 20_000 {
			t.Errorf("by %s: a share of all is %d of 20000", c.by, n)
		}
	}
	if _, err := ParseBy("team"); err == nil {
		t.Error("a split by team was read")
	}
}

// judged has the active version and a canary end with outcomes in turn, and
// returns how many of the canary's it took until it was out, 0 for never.
func judged(t *testing.T, g Guard, n int, active, canary func(i int) Outcome) (int, []Notice, Stats) {
	t.Helper()
	f := newFleet(t)
	a, b := f.version("a", nil), f.version("b", nil)
	f.set.Put(Lanes{Active: a, Canary: b, Share: 0.5, Guard: g})
	for i := range n {
		f.set.Outcome(a.Label, active(i))
		f.set.Outcome(b.Label, canary(i))
		f.set.Outcome("builtin", Outcome{Failed: true})
		if f.set.View().Canary == nil {
			return i + 1, f.noticed(), f.set.Stats()
		}
	}
	return 0, f.noticed(), f.set.Stats()
}

func TestGuard(t *testing.T) {
	fine := func(int) Outcome {
		return Outcome{Cost: 1000, TTFT: 100 * time.Millisecond, Total: time.Second}
	}
	f := func(what string, g Guard, rule string, at int, canary func(i int) Outcome) {
		t.Helper()
		n, notices, stats := judged(t, g, 200, fine, canary)
		if n != at {
			t.Errorf("%s: out after %d requests; want %d", what, n, at)
		}
		if at == 0 {
			if len(notices) > 0 || stats.Canary == "" || stats.Trial.Canary.Requests != 200 || stats.Trial.Active.Requests != 200 {
				t.Errorf("%s: got %v, %+v", what, notices, stats)
			}
			return
		}
		if len(notices) != 1 || notices[0].Kind != RolledBack || !strings.HasPrefix(notices[0].Why, rule+": ") || stats.Rollbacks[rule] != 1 || stats.Canary != "" {
			t.Errorf("%s: got %v, %+v; want a rollback by %s", what, notices, stats, rule)
		}
	}
	of := func(change func(i int, o *Outcome)) func(int) Outcome {
		return func(i int) Outcome {
			o := fine(i)
			change(i, &o)
			return o
		}
	}
	f("the same", DefaultGuard, "", 0, fine)
	f("a little worse", DefaultGuard, "", 0, of(func(i int, o *Outcome) {
		o.Failed, o.Cost, o.TTFT = i%25 == 24, 1400, 190*time.Millisecond
	}))
	f("errors", DefaultGuard, "errors", 50, of(func(i int, o *Outcome) { o.Failed = i%10 == 0 }))
	f("cost", DefaultGuard, "cost", 50, of(func(_ int, o *Outcome) { o.Cost = 1600 }))
	f("first byte", DefaultGuard, "ttft", 50, of(func(_ int, o *Outcome) { o.TTFT = 250 * time.Millisecond }))
	f("later", DefaultGuard, "cost", 101, of(func(i int, o *Outcome) {
		if i >= 50 {
			o.Cost = 2000
		}
	}))
	f("judged sooner", Guard{Min: 5, Errors: 0.05}, "errors", 5, of(func(_ int, o *Outcome) { o.Failed = true }))
	f("nobody looks", Guard{Min: 5}, "", 0, of(func(_ int, o *Outcome) { o.Failed, o.Cost = true, 1e9 }))
	f("never answers", DefaultGuard, "ttft", 50, of(func(_ int, o *Outcome) { o.TTFT, o.Total, o.Left = 0, 10*time.Second, true }))
	f("left early", DefaultGuard, "", 0, of(func(i int, o *Outcome) {
		if i%10 == 0 {
			o.TTFT, o.Total, o.Left = 0, 50*time.Millisecond, true
		}
	}))
	quick := func(int) Outcome { return Outcome{TTFT: time.Millisecond} }
	if n, _, _ := judged(t, DefaultGuard, 100, quick, func(int) Outcome { return Outcome{TTFT: 4 * time.Millisecond} }); n != 0 {
		t.Errorf("milliseconds of noise end a canary after %d", n)
	}
	for _, bad := range []Guard{{}, {Min: 1, Faults: 2}, {Min: 1, Errors: -1}, {Min: 1, Cost: 0.5}, {Min: 1, TTFT: math.NaN()}} {
		if bad.Validate() == nil {
			t.Errorf("guard %+v is taken", bad)
		}
	}
	if err := DefaultGuard.Validate(); err != nil {
		t.Error(err)
	}
}

// TestCanaryOfAllRequestsIsJudged: one that leaves nothing to the active version
// cannot be compared, and must not serve failures for ever.
func TestCanaryOfAllRequestsIsJudged(t *testing.T) {
	for failing, out := range map[int]bool{10: true, 50: false} { // one in so many
		f := newFleet(t)
		a, b := f.version("a", nil), f.version("b", nil)
		f.set.Put(Lanes{Active: a, Canary: b, Share: 1, Guard: Guard{Min: 10, Errors: 0.05, Cost: 1.5, TTFT: 2}})
		for i := range 200 {
			f.set.Outcome(b.Label, Outcome{Failed: i%failing == 0, Cost: 1, TTFT: time.Second})
		}
		if got := f.set.View().Canary == nil; got != out {
			t.Errorf("a canary of all requests of which one in %d fails is out: %v; want %v", failing, got, out)
		}
	}
}

func TestFaults(t *testing.T) {
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	fail := func(f *fleet, v *Version, key string) {
		f.t.Helper()
		in, err := v.Acquire()
		if err != nil || in == nil {
			f.t.Fatalf("%v, %v", in, err)
		}
		in.Release(nil)
		f.set.Failed(f.set.View(), v, Failure{Err: wasm.ErrTrap, Key: key, At: noon})
	}
	t.Run("an active version goes back", func(t *testing.T) {
		f := newFleet(t)
		a, b, c := f.version("a", nil), f.version("b", nil), f.version("c", nil)
		f.set.Put(Lanes{Active: b, Previous: a, Canary: c, Share: 0.5, Guard: DefaultGuard})
		for i := range 3 {
			fail(f, b, fmt.Sprint(i))
		}
		s, n := f.set.Stats(), f.noticed()
		if s.Active != a.Label || s.Quarantined != b.Label || s.Canary != c.Label || len(n) != 1 || n[0].Kind != Quarantined || n[0].To != a.Label {
			t.Errorf("got %+v, %v", s, n)
		}
		if in, err := b.Acquire(); in != nil || err != nil {
			t.Errorf("what was taken out still gives %v, %v", in, err)
		}
		f.set.Put(Lanes{Active: b})
		if s := f.set.Stats(); s.Quarantined != "" || s.Active != b.Label {
			t.Errorf("put in use on purpose: %+v", s)
		}
	})
	t.Run("or none is left", func(t *testing.T) {
		f := newFleet(t)
		a := f.version("a", &module.Manifest{Name: "m", Kind: module.Route, ABI: module.ABI, OnError: module.Refuse})
		f.set.Put(Lanes{Active: a})
		if !f.set.View().Refuse {
			t.Error("the manifest's on_error is not heeded")
		}
		for i := range 3 {
			fail(f, a, fmt.Sprint(i))
		}
		if v := f.set.View(); v.Active != nil || !v.Refuse {
			t.Errorf("got %+v; want nothing in use, and requests refused as before", v)
		}
		f.set.Put(Lanes{Active: a, OnError: module.Builtin})
		if f.set.View().Refuse {
			t.Error("the configuration's on_error does not go before the manifest's")
		}
	})
	t.Run("a canary goes at once", func(t *testing.T) {
		f := newFleet(t)
		a, b := f.version("a", nil), f.version("b", nil)
		f.set.Put(Lanes{Active: a, Canary: b, Share: 0.5, Guard: DefaultGuard})
		for i := range 3 {
			fail(f, b, fmt.Sprint(i))
		}
		if s, n := f.set.Stats(), f.noticed(); s.Canary != "" || s.Active != a.Label || len(n) != 1 || n[0].Label != b.Label || s.Rollbacks["faults"] != 1 {
			t.Errorf("got %+v, %v", s, n)
		}
	})
	t.Run("or for its share of faults", func(t *testing.T) {
		f := newFleet(t)
		a, b := f.version("a", nil), f.version("b", nil)
		f.set.Put(Lanes{Active: a, Canary: b, Share: 0.5, Guard: DefaultGuard})
		for range 49 {
			f.set.View().Called(b, false)
			f.set.View().Called(a, false)
		}
		fail(f, b, "k")
		if s, n := f.set.Stats(), f.noticed(); s.Canary != "" || len(n) != 1 || !strings.Contains(n[0].Why, "1 of 50 calls failed (2.0 %") {
			t.Errorf("got %+v, %v", s, n)
		}
	})
}

func TestPutKeepsTheTrial(t *testing.T) {
	f := newFleet(t)
	a, b := f.version("a", nil), f.version("b", nil)
	f.set.Put(Lanes{Active: a, Canary: b, Share: 0.1, Guard: DefaultGuard})
	f.set.Outcome(b.Label, Outcome{})
	f.set.Put(Lanes{Active: a, Canary: b, Share: 0.5, Guard: Guard{Min: 1, Errors: 0.01}})
	if s := f.set.Stats(); s.Trial.Canary.Requests != 1 || s.Share != 0.5 || s.Swaps != 1 {
		t.Errorf("a larger share: %+v, %+v", s, s.Trial)
	}
	f.set.Outcome(a.Label, Outcome{})
	f.set.Outcome(b.Label, Outcome{Failed: true})
	if f.set.View().Canary != nil {
		t.Error("a new guard does not guard")
	}
}

func TestNotices(t *testing.T) {
	var n Notices
	n.Add(Notice{Name: "a"})
	n.Add(Notice{Name: "b"})
	<-n.Wake()
	if got := n.Take(); len(got) != 2 || got[1].Name != "b" || len(n.Take()) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestNeeds(t *testing.T) {
	f := newFleet(t)
	m := module.Default(module.Route, "m")
	m.Needs = []string{module.Budget}
	a, b := f.version("a", nil), f.version("b", m)
	f.set.Put(Lanes{Active: a})
	if n := f.set.View().Needs; n != 0 {
		t.Errorf("needs %b of nobody", n)
	}
	f.set.Put(Lanes{Active: a, Canary: b, By: BySession, Share: 0.1, Guard: DefaultGuard})
	if n := f.set.View().Needs; n != call.NeedBudget|call.NeedSession {
		t.Errorf("needs %b", n)
	}
}

func TestDigest(t *testing.T) {
	m := module.Default(module.Route, "m")
	seen := map[string]bool{}
	for _, s := range []Source{{Code: []byte("a")}, {Code: []byte("b")}, {Code: []byte("a"), Manifest: m}, {Code: []byte("a"), Config: []byte(`{"x":1}`)},
		{Code: []byte("a"), Manifest: m, Config: []byte(`{"x":1}`)}} {
		if d := s.Digest(); seen[d] {
			t.Errorf("%+v has the digest of another", s)
		} else {
			seen[d] = true
		}
	}
	plain := Source{Code: []byte("a")}
	empty := Source{Code: []byte("a"), Config: []byte(" {} "), Tags: "eu", Apart: true}
	if plain.Digest() != empty.Digest() {
		t.Error("no configuration and an empty one differ")
	}
}
