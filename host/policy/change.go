package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
)

// ChangeKind says what another bundle would make of a request.
type ChangeKind string

// The kinds of change, the gravest first.
const (
	ChangeDenied  ChangeKind = "would_deny"  // what is allowed would be refused
	ChangeFailed  ChangeKind = "would_fail"  // the bundle would decide nothing: refused as policy_error
	ChangeAllowed ChangeKind = "would_allow" // what is refused would be allowed
	ChangeTerms   ChangeKind = "other_terms" // allowed by both, under other obligations
	ChangeReasons ChangeKind = "other_codes" // refused by both, for other reasons
	ChangeNone    ChangeKind = "same"
)

// ChangeKinds are all of them, the gravest first.
var ChangeKinds = []ChangeKind{ChangeDenied, ChangeFailed, ChangeAllowed, ChangeTerms, ChangeReasons, ChangeNone}

// Change is what becomes of one request under another bundle.
type Change struct {
	Kind    ChangeKind
	Reasons []call.Reason // that it would be refused for
	Terms   []string      // that would be others: "max_tokens 4096 → 256"
}

// Compare says what changes from old to what another bundle decides, d or err.
// Of limits, which are not always kept, only where limits says so.
func Compare(old, d *call.Decision, err error, limits bool) Change {
	switch {
	case err != nil && !old.Allow:
		return Change{Kind: ChangeReasons, Reasons: []call.Reason{{Code: CodePolicyError, Value: err.Error()}}}
	case err != nil:
		return Change{Kind: ChangeFailed, Reasons: []call.Reason{{Code: CodePolicyError, Value: err.Error()}}}
	case old.Allow && !d.Allow:
		return Change{Kind: ChangeDenied, Reasons: d.Reasons}
	case !old.Allow && d.Allow:
		return Change{Kind: ChangeAllowed}
	case !d.Allow:
		if firstCode(old) != firstCode(d) {
			return Change{Kind: ChangeReasons, Reasons: d.Reasons}
		}
		return Change{Kind: ChangeNone}
	}
	if terms := otherTerms(old, d, limits); len(terms) > 0 {
		return Change{Kind: ChangeTerms, Terms: terms}
	}
	return Change{Kind: ChangeNone}
}

// firstCode is the first code, which is what is kept of a decision.
func firstCode(d *call.Decision) string {
	if len(d.Reasons) == 0 {
		return ""
	}
	return d.Reasons[0].Code
}

func otherTerms(a, b *call.Decision, limits bool) (out []string) {
	note := func(name string, old, now any) { out = append(out, fmt.Sprintf("%s %v → %v", name, old, now)) }
	if a.MaxTokens != b.MaxTokens {
		note("max_tokens", orNone(a.MaxTokens), orNone(b.MaxTokens))
	}
	if a.Restricted != b.Restricted || !slices.Equal(a.Targets, b.Targets) {
		note("targets", targetsText(a), targetsText(b))
	}
	if !slices.Equal(a.Filters, b.Filters) {
		note("filters", a.Filters, b.Filters)
	}
	if limits && !slices.Equal(a.Limits, b.Limits) {
		note("limits", len(a.Limits), len(b.Limits))
	}
	return out
}

func orNone(n int64) any {
	if n == 0 {
		return "none"
	}
	return n
}

func targetsText(d *call.Decision) string {
	if !d.Restricted {
		return "all"
	}
	return "[" + strings.Join(d.Targets, " ") + "]"
}
