// Package routes_test tries the shipped routing modules as the gateway runs
// them: loaded by host/route, with their manifests.
package routes_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/route"
	"github.com/signalbox-ai/signalbox/sdk/module"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// cacheDir holds what the tests have compiled.
var cacheDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "routes")
	if err != nil {
		panic(err)
	}
	cacheDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// shipped are the names of all modules of the library.
func shipped(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob("*/*.wasm")
	if err != nil || len(found) == 0 {
		t.Fatalf("found %v, %v", found, err)
	}
	for i, path := range found {
		found[i] = filepath.Dir(path)
	}
	return found
}

// sample is a configuration for modules that do nothing without one.
func sample(name string) string {
	if name == "ab" {
		return `{"arms": [{"name": "a", "share": 1, "targets": ["p/t0", "p/t1"]}, {"name": "b", "share": 1, "targets": ["p/t2"]}]}`
	}
	return ""
}

func source(t testing.TB, name, config string, tags ...string) lane.Source {
	t.Helper()
	read := func(ext string) []byte {
		b, err := os.ReadFile(filepath.Join(name, name+ext))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m, err := module.Parse(read(".json"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != name || m.Kind != module.Route {
		t.Fatalf("manifest of %s is of %s %s", name, m.Kind, m.Name)
	}
	src := lane.Source{Code: read(".wasm"), Manifest: m, Tags: strings.Join(tags, "\n")}
	if config != "" {
		src.Config = []byte(config)
	}
	return src
}

// load puts a module of the library into use.
func load(t testing.TB, name, config string, tags ...string) *route.Handle {
	t.Helper()
	r, err := route.New(route.Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	v, err := r.Compile(name, source(t, name, config, tags...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close) // before the router's
	r.Put(name, lane.Lanes{Active: v})
	return r.Handle(name)
}

// refusal loads a module with a configuration that it should not take, and
// returns what it says.
func refusal(t *testing.T, name, config string, tags ...string) string {
	t.Helper()
	var log bytes.Buffer
	r, err := route.New(route.Options{CacheDir: cacheDir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	v, err := r.Compile(name, source(t, name, config, tags...))
	if err == nil {
		v.Close()
		t.Errorf("%s takes %s", name, config)
	}
	return log.String()
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// place is a target in short; zero fields are a healthy one of weight 1.
type place struct {
	name     string
	weight   uint32
	priority uint32
	in, out  int64 // nano-dollars per thousand tokens
	quality  float64
	ttft     time.Duration
	token    time.Duration
	failed   int // attempts, all of the last ones
	inFlight int32
	most     uint32
	rests    bool
	tags     uint64
	region   string
}

func (p place) target() *call.Target {
	t := &call.Target{Name: p.name, Weight: p.weight, Priority: p.priority, Quality: p.quality, MaxInFlight: p.most, Tags: p.tags,
		Region: p.region, State: call.NewTargetState()}
	if p.in != 0 || p.out != 0 {
		t.Price = &call.Price{Input: p.in * 1000, Output: p.out * 1000, Context: 128_000}
	}
	if p.ttft != 0 {
		t.State.Observe(false, p.ttft, p.token)
	}
	for range p.failed {
		t.State.Observe(true, 0, 0)
	}
	t.State.InFlight.Store(p.inFlight)
	if p.rests {
		t.State.CooldownUntil.Store(noon.UnixMilli() + 60_000)
	}
	return t
}

// request is a chat with these targets; all that modules may need is known.
func request(id uint64, places ...place) *call.Call {
	c := &call.Call{ID: call.ID(id), Received: noon, Op: wire.OpChat, Model: &call.Model{Name: "smart"},
		Principal: &call.Principal{KeyID: "k1", Team: "core", User: "ann", Org: "acme"}}
	c.Facts.Size = 4000
	c.Wants.Filled = ^call.Needs(0)
	for _, p := range places {
		c.Candidates = append(c.Candidates, call.Candidate{Target: p.target()})
	}
	return c
}

// order asks a module and returns the names of the targets in its order.
func order(t testing.TB, h *route.Handle, c *call.Call) []string {
	t.Helper()
	h.Plan(c)
	if s := h.Stats(); c.Plan.Route != s.Version {
		t.Fatalf("planned by %s: %+v", c.Plan.Route, s)
	}
	var names []string
	for _, a := range c.Plan.Attempts[:c.Plan.N] {
		names = append(names, c.Candidates[a.Index].Target.Name)
	}
	return names
}

// goes asserts in which order a module tries targets, and why.
func goes(t *testing.T, h *route.Handle, c *call.Call, reason string, want ...string) {
	t.Helper()
	if got := order(t, h, c); !slices.Equal(got, want) || string(c.Plan.Reason()) != reason {
		t.Errorf("got %v, %q; want %v, %q", got, c.Plan.Reason(), want, reason)
	}
}

// crowd is n targets that differ in all that a module may look at; every fourth rests.
func crowd(n int) []place {
	var all []place
	for i := range n {
		all = append(all, place{name: fmt.Sprintf("p/t%d", i), weight: uint32(i % 3), priority: uint32(i % 2), in: int64(100 * (i + 1)),
			out: int64(400 * (i + 1)), quality: float64(i%5) / 5, ttft: time.Duration(1+i%7) * 100 * time.Millisecond, token: 10 * time.Millisecond,
			failed: i % 2, inFlight: int32(i % 4), most: uint32(i % 5), rests: i%4 == 3, region: "eu"})
	}
	return all
}

// TestEveryModule holds for all of them: no target twice, what rests comes
// last, the same request gets the same plan, and nothing costs much.
func TestEveryModule(t *testing.T) {
	const mostFuel = 4000 // of a decision over 8 targets; a call has a million
	for _, name := range shipped(t) {
		t.Run(name, func(t *testing.T) {
			h := load(t, name, sample(name))
			for _, n := range []int{1, 2, 8, call.MaxCandidates} {
				for id := range uint64(50) {
					c := request(id, crowd(n)...)
					c.Wants.Session = id % 3
					first := order(t, h, c)
					if len(first) != n {
						t.Fatalf("%d of %d targets are planned: %v", len(first), n, first)
					}
					restsLast(t, c, name != "priority")
					if again := order(t, h, c); name != "round-robin" && !slices.Equal(first, again) {
						t.Fatalf("request %d goes to %v, then to %v", id, first, again)
					}
				}
			}
			before, calls := h.Stats(), 100
			for id := range calls {
				order(t, h, request(uint64(id), crowd(8)...))
			}
			spent := (h.Stats().Fuel - before.Fuel) / int64(calls)
			if t.Logf("%d fuel a decision", spent); spent > mostFuel {
				t.Errorf("a decision takes %d fuel; want at most %d", spent, mostFuel)
			}
			if s := h.Stats(); s.Declined > 0 || s.Quarantined != "" {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// restsLast asserts that what is ready comes before what is full, which not all
// modules look at, and that before what rests.
func restsLast(t *testing.T, c *call.Call, full bool) {
	t.Helper()
	last := 0
	for _, a := range c.Plan.Attempts[:c.Plan.N] {
		standing := 0
		switch target := c.Candidates[a.Index].Target; {
		case target.State.CooldownUntil.Load() > 0:
			standing = 2
		case full && target.MaxInFlight > 0 && target.State.InFlight.Load() >= int32(target.MaxInFlight):
			standing = 1
		}
		if standing < last {
			t.Fatalf("a target that is better off comes after one that is full or rests: %q", c.Plan.Reason())
		}
		last = standing
	}
}

// TestReplays: a recorded decision is repeated bit for bit, also by modules that
// asked the host for counters.
func TestReplays(t *testing.T) {
	r, err := route.New(route.Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, name := range shipped(t) {
		src := source(t, name, sample(name))
		trial, err := r.Trial(name, src.Code, src.Config)
		if err != nil {
			t.Fatal(err)
		}
		h := load(t, name, sample(name))
		for id := range uint64(5) {
			var kept route.Recording
			h.Record(request(id, crowd(9)...), &kept)
			if again, err := trial.Replay(&kept, 2); err != nil || !again.Same {
				t.Errorf("%s repeats its decision as %+v, %v", name, again, err)
			}
		}
		trial.Close()
	}
}

// TestConfigurations: what a module does not know, or cannot use, keeps it from
// being loaded, and the log says what it is.
func TestConfigurations(t *testing.T) {
	f := func(name, config, want string, tags ...string) {
		t.Helper()
		if log := refusal(t, name, config, tags...); !strings.Contains(log, want) {
			t.Errorf("%s says of %s: %s; want %q", name, config, log, want)
		}
	}
	for _, name := range shipped(t) {
		if name == "priority" || name == "round-robin" || name == "least-busy" { // they take none, or read it another way
			continue
		}
		f(name, `{"colour": 1}`, "configuration: colour is not known")
		f(name, `[]`, "configuration: it is not an object")
		f(name, `{`, "configuration: it is")
		f(name, `{"a`, "configuration: it is")
	}
	f("weighted", `{"weights": {"a/b": -1}}`, "a/b is out of range")
	f("weighted", `{"weights": {"a/b": 1.5}}`, "a/b is not a whole number")
	f("weighted", `{"weights": {`+strings.Repeat(`"a":1,`, 64)+`"b":1}}`, "b is one too many: there may be 64")
	for _, config := range []string{`{"by": "size"}`, `{"colour": 1}`, `[]`, `{`} {
		f("least-busy", config, "configuration: give {")
	}
	f("least-latency", `{"answer_tokens": 0}`, "answer_tokens is out of range")
	f("cheapest", `{"unpriced": "never"}`, "unpriced is neither first nor last")
	f("budget-aware", `{"save_below": 0.1, "strict_below": 0.2}`, "strict_below is above save_below")
	f("budget-aware", `{"save_below": 2}`, "save_below is out of range")
	f("cascade", `{"by": "luck"}`, "by is none of price, quality, priority")
	f("cascade", `{"checks": 0}`, "checks is out of range")
	f("sticky", `{"only": 1}`, "only is neither true nor false")
	f("complexity", `{"threshold": "high"}`, "threshold is not a number")
	f("complexity", `{"unknown": ""}`, "unknown is neither hard nor easy")
	f("bandit", `{"latency_weight": 0.7, "cost_weight": 0.7}`, "cost_weight and latency_weight are more than 1 together")
	f("bandit", `{"memory": 1}`, "memory is out of range")
	f("ab", `{"by": "coin"}`, "by is none of session, key, user, team, tenant, request")
	f("ab", `{"arms": [{"name": "a", "share": 1, "targets": ["x"]}]}`, "arms are fewer than two")
	f("ab", `{"arms": [{"name": "a", "targets": ["x"]}]}`, "arms need name, share above 0 and targets each")
	f("ab", `{"arms": [{"name": "a", "size": 1}]}`, "size is not known")
	f("tags", `{"rules": [{"need": ["eu"]}]}`, "need holds a tag that no target of the configuration has", "us")
	f("tags", `{"rules": [{"if": {"weather": ["fine"]}}]}`, "weather is not known")
	f("tags", `{"rules": [{"if": {"team": "core"}}]}`, "team is not a list")
	f("weighted", `{"weights": {"a": 01}}`, "a is not a number")
	f("weighted", `{"weights": {"\x": 1}}`, "is not a valid string")
	f("tags", `{"rules": [`+strings.Repeat("{},", 32)+`{}]}`, "rules are more than 32")
}

// FuzzConfiguration: no configuration traps a module, and none that it takes is
// anything but JSON.
func FuzzConfiguration(f *testing.F) {
	f.Add(uint8(0), []byte(sample("ab")))
	f.Add(uint8(1), []byte(`{"weights": {"a\u00e9\ud83d\ude00/b": 1e2, "c": 0.5E1}}`))
	f.Add(uint8(2), []byte(`{"rules": [{"name": "x", "if": {"meta.a": ["b*"], "stream": true}, "need": ["eu"], "only": false}]}`))
	f.Add(uint8(3), []byte(`{"latency_ms": 12.5, "memory": 100}`))
	r, err := route.New(route.Options{CacheDir: cacheDir})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = r.Close() })
	names := []string{"ab", "weighted", "tags", "bandit"}
	f.Fuzz(func(t *testing.T, which uint8, config []byte) {
		name := names[int(which)%len(names)]
		v, err := r.Compile(name, source(t, name, string(config), "eu"))
		if err != nil {
			if !strings.Contains(err.Error(), "it refuses its configuration") && len(config) < 16<<10 {
				t.Errorf("%s: %v", name, err)
			}
			return
		}
		v.Close()
		if len(config) > 0 && !json.Valid(config) {
			t.Errorf("%s takes %q", name, config)
		}
	})
}
