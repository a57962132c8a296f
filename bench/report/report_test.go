package report

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func limit(v float64) *float64 { return &v }

func TestJudge(t *testing.T) {
	m := Measures{"low": 1, "high": 3, "nan": math.NaN(), "inf": math.Inf(1)}
	f := func(b Bar, want string) {
		t.Helper()
		if got := Judge([]Bar{b}, m)[0].Result; got != want {
			t.Errorf("%+v: %s; want %s", b, got, want)
		}
	}
	f(Bar{Measure: "low", Max: limit(1)}, Met)
	f(Bar{Measure: "high", Max: limit(2.9)}, Missed)
	f(Bar{Measure: "low", Min: limit(2)}, Missed)
	f(Bar{Measure: "nan", Max: limit(1)}, Absent)
	f(Bar{Measure: "nan", Min: limit(1)}, Absent)
	f(Bar{Measure: "inf", Min: limit(1)}, Absent)
	f(Bar{Measure: "missing", Max: limit(1)}, Absent)
	f(Bar{Measure: "low", Min: limit(0.6), Max: limit(1.1), Void: true}, Met)
	f(Bar{Measure: "high", Min: limit(0.6), Max: limit(1.1), Void: true}, Void)
	f(Bar{Measure: "missing", Min: limit(0.6), Void: true}, Void)
}

func TestReadBarsRefuses(t *testing.T) {
	f := func(text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "bars.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if bars, err := ReadBars(path); err == nil {
			t.Errorf("%s reads as %v", text, bars)
		}
	}
	f(`{`)
	f(`{"bars":[]}`)
	f(`{"bars":[{"measure":"x"}]}`)
	f(`{"bars":[{"max":1}]}`)
}

func TestMedian(t *testing.T) {
	f := func(want float64, values ...float64) {
		t.Helper()
		if got := Median(values); got != want {
			t.Errorf("Median(%v) = %v; want %v", values, got, want)
		}
	}
	f(2, 3, 1, 2)
	f(2.5, 4, 1, 2, 3)
	if !math.IsNaN(Median(nil)) {
		t.Error("the median of nothing is a number")
	}
}
