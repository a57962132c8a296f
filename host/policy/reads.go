package policy

import (
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Reads is what a unit can see of a request, over-approximated: every value
// that any evaluation of the unit may depend on is in Fields, or Uncached says
// why the unit's verdicts cannot be remembered.
type reads struct {
	fields   []field
	uncached []Finding
	refused  []Finding // reads that cannot be served
	data     []ast.Ref // constant prefixes of the data that it refers to
	rules    map[*ast.Rule]bool
}

// Finding is a remark about a line of a bundle.
type Finding struct {
	File string
	Line int
	What string
}

// String returns file:line: what.
func (f Finding) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.What) }

func findingAt(loc *ast.Location, format string, args ...any) Finding {
	f := Finding{What: fmt.Sprintf(format, args...)}
	if loc != nil {
		f.File, f.Line = loc.File, loc.Row
	}
	return f
}

// analyse walks every rule that evaluating the entry points can reach and
// collects the reads. topdown reads the input by resolving references alone,
// so the constant prefix of each reference bounds what it sees. Values given
// by "with", and functions put in place by it, are walked like any other term.
//
// OPA's own dependencies package is no substitute: it misses what a function
// mocked by "with" reads.
func analyse(c *ast.Compiler, entries []ast.Ref) *reads {
	a := &analysis{
		index: indexRules(c),
		out:   &reads{rules: map[*ast.Rule]bool{}},
		seen:  map[string]bool{},
		field: map[field]bool{},
	}
	for _, ref := range entries {
		a.dataRef(ref)
	}
	for len(a.work) > 0 {
		r := a.work[len(a.work)-1]
		a.work = a.work[:len(a.work)-1]
		a.rule(r)
	}
	for f := range a.field {
		a.out.fields = append(a.out.fields, f)
	}
	slices.SortFunc(a.out.fields, compareFields)
	return a.out
}

type indexedRule struct {
	prefix ast.Ref
	rule   *ast.Rule
}

func indexRules(c *ast.Compiler) []indexedRule {
	var out []indexedRule
	for _, m := range c.Modules {
		for _, r := range m.Rules {
			out = append(out, indexedRule{r.Ref().ConstantPrefix(), r})
		}
	}
	return out
}

type analysis struct {
	index []indexedRule
	out   *reads
	work  []*ast.Rule
	seen  map[string]bool // data prefixes that have been followed
	field map[field]bool
}

// dataRef queues the rules at, above and below the constant prefix of ref.
func (a *analysis) dataRef(ref ast.Ref) {
	prefix := ref.ConstantPrefix()
	key := prefix.String()
	if a.seen[key] {
		return
	}
	a.seen[key] = true
	a.out.data = append(a.out.data, prefix)
	for _, ir := range a.index {
		if !a.out.rules[ir.rule] && (ir.prefix.HasPrefix(prefix) || prefix.HasPrefix(ir.prefix)) {
			a.out.rules[ir.rule] = true
			a.work = append(a.work, ir.rule)
		}
	}
}

func (a *analysis) rule(r *ast.Rule) {
	vis := ast.NewGenericVisitor(a.visit)
	for ; r != nil; r = r.Else {
		for _, t := range r.Head.Reference { // the visitor leaves these out
			vis.Walk(t)
		}
		vis.Walk(r.Head)
		vis.Walk(r.Body)
	}
}

// visit sees every node of a rule, what is nested in references and calls too.
func (a *analysis) visit(x any) bool {
	switch x := x.(type) {
	case *ast.Expr:
		if terms, ok := x.Terms.([]*ast.Term); ok && len(terms) > 0 {
			a.operator(terms[0], x.Location)
		}
	case *ast.With:
		return a.with(x)
	case *ast.Term:
		return a.term(x)
	}
	return false
}

// term notes what t reads; it reports true when it has walked t's parts itself.
func (a *analysis) term(t *ast.Term) bool {
	switch v := t.Value.(type) {
	case ast.Call:
		a.operator(v[0], t.Location)
	case ast.Ref:
		a.ref(v, t.Location)
		// A head that is the input or the data has just been taken with its
		// path; on its own it would count as all of it.
		if _, isVar := v[0].Value.(ast.Var); isVar {
			v = v[1:]
		}
		for _, part := range v {
			ast.NewGenericVisitor(a.visit).Walk(part)
		}
		return true
	case ast.Var:
		switch {
		case v.Equal(ast.InputRootDocument.Value):
			a.inputRef(nil, t.Location)
		case v.Equal(ast.DefaultRootDocument.Value):
			a.dataRef(ast.DefaultRootRef)
		}
	}
	return false
}

func (a *analysis) ref(ref ast.Ref, loc *ast.Location) {
	switch {
	case ref.HasPrefix(ast.InputRootRef):
		a.inputRef(ref, loc)
	case ref.HasPrefix(ast.DefaultRootRef):
		a.dataRef(ref)
	case impure[ref.String()]:
		a.uncached(loc, "%s does not always answer the same", ref)
	}
}

// inputRef notes a reference into the input; a nil ref is all of it.
func (a *analysis) inputRef(ref ast.Ref, loc *ast.Location) {
	path := stringPath(ref)
	if slices.Equal(path, leaves[fieldHeaders].path) {
		a.out.refused = append(a.out.refused, findingAt(loc, "a header can only be read by a constant name, like input.call.headers[\"x-tag\"]"))
	}
	for _, f := range fieldsUnder(path) {
		switch l := &leaves[f.id]; {
		case l.volatile:
			a.uncached(loc, "%s differs in every request", f)
			a.field[f] = true // what it reads decides which headers the input shows
		case !l.constant:
			a.field[f] = true
		}
	}
}

// stringPath is the constant start of a reference, without its head.
func stringPath(ref ast.Ref) (path []string) {
	if len(ref) == 0 {
		return nil
	}
	for _, t := range ref.StringPrefix()[1:] {
		path = append(path, string(t.Value.(ast.String)))
	}
	return path
}

// operator checks the function of a call: what is neither a rule nor one of
// OPA's own builtins may answer anything.
func (a *analysis) operator(t *ast.Term, loc *ast.Location) {
	ref, ok := t.Value.(ast.Ref)
	if !ok || ref.HasPrefix(ast.DefaultRootRef) || ref.HasPrefix(ast.InputRootRef) {
		return
	}
	if name := ref.String(); !known[name] {
		a.uncached(loc, "%s is not a builtin of OPA", name)
	}
}

// with notes what is put in place of something. The target is written, not
// read: what is left of the input around it is read by the references that use
// it. A builtin that takes a function's place may be named by a bare variable.
func (a *analysis) with(w *ast.With) bool {
	target, _ := w.Target.Value.(ast.Ref)
	if !target.HasPrefix(ast.InputRootRef) {
		ast.NewGenericVisitor(a.visit).Walk(w.Target)
		if !target.HasPrefix(ast.DefaultRootRef) {
			a.operator(w.Value, w.Location)
		}
	}
	if name, ok := w.Value.Value.(ast.Var); ok && impure[string(name)] {
		a.uncached(w.Location, "%s does not always answer the same", name)
	}
	ast.NewGenericVisitor(a.visit).Walk(w.Value)
	return true
}

func (a *analysis) uncached(loc *ast.Location, format string, args ...any) {
	f := findingAt(loc, format, args...)
	if !slices.Contains(a.out.uncached, f) {
		a.out.uncached = append(a.out.uncached, f)
	}
}
