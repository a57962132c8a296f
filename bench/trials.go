package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"text/tabwriter"

	"github.com/signalbox-ai/signalbox/bench/report"
	"github.com/signalbox-ai/signalbox/bench/upstream"
)

// trial is a load that several targets get in turn.
type trial struct {
	name    string
	shape   shape
	conns   int
	total   int // requests in a round of a full run
	targets []string
}

var (
	everybody = []string{"nginx", "bare", "lease", "bridge", "demo"}
	upstreams = []string{"nginx", "bare", "lease", "bridge"}
)

var trials = []trial{
	{"1k_c16", shape1K, 16, 20_000, everybody},
	{"1k_c1", shape1K, 1, 4_000, everybody},
	{"1k_c128", shape1K, 128, 20_000, everybody},
	{"16k_c16", shape16K, 16, 8_000, everybody},
	{"burst_c16", shapeBurst, 16, 1_600, everybody},
	{"paced_c16", shapePaced, 16, 320, everybody},
	{"first_c1", shapeFirst, 1, 300, upstreams},
}

const warmup = 1_000

// size is the number of requests of a trial of this run, a few a connection at
// the least.
func (s *suite) size(n, conns int) int {
	if s.opt.short {
		n = min(n, max(n/5, 4*conns))
	}
	return n
}

// trials measures every target of every trial once a round, the targets in
// another order each time.
func (s *suite) trials(ctx context.Context) error {
	for _, name := range everybody {
		if !s.opt.measures(name) {
			continue
		}
		if _, err := s.lab.measure(s.lab.targets[name], shape1K, 16, s.size(warmup, 200)); err != nil {
			return fmt.Errorf("cannot warm up: %w", err)
		}
	}
	dead := map[string]bool{}
	for round := range s.opt.rounds {
		for _, t := range trials {
			if !s.only.MatchString(t.name) {
				continue
			}
			for i := range t.targets {
				target := t.targets[(i+round)%len(t.targets)]
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if id := t.name + "/" + target; s.opt.measures(target) && !dead[id] {
					dead[id] = s.try(t, target) != nil
				}
			}
			fmt.Fprintf(s.out, "round %d of %d: %s\n", round+1, s.opt.rounds, t.name)
		}
	}
	for _, failed := range dead {
		if failed {
			return errors.New("not all targets could be measured")
		}
	}
	return nil
}

// try takes one sample; a target that fails loses those that it has.
func (s *suite) try(t trial, name string) error {
	smp, err := s.lab.measure(s.lab.targets[name], t.shape, t.conns, s.size(t.total, t.conns))
	if s.samples[t.name] == nil {
		s.samples[t.name] = map[string][]sample{}
	}
	if err != nil {
		delete(s.samples[t.name], name)
		s.fail(t.name, err)
		return err
	}
	s.samples[t.name][name] = append(s.samples[t.name][name], smp)
	return nil
}

// derive turns samples into measures. A ratio is taken within a round, where
// the machine was the same for both, and its median counts.
func (s *suite) derive() {
	for _, t := range trials {
		by := s.samples[t.name]
		for name, list := range by {
			at := "trials/" + t.name + "/" + name
			each := func(measure string, f func(sample) float64) {
				s.measures[at+"/"+measure] = median(list, f)
			}
			each("cpu_us", sample.CPU)
			each("host_us", func(x sample) float64 { return x.Host })
			each("adapter_us", func(x sample) float64 { return x.Adapters })
			each("p50_us", func(x sample) float64 { return x.P50 })
			each("p99_us", func(x sample) float64 { return x.P99 })
			each("per_second", func(x sample) float64 { return x.Rate })
			each("allocs", func(x sample) float64 { return x.Allocs })
			if t.shape.stream {
				each("first_us", func(x sample) float64 { return x.First })
				each("cpu_us_per_event", func(x sample) float64 { return x.CPU() / (upstream.Events + 1) })
			}
			for _, base := range []string{"nginx", "bare"} {
				s.compare(at, list, by[base], base)
			}
		}
	}
}

func (s *suite) compare(at string, list, base []sample, name string) {
	var ratios, first []float64
	for i := range min(len(list), len(base)) {
		ratios = append(ratios, list[i].CPU()/base[i].CPU())
		first = append(first, list[i].First-base[i].First)
	}
	if len(ratios) == 0 {
		return
	}
	s.measures[at+"/cpu_x_"+name] = report.Median(ratios)
	if list[0].First > 0 {
		s.measures[at+"/first_over_"+name+"_us"] = report.Median(first)
	}
}

func median(list []sample, f func(sample) float64) float64 {
	values := make([]float64, len(list))
	for i, x := range list {
		values[i] = f(x)
	}
	return report.Median(values)
}

// printTrials writes the table of all trials.
func (s *suite) printTrials() {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\ntrial\ttarget\tCPU µs\thost\tadapter\t× nginx\t× bare\tµs/event\tp50 µs\tp99 µs\tfirst µs\tper s\tallocs\t")
	for _, t := range trials {
		for _, name := range slices.Sorted(maps.Keys(s.samples[t.name])) {
			at := "trials/" + t.name + "/" + name + "/"
			fmt.Fprintf(w, "%s\t%s\t", t.name, name)
			for _, m := range []string{"cpu_us", "host_us", "adapter_us", "cpu_x_nginx", "cpu_x_bare", "cpu_us_per_event", "p50_us", "p99_us", "first_us", "per_second", "allocs"} {
				fmt.Fprintf(w, "%s\t", figure(s.measures, at+m))
			}
			fmt.Fprintln(w)
		}
	}
	w.Flush()
	for _, part := range []string{"soak", "idle", "bill", "swaps", "stages", "modules"} {
		s.printPart(part)
	}
}

func figure(m report.Measures, name string) string {
	v, ok := m[name]
	switch {
	case !ok:
		return "–"
	case math.Abs(v) < 0.005:
		return "0"
	case math.Abs(v) >= 1000:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (s *suite) printPart(part string) {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w)
	for _, name := range slices.Sorted(maps.Keys(s.measures)) {
		if len(name) > len(part) && name[:len(part)+1] == part+"/" {
			fmt.Fprintf(w, "%s\t%s\n", name, figure(s.measures, name))
		}
	}
	w.Flush()
}
