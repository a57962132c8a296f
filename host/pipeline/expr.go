package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
)

// What one expression may take. Authors are operators, but the lists and texts
// that it goes over are callers' and models'.
const (
	maxExpr   = 4 << 10 // bytes of source
	maxNodes  = 400
	maxNested = 2      // predicates within each other
	maxTicks  = 20_000 // elements that predicates look at
	maxTook   = 250 * time.Millisecond
	maxBytes  = 8 << 20 // of texts that it makes
	maxMemory = 100_000 // elements of lists that it makes
	maxList   = 1000    // elements of a list that comes from outside
)

// builtins are those of the library that cost no more than what they are given;
// what makes texts is in functions, which count.
var builtins = []string{"all", "none", "any", "one", "filter", "map", "find", "count", "sum", "len", "abs", "ceil", "floor", "round",
	"int", "float", "trim", "trimPrefix", "trimSuffix", "upper", "lower", "indexOf", "hasPrefix", "hasSuffix", "max", "min", "mean",
	"first", "last", "take", "keys", "values", "reverse", "sort", "concat"}

// Names of functions that expressions are given for themselves.
const (
	tickName   = "__tick"
	chargeText = "__text"
	chargeAny  = "__any"
)

// functions are what expressions can call beside builtins, by type.
var functions = types.Map{
	tickName:   types.TypeOf(func() bool { return false }),
	chargeText: types.TypeOf(func(string) string { return "" }),
	chargeAny:  types.TypeOf(func(any) any { return nil }),
	"join":     types.TypeOf(func([]any, string) string { return "" }),
	"split":    types.TypeOf(func(string, string) []string { return nil }),
	"replace":  types.TypeOf(func(string, string, string) string { return "" }),
	"toJSON":   types.TypeOf(func(any) string { return "" }),
	"fromJSON": types.TypeOf(func(string) any { return nil }),
	"flatten":  types.TypeOf(func([]any) []any { return nil }),
	"string":   types.TypeOf(func(any) string { return "" }),
}

// program is a compiled expression.
type program struct {
	vm   *vm.Program
	typ  *Type
	refs []ref // of what it is made, for bounds
	// grows: what it makes may be longer than all that it is made of.
	grows bool
}

// ref is a name that an expression uses.
type ref struct {
	name    string
	field   string // of it, "": all
	repeats bool   // it stands where it is read once for each element of a list
}

// scope is what an expression can see: names with their types.
type scope map[string]*Type

func (s scope) with(name string, t *Type) scope {
	out := make(scope, len(s)+1)
	for n, t := range s {
		out[n] = t
	}
	out[name] = t
	return out
}

// compile checks source in s.
func compile(source string, s scope) (*program, error) {
	if len(source) > maxExpr {
		return nil, fmt.Errorf("is longer than %d bytes: split the work into steps", maxExpr)
	}
	env := types.Map{}
	for name, t := range functions {
		env[name] = t
	}
	for name, t := range s {
		env[name] = t.static()
	}
	g := &guard{wrapped: map[ast.Node]bool{}}
	opts := []expr.Option{expr.Env(env), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins(), expr.Patch(g), expr.DisableIfOperator()}
	for _, name := range builtins {
		opts = append(opts, expr.EnableBuiltin(name))
	}
	p, err := expr.Compile(source, opts...)
	if err != nil {
		return nil, plainError(err)
	}
	if g.err != nil {
		return nil, g.err
	}
	return &program{vm: p, typ: typeOf(*p.Node().Nature()), refs: g.refs, grows: g.grows}, nil
}

// plainError is the library's error on one line.
func plainError(err error) error {
	var at *file.Error
	if errors.As(err, &at) {
		return fmt.Errorf("%s (column %d)", strings.TrimSpace(at.Message), at.Column+1)
	}
	return err
}

// guard refuses what cannot be bounded, and has the rest count.
type guard struct {
	wrapped map[ast.Node]bool
	refs    []ref
	grows   bool
	err     error
}

// Visit implements ast.Visitor. Nodes come after what is within them.
func (g *guard) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.VariableDeclaratorNode:
		g.refuse("let is not available: make it a step, or write it twice")
	case *ast.SequenceNode:
		if !g.wrapped[n] {
			g.refuse("; is not available: an expression is one value")
		}
	case *ast.BinaryNode:
		if n.Operator == ".." {
			g.refuse("ranges are not available: lists come from inputs and steps")
		}
		if n.Operator == "+" {
			g.charge(node)
		}
	case *ast.BuiltinNode:
		if !slices.Contains(builtins, n.Name) {
			g.refuse(fmt.Sprintf("there is no function %s%s", n.Name, near(n.Name, builtins)))
		}
		if g.nesting(n) > maxNested {
			g.refuse(fmt.Sprintf("predicates are nested deeper than %d", maxNested))
		}
		switch n.Name {
		case "upper", "lower":
			g.charge(node)
		}
	case *ast.PredicateNode:
		if seq, ok := n.Node.(*ast.SequenceNode); ok && g.wrapped[seq] {
			return
		}
		seq := &ast.SequenceNode{Nodes: []ast.Node{invoke(tickName), n.Node}}
		g.wrapped[seq] = true
		n.Node = seq
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, "__") || strings.HasPrefix(n.Value, "$") {
			g.refuse("names do not begin with __ or $")
		}
		g.grows = g.grows || n.Value == "replace" || n.Value == "toJSON"
		if _, own := functions[n.Value]; !own {
			g.refs = append(g.refs, ref{name: n.Value})
		}
	case *ast.MemberNode:
		g.member(n)
	}
}

// member notes which field of a name is read.
func (g *guard) member(n *ast.MemberNode) {
	id, named := n.Node.(*ast.IdentifierNode)
	field, plain := n.Property.(*ast.StringNode)
	if !named || !plain || len(g.refs) == 0 {
		return
	}
	if last := &g.refs[len(g.refs)-1]; last.name == id.Value && last.field == "" {
		last.field = field.Value
	}
}

func (g *guard) refuse(why string) {
	if g.err == nil {
		g.err = errors.New(why)
	}
}

// charge has what node makes counted, where it may be a text.
func (g *guard) charge(node *ast.Node) {
	if g.wrapped[*node] {
		return
	}
	name := chargeAny
	switch (*node).Type().Kind().String() {
	case "string":
		name = chargeText
	case "interface":
	default:
		return
	}
	g.wrapped[*node] = true
	*node = invoke(name, *node)
}

func invoke(name string, args ...ast.Node) *ast.CallNode {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
}

// nesting is how deep predicates lie within n.
func (g *guard) nesting(n *ast.BuiltinNode) int {
	deepest := 0
	for _, a := range n.Arguments {
		if p, ok := a.(*ast.PredicateNode); ok {
			deepest = max(deepest, 1+g.within(p.Node))
			g.repeated(p.Node)
		}
	}
	return deepest
}

// within is the deepest nesting of what body holds.
func (g *guard) within(body ast.Node) int {
	f := &finder{}
	ast.Walk(&body, f)
	deepest := 0
	for _, b := range f.found {
		for _, a := range b.Arguments {
			if p, ok := a.(*ast.PredicateNode); ok {
				deepest = max(deepest, 1+g.within(p.Node))
			}
		}
	}
	return deepest
}

// repeated notes that names in a predicate are read for each element.
func (g *guard) repeated(body ast.Node) {
	f := &finder{}
	ast.Walk(&body, f)
	for i := range g.refs {
		if f.names[g.refs[i].name] {
			g.refs[i].repeats = true
		}
	}
}

// finder finds builtins and names.
type finder struct {
	found []*ast.BuiltinNode
	names map[string]bool
}

// Visit implements ast.Visitor.
func (f *finder) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BuiltinNode:
		f.found = append(f.found, n)
	case *ast.IdentifierNode:
		if f.names == nil {
			f.names = map[string]bool{}
		}
		f.names[n.Value] = true
	}
}

// vars are the values that expressions see.
type vars map[string]any

// eval runs p. The values of v stay as they are.
func (p *program) eval(v vars) (any, error) {
	c := &counter{begun: time.Now()}
	env := make(map[string]any, len(v)+8)
	for name, value := range v {
		env[name] = value
	}
	env[tickName], env[chargeText], env[chargeAny] = c.tick, c.text, c.any
	env["join"], env["split"], env["replace"], env["toJSON"] = c.join, c.split, c.replace, c.toJSON
	env["fromJSON"], env["string"] = c.fromJSON, c.string
	env["flatten"] = c.flatten
	machine := vm.VM{MemoryBudget: maxMemory}
	out, err := machine.Run(p.vm, env)
	if err != nil {
		return nil, plainError(err)
	}
	return plainValue(out), nil
}

// plainValue is v in the few forms that values have here.
func plainValue(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = s
		}
		return out
	case []any:
		for i := range v {
			if _, is := v[i].(int); is {
				return plainList(v)
			}
		}
	}
	return v
}

func plainList(v []any) []any {
	out := make([]any, len(v))
	for i := range v {
		out[i] = plainValue(v[i])
	}
	return out
}
