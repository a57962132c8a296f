package policy

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/signalbox-ai/signalbox/host/call"
)

// verdict is what one unit says of a request. It is immutable and shared.
type verdict struct {
	id     uint64 // distinct for distinct contents within a snapshot
	denied bool   // has reasons, or a permit that is false
	dry    bool   // what its unit says is told, and does not count
	size   int64

	reasons     []call.Reason
	obligations obligations
}

// obligations of one unit, or of all merged.
type obligations struct {
	maxTokens  int64
	restricted bool
	targets    []string // sorted
	filters    []string // sorted
	limits     []call.Limit
	log, cache string
	mustLog    bool
}

// decoder turns what a unit's rules are into a verdict. Everything that it
// does not know is an error: an obligation that nobody would carry out must
// not pass for one that is.
type decoder struct {
	unit    string
	filters []string // that the host can run
	dry     bool     // the unit is in a dry run
}

// verdict reads what a unit's rules are; nil stands for one that it does not have.
func (d *decoder) verdict(deny, permit, obligations *ast.Term) (*verdict, error) {
	v := &verdict{dry: d.dry}
	var err error
	if deny != nil {
		if v.reasons, err = d.denials(deny); err != nil {
			return nil, err
		}
	}
	if permit != nil {
		granted, ok := permit.Value.(ast.Boolean)
		if !ok {
			return nil, fmt.Errorf("permit must be true or false, got %s", permit)
		}
		if !granted {
			v.reasons = append(v.reasons, call.Reason{Unit: d.unit, Code: CodeNotPermitted})
		}
	}
	v.denied = len(v.reasons) > 0
	if obligations != nil {
		err = eachMember(obligations, "obligations", func(name string, t *ast.Term) error {
			return d.obligation(&v.obligations, name, t)
		})
	}
	return v, err
}

// denials reads the deny set.
func (d *decoder) denials(t *ast.Term) ([]call.Reason, error) {
	set, ok := t.Value.(ast.Set)
	if !ok {
		return nil, fmt.Errorf("deny must be a set of objects, got %s", t)
	}
	var out []call.Reason
	for _, item := range set.Slice() {
		r := call.Reason{Unit: d.unit}
		err := eachMember(item, "deny", func(name string, v *ast.Term) (err error) {
			switch name {
			case "code":
				r.Code, err = code(v)
			case "v":
				r.Value, err = scalar(v)
			default:
				err = fmt.Errorf("deny has no member %q: code and v are", name)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if r.Code == "" {
			return nil, fmt.Errorf("deny must have a code: %s has none", item)
		}
		out = append(out, r)
	}
	return out, nil
}

func code(t *ast.Term) (string, error) {
	s, err := str(t)
	valid := func(c rune) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	if err == nil && (s == "" || len(s) > 64 || strings.ContainsFunc(s, func(c rune) bool { return !valid(c) })) {
		err = fmt.Errorf("code %q must be lower-case letters, digits and underscores, at most 64", s)
	}
	return s, err
}

func (d *decoder) obligation(o *obligations, name string, v *ast.Term) (err error) {
	switch name {
	case "max_tokens":
		o.maxTokens, err = positive(v)
	case "targets":
		o.targets, err = strs(v)
		o.restricted = true
	case "filters":
		o.filters, err = strs(v)
		for _, f := range o.filters {
			if !slices.Contains(d.filters, f) {
				return fmt.Errorf("filter %q is not configured", f)
			}
		}
	case "limits":
		o.limits, err = limits(v)
	case "log":
		o.log, err = oneOf(v, logLevels)
	case "cache":
		o.cache, err = oneOf(v, cacheModes)
	case "log_required":
		b, ok := v.Value.(ast.Boolean)
		if o.mustLog = bool(b); !ok {
			err = fmt.Errorf("want true or false, got %s", v)
		}
	default:
		return fmt.Errorf("obligation %q is unknown: max_tokens, targets, filters, limits, log, log_required and cache are", name)
	}
	if err != nil {
		return fmt.Errorf("obligation %s: %w", name, err)
	}
	return nil
}

// Obligations that merge to the first of two: the most private, the safest.
var (
	logLevels  = []string{"none", "metadata", "full"}
	cacheModes = []string{"deny", "allow"}
)

// eachMember calls f with every member of an object in sorted order.
func eachMember(t *ast.Term, what string, f func(name string, v *ast.Term) error) error {
	obj, ok := t.Value.(ast.Object)
	if !ok {
		return fmt.Errorf("%s must be an object, got %s", what, t)
	}
	return obj.Iter(func(k, v *ast.Term) error {
		name, err := str(k)
		if err != nil {
			return err
		}
		return f(name, v)
	})
}

func str(t *ast.Term) (string, error) {
	s, ok := t.Value.(ast.String)
	if !ok {
		return "", fmt.Errorf("want text, got %s", t)
	}
	return string(s), nil
}

// scalar renders what a message may show.
func scalar(t *ast.Term) (string, error) {
	switch v := t.Value.(type) {
	case ast.String:
		return string(v), nil
	case ast.Number, ast.Boolean, ast.Null:
		return v.String(), nil
	}
	return "", fmt.Errorf("v must be text, a number, a boolean or null, got %s", t)
}

// strs reads an array or set of text, sorted and without duplicates.
func strs(t *ast.Term) ([]string, error) {
	out := []string{}
	err := eachItem(t, func(item *ast.Term) error {
		s, err := str(item)
		if err == nil && s == "" {
			err = fmt.Errorf("an empty name means nothing")
		}
		out = append(out, s)
		return err
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

func eachItem(t *ast.Term, f func(*ast.Term) error) error {
	switch v := t.Value.(type) {
	case ast.Set:
		return v.Iter(f)
	case *ast.Array:
		return v.Iter(f)
	}
	return fmt.Errorf("want a list, got %s", t)
}

func positive(t *ast.Term) (int64, error) {
	n, err := integer(t)
	if err == nil && n < 1 {
		err = fmt.Errorf("want a whole number of at least 1, got %d", n)
	}
	return n, err
}

func integer(t *ast.Term) (int64, error) {
	v, ok := t.Value.(ast.Number)
	if !ok {
		return 0, fmt.Errorf("want a whole number, got %s", t)
	}
	if n, ok := v.Int64(); ok {
		return n, nil
	}
	// A product may be written with an exponent and be whole all the same.
	f, _, err := big.ParseFloat(string(v), 10, 128, big.ToNearestEven)
	if err == nil && len(v) < 32 && f.IsInt() {
		if n, acc := f.Int64(); acc == big.Exact {
			return n, nil
		}
	}
	return 0, fmt.Errorf("want a whole number below 2^63, got %s", t)
}

func oneOf(t *ast.Term, names []string) (string, error) {
	s, err := str(t)
	if err == nil && !slices.Contains(names, s) {
		err = fmt.Errorf("want one of %s, got %q", strings.Join(names, ", "), s)
	}
	return s, err
}
