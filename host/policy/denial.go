package policy

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// plainDenial refuses a denial whose head reads what may be undefined: it would
// vanish with it, and the request would be allowed. In the body the same
// reference is a condition that everybody can see.
func plainDenial(r *ast.Rule) error {
	obj, ok := r.Head.Key.Value.(ast.Object)
	if !ok {
		return nil
	}
	return obj.Iter(func(k, v *ast.Term) error {
		if !alwaysDefined(v) {
			return fmt.Errorf("%s: %s of a denial may be undefined, and the denial would vanish with it: "+
				"use a constant or a field of the input, or bind it in the rule's body", r.Location, k)
		}
		return nil
	})
}

func alwaysDefined(t *ast.Term) bool {
	switch v := t.Value.(type) {
	case ast.String, ast.Number, ast.Boolean, ast.Null, ast.Var:
		return true
	case ast.Ref:
		if !v.HasPrefix(ast.InputRootRef) || len(v.StringPrefix()) != len(v) {
			return false
		}
		fields := fieldsUnder(stringPath(v))
		return len(fields) == 1 && fields[0].name == ""
	}
	return false
}

// plainNegations refuses a negation, a part of which may be undefined and is
// worked out before it: the condition would fail where it ought to hold, and a
// denial vanish, be it in its own body or in that of a rule that it goes by. OPA
// does so with whatever a call is given, and with calls that are part of
// something. A reference that is negated, or compared by ==, is itself part of
// the negation; one that the body demands elsewhere is a condition that everybody
// can see.
func plainNegations(m *ast.Module) error {
	var errs []error
	ast.WalkBodies(m, func(b ast.Body) bool {
		demanded := demandedBy(b)
		for _, e := range b {
			if e.Negated {
				errs = append(errs, hoistedOf(e, demanded))
			}
		}
		return false
	})
	return errors.Join(errs...)
}

// demandedBy are the references without which b does not hold.
func demandedBy(b ast.Body) map[string]bool {
	out := map[string]bool{}
	vis := ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every:
			return true
		case ast.Ref:
			out[x.String()] = true
		}
		return false
	})
	for _, e := range b {
		if !e.Negated && len(e.With) == 0 {
			vis.Walk(e)
		}
	}
	return out
}

// hoistedOf names what of the negated e is worked out before it and may be
// undefined.
func hoistedOf(e *ast.Expr, demanded map[string]bool) error {
	operands := e.Operands()
	if t, isTerm := e.Terms.(*ast.Term); isTerm {
		operands = []*ast.Term{t}
	}
	var errs []error
	for _, t := range operands {
		errs = append(errs, hoisted(e, t, demanded))
	}
	return errors.Join(errs...)
}

func hoisted(e *ast.Expr, t *ast.Term, demanded map[string]bool) error {
	compared := !e.IsCall() || e.IsEquality() || e.Operator().Equal(ast.Equal.Ref())
	var errs []error
	ast.WalkTerms(t, func(part *ast.Term) bool {
		switch v := part.Value.(type) {
		case ast.Call:
			if known[v[0].String()] {
				compared = false
				return false
			}
		case ast.Ref:
			if known[v.String()] || alwaysDefined(part) || fixedData(v) || demanded[v.String()] {
				return true
			}
			if compared && part == t {
				return false
			}
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
			return true // at worst it is empty
		default:
			return false
		}
		errs = append(errs, fmt.Errorf("%s: %s may be undefined: this would fail in place of holding, and the denial would vanish with it: "+
			"negate a function that is given its parts, or bind it in the rule's body", e.Location, part))
		return true
	})
	return errors.Join(errs...)
}

// fixedData is data by constants alone: it is there, or the bundle is refused.
func fixedData(ref ast.Ref) bool {
	return ref.HasPrefix(ast.DefaultRootRef) && len(ref.ConstantPrefix()) == len(ref)
}
