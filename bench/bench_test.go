package main

import (
	"encoding/json"
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
		return slices.ContainsFunc(stageTable, func(s stage) bool { return s.name == f[1] })
	}
	return slices.Contains([]string{"idle/kb_per_stream/lease", "soak/rss_mb/host", "bill/requests_difference",
		"bill/input_difference", "bill/output_difference", "bill/unreported"}, name)
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
		got := dearest(all, name)
		if ns == 0 && got != nil || ns != 0 && got["ns/op"] != ns {
			t.Errorf("dearest(%q) = %v; want %v ns", name, got, ns)
		}
	}
	f("BenchmarkPlan/rust/8", 490)
	f("BenchmarkPlan/*", 1201)
	f("BenchmarkPlan", 0)
	if got := pattern("BenchmarkPlan/rust/*"); got != "^BenchmarkPlan$/^rust$/." {
		t.Errorf("pattern is %q", got)
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
	f("trials,idle,soak,stages", "", len(bars)-4)
	f("trials", "^1k_c16$", 5)
	f("trials", "^paced", 1)
	f("idle,soak", "", 2)
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
