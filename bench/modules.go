package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/bench/report"
)

// benchmark is a Go benchmark that stands for a measure. A name that ends in
// "/*" stands for the worst of its sub-benchmarks, figure by figure.
type benchmark struct {
	name, pkg, bench string
	time, short      string // of one run, 0.1s if empty; in a short run where that is another
	once             bool   // one run is enough
}

// moduleTable says where each figure about modules comes from. What compares
// does so by turns within one process.
var moduleTable = []benchmark{
	{name: "decide_c", pkg: "./host/route", bench: "BenchmarkLanguages/c", time: "0.2s"},
	{name: "decide_rust", pkg: "./host/route", bench: "BenchmarkLanguages/rust", time: "0.2s"},
	{name: "decide_as", pkg: "./host/route", bench: "BenchmarkLanguages/as", time: "0.2s"},
	{name: "decide_go", pkg: "./host/route", bench: "BenchmarkLanguages/go", time: "0.2s"},
	{name: "fuel_routes", pkg: "./host/wasm/fuel", bench: "BenchmarkOverhead/route/*", time: "0.2s"},
	{name: "fuel_filters", pkg: "./host/wasm/fuel", bench: "BenchmarkOverhead/filter/*", time: "0.2s"},
	{name: "window_c", pkg: "./host/filter", bench: "BenchmarkWindow/c"},
	{name: "window_rust", pkg: "./host/filter", bench: "BenchmarkWindow/rust"},
	{name: "window_as", pkg: "./host/filter", bench: "BenchmarkWindow/as"},
	{name: "window_go", pkg: "./host/filter", bench: "BenchmarkWindow/go"},
	{name: "mask_c", pkg: "./examples/filters/mask", bench: "BenchmarkMask/c/8192", time: "0.2s"},
	{name: "mask_rust", pkg: "./examples/filters/mask", bench: "BenchmarkMask/rust/8192", time: "0.2s"},
	{name: "mask_as", pkg: "./examples/filters/mask", bench: "BenchmarkMask/as/8192", time: "0.2s"},
	{name: "pii", pkg: "./plugins/filters", bench: "BenchmarkFilters/pii/8KB"},
	{name: "secrets", pkg: "./plugins/filters", bench: "BenchmarkFilters/secrets/8KB"},
	{name: "injection", pkg: "./plugins/filters", bench: "BenchmarkFilters/injection/8KB"},
	{name: "words", pkg: "./plugins/filters", bench: "BenchmarkFilters/words/8KB"},
	{name: "swap_10ms", pkg: "./host/route", bench: "BenchmarkSwaps/every_10ms", time: "1x", once: true},
	{name: "runaway", pkg: "./host/wasm", bench: "BenchmarkRunaway", time: "15x"},
	{name: "growth", pkg: "./host/route", bench: "BenchmarkGrowth/rust", time: "10000000x", short: "1000000x", once: true},
	{name: "growth_allocating", pkg: "./host/route", bench: "BenchmarkGrowth/allocating_go", time: "10000000x", short: "100000x", once: true},
	{name: "features", pkg: "./host/feature", bench: "BenchmarkOf/*"},
	{name: "decision_record", pkg: "./host/decision", bench: "BenchmarkAppend"},
	{name: "decision_kept", pkg: "./host", bench: "BenchmarkKeep/kept"},
}

// modules runs the benchmarks of moduleTable.
func (s *suite) modules(ctx context.Context) error {
	return s.benchmarks(ctx, "modules", moduleTable, "7")
}

// benchmarks runs those of a part, each so many times: each package's tests are
// built once.
func (s *suite) benchmarks(ctx context.Context, part string, table []benchmark, count string) error {
	dir, err := os.MkdirTemp("", "signalbox-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if s.opt.short {
		count = "4"
	}
	var failed []error
	for _, b := range table {
		figures, err := s.benchmark(ctx, b, count, dir)
		if err != nil {
			failed = append(failed, err)
			fmt.Fprintf(s.out, "FAILED %s: %v\n", b.name, err)
		}
		for unit, v := range figures {
			s.measures[part+"/"+b.name+"/"+measureOf(unit)] = v
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(failed...)
}

// benchmark runs b and returns its figures by unit.
func (s *suite) benchmark(ctx context.Context, b benchmark, count, dir string) (map[string]float64, error) {
	binary := filepath.Join(dir, strings.ReplaceAll(b.pkg[2:], "/", "-"))
	if _, err := os.Stat(binary); err != nil {
		if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, b.pkg).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("cannot build the tests of %s: %w: %s", b.pkg, err, bytes.TrimSpace(out))
		}
	}
	time := cmp.Or(b.time, "0.1s")
	if s.opt.short {
		time = cmp.Or(b.short, time)
	}
	if b.once {
		count = "1"
	}
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", pattern(b.bench), "-test.benchmem", "-test.count", count, "-test.benchtime", time)
	cmd.Dir = b.pkg
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("cannot run %s of %s: %w: %s", b.bench, b.pkg, err, bytes.TrimSpace(out))
	}
	figures := worstOf(parseBenchmarks(out), b.bench)
	if len(figures) == 0 {
		return nil, fmt.Errorf("cannot find %s in %s: rename it there or in the table", b.bench, b.pkg)
	}
	return figures, nil
}

// measureOf is what a benchmark's unit is called among measures.
func measureOf(unit string) string {
	if name := map[string]string{"ns/op": "ns", "allocs/op": "allocs", "B/op": "bytes"}[unit]; name != "" {
		return name
	}
	return strings.ReplaceAll(unit, "/", "_per_")
}

// worstOf are the figures of the benchmark called name: of several
// sub-benchmarks the worst of each figure.
func worstOf(all map[string][]map[string]float64, name string) map[string]float64 {
	prefix, many := strings.CutSuffix(name, "*")
	worst := map[string]float64{}
	for full, runs := range all {
		if full != name && !(many && strings.HasPrefix(full, prefix)) {
			continue
		}
		for unit := range runs[0] {
			v := settled(unit, runs)
			old, ok := worst[unit]
			switch {
			case !ok:
				worst[unit] = v
			case moreIsBetter(unit):
				worst[unit] = min(old, v)
			default:
				worst[unit] = max(old, v)
			}
		}
	}
	return worst
}

// settled is a figure of several runs. A comparison within a run is as often
// too good as too bad, so its median counts; of what must never happen the run
// where it did; of a time or a rate the run that others have disturbed least.
func settled(unit string, runs []map[string]float64) float64 {
	var values []float64
	for _, r := range runs {
		values = append(values, r[unit])
	}
	switch {
	case strings.HasPrefix(unit, "x_"), unit == "of_native", unit == "p99_x", unit == "cpu-ms":
		return report.Median(values)
	case moreIsBetter(unit), slices.Contains([]string{"allocs/op", "wrong", "backwards", "faults", "grown-kb"}, unit):
		return slices.Max(values)
	}
	return slices.Min(values)
}

func moreIsBetter(unit string) bool {
	return strings.HasSuffix(unit, "MB/s") || unit == "rows/s" || unit == "of_native"
}
