package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// stage is a Go benchmark that stands for one stage of the path. Names are
// full: of the sub-benchmark where there are some.
type stage struct{ name, pkg, benchmark string }

// stageTable says where each stage's figure comes from.
var stageTable = []stage{
	{"auth", "./host/auth", "BenchmarkAuthenticate"},
	{"policy_hit", "./host/policy", "BenchmarkDecideHit"},
	{"policy_cold_unit", "./host/policy", "BenchmarkDecideColdUnit"},
	{"policy_99", "./host/policy", "BenchmarkDecideMostlyHits"},
	{"budget", "./host/budget", "BenchmarkReserveSettle"},
	{"route", "./host/route", "BenchmarkPlan"},
	{"scan", "./sdk/wire/scan", "BenchmarkRequest"},
	{"meter", "./host/meter", "BenchmarkBound"},
	{"ledger_append", "./host/ledger", "BenchmarkAppend"},
	{"ledger_fold", "./host/store", "BenchmarkFold"},
	{"telemetry", "./host/telemetry", "BenchmarkRequest"},
	{"dispatch", "./host/dispatch", "BenchmarkDo"},
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
	count, time := "3", "0.5s"
	if s.opt.short {
		count, time = "1", "0.1s"
	}
	top, _, _ := strings.Cut(st.benchmark, "/")
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+top+"$", "-benchmem", "-count", count, "-benchtime", time, st.pkg)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot run %s of %s: %w: %s", st.benchmark, st.pkg, err, bytes.TrimSpace(out))
	}
	runs := parseBenchmarks(out)[st.benchmark]
	if len(runs) == 0 {
		return fmt.Errorf("cannot find %s in %s: rename it there or in the stage table", st.benchmark, st.pkg)
	}
	best := runs[0]
	for _, r := range runs[1:] { // the one that others have disturbed least
		if r["ns/op"] < best["ns/op"] {
			best = r
		}
	}
	s.measures["stages/"+st.name+"/ns"] = best["ns/op"]
	s.measures["stages/"+st.name+"/allocs"] = best["allocs/op"]
	for unit, v := range best {
		if unit != "ns/op" && unit != "allocs/op" && unit != "B/op" {
			s.measures["stages/"+st.name+"/"+unit] = v
		}
	}
	return nil
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
