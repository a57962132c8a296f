package content

import (
	"fmt"
	"regexp"
	"strings"
)

// Redactor replaces what must not be written down.
type Redactor struct{ rules []rule }

type rule struct {
	name string
	re   *regexp.Regexp
	ok   func(string) bool // nil: whatever matches
}

// kinds are what is known to be kept secret, in the order in which it is looked
// for: keys first, as parts of them look like others.
var kinds = []rule{
	{name: "key", re: regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)` +
		`|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*` +
		`|\b(?:sk|pk|rk|sb|xai|gsk)[-_][A-Za-z0-9_-]{12,}` +
		`|\b(?:gh[pousr]|glpat|github_pat)[-_][A-Za-z0-9_-]{16,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bhv[sb]\.[A-Za-z0-9._-]{12,}` +
		`|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}|(?i:\bbearer +)[A-Za-z0-9._~+/-]{12,}=*`)},
	{name: "email", re: regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}`)},
	{name: "iban", re: regexp.MustCompile(`\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b`)},
	{name: "card", re: regexp.MustCompile(`\b[0-9](?:[ -]?[0-9]){12,18}\b`), ok: luhn},
	{name: "phone", re: regexp.MustCompile(`(?:\+|\b00)[1-9][0-9 ()./-]{6,}[0-9]\b|\(?\b0[1-9][0-9]{1,4}\)?[ /-][0-9][0-9 -]{4,}[0-9]\b|\(?\b[2-9][0-9]{2}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b`)},
}

// Kinds are the names of what is known.
func Kinds() (list []string) {
	for _, k := range kinds {
		list = append(list, k.name)
	}
	return list
}

// NewRedactor looks for the kinds of those names, and for patterns by names of
// their own.
func NewRedactor(names []string, patterns map[string]string) (*Redactor, error) {
	r := &Redactor{}
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	for _, k := range kinds {
		if want[k.name] {
			r.rules = append(r.rules, k)
			delete(want, k.name)
		}
	}
	for n := range want {
		return nil, fmt.Errorf("cannot redact %q: choose of %s, or give a pattern", n, strings.Join(Kinds(), ", "))
	}
	for name, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("cannot read pattern %q: %w", name, err)
		}
		r.rules = append(r.rules, rule{name: name, re: re})
	}
	return r, nil
}

// Apply returns s without what is looked for, and counts that in n.
func (r *Redactor) Apply(s string, n *int) string {
	for i := range r.rules {
		k := &r.rules[i]
		s = k.re.ReplaceAllStringFunc(s, func(found string) string {
			if k.ok != nil && !k.ok(found) {
				return found
			}
			*n++
			return "[" + k.name + "]"
		})
	}
	return s
}

// luhn reports whether the digits of s have the check digit that cards have.
func luhn(s string) bool {
	sum, double := 0, false
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		d := int(s[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum, double = sum+d, !double
	}
	return sum%10 == 0
}
