package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// stage is a Go benchmark that stands for one stage of the path. A name that
// ends in "/*" stands for the dearest of its sub-benchmarks.
type stage struct{ name, pkg, benchmark string }

// stageTable says where each stage's figure comes from.
var stageTable = []stage{
	{"scan", "./sdk/wire/scan", "BenchmarkRequest/1KB"},
	{"auth", "./host/auth", "BenchmarkAuthenticate/hit"},
	{"policy_hit", "./host/policy", "BenchmarkDecideAllHit"},
	{"policy_cold_unit", "./host/policy", "BenchmarkUnitCold/network"},
	{"policy_99", "./host/policy", "BenchmarkDecide99"},
	{"bound", "./host/meter", "BenchmarkBound"},
	{"budget", "./host/budget", "BenchmarkReserveSettle"},
	{"route", "./host/route", "BenchmarkPlan/rust/8"},
	{"dispatch", "./bench", "BenchmarkDispatch"},
	{"meter", "./sdk/wire", "BenchmarkReadUsageEvent/*"},
	{"ledger_append", "./host/ledger", "BenchmarkAppend"},
	{"ledger_fold", "./host/store", "BenchmarkFold/batch=1000"},
	{"telemetry", "./host/telemetry", "BenchmarkRequest"},
}

// stages runs the benchmarks, package by package.
func (s *suite) stages(ctx context.Context) error {
	var failed []string
	for _, st := range stageTable {
		if err := s.stage(ctx, st); err != nil {
			failed = append(failed, err.Error())
			fmt.Fprintf(s.out, "FAILED stage %s: %v\n", st.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%s", strings.Join(failed, "; "))
	}
	return nil
}

func (s *suite) stage(ctx context.Context, st stage) error {
	count, time := "15", "0.1s" // short ones: among many some are undisturbed
	if s.opt.short {
		count = "2"
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", pattern(st.benchmark), "-benchmem", "-count", count, "-benchtime", time, st.pkg)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot run %s of %s: %w: %s", st.benchmark, st.pkg, err, bytes.TrimSpace(out))
	}
	best := dearest(parseBenchmarks(out), st.benchmark)
	if best == nil {
		return fmt.Errorf("cannot find %s in %s: rename it there or in the stage table", st.benchmark, st.pkg)
	}
	for unit, v := range best {
		name := map[string]string{"ns/op": "ns", "allocs/op": "allocs", "B/op": "bytes"}[unit]
		if name == "" {
			name = strings.ReplaceAll(unit, "/", "_per_")
		}
		s.measures["stages/"+st.name+"/"+name] = v
	}
	return nil
}

// pattern is what makes go test run the benchmark called name and no other.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		if p == "*" {
			parts[i] = "."
		} else {
			parts[i] = "^" + regexp.QuoteMeta(p) + "$"
		}
	}
	return strings.Join(parts, "/")
}

// dearest is the run of the benchmark called name that others have disturbed
// least; of several sub-benchmarks that of the dearest one. nil: there is none.
func dearest(all map[string][]map[string]float64, name string) (worst map[string]float64) {
	prefix, many := strings.CutSuffix(name, "*")
	for full, runs := range all {
		if full != name && !(many && strings.HasPrefix(full, prefix)) {
			continue
		}
		best := runs[0]
		for _, r := range runs[1:] {
			if r["ns/op"] < best["ns/op"] {
				best = r
			}
		}
		if worst == nil || best["ns/op"] > worst["ns/op"] {
			worst = best
		}
	}
	return worst
}

// parseBenchmarks reads the output of go test -bench: figures by unit, for
// each run of each benchmark.
func parseBenchmarks(out []byte) map[string][]map[string]float64 {
	all := map[string][]map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name := f[0]
		if at := strings.LastIndexByte(name, '-'); at > 0 {
			if _, err := strconv.Atoi(name[at+1:]); err == nil {
				name = name[:at]
			}
		}
		run := map[string]float64{}
		for i := 2; i+1 < len(f); i += 2 {
			if v, err := strconv.ParseFloat(f[i], 64); err == nil {
				run[f[i+1]] = v
			}
		}
		all[name] = append(all[name], run)
	}
	return all
}
