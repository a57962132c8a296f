package call

import (
	"cmp"
	"slices"
)

// Strictest keeps, of limits that count the same, the lowest, and of what becomes
// of a request beyond them the strictest. A limit that only warns counts apart:
// it must not stand in for one that holds. The slice is sorted and reused.
func Strictest(limits []Limit) []Limit {
	slices.SortFunc(limits, func(a, b Limit) int {
		return cmp.Or(compareCounts(&a, &b), cmp.Compare(a.Max, b.Max), cmp.Compare(a.OnExceed, b.OnExceed))
	})
	out := limits[:0]
	for _, l := range limits {
		if n := len(out); n > 0 && compareCounts(&out[n-1], &l) == 0 {
			out[n-1].OnExceed = min(out[n-1].OnExceed, l.OnExceed)
		} else {
			out = append(out, l)
		}
	}
	return out
}

// compareCounts orders limits by what they count; those that count the same are equal.
func compareCounts(a, b *Limit) int {
	return cmp.Or(
		cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Unit, b.Unit),
		cmp.Compare(a.Window.Unit, b.Window.Unit), cmp.Compare(a.Window.Size, b.Window.Size), cmp.Compare(a.Window.TZ, b.Window.TZ),
		falseFirst(a.Window.Rolling, b.Window.Rolling), falseFirst(a.Rate, b.Rate), falseFirst(a.OnExceed == OnWarn, b.OnExceed == OnWarn))
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
