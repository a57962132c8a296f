package main

import (
	"bufio"
	"bytes"
	"context"
	"regexp"
	"strconv"
	"strings"
)

// stageTable says where the figures of the path's stages come from, and of what
// policy, budgets and the ledger cost beside it.
var stageTable = []benchmark{
	{name: "scan", pkg: "./sdk/wire/scan", bench: "BenchmarkRequest/1KB"},
	{name: "auth", pkg: "./host/auth", bench: "BenchmarkAuthenticate/hit"},
	{name: "jwt", pkg: "./host/jwt", bench: "BenchmarkVerify/hit"},
	{name: "policy_hit", pkg: "./host/policy", bench: "BenchmarkScaleAllHit"},
	{name: "policy_small_cold", pkg: "./host/policy", bench: "BenchmarkScaleUnitCold/network"},
	{name: "policy_large_cold", pkg: "./host/policy", bench: "BenchmarkScaleUnitCold/limits"},
	{name: "policy_five_cold", pkg: "./host/policy", bench: "BenchmarkScaleFiveCold"},
	{name: "policy_99", pkg: "./host/policy", bench: "BenchmarkDecide99"},
	{name: "policy_addresses", pkg: "./host/policy", bench: "BenchmarkScaleAddresses", time: "3000000x", short: "500000x", once: true},
	{name: "policy_log", pkg: "./host/policy/trail", bench: "BenchmarkRecord"},
	{name: "policy_reload", pkg: "./host/policy", bench: "BenchmarkArrival"},
	{name: "policy_activation", pkg: "./host/policy", bench: "BenchmarkActivationUnderLoad", time: "9x", short: "3x", once: true},
	{name: "policy_runaway", pkg: "./host/policy", bench: "BenchmarkRunaway", time: "50x"},
	{name: "bound", pkg: "./host/meter", bench: "BenchmarkBound"},
	{name: "rates", pkg: "./host/limit", bench: "BenchmarkTake"},
	{name: "budget", pkg: "./host/budget", bench: "BenchmarkReserveSettle"},
	{name: "route", pkg: "./host/route", bench: "BenchmarkPlan/rust/8"},
	{name: "dispatch", pkg: "./bench", bench: "BenchmarkDispatch"},
	{name: "meter", pkg: "./sdk/wire", bench: "BenchmarkReadUsageEvent/*"},
	{name: "ledger_append", pkg: "./host/ledger", bench: "BenchmarkAppend"},
	{name: "ledger_fold", pkg: "./host/store/sqlite", bench: "BenchmarkFold/batch=4000", time: "0.5s"},
	{name: "ledger_fold_postgres", pkg: "./host/store/postgres", bench: "BenchmarkFold/batch=4000", time: "0.5s"},
	{name: "telemetry", pkg: "./host/telemetry", bench: "BenchmarkRequest"},
}

// stages runs the benchmarks of stageTable: short ones, for among many runs some
// are undisturbed.
func (s *suite) stages(ctx context.Context) error {
	return s.benchmarks(ctx, "stages", stageTable, "15")
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
