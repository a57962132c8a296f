package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/bench/report"
)

// suite is one run.
type suite struct {
	opt      options
	out      io.Writer
	bars     []report.Bar
	only     *regexp.Regexp
	lab      *lab
	samples  map[string]map[string][]sample // by trial and target, one a round
	measures report.Measures
	failures []string
}

func newSuite(o options, out io.Writer) (*suite, error) {
	bars, err := report.ReadBars("bench/bars.json")
	if err != nil {
		return nil, err
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, fmt.Errorf("cannot read -only: %w", err)
	}
	if o.rounds == 0 {
		o.rounds = 5
		if o.short {
			o.rounds = 3
		}
	}
	return &suite{opt: o, out: out, bars: bars, only: only, samples: map[string]map[string][]sample{}, measures: report.Measures{}}, nil
}

// part is one kind of measurement. Those that need a lab get a fresh one each:
// what one has left in memory is not the next one's.
type part struct {
	name string
	do   func(*suite, context.Context) error
	lab  bool
}

var parts = []part{
	{"trials", (*suite).trials, true},
	{"soak", (*suite).soak, true},
	{"idle", (*suite).idle, true},
	{"swaps", (*suite).swaps, true},
	{"start", (*suite).start, false},
	{"stages", (*suite).stages, false},
	{"modules", (*suite).modules, false},
}

// run does all parts. What fails leaves its measures out, so that their bars
// are not met, and the rest is measured all the same.
func (s *suite) run(ctx context.Context) error {
	start := time.Now()
	for _, p := range parts {
		if !s.wants(p.name) {
			continue
		}
		do := p.do
		if p.lab {
			do = func(s *suite, ctx context.Context) error { return s.inLab(ctx, p.do) }
		}
		if err := do(s, ctx); err != nil {
			s.fail(p.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return s.conclude(start)
}

// inLab does a part in a lab of its own and settles the bill afterwards.
func (s *suite) inLab(ctx context.Context, do func(*suite, context.Context) error) error {
	l, err := newLab(s.opt)
	defer l.stop(s.opt.keep)
	if err != nil {
		return err
	}
	s.lab = l
	if s.opt.keep {
		fmt.Fprintln(s.out, "logs and configuration:", l.dir)
	}
	if err := do(s, ctx); err != nil {
		return err
	}
	if !s.opt.gateway() {
		return nil
	}
	return s.settleBill()
}

// fail remembers what went wrong: it makes the run incomplete.
func (s *suite) fail(what string, err error) {
	s.failures = append(s.failures, what+": "+err.Error())
	fmt.Fprintf(s.out, "FAILED %s: %v\n", what, err)
}

// wants reports whether a part was asked for. The bill comes with every lab.
func (s *suite) wants(part string) bool {
	return part == "bill" && s.lab != nil || slices.Contains(strings.Split(s.opt.parts, ","), part)
}

// conclude prints and writes the report and decides.
func (s *suite) conclude(start time.Time) error {
	s.derive()
	s.printTrials()
	verdicts := report.Judge(s.relevant(), s.measures)
	if err := report.Print(s.out, verdicts); err != nil {
		return err
	}
	r := map[string]any{
		"started": start.UTC().Format(time.RFC3339), "took_s": math.Round(time.Since(start).Seconds()),
		"short": s.opt.short, "rounds": s.opt.rounds, "cores": runtime.NumCPU(), "go": runtime.Version(), "kernel": kernel(),
		"measures": s.measures, "samples": s.samples, "bars": verdicts, "failures": s.failures,
	}
	if err := report.Write(s.opt.out, r); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\n%d of %d bars met; report in %s\n", report.Count(verdicts, report.Met), len(verdicts), s.opt.out)
	broken := len(s.failures) + report.Count(verdicts, report.Void, report.Absent)
	missed := report.Count(verdicts, report.Missed)
	if broken > 0 {
		return fmt.Errorf("%w: the run is void or incomplete", errBars)
	}
	if missed > 0 && (s.opt.strict || !s.opt.short) {
		return fmt.Errorf("%w: %d of %d", errBars, missed, len(verdicts))
	}
	return nil
}

// relevant are the bars of what was asked to be measured: all, unless flags
// narrow the run down.
func (s *suite) relevant() []report.Bar {
	var out []report.Bar
	for _, b := range s.bars {
		part, rest, _ := strings.Cut(b.Measure, "/")
		trial, _, _ := strings.Cut(rest, "/")
		if s.wants(part) && (part != "trials" || s.only.MatchString(trial)) {
			out = append(out, b)
		}
	}
	return out
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(b))
}
