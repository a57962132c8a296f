package policy

import (
	"reflect"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestMerge(t *testing.T) {
	day := call.Window{Unit: "day", Size: 1}
	reason := func(unit, code string) []call.Reason { return []call.Reason{{Unit: unit, Code: code}} }
	f := func(name string, want call.Decision, verdicts ...*verdict) {
		t.Helper()
		want.Revision = "r"
		if got := merge(verdicts, "r"); !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: got %+v, want %+v", name, *got, want)
		}
	}
	f("nothing", call.Decision{Allow: true}, &verdict{}, &verdict{})
	f("one denial denies", call.Decision{Reasons: reason("u", "x")}, &verdict{}, &verdict{denied: true, reasons: reason("u", "x")})
	f("all reasons are given", call.Decision{Reasons: append(reason("u", "x"), reason("v", "y")...)},
		&verdict{denied: true, reasons: reason("u", "x")}, &verdict{denied: true, reasons: reason("v", "y")})
	f("least cap", call.Decision{Allow: true, MaxTokens: 5},
		&verdict{obligations: obligations{maxTokens: 9}}, &verdict{}, &verdict{obligations: obligations{maxTokens: 5}})
	f("common targets", call.Decision{Allow: true, Restricted: true, Targets: []string{"b"}},
		&verdict{obligations: obligations{restricted: true, targets: []string{"a", "b"}}}, &verdict{},
		&verdict{obligations: obligations{restricted: true, targets: []string{"b", "c"}}})
	f("no common target", call.Decision{Restricted: true, Targets: []string{}, Reasons: []call.Reason{{Code: CodeNoTarget}}},
		&verdict{obligations: obligations{restricted: true, targets: []string{"a"}}},
		&verdict{obligations: obligations{restricted: true, targets: []string{"b"}}})
	f("all filters", call.Decision{Allow: true, Filters: []string{"a", "b", "c"}},
		&verdict{obligations: obligations{filters: []string{"b", "c"}}}, &verdict{obligations: obligations{filters: []string{"a", "b"}}})
	f("lowest of the same limit", call.Decision{Allow: true, Limits: []call.Limit{{Scope: "team/a", Window: day, Max: 3}, {Scope: "team/b", Window: day, Max: 9}}},
		&verdict{obligations: obligations{limits: []call.Limit{{Scope: "team/b", Window: day, Max: 9}, {Scope: "team/a", Window: day, Max: 5}}}},
		&verdict{obligations: obligations{limits: []call.Limit{{Scope: "team/a", Window: day, Max: 3}}}})
	day3 := call.Limit{Scope: "team/a", Window: day, Max: 3}
	warn, clamp, rolling, rate := day3, day3, day3, day3
	warn.OnExceed, clamp.OnExceed, rolling.Window.Rolling = call.OnWarn, call.OnClamp, true
	warn.Max, clamp.Max, rate.Unit, rate.Rate = 1, 2, call.UnitTokens, true
	strict := clamp
	strict.OnExceed = call.OnDeny
	f("strictest of the same limit, what warns apart", call.Decision{Allow: true, Limits: []call.Limit{strict, warn}},
		&verdict{obligations: obligations{limits: []call.Limit{warn, day3, clamp}}})
	budget := rate
	budget.Rate = false
	f("limits that count apart", call.Decision{Allow: true, Limits: []call.Limit{day3, rolling, budget, rate}},
		&verdict{obligations: obligations{limits: []call.Limit{rate, rolling, budget, day3}}})
	f("most private log, safest cache", call.Decision{Allow: true, Log: "none", Cache: "deny"},
		&verdict{obligations: obligations{log: "full", cache: "allow"}}, &verdict{obligations: obligations{log: "none", cache: "deny"}},
		&verdict{obligations: obligations{log: "metadata"}})
}

// TestMergeLeavesVerdictsAlone: verdicts are shared by all requests.
func TestMergeLeavesVerdictsAlone(t *testing.T) {
	a := &verdict{obligations: obligations{restricted: true, targets: []string{"a", "b", "c"}, filters: []string{"z", "a"},
		limits: []call.Limit{{Scope: "b"}, {Scope: "a"}}}}
	b := &verdict{obligations: obligations{restricted: true, targets: []string{"b"}}}
	merge([]*verdict{a, b}, "r")
	want := obligations{restricted: true, targets: []string{"a", "b", "c"}, filters: []string{"z", "a"}, limits: []call.Limit{{Scope: "b"}, {Scope: "a"}}}
	if !reflect.DeepEqual(a.obligations, want) {
		t.Errorf("got %+v", a.obligations)
	}
}

func TestWholeNumbers(t *testing.T) {
	f := func(text string, want int64, ok bool) {
		t.Helper()
		got, err := integer(ast.NumberTerm(jsonNumber(text)))
		if (err == nil) != ok || got != want {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	f("5000000000", 5_000_000_000, true)
	f("9223372036854775807", 1<<63-1, true)
	f("5e9", 5_000_000_000, true)
	f("5.0", 5, true)
	f("-3", -3, true)
	f("9223372036854775808", 0, false)
	f("1e30", 0, false)
	f("0.5", 0, false)
	f("1e-400", 0, false)
}
