package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

var unitsRef = ast.MustParseRef("data.signalbox.units")

// unitRules are the rules that make a unit's verdict.
type unitRules struct {
	name                      string
	deny, permit, obligations bool
	rules                     int
}

func (u *unitRules) ref(rule string) ast.Ref {
	return unitsRef.Append(ast.StringTerm(u.name)).Append(ast.StringTerm(rule))
}

// entries are the rules that make the verdict, of those that the unit has.
func (u *unitRules) entries() (out []ast.Ref) {
	if u.deny {
		out = append(out, u.ref("deny"))
	}
	if u.permit {
		out = append(out, u.ref("permit"))
	}
	if u.obligations {
		out = append(out, u.ref("obligations"))
	}
	return out
}

// findUnits lists the units of a bundle by name, and refuses rules that look
// like a verdict but would never be asked for.
func findUnits(modules map[string]*ast.Module) ([]*unitRules, error) {
	byName := map[string]*unitRules{}
	for _, file := range slices.Sorted(maps.Keys(modules)) {
		m := modules[file]
		if err := plainNegations(m); err != nil {
			return nil, err
		}
		if !m.Package.Path.HasPrefix(unitsRef) {
			if err := refuseVerdicts(m); err != nil {
				return nil, err
			}
			continue
		}
		if len(m.Package.Path) != len(unitsRef)+1 {
			return nil, fmt.Errorf("%s: package %s is not a unit: units are the packages right below signalbox.units; "+
				"shared rules go elsewhere", m.Package.Location, packageName(m))
		}
		name := string(m.Package.Path[len(unitsRef)].Value.(ast.String))
		if byName[name] == nil {
			byName[name] = &unitRules{name: name}
		}
		if err := byName[name].add(m); err != nil {
			return nil, err
		}
	}
	units := slices.SortedFunc(maps.Values(byName), func(a, b *unitRules) int { return strings.Compare(a.name, b.name) })
	if !slices.ContainsFunc(units, func(u *unitRules) bool { return u.permit }) {
		return nil, fmt.Errorf("no unit defines permit: at least one package below signalbox.units must, or nothing is ever allowed")
	}
	for _, u := range units {
		if !u.deny && !u.permit && !u.obligations {
			return nil, fmt.Errorf("unit %q decides nothing: it defines none of deny, permit and obligations", u.name)
		}
	}
	return units, nil
}

func packageName(m *ast.Module) string { return strings.TrimPrefix(m.Package.Path.String(), "data.") }

func refuseVerdicts(m *ast.Module) error {
	for _, r := range m.Rules {
		switch name := ruleName(r); name {
		case "deny", "permit", "obligations":
			return fmt.Errorf("%s: %s in package %s is never asked for: only packages below signalbox.units are units",
				r.Location, name, packageName(m))
		}
	}
	return nil
}

func ruleName(r *ast.Rule) string {
	switch v := r.Head.Ref()[0].Value.(type) {
	case ast.Var:
		return string(v)
	case ast.String:
		return string(v)
	}
	return ""
}

func (u *unitRules) add(m *ast.Module) error {
	u.rules += len(m.Rules)
	for _, r := range m.Rules {
		switch ruleName(r) {
		case "deny":
			if r.Head.RuleKind() != ast.MultiValue || len(r.Head.Ref()) != 1 {
				return fmt.Errorf("%s: deny must be a set: deny contains {\"code\": …} if …", r.Location)
			}
			if err := plainDenial(r); err != nil {
				return err
			}
			u.deny = true
		case "permit":
			if r.Head.RuleKind() != ast.SingleValue || len(r.Head.Ref()) != 1 || len(r.Head.Args) > 0 {
				return fmt.Errorf("%s: permit must be a plain rule: permit if …", r.Location)
			}
			u.permit = true
		case "obligations":
			if r.Head.RuleKind() != ast.SingleValue || len(r.Head.Args) > 0 {
				return fmt.Errorf("%s: obligations must be an object: obligations[\"max_tokens\"] := …", r.Location)
			}
			u.obligations = true
		}
	}
	return nil
}
