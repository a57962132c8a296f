package main

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/bench/report"
	"github.com/signalbox-ai/signalbox/bench/upstream"
)

// Every committed bar is about something that the suite measures: a misspelt
// one would fail each run, or worse, be taken out.
func TestBarsAreAboutWhatIsMeasured(t *testing.T) {
	bars, err := report.ReadBars("bars.json")
	if err != nil {
		t.Fatal(err)
	}
	void := 0
	for _, b := range bars {
		if !measured(b.Measure) {
			t.Errorf("bar %q: nothing measures it", b.Measure)
		}
		if b.Void {
			void++
		}
	}
	if void == 0 {
		t.Error("no bar says when a run is void")
	}
}

func measured(name string) bool {
	f := strings.Split(name, "/")
	switch {
	case f[0] == "trials" && len(f) == 4:
		at := slices.IndexFunc(trials, func(t trial) bool { return t.name == f[1] })
		return at >= 0 && slices.Contains(trials[at].targets, f[2])
	case f[0] == "stages" && len(f) == 3:
		return slices.ContainsFunc(stageTable, func(s benchmark) bool { return s.name == f[1] })
	case f[0] == "modules" && len(f) == 3:
		return slices.ContainsFunc(moduleTable, func(m benchmark) bool { return m.name == f[1] })
	case f[0] == "swaps" && len(f) == 3 && f[2] == "p99_x":
		return slices.ContainsFunc(swappings, func(w swapping) bool { return w.name == f[1] })
	}
	return slices.Contains([]string{"idle/kb_per_stream/lease", "soak/rss_mb/host", "bill/requests_difference",
		"bill/input_difference", "bill/output_difference", "bill/unreported", "swaps/all/lost", "start/cold/first_answer_ms", "start/warm/first_answer_ms"}, name)
}

func TestBodiesAreAsLargeAsTheySay(t *testing.T) {
	for _, s := range shapes {
		b := body(benchAlias(s), s)
		if len(b) != s.size || !json.Valid(b) {
			t.Errorf("%s: %d bytes; want %d of JSON", s.name, len(b), s.size)
		}
	}
}

func TestParseBenchmarks(t *testing.T) {
	const out = `goos: linux
BenchmarkPlan/rust/8-2   	  131574	       502.8 ns/op	       140.0 fuel/op	       0 B/op	       0 allocs/op
BenchmarkPlan/rust/8-2   	  131574	       490.0 ns/op	       140.0 fuel/op	       0 B/op	       1 allocs/op
BenchmarkPlan/go/8-2     	   63369	      1201 ns/op	      2500 fuel/op	       0 B/op	       0 allocs/op
PASS
`
	all := parseBenchmarks([]byte(out))
	f := func(name string, ns float64) {
		t.Helper()
		if got := worstOf(all, name); got["ns/op"] != ns {
			t.Errorf("worstOf(%q) = %v; want %v ns", name, got, ns)
		}
	}
	f("BenchmarkPlan/rust/8", 490)
	f("BenchmarkPlan/*", 1201)
	f("BenchmarkPlan", 0)
	if got := pattern("BenchmarkPlan/rust/*"); got != "^BenchmarkPlan$/^rust$/." {
		t.Errorf("pattern is %q", got)
	}
}

// Of several runs and sub-benchmarks, each figure is settled as befits it.
func TestWorstOf(t *testing.T) {
	const out = `BenchmarkFuel/route/a-2  10  500 ns/op  1.1 x_plain  0.5 of_native  0 wrong
BenchmarkFuel/route/a-2  10  400 ns/op  1.5 x_plain  0.4 of_native  2 wrong
BenchmarkFuel/route/a-2  10  600 ns/op  1.2 x_plain  0.6 of_native  0 wrong
BenchmarkFuel/route/b-2  10  300 ns/op  1.3 x_plain  0.3 of_native  0 wrong  90 cpu-MB/s
BenchmarkFuel/route/b-2  10  310 ns/op  1.3 x_plain  0.3 of_native  0 wrong  95 cpu-MB/s
BenchmarkFuel/filter/c-2  10  9000 ns/op  9 x_plain
`
	got := worstOf(parseBenchmarks([]byte(out)), "BenchmarkFuel/route/*")
	want := map[string]float64{"ns/op": 400, "x_plain": 1.3, "of_native": 0.3, "wrong": 2, "cpu-MB/s": 95}
	if !maps.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
	for unit, want := range map[string]string{"ns/op": "ns", "cpu-MB/s": "cpu-MB_per_s", "x_plain": "x_plain"} {
		if got := measureOf(unit); got != want {
			t.Errorf("measureOf(%q) = %q; want %q", unit, got, want)
		}
	}
}

// A ratio is taken within a round, and only where both were measured.
func TestRatiosAreTakenWithinARound(t *testing.T) {
	s := &suite{samples: map[string]map[string][]sample{"1k_c16": {
		"nginx": {{Host: 10}, {Host: 20}, {Host: 40}},
		"lease": {{Host: 20, Adapters: 1}, {Host: 40, Adapters: 2}, {Host: 80, Adapters: 4}},
		"bare":  {},
	}}, measures: report.Measures{}}
	s.derive()
	if got := s.measures["trials/1k_c16/lease/cpu_x_nginx"]; got != 2.1 {
		t.Errorf("ratio is %v; want 2.1", got)
	}
	if _, ok := s.measures["trials/1k_c16/lease/cpu_x_bare"]; ok {
		t.Error("a ratio to what was not measured")
	}
	for _, v := range report.Judge([]report.Bar{{Measure: "trials/1k_c16/bare/cpu_us", Max: new(float64)}}, s.measures) {
		if v.Result == report.Met {
			t.Errorf("%s is met by no measurement", v.Measure)
		}
	}
}

// A run that is narrowed down is judged by the bars of what it measures.
func TestRelevantBars(t *testing.T) {
	bars, err := report.ReadBars("bars.json")
	if err != nil {
		t.Fatal(err)
	}
	f := func(parts, only string, want int) {
		t.Helper()
		s := &suite{bars: bars, opt: options{parts: parts}, only: regexp.MustCompile(only), lab: &lab{}}
		got := 0
		for _, b := range s.relevant() {
			if !strings.HasPrefix(b.Measure, "bill/") {
				got++
			}
		}
		if got != want {
			t.Errorf("-parts %s -only %q: %d bars; want %d", parts, only, got, want)
		}
	}
	f("trials,idle,soak,swaps,start,stages,modules", "", len(bars)-4)
	f("trials", "^1k_c16$", 5)
	f("trials", "^paced", 1)
	f("idle,soak", "", 2)
	f("swaps", "", 2)
	f("start", "", 2)
}

// What the mock promises as its plain answers is what a target is checked by.
func TestChecksFitTheMock(t *testing.T) {
	target := &target{path: openAIPath}
	for _, s := range shapes {
		c := target.check(s)
		if got := strings.Count(string(c.Exact), "data: "); got != c.Events {
			t.Errorf("%s: %d events; the check wants %d", s.name, got, c.Events)
		}
		if !strings.Contains(string(c.Exact), upstream.Marker) {
			t.Errorf("%s: no marker", s.name)
		}
	}
}
