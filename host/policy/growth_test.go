//go:build !race

// One goroutine, and minutes under the race detector.

package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestNothingGrowsWithoutBound: what would take the process's memory within one
// step is an error of the unit, and the request is refused.
func TestNothingGrowsWithoutBound(t *testing.T) {
	f := func(name, first, next string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			body := "deny contains {\"code\": \"x\"} if {\n\tinput.principal.team == \"boom\"\n\ta0 := " + first + "\n"
			for i := range 60 {
				body += fmt.Sprintf("\ta%d := %s\n", i+1, strings.ReplaceAll(next, "A", fmt.Sprint("a", i)))
			}
			e := files{"u": body + "\tis_null(a60)\n}"}.open(t)
			wantAllowed(t, e.Decide(sampleCall()))
			c := sampleCall()
			c.Principal.Team = "boom"
			wantDenied(t, e.Decide(c), CodePolicyError)
		})
	}
	const text = `input.request.model`
	f("concat", text, `concat("", [A, A])`)
	f("separator", text, `concat(A, ["", "", ""])`)
	f("sprintf", text, `sprintf("%s%s", [A, A])`)
	f("sprintf by number", text, `sprintf("%[1]s%[1]s", [A])`)
	f("replace", text, `replace(A, "o", A)`)
	f("replace_n", text, `strings.replace_n({"o": A}, A)`)
	f("regex.replace", text, `regex.replace(A, "o", A)`)
	f("template", text, `$"{A}{A}"`)
	f("encoding", text, `base64.encode(A)`)
	f("array", `["a"]`, `array.concat(A, A)`)
	f("flat array", `["a"]`, `array.flatten([A, A])`)
	f("squares", `input.time.day`, `A * A`)
	f("shift", `1`, `bits.lsh(A, 900)`)
	f("exponent", `to_number("1e999999999")`, `A + 1`)
}

func TestVerdictsAreBounded(t *testing.T) {
	body := "deny contains {\"code\": \"x\", \"v\": a60} if {\n\tinput.principal.team == \"boom\"\n\ta0 := [input.principal.team]\n"
	for i := range 60 {
		body += fmt.Sprintf("\ta%d := array.concat([a%d], [a%d])\n", i+1, i, i)
	}
	e := files{"u": body + "}"}.open(t)
	c := sampleCall()
	c.Principal.Team = "boom"
	wantDenied(t, e.Decide(c), CodePolicyError)
	units, err := e.Current().Explain(e.AppendInput(nil, c), DetailNone)
	if err != nil || !strings.Contains(units[1].Error, "deny is larger than 1 MiB") {
		t.Errorf("got %+v, %v", units, err)
	}
}

// TestUsualSizesPass: what policies do all day is far from the bounds.
func TestUsualSizesPass(t *testing.T) {
	long := strings.Repeat("x", 64<<10)
	f := func(name string, operands ...any) {
		t.Helper()
		var terms []*ast.Term
		for _, o := range operands {
			v, err := ast.InterfaceToValue(o)
			if err != nil {
				t.Fatal(err)
			}
			terms = append(terms, ast.NewTerm(v))
		}
		if n := grows[name](terms); n > maxGrown {
			t.Errorf("%s of %d operands is taken for %d bytes", name, len(operands), n)
		}
	}
	f("concat", ", ", strings.Split(strings.Repeat("some-tool,", 10_000), ","))
	f("sprintf", "%s: %5.2f of %d for %v", []any{long, 1.5, 200, []string{long}})
	f("replace", long, "a", "some other text")
	f("regex.replace", long, "a", "$1-$2")
	f("strings.replace_n", map[string]string{"a": "b", "c": "d"}, long)
	f("json.marshal", map[string]any{"a": []string{long, long}})
	f("array.concat", make([]int, 100_000), make([]int, 100_000))
	f("mul", 1_000_000_000_000, 9_000_000_000)
	f("div", 1.7976931348623157e308, 3)
	f("bits.lsh", 1, 63)
}
