package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Active is what decides now, as logs of decisions name it. It never changes.
type Active struct {
	Revision string
	Bundles  map[string]string // the name that each bundle's manifest gives its content
	Since    time.Time
	Log      *LogRules // nil: there are none
}

// Active returns what decides now.
func (e *Engine) Active() *Active {
	if s := e.snap.Load(); s != nil {
		return s.active
	}
	return nil
}

var (
	logRef  = ast.MustParseRef("data.system.log")
	maskRef = ast.MustParseRef("data.system.log.mask")
	dropRef = ast.MustParseRef("data.system.log.drop")
)

// LogRules are a bundle's own rules on what is logged of a decision, as OPA
// knows them: data.system.log.mask and data.system.log.drop. Their input is
// the event. They are asked off the path of requests.
type LogRules struct {
	data       *compiled
	mask, drop ast.Body // nil: there is none
	fixed      []maskRule
	isFixed    bool // the mask is the same for all events
}

// newLogRules compiles the package system.log, nil if there is none. What types
// the input of policies does not type its own.
func newLogRules(src *source, b *compiled) (*LogRules, error) {
	if len(src.logRules) == 0 {
		return nil, nil
	}
	all := copyModules(src.modules)
	maps.Copy(all, copyModules(src.logRules))
	c := ast.NewCompiler().WithStrict(true).WithCapabilities(capabilities())
	if err := compileWith(c, all); err != nil {
		return nil, fmt.Errorf("package system.log: %w", err)
	}
	l := &LogRules{data: &compiled{compiler: c, store: b.store, txn: b.txn}}
	for _, q := range []struct {
		ref  ast.Ref
		body *ast.Body
	}{{maskRef, &l.mask}, {dropRef, &l.drop}} {
		if len(c.GetRules(q.ref)) == 0 {
			continue
		}
		body, err := c.QueryCompiler().Compile(ast.NewBody(ast.Equality.Expr(ast.VarTerm("x"), ast.NewTerm(q.ref))))
		if err != nil {
			return nil, fmt.Errorf("cannot prepare %s: %w", q.ref, err)
		}
		*q.body = body
	}
	if l.mask == nil || !constantLog(src) {
		return l, nil
	}
	var err error
	l.isFixed = true
	l.fixed, err = l.masks(ast.ObjectTerm())
	return l, err
}

// constantLog reports whether the log rules read neither the event nor rules
// that might.
func constantLog(src *source) bool {
	constant := true
	for _, m := range src.logRules {
		for _, r := range m.Rules {
			ast.WalkRefs(r, func(ref ast.Ref) bool {
				if ref[0].Equal(ast.InputRootDocument) || ref[0].Equal(ast.DefaultRootDocument) {
					constant = false
				}
				return false
			})
		}
		for _, imp := range m.Imports {
			constant = constant && imp.Path.String() == "rego.v1"
		}
	}
	return constant
}

// logLimit bounds one evaluation of log rules.
const logLimit = 50 * time.Millisecond

// Apply masks an event in place, as OPA does. keep is false if the event is not
// to be logged. An error leaves the event as it was: nobody knows what in it
// may be shown.
func (l *LogRules) Apply(event map[string]any) (keep bool, err error) {
	var input *ast.Term
	if l.drop != nil || l.mask != nil && !l.isFixed {
		v, err := ast.InterfaceToValue(event)
		if err != nil {
			return true, fmt.Errorf("cannot read event: %w", err)
		}
		input = ast.NewTerm(v)
	}
	if l.drop != nil {
		dropped, err := l.ask(l.drop, input)
		if err != nil {
			return true, err
		}
		if dropped != nil && dropped.Value.Compare(ast.Boolean(true)) == 0 {
			return false, nil
		}
	}
	rules := l.fixed
	if l.mask != nil && !l.isFixed {
		if rules, err = l.masks(input); err != nil {
			return true, err
		}
	}
	applyMasks(rules, event)
	return true, nil
}

func (l *LogRules) ask(q ast.Body, input *ast.Term) (answer *ast.Term, err error) {
	err = topdown.NewQuery(q).WithCompiler(l.data.compiler).WithStore(l.data.store).WithTransaction(l.data.txn).WithInput(input).
		WithCancel(newDeadline(logLimit)).WithMetrics(metrics.NoOp()).WithStrictBuiltinErrors(true).
		Iter(context.Background(), func(qr topdown.QueryResult) error {
			answer = qr["x"]
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("cannot evaluate package system.log: %w", err)
	}
	return answer, nil
}

func (l *LogRules) masks(input *ast.Term) ([]maskRule, error) {
	answer, err := l.ask(l.mask, input)
	if err != nil || answer == nil {
		return nil, err
	}
	var out []maskRule
	err = eachItem(answer, func(t *ast.Term) error {
		r, err := parseMask(t)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot use data.system.log.mask: %w", err)
	}
	return out, nil
}

// maskRule takes something out of an event, or puts something in its place.
type maskRule struct {
	path   []string
	upsert bool
	value  any
}

func parseMask(t *ast.Term) (r maskRule, err error) {
	var path string
	if s, ok := t.Value.(ast.String); ok {
		path = string(s)
	} else {
		err = eachMember(t, "a mask", func(name string, v *ast.Term) (err error) {
			switch name {
			case "op":
				var op string
				op, err = oneOf(v, []string{"remove", "upsert"})
				r.upsert = op == "upsert"
			case "path":
				path, err = str(v)
			case "value":
				r.value, err = ast.JSON(v.Value)
			default:
				err = fmt.Errorf("a mask has no member %q: op, path and value are", name)
			}
			return err
		})
	}
	if err != nil {
		return r, err
	}
	rest, ok := strings.CutPrefix(path, "/")
	if r.path = strings.Split(rest, "/"); !ok || r.path[0] != "input" && r.path[0] != "result" {
		return r, fmt.Errorf("path %q must begin with /input or /result", path)
	}
	return r, nil
}

func applyMasks(rules []maskRule, event map[string]any) {
	var erased, masked []string
	for _, r := range rules {
		name := "/" + strings.Join(r.path, "/")
		switch {
		case r.upsert && r.put(event):
			masked = append(masked, name)
		case !r.upsert && r.erase(event):
			erased = append(erased, name)
		}
	}
	if len(erased) > 0 {
		event["erased"] = erased
	}
	if len(masked) > 0 {
		event["masked"] = masked
	}
}

// erase reports whether there was something to erase.
func (r maskRule) erase(event map[string]any) bool {
	parent, last := r.parent(event, false), r.path[len(r.path)-1]
	switch parent := parent.(type) {
	case map[string]any:
		if _, ok := parent[last]; !ok {
			return false
		}
		delete(parent, last)
		return true
	case []any:
		i, ok := index(parent, last)
		if !ok {
			return false
		}
		shorter := maskRule{path: r.path[:len(r.path)-1], upsert: true, value: slices.Delete(slices.Clone(parent), i, i+1)}
		return shorter.put(event)
	}
	return false
}

// put reports whether there was a place.
func (r maskRule) put(event map[string]any) bool {
	if event[r.path[0]] == nil {
		return false
	}
	parent, last := r.parent(event, true), r.path[len(r.path)-1]
	switch parent := parent.(type) {
	case map[string]any:
		parent[last] = r.value
		return true
	case []any:
		if i, ok := index(parent, last); ok {
			parent[i] = r.value
			return true
		}
	}
	return false
}

// parent finds what holds the last of r's path, nil if there is nothing. It
// makes objects on the way if create is set.
func (r maskRule) parent(event map[string]any, create bool) any {
	var at any = event
	for _, name := range r.path[:len(r.path)-1] {
		switch v := at.(type) {
		case map[string]any:
			next, ok := v[name]
			if !ok && create {
				next = map[string]any{}
				v[name] = next
			}
			at = next
		case []any:
			i, ok := index(v, name)
			if !ok {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

func index(list []any, name string) (int, bool) {
	i, err := strconv.Atoi(name)
	return i, err == nil && i >= 0 && i < len(list)
}
