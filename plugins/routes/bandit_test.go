package routes_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// learner is the bandit as the host runs it: it decides on records, is told of
// outcomes, and keeps what it has learnt in counters.
type learner struct {
	t       testing.TB
	in      *wasm.Instance
	targets []string
	record  []byte // of a request; the clock and the random number change
}

func newLearner(t testing.TB, config string, targets ...string) *learner {
	t.Helper()
	code, err := os.ReadFile(filepath.Join("bandit", "bandit.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	rt, err := wasm.New(wasm.Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	v, err := rt.Load(wasm.Module{Name: "bandit", Code: code, Manifest: module.Default(module.Route, "bandit"),
		Config: record.Config("bandit", []byte(config), ""), Entry: "sb_route", Params: 2, State: wasm.NewState(nil)})
	if err != nil {
		t.Fatal(err)
	}
	var slot wasm.Slot
	slot.Swap(v)
	in, err := slot.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Release(nil)
		slot.Swap(nil)
		v.Close()
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	return &learner{t: t, in: in, targets: targets, record: requestOf(targets)}
}

// requestOf is the record of a request whose targets have nothing but names.
func requestOf(targets []string) []byte {
	head := abi.Request{Magic: abi.MagicRequest, Version: abi.Minor, HeaderSize: uint16(abi.RequestSize), Kind: abi.KindChat,
		Targets: uint32(len(targets)), TargetOff: uint32(abi.RequestSize), TargetSize: uint32(abi.TargetSize)}
	b := make([]byte, abi.RequestSize+len(targets)*abi.TargetSize)
	for i, name := range targets {
		target := abi.Target{ID: abi.Str{Off: uint32(len(b)), Len: uint32(len(name))}, RequestsLeft: -1, TokensLeft: -1, Weight: 1}
		copy(b[abi.RequestSize+i*abi.TargetSize:], bytesOf(&target))
		b = append(b, name...)
	}
	head.Total = uint32(len(b))
	copy(b, bytesOf(&head))
	return b
}

func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// choose asks for a plan and returns its first target.
func (l *learner) choose(now int64, seed uint64) int {
	l.t.Helper()
	var r abi.Request
	binary.LittleEndian.PutUint64(l.record[unsafe.Offsetof(r.NowMS):], uint64(now))
	binary.LittleEndian.PutUint64(l.record[unsafe.Offsetof(r.Rand):], seed)
	b, err := l.in.Buffer(len(l.record))
	if err != nil {
		l.t.Fatal(err)
	}
	copy(b, l.record)
	plan, err := l.in.Call(len(l.record))
	if err != nil || len(plan) < abi.PlanSize+len(l.targets)*abi.AttemptSize {
		l.t.Fatalf("got a plan of %d bytes, %v", len(plan), err)
	}
	return int(binary.LittleEndian.Uint32(plan[abi.PlanSize:]))
}

// learn tells of outcomes.
func (l *learner) learn(now int64, outcomes []record.Outcome) {
	l.t.Helper()
	o := record.Observation{NowMS: now, Outcomes: outcomes}
	b, err := l.in.Buffer(o.Size())
	if err != nil {
		l.t.Fatal(err)
	}
	o.Encode(b)
	if err := l.in.Observe(o.Size()); err != nil {
		l.t.Fatal(err)
	}
}

// nature is how a target serves for a while.
type nature struct {
	works float64 // share of requests
	ms    float64 // of an answer, in the middle
	usd   float64
}

// worth is what the bandit's default configuration expects of it.
func (n nature) worth() float64 {
	return n.works * (1 - 0.3*n.ms/(n.ms+2000) - 0.3*n.usd/(n.usd+0.01))
}

// world is a sequence of phases of as many requests; each has the nature of
// every target.
type world struct {
	phases [][]nature
	steps  int     // of a phase
	every  float64 // ms between requests
}

// Results of a run: what a request was worth, in the middle.
type results struct {
	bandit, random, oracle float64
	fixed                  []float64
}

func (r results) best() float64 {
	best := 0.0
	for _, v := range r.fixed {
		best = max(best, v)
	}
	return best
}

// play runs the module through a world. Outcomes come in batches of 20, after
// the requests that they are of.
func play(t *testing.T, w world, seed uint64) (r results) {
	t.Helper()
	var names []string
	for i := range w.phases[0] {
		names = append(names, fmt.Sprintf("provider-%d/model", i))
	}
	l := newLearner(t, "", names...)
	rng := rand.New(rand.NewPCG(seed, 1))
	r.fixed = make([]float64, len(names))
	now, pending := float64(noon.UnixMilli()), []record.Outcome(nil)
	n := float64(len(w.phases) * w.steps)
	for _, phase := range w.phases {
		top := 0.0
		for i, target := range phase {
			r.fixed[i] += target.worth() / float64(len(w.phases))
			r.random += target.worth() / float64(len(w.phases)*len(phase))
			top = max(top, target.worth())
		}
		r.oracle += top / float64(len(w.phases))
		for range w.steps {
			now += w.every
			at := l.choose(int64(now), rng.Uint64())
			r.bandit += phase[at].worth() / n
			o := record.Outcome{EndMS: int64(now), Target: names[at], TotalMS: phase[at].ms * (0.5 + rng.Float64()), Cost: int64(phase[at].usd * 1e9)}
			if rng.Float64() >= phase[at].works {
				o.Error, o.Cost = abi.ErrorServer, 0
			}
			if pending = append(pending, o); len(pending) == 20 {
				l.learn(int64(now), pending)
				pending = pending[:0]
			}
		}
	}
	return r
}

// TestBanditUnderDrift: the best target changes every few minutes. Whoever stays
// with one target loses to the bandit, whichever it is.
func TestBanditUnderDrift(t *testing.T) {
	good, dear := nature{0.99, 800, 0.002}, nature{0.99, 700, 0.02}
	slow, broken := nature{0.98, 6000, 0.002}, nature{0.45, 900, 0.002}
	w := world{steps: 4000, every: 100, phases: [][]nature{
		{good, dear, slow, slow},
		{broken, dear, slow, good},
		{slow, dear, good, broken},
		{good, dear, broken, slow},
		{slow, good, broken, slow},
	}}
	for seed := range uint64(3) {
		r := play(t, w, seed)
		t.Logf("bandit %.3f, best fixed %.3f, random %.3f, oracle %.3f: regret %.3f", r.bandit, r.best(), r.random, r.oracle, r.oracle-r.bandit)
		if r.bandit < r.best()+0.05 || r.bandit < r.random+0.15 || r.bandit < r.oracle-0.06 {
			t.Errorf("seed %d: the bandit does not reach the margin that its README states; fixed: %.3f", seed, r.fixed)
		}
	}
}

// TestBanditAtRest: nothing changes. The bandit pays for looking, but not much.
func TestBanditAtRest(t *testing.T) {
	w := world{steps: 20_000, every: 100, phases: [][]nature{{{0.97, 1500, 0.004}, {0.99, 800, 0.002}, {0.9, 900, 0.002}, {0.99, 900, 0.01}, {0.6, 500, 0.001}}}}
	for seed := range uint64(3) {
		r := play(t, w, seed)
		t.Logf("bandit %.3f, best fixed %.3f, random %.3f: regret %.3f", r.bandit, r.best(), r.random, r.best()-r.bandit)
		if r.bandit < r.best()-0.03 || r.bandit < r.random+0.05 {
			t.Errorf("seed %d: the bandit does not come close; fixed: %.3f", seed, r.fixed)
		}
	}
}

// TestBanditLearns looks at what counts as an outcome, and at targets that come
// and go.
func TestBanditLearns(t *testing.T) {
	now := noon.UnixMilli()
	share := func(l *learner) float64 {
		n := 0
		for seed := range uint64(400) {
			if l.choose(now, seed*0x9e3779b97f4a7c15) == 0 {
				n++
			}
		}
		return float64(n) / 400
	}
	after := func(config string, o record.Outcome) float64 {
		l := newLearner(t, config, "a/x", "b/y")
		o.EndMS, o.Target = now, "a/x"
		for range 5 {
			l.learn(now, []record.Outcome{o, o, o, o, o, o})
		}
		return share(l)
	}
	f := func(what string, got, least, most float64) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("%s: goes there with %.2f of requests; want %.2f to %.2f", what, got, least, most)
		}
	}
	f("nothing is known", share(newLearner(t, "", "a/x", "b/y")), 0.4, 0.6)
	f("it fails", after("", record.Outcome{Error: abi.ErrorTimeout}), 0, 0.1)
	f("it serves well", after("", record.Outcome{TotalMS: 100, Cost: 1000}), 0.75, 1)
	f("the caller was at fault", after("", record.Outcome{Error: abi.ErrorInvalid}), 0.4, 0.6)
	f("the caller left", after("", record.Outcome{Flags: abi.OutcomeLost}), 0.4, 0.6)
	f("it is dear", after(`{"cost_weight": 1, "latency_weight": 0}`, record.Outcome{Cost: 1e9}), 0, 0.1)
	f("it is dear and nobody minds", after(`{"cost_weight": 0, "latency_weight": 0}`, record.Outcome{Cost: 1e9}), 0.75, 1)
	f("it is slow", after(`{"latency_weight": 1, "cost_weight": 0}`, record.Outcome{TotalMS: 60_000}), 0, 0.1)

	l := newLearner(t, "", "a/x", "b/y")
	for i := range 40 { // more targets than there are slots
		l.learn(now, []record.Outcome{{EndMS: now + int64(i), Target: fmt.Sprintf("old/%d", i)}})
	}
	for range 30 {
		l.learn(now+100, []record.Outcome{{EndMS: now + 100, Target: "a/x", Error: abi.ErrorServer}, {EndMS: now + 100, Target: "b/y", TotalMS: 100}})
	}
	f("others were there before", share(l), 0, 0.1)
	now += 3600_000
	f("it was long ago", share(l), 0.35, 0.65)
}
