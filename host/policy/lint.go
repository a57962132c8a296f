package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
)

// oddValue is what no rule compares with: a rule that OPA's index hands out for
// it would be evaluated whatever the input is.
var oddValue = ast.String("\x00 no rule compares with this")

type oddResolver struct{}

// Resolve implements ast.ValueResolver.
func (oddResolver) Resolve(ast.Ref) (ast.Value, error) { return oddValue, nil }

// NotIndexed is a rule that OPA's index cannot leave out.
type NotIndexed struct {
	Finding
	Rewrite bool // it would be indexed if it were written otherwise

	computed bool // a reference is why
}

// notIndexed lists, of the unit's rules, those that are evaluated in every cold
// decision. OPA's own index is asked; why it did not take a rule is read from
// the rule as its author wrote it.
func (b *compiled) notIndexed(written map[string]*ast.Rule, reached map[*ast.Rule]bool) (out []NotIndexed) {
	asked := map[string]bool{}
	for r := range reached {
		path := r.Ref().GroundPrefix()
		if asked[path.String()] {
			continue
		}
		asked[path.String()] = true
		index := b.compiler.RuleIndex(path)
		if index == nil {
			continue
		}
		found, err := index.Lookup(oddResolver{})
		if err != nil {
			continue // it looks into data: a matter of values
		}
		for _, r := range b.compiler.GetRulesExact(path) {
			w := written[r.Location.String()]
			if w == nil || unconditional(w) {
				continue
			}
			// The odd value is no object: a field that is looked up in one by a
			// computed name seems to be left out.
			n := b.whyNot(w)
			if slices.Contains(found.Rules, r) || n.Rewrite && n.computed && !comparesField(w) {
				out = append(out, n)
			}
		}
	}
	slices.SortFunc(out, func(a, b NotIndexed) int { return compareFindings(a.Finding, b.Finding) })
	return out
}

// writtenRules are a bundle's rules by place, as their authors wrote them.
func writtenRules(modules map[string]*ast.Module) map[string]*ast.Rule {
	out := map[string]*ast.Rule{}
	for m := range maps.Values(modules) {
		for _, r := range m.Rules {
			out[r.Location.String()] = r
		}
	}
	return out
}

func unconditional(r *ast.Rule) bool {
	return r.Default || len(r.Body) == 1 && r.Body[0].Equal(ast.NewExpr(ast.BooleanTerm(true)))
}

func (b *compiled) whyNot(r *ast.Rule) NotIndexed {
	args := map[ast.Var]bool{}
	for _, a := range r.Head.Args {
		if v, ok := a.Value.(ast.Var); ok {
			args[v] = true
		}
	}
	loop := ""
	for _, e := range r.Body {
		switch why, over := b.defeats(e, args); {
		case why != "":
			return NotIndexed{findingAt(e.Location, "%s is not indexed: %s", ruleName(r), why), true, strings.Contains(why, computedReference)}
		case over != "" && loop == "":
			loop = over
		}
	}
	why := "it compares no field of the input with a constant"
	if loop != "" {
		why = "it loops over " + loop
	}
	return NotIndexed{findingAt(r.Location, "%s is not indexed: %s", ruleName(r), why), false, false}
}

const computedReference = "is a computed reference: name the field"

// comparesField says whether some condition is one that the index takes.
func comparesField(r *ast.Rule) bool {
	return slices.ContainsFunc(r.Body, func(e *ast.Expr) bool {
		if e.Negated || !e.IsCall() || !e.Operator().Equal(ast.Equal.Ref()) && !e.IsEquality() {
			return false
		}
		a, b := e.Operand(0), e.Operand(1)
		return inputField(a) && constantTerm(b) || inputField(b) && constantTerm(a)
	})
}

func inputField(t *ast.Term) bool {
	ref, ok := t.Value.(ast.Ref)
	return ok && ref.HasPrefix(ast.InputRootRef) && len(ref.StringPrefix()) == len(ref)
}

// constantTerm leaves out what stands for a value that is yet to be worked out.
func constantTerm(t *ast.Term) bool {
	switch t.Value.(type) {
	case ast.Ref, ast.Call, ast.Var:
		return false
	}
	return t.IsGround()
}

// defeats says why e, which looks as if it could be indexed, is not, or what it
// loops over.
func (b *compiled) defeats(e *ast.Expr, args map[ast.Var]bool) (why, loop string) {
	if some, ok := e.Terms.(*ast.SomeDecl); ok {
		return b.loops(some)
	}
	if !e.IsCall() {
		return "", ""
	}
	op, operands := e.Operator().String(), e.Operands()
	equal := op == "equal" || op == "eq"
	var field, constant, computed, dynamic *ast.Term
	for _, t := range operands {
		v, isVar := t.Value.(ast.Var)
		ref, isRef := t.Value.(ast.Ref)
		_, isCall := t.Value.(ast.Call)
		switch {
		case isVar && args[v], inputField(t):
			field = t
		case isCall && mentionsInput(t, args):
			computed = t
		case isRef && ref.HasPrefix(ast.InputRootRef):
			dynamic = t
		case constantTerm(t):
			constant = t
		}
	}
	switch {
	case constant == nil:
	case e.Negated && equal && field != nil:
		return fmt.Sprintf("not %s == %s is negated: compare with the values that are meant", field, constant), ""
	case equal && computed != nil:
		return fmt.Sprintf("%s is computed: compare the field itself, with every value that is meant", computed), ""
	case equal && dynamic != nil:
		return fmt.Sprintf("%s "+computedReference, dynamic), ""
	case op == "neq" && field != nil && !constant.Equal(ast.StringTerm("")): // which asks whether there is any
		return fmt.Sprintf("%s is compared by !=: compare by == with the values that are meant", field), ""
	case op == "regex.match" && field != nil:
		return "regex.match is not indexed: ==, in, startswith and glob.match with separators are", ""
	case op == "glob.match" && field != nil && len(operands) > 1 && operands[1].Equal(ast.NullTerm()):
		return "glob.match without separators is not indexed: give them", ""
	}
	return "", ""
}

// loops says over what a declaration loops; an array of objects in the data
// could be an object keyed by id, which needs no loop.
func (b *compiled) loops(some *ast.SomeDecl) (why, loop string) {
	in, ok := some.Symbols[0].Value.(ast.Call)
	if !ok {
		return "", ""
	}
	over := in[len(in)-1]
	ref, isRef := over.Value.(ast.Ref)
	if isRef && ref.HasPrefix(ast.DefaultRootRef) && fixedData(ref) {
		if path, err := storage.NewPathForRef(ref); err == nil {
			if v, err := b.store.Read(context.Background(), b.txn, path); err == nil && arrayOfObjects(v) {
				return fmt.Sprintf("it loops over %s, a list of objects: make it an object keyed by id and look it up", ref), ""
			}
		}
	}
	return "", over.String()
}

func arrayOfObjects(v any) bool {
	list, ok := v.(*ast.Array)
	if !ok || list.Len() == 0 {
		return false
	}
	_, ok = list.Elem(0).Value.(ast.Object)
	return ok
}

func mentionsInput(t *ast.Term, args map[ast.Var]bool) (found bool) {
	ast.WalkTerms(t, func(t *ast.Term) bool {
		switch v := t.Value.(type) {
		case ast.Ref:
			found = found || v.HasPrefix(ast.InputRootRef)
		case ast.Var:
			found = found || args[v]
		}
		return found
	})
	return found
}
