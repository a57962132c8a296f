package bill

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	f := func(name string, want ...Line) {
		t.Helper()
		got, err := Parse(bytes.NewReader(read(t, name)), Columns{})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, want)
		}
	}
	f("openai-costs.json",
		Line{Day: "2026-05-20", Model: "gpt-4o-mini-2024-07-18", Cost: 4500, Has: HasCost},
		Line{Day: "2026-05-20", Model: "gpt-4o-mini-2024-07-18", Cost: 34200, Has: HasCost},
		Line{Day: "2026-05-20", Model: "gpt-audio-mini-2025-12-15", Cost: 12000, Has: HasCost},
		Line{Day: "2026-05-22", Model: "gpt-4o-mini-2024-07-18", Cost: 60_000_000, Has: HasCost})
	f("openai-costs.csv", Line{Day: "2026-05-20", Cost: 895_874_000, Has: HasCost}, Line{Day: "2026-05-22", Cost: 72_054_000, Has: HasCost})
	f("openai-usage.tsv", Line{Day: "2026-05-20", Model: "gpt-4o-2024-08-06", Input: 59200, Output: 10646, Has: HasTokens})
	f("openai-usage.json", Line{Day: "2026-05-20", Model: "gpt-4o-mini-2024-07-18", Input: 1000, Output: 500, Has: HasTokens})
	f("anthropic-cost.json", Line{Day: "2026-05-20", Model: "claude-sonnet-4-20250514", Cost: 1_237_891_200, Has: HasCost}, Line{Day: "2026-05-20", Cost: 100_000_000, Has: HasCost})
	f("anthropic-usage.json", Line{Day: "2026-05-20", Model: "claude-sonnet-4-20250514", Input: 3200, Output: 500, Has: HasTokens})

	got, err := Parse(strings.NewReader("When,Which,Money,In,Out\n05/20/2026,m,$1.5,10,2\n"), Columns{Day: "when", Model: "which", Cost: "money", Input: "in", Output: "out"})
	if want := []Line{{Day: "2026-05-20", Model: "m", Cost: 15e8, Input: 10, Output: 2, Has: HasCost | HasTokens}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("own columns: got %+v, %v; want %+v", got, err, want)
	}
}

func TestParseErrors(t *testing.T) {
	f := func(text string, c Columns, want string) {
		t.Helper()
		if got, err := Parse(strings.NewReader(text), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v; want an error with %q", text, got, err, want)
		}
	}
	f("", Columns{}, "first line")
	f("a,b\n1,2\n", Columns{}, "--columns")
	f("a,b\n1,2\n", Columns{Day: "day"}, `no column "day"`)
	f("a,b\n2026-05-20,2\n", Columns{Day: "a"}, "cost or input")
	f("a,b\nx,2\n", Columns{Day: "a", Cost: "b"}, "line 2: \"x\" is no day")
	f("a,b\n2026-05-20,lots\n", Columns{Day: "a", Cost: "b"}, "line 2: \"lots\" is no number")
	f(`{"data":[],"has_more":true}`, Columns{}, "more pages")
	f(`{"data":[{"start_time":1779235200,"results":[{"amount":{"value":1,"currency":"eur"}}]}]}`, Columns{}, "only USD")
	f(`{"data":[{"start_time":1779235200,"results":[{}]}]}`, Columns{}, "neither amount nor tokens")
	f(`{"data":[{"start_time":1779235200,"results":[{"amount":{"value":1e99999999,"currency":"usd"}}]}]}`, Columns{}, "no number")
	f(`{"data":[]}`, Columns{}, "nothing in it")
	f(`{"data":`, Columns{}, "unexpected EOF")
}

func TestNumberIsExact(t *testing.T) {
	f := func(s string, shift int, want int64) {
		t.Helper()
		if got, err := number(s, shift); err != nil || got != want {
			t.Errorf("%q × 10^%d is %d, %v; want %d", s, shift, got, err, want)
		}
	}
	f("0.1", dollars, 100_000_000)
	f("9007199254.740993", dollars, 9_007_199_254_740_993_000) // beyond what floats hold
	f("0.0000000005", dollars, 1)
	f("0.00000000049999", dollars, 0)
	f("-0.0000000005", dollars, -1)
	f("1.5e-8", dollars, 15)
	f("123.78912", cents, 1_237_891_200)
	f("59200.0", 0, 59200)
}

func TestName(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := Name(in); got != want {
			t.Errorf("%q is compared by %q; want %q", in, got, want)
		}
	}
	f("openai/gpt-4o-mini", "gpt-4o-mini")
	f("gpt-4o-mini-2024-07-18", "gpt-4o-mini")
	f("claude-sonnet-4-20250514", "claude-sonnet-4")
	f("claude-sonnet-4@20250514", "claude-sonnet-4")
	f("GPT-5.4", "gpt-5.4")
	f("o3-2025", "o3-2025")
	if got := itemModel("evals | gpt-4o-mini-2024-07-18, input"); got != "gpt-4o-mini-2024-07-18" {
		t.Errorf("the model of an item is %q", got)
	}
	if got := itemModel("web search tool calls"); got != "web search tool calls" {
		t.Errorf("the model of an item without one is %q", got)
	}
}

// TestCompare plants a difference of five cents and of eleven tokens.
func TestCompare(t *testing.T) {
	lines := []Line{
		{Day: "2026-05-20", Model: "gpt-4o-2024-08-06", Cost: 600_000_000, Input: 1000, Output: 100, Has: HasCost | HasTokens},
		{Day: "2026-05-20", Model: "gpt-4o-2024-08-06", Cost: 400_000_000, Has: HasCost},
		{Day: "2026-05-21", Model: "gpt-4o", Cost: 1_000_000_000, Input: 1000, Output: 100, Has: HasCost | HasTokens},
		{Day: "2026-05-21", Model: "house", Cost: 1, Has: HasCost},
	}
	booked := []Booked{
		{Day: "2026-05-20", Model: "openai/gpt-4o", Cost: 1_000_000_000, Computed: 900_000_000, Estimated: 100_000_000, Input: 1000, Output: 100},
		{Day: "2026-05-21", Model: "openai/gpt-4o", Cost: 950_000_000, Computed: 950_000_000, Input: 1000, Output: 111},
		{Day: "2026-05-21", Model: "openai/own", Cost: 1},
		{Day: "2026-05-22", Model: "openai/gpt-4o", Cost: 7},
	}
	f := func(tolerance Tolerance, beyond ...bool) []Group {
		t.Helper()
		got := Compare(lines, booked, map[string]string{"house": "own"}, tolerance)
		var are []bool
		for _, g := range got {
			are = append(are, g.Beyond)
		}
		if !reflect.DeepEqual(are, beyond) {
			t.Errorf("with %+v beyond are %v; want %v of %+v", tolerance, are, beyond, got)
		}
		return got
	}
	got := f(Tolerance{}, false, true, false, true)
	if got[1].Cost() != -50_000_000 || got[1].Tokens() != 11 || got[0].Ledger.Estimated != 100_000_000 {
		t.Errorf("groups are %+v", got)
	}
	f(Tolerance{PPM: 50_000}, false, true, false, true)            // the tokens still differ by 11 %
	f(Tolerance{PPM: 110_000, Nano: 6}, false, false, false, true) // of nothing billed there is no share
	f(Tolerance{PPM: 110_000, Nano: 7}, false, false, false, false)
	whole := Compare([]Line{{Day: "2026-05-21", Cost: 950_000_001, Has: HasCost}}, booked[1:3], nil, Tolerance{})
	if len(whole) != 1 || whole[0].Beyond {
		t.Errorf("a bill without models: %+v", whole)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*sv")
	if err != nil {
		f.Fatal(err)
	}
	more, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(files, more...) {
		f.Add(read(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := Parse(bytes.NewReader(b), Columns{})
		for _, l := range lines {
			if err != nil || len(l.Day) != 10 || l.Has == 0 {
				t.Fatalf("line %+v with %v", l, err)
			}
		}
		Compare(lines, nil, nil, Tolerance{PPM: 1})
	})
}
