package policy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/tester"
)

// Report is what a check finds out about a bundle beside whether it is good.
type Report struct {
	Revision  string
	Units     []UnitReport
	Probes    int       // of the bundle's own
	Tests     int       // rules test_* in files *_test.rego
	Failures  []Finding // tests that failed
	Coverage  float64   // per cent of the lines of rules that the tests reach, 0 without tests
	Uncovered []Finding
}

// UnitReport says what one unit depends on.
type UnitReport struct {
	Name     string
	Rules    int
	Reads    []string  // fields of the input; its verdict is remembered for each combination of their values
	Cached   bool      // false: evaluated in every request
	Uncached []Finding // the lines that are why

	NotIndexed []NotIndexed // rules that OPA's index cannot leave out, with those of other packages that it uses
}

// Check does everything to the bundle at path that activating it would, and
// runs its own tests. An error lists all that is wrong; the report is as full
// as could be had. Of the options it takes Filters and Catalogue.
func Check(path string, o Options) (Report, error) {
	src, err := load(path)
	if err != nil {
		return Report{}, err
	}
	rep := Report{Revision: src.revision}
	src.catalogue = o.Catalogue
	o = o.withDefaults()
	s, err := build(src, &o)
	if err != nil {
		return rep, err
	}
	written := writtenRules(src.modules)
	for _, u := range s.units {
		rep.Units = append(rep.Units, u.report(written))
	}
	probes, err := parseProbes(src.probes)
	if err != nil {
		return rep, err
	}
	rep.Probes = len(probes)
	return rep, errors.Join(s.probe(src, probes), rep.test(src, src.modules))
}

func (u *unit) report(written map[string]*ast.Rule) UnitReport {
	r := UnitReport{Name: u.name, Rules: u.rules, Cached: u.memo != nil, Uncached: u.reads.uncached,
		NotIndexed: u.bundle.notIndexed(written, u.reads.rules)}
	for _, f := range u.reads.fields {
		r.Reads = append(r.Reads, f.String())
	}
	return r
}

// test runs the bundle's tests against modules, which are the bundle's own
// unless something is being tried out.
func (rep *Report) test(src *source, modules map[string]*ast.Module) error {
	if len(src.tests) == 0 {
		return nil
	}
	b, err := open(src)
	if err != nil {
		return err
	}
	coverage := cover.New()
	results, err := src.runTests(context.Background(), b, modules, coverage)
	if err != nil {
		return err
	}
	var errs []error
	for r := range results {
		rep.Tests++
		if !r.Pass() || r.Skip {
			f := findingAt(r.Location, "%s.%s %s", r.Package, r.Name, outcome(r))
			rep.Failures = append(rep.Failures, f)
			errs = append(errs, errors.New(f.String()))
		}
	}
	rep.cover(coverage.Report(modules), modules)
	return errors.Join(errs...)
}

func outcome(r *tester.Result) string {
	switch {
	case r.Skip:
		return "is skipped"
	case r.Error != nil:
		return "failed: " + r.Error.Error()
	}
	return "failed"
}

// cover takes the bundle's own files from a coverage report. Lines that only
// the index or an early exit kept from running count as covered.
func (rep *Report) cover(r cover.Report, modules map[string]*ast.Module) {
	covered, missed := 0, 0
	for file := range modules {
		fr := r.Files[file]
		if fr == nil {
			continue
		}
		covered += fr.CoveredLines
		for _, rng := range fr.NotCovered {
			lines := rng.End.Row - rng.Start.Row + 1
			if len(rng.Kinds) > 0 {
				covered += lines
				continue
			}
			missed += lines
			rep.Uncovered = append(rep.Uncovered, Finding{File: file, Line: rng.Start.Row, What: "no test reaches this"})
		}
	}
	if covered+missed > 0 {
		rep.Coverage = 100 * float64(covered) / float64(covered+missed)
	}
	slices.SortFunc(rep.Uncovered, compareFindings)
	rep.Uncovered = slices.Compact(rep.Uncovered) // of one line several parts
}

func compareFindings(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
}

// TestResult is one test of a bundle.
type TestResult struct {
	File     string
	Line     int
	Name     string
	Why      string // it failed, "": it passed
	Duration time.Duration
}

// RunTests runs the tests of the bundle at path, in the order of their lines.
func RunTests(path string, o Options) ([]TestResult, error) {
	src, err := load(path)
	if err != nil {
		return nil, err
	}
	src.catalogue = o.Catalogue
	b, err := open(src)
	if err != nil {
		return nil, err
	}
	found, err := src.runTests(context.Background(), b, src.modules, nil)
	if err != nil {
		return nil, err
	}
	var out []TestResult
	for r := range found {
		t := TestResult{Name: strings.TrimPrefix(r.Package, "data.") + "." + r.Name, Duration: r.Duration}
		if r.Location != nil {
			t.File, t.Line = r.Location.File, r.Location.Row
		}
		if !r.Pass() || r.Skip {
			t.Why = outcome(r)
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b TestResult) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	return out, nil
}

// Cover runs the tests of the bundle at path and says what they reach.
func Cover(path string, o Options) (Report, error) {
	src, err := load(path)
	if err != nil {
		return Report{}, err
	}
	src.catalogue = o.Catalogue
	rep := Report{Revision: src.revision}
	return rep, rep.test(src, src.modules)
}
