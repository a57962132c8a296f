package policy

import (
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Codes that the engine itself gives.
const (
	CodePolicyError  = "policy_error"  // something is wrong with the policy: nothing is decided
	CodeNotPermitted = "not_permitted" // a unit's permit is not true
	CodeNoTarget     = "no_target"     // the units' targets have none in common
)

// merge makes one decision of the units' verdicts; it can only restrict: any
// denial denies, caps take the minimum, targets the intersection, filters and
// limits the union (of the same limit the lowest), log the most private. What
// units in a dry run say is noted and does not count.
func merge(verdicts []*verdict, revision string) *call.Decision {
	d := &call.Decision{Allow: true, Revision: revision}
	for _, v := range verdicts {
		if v.dry {
			d.Dry = append(d.Dry, v.reasons...)
			continue
		}
		if v.denied {
			d.Allow = false
			d.Reasons = append(d.Reasons, v.reasons...)
		}
		d.MaxTokens = least(d.MaxTokens, v.obligations.maxTokens)
		if v.obligations.restricted {
			d.Targets = intersect(d.Restricted, d.Targets, v.obligations.targets)
			d.Restricted = true
		}
		d.Filters = append(d.Filters, v.obligations.filters...)
		d.Limits = append(d.Limits, v.obligations.limits...)
		d.Log = first(logLevels, d.Log, v.obligations.log)
		d.Cache = first(cacheModes, d.Cache, v.obligations.cache)
		d.LogRequired = d.LogRequired || v.obligations.mustLog
	}
	slices.Sort(d.Filters)
	d.Filters = slices.Compact(d.Filters)
	d.Limits = call.Strictest(d.Limits)
	if d.Restricted && len(d.Targets) == 0 {
		d.Allow = false
		d.Reasons = append(d.Reasons, call.Reason{Code: CodeNoTarget})
	}
	return d
}

// least returns the smaller of two caps; 0 is none.
func least(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// intersect returns what the sorted a and b share, or b if nothing restricted yet.
func intersect(restricted bool, a, b []string) []string {
	if !restricted {
		return slices.Clone(b)
	}
	return slices.DeleteFunc(a, func(s string) bool {
		_, found := slices.BinarySearch(b, s)
		return !found
	})
}

// first returns the one of a and b that stands first in order; "" is neither.
func first(order []string, a, b string) string {
	for _, s := range order {
		if a == s || b == s {
			return s
		}
	}
	return ""
}

// decisionSize is about what d takes in memory.
func decisionSize(d *call.Decision) int64 {
	n := 256 + 16*(len(d.Targets)+len(d.Filters)) + 88*len(d.Limits) + 48*len(d.Reasons)
	return int64(n)
}
