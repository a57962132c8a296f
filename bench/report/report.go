// Package report collects what the suite has measured, compares it with the
// committed bars and prints both.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

// Measures are figures by name; what could not be measured is not among them.
type Measures map[string]float64

// Bar is a figure that must be reached.
type Bar struct {
	Measure string   `json:"measure"`
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Unit    string   `json:"unit"`
	Says    string   `json:"says"`
	// Void marks a condition of a valid run: outside it no figure counts.
	Void bool `json:"void,omitempty"`
}

// ReadBars reads the committed bars.
func ReadBars(path string) ([]Bar, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read bars: %w", err)
	}
	var f struct {
		Bars []Bar `json:"bars"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("cannot read bars %q: %w", path, err)
	}
	for _, bar := range f.Bars {
		if bar.Measure == "" || bar.Min == nil && bar.Max == nil {
			return nil, fmt.Errorf("cannot read bars %q: %q has neither min nor max", path, bar.Measure)
		}
	}
	if len(f.Bars) == 0 {
		return nil, fmt.Errorf("cannot read bars %q: there are none", path)
	}
	return f.Bars, nil
}

// Verdict is how a bar came out.
type Verdict struct {
	Bar
	Value  *float64 `json:"value"` // nil: not measured
	Result string   `json:"result"`
}

// The results of a verdict.
const (
	Met    = "met"
	Missed = "MISSED"
	Absent = "NOT MEASURED"
	Void   = "VOID"
)

// Judge compares m with bars. A figure that is absent or not a number is never met.
func Judge(bars []Bar, m Measures) []Verdict {
	out := make([]Verdict, 0, len(bars))
	for _, bar := range bars {
		v := Verdict{Bar: bar, Result: Absent}
		if x, ok := m[bar.Measure]; ok && !math.IsNaN(x) && !math.IsInf(x, 0) {
			v.Value, v.Result = &x, Met
			if bar.Min != nil && x < *bar.Min || bar.Max != nil && x > *bar.Max {
				v.Result = Missed
			}
		}
		if bar.Void && v.Result != Met {
			v.Result = Void
		}
		out = append(out, v)
	}
	return out
}

// Count is how many verdicts came to one of results.
func Count(vs []Verdict, results ...string) (n int) {
	for _, v := range vs {
		if slices.Contains(results, v.Result) {
			n++
		}
	}
	return n
}

// Print writes the verdicts as a table.
func Print(w io.Writer, vs []Verdict) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nbar\tlimit\tmeasured\tresult")
	for _, v := range vs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", v.Says, v.limit(), v.measured(), v.Result)
	}
	return t.Flush()
}

func (v Verdict) limit() string {
	switch {
	case v.Min == nil:
		return fmt.Sprintf("≤ %g %s", *v.Max, v.Unit)
	case v.Max == nil:
		return fmt.Sprintf("≥ %g %s", *v.Min, v.Unit)
	}
	return fmt.Sprintf("%g–%g %s", *v.Min, *v.Max, v.Unit)
}

func (v Verdict) measured() string {
	if v.Value == nil {
		return "–"
	}
	return fmt.Sprintf("%.3g", *v.Value)
}

// Write writes v as JSON to path.
func Write(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write report %q: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Median of values, NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}
