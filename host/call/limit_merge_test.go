package call

import (
	"slices"
	"testing"
)

func TestStrictest(t *testing.T) {
	day, minute := Window{Unit: "day", Size: 1}, Window{Unit: "minute", Size: 1}
	rate := func(max int64, o OnExceed) Limit {
		return Limit{Scope: "key/a", Unit: UnitRequests, Window: minute, Max: max, Rate: true, OnExceed: o}
	}
	budget := func(max int64, o OnExceed) Limit {
		return Limit{Scope: "key/a", Unit: UnitRequests, Window: minute, Max: max, OnExceed: o}
	}
	other := Limit{Scope: "team/a", Unit: UnitUSD, Window: day, Max: 5}
	rolling := Limit{Scope: "team/a", Unit: UnitUSD, Window: Window{Unit: "day", Size: 1, Rolling: true}, Max: 9}
	atOnce := Limit{Scope: "key/a", Unit: UnitConcurrent, Max: 4, Rate: true}
	f := func(in, want []Limit) {
		t.Helper()
		for range 2 {
			if got := Strictest(slices.Clone(in)); !slices.Equal(got, want) {
				t.Errorf("Strictest(%+v) = %+v; want %+v", in, got, want)
			}
			slices.Reverse(in) // the order says nothing
		}
	}
	f(nil, nil)
	f([]Limit{rate(10, OnDeny), rate(5, OnDeny), rate(7, OnDeny)}, []Limit{rate(5, OnDeny)})
	f([]Limit{rate(5, OnDeny), budget(3, OnDeny)}, []Limit{budget(3, OnDeny), rate(5, OnDeny)})
	f([]Limit{budget(5, OnClamp), budget(9, OnDeny)}, []Limit{budget(5, OnDeny)})
	f([]Limit{rate(5, OnDeny), rate(3, OnWarn)}, []Limit{rate(5, OnDeny), rate(3, OnWarn)})
	f([]Limit{other, rolling}, []Limit{other, rolling})
	f([]Limit{atOnce, {Scope: "key/a", Unit: UnitConcurrent, Max: 2, Rate: true}, other}, []Limit{{Scope: "key/a", Unit: UnitConcurrent, Max: 2, Rate: true}, other})
}
