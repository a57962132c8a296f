package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Pipeline is one that can be run. It is immutable.
type Pipeline struct {
	Name     string
	Spec     *call.Pipeline
	inputs   []*input
	steps    []*step
	byName   map[string]*step
	output   *value        // nil: what the last step gives
	budget   int64         // nano-dollars, 0: none
	deadline time.Duration // 0: there is none
	last     *step         // whose chunks are the answer's, nil: no step's are
}

// Granted reports whether the pipeline's models may be used in it by whoever may
// use the pipeline.
func (p *Pipeline) Granted() bool { return p.Spec.Grant == "steps" }

// Deadline is how long a run may take.
func (p *Pipeline) Deadline() time.Duration { return p.deadline }

// step is a compiled step.
type step struct {
	spec     *call.PipelineStep
	path     string // "steps[0]"
	op       *operation
	models   []string // the one that is asked, then those in its place
	with     map[string]*value
	params   *value
	when     *program
	each     *program
	json     *Type // of the answer, nil: it is a text
	required map[string]bool
	format   map[string]any // response_format
	result   *Type          // of one request, or of one item of a group
	typ      *Type          // of the step, as others see it, nil: its children are seen
	def      any            // on_error: default
	budget   int64
	children []*step         // of a group
	parallel bool            // they run beside each other
	around   *step           // the innermost step with each that it stands in
	live     map[string]bool // what is read once it has been done
}

// Models tells what is served.
type Models interface {
	// Serves says why model cannot be asked for op in dialect d, nil: it can.
	Serves(model string, op wire.Op, d wire.Dialect) error
}

// Problem is one thing that is wrong with a pipeline.
type Problem struct {
	Pipeline string
	Path     string // of the field: "steps[1].with.prompt"
	Step     string // its name, "": it is about no step
	Message  string // what is wrong, and what to do
}

func (p Problem) String() string {
	at := "pipelines." + p.Pipeline
	if p.Path != "" {
		at += "." + p.Path
	}
	if p.Step != "" {
		return fmt.Sprintf("%s (step %q): %s", at, p.Step, p.Message)
	}
	return at + ": " + p.Message
}

// Error lists all that is wrong with pipelines.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

var (
	stepName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	inputName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	// Name is what a pipeline may be called.
	Name = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
)

// Bounds of a pipeline.
const (
	maxSteps       = 64
	maxGroups      = 4 // groups within each other
	maxConcurrency = 64
	maxTimes       = 10_000 // a step, by all eaches that it stands in
	maxRetries     = 5
	maxInputs      = 64
	usualWidth     = 4 // requests of an each at a time
)

// compiler gathers what is wrong, so that one look shows all of it.
type compiler struct {
	p        *Pipeline
	models   Models
	problems []Problem
	later    map[string]*call.PipelineStep // all steps, by name
	inside   map[string]string             // those that stand in a group with each, by name: the group
	around   *step                         // the innermost step with each
	count    int
}

// Compile checks spec. With nil models, what is served is not looked at. A
// returned error is an *Error.
func Compile(name string, spec *call.Pipeline, models Models) (*Pipeline, error) {
	p := &Pipeline{Name: name, Spec: spec, byName: map[string]*step{}, deadline: spec.Deadline}
	c := &compiler{p: p, models: models, later: map[string]*call.PipelineStep{}, inside: map[string]string{}}
	if !Name.MatchString(name) || name == "runs" { // there is /admin/pipelines/runs
		c.addf("", "", "a pipeline's name has lower-case letters, digits, '.', '_' and '-', at most 64, and is not runs")
	}
	p.budget = c.money("budget", "", spec.Budget)
	if spec.Grant != "" && spec.Grant != "steps" {
		c.addf("grant", "", "is %q: write steps, or leave it out", spec.Grant)
	}
	s := scope{"input": c.inputs(spec.Input)}
	if len(spec.Steps) == 0 {
		c.addf("steps", "", "there is none: add one such as {name: answer, model: fast, with: {prompt: \"{{ input.text }}\"}}")
	}
	c.names("steps", spec.Steps, "")
	p.steps, s = c.sequence("steps", spec.Steps, s, 0)
	c.output(s)
	if len(c.problems) > 0 {
		return nil, &Error{c.problems}
	}
	p.last = p.streamed()
	p.liveness()
	return p, nil
}

func (c *compiler) addf(path, step, format string, args ...any) {
	c.problems = append(c.problems, Problem{Pipeline: c.p.Name, Path: path, Step: step, Message: fmt.Sprintf(format, args...)})
}

// maxUSD bounds budgets, far from overflow.
const maxUSD = 1e6

func (c *compiler) money(path, step string, usd float64) int64 {
	if usd < 0 || usd > maxUSD {
		c.addf(path, step, "is %g: give dollars from 0 to %g", usd, maxUSD)
		return 0
	}
	if usd > 0 && usd < 1e-9 {
		c.addf(path, step, "is %g: a budget has at least a nano-dollar, 0.000000001", usd)
	}
	return int64(usd*1e9 + 0.5)
}

// names takes all steps' names, which are of one space, wherever they stand.
func (c *compiler) names(path string, steps []call.PipelineStep, inside string) {
	for i := range steps {
		s, at := &steps[i], fmt.Sprintf("%s[%d]", path, i)
		if c.count++; c.count == maxSteps+1 {
			c.addf(path, "", "there are more than %d steps: make it two pipelines", maxSteps)
			return
		}
		switch {
		case s.Name == "":
			c.addf(at+".name", "", "is missing: give each step a name, by which later ones read what it gives")
		case !stepName.MatchString(s.Name):
			c.addf(at+".name", s.Name, "a step's name has lower-case letters, digits and '_', begins with a letter, and has at most 64: it is a name in expressions")
		case reserved(s.Name):
			c.addf(at+".name", s.Name, "is a name that expressions have already: choose another")
		case c.later[s.Name] != nil:
			c.addf(at+".name", s.Name, "is used twice: give each step a name of its own")
		default:
			if c.later[s.Name] = s; inside != "" {
				c.inside[s.Name] = inside
			}
		}
		within := inside
		if s.Each != "" {
			within = s.Name
		}
		c.names(at+".parallel", s.Parallel, within)
		c.names(at+".steps", s.Steps, within)
	}
}

// words are those that expressions have a meaning for.
var words = []string{"input", "item", "index", "in", "not", "and", "or", "matches", "contains", "let", "if", "else", "true", "false", "nil"}

func reserved(name string) bool {
	_, own := functions[name]
	return own || slices.Contains(words, name) || slices.Contains(builtins, name)
}

// sequence compiles steps that run in a row, each seeing those before it.
func (c *compiler) sequence(path string, specs []call.PipelineStep, s scope, depth int) ([]*step, scope) {
	var out []*step
	for i := range specs {
		st := c.step(fmt.Sprintf("%s[%d]", path, i), &specs[i], s, depth)
		out = append(out, st)
		s = st.seen(s)
	}
	return out, s
}

// seen is s with what st gives.
func (st *step) seen(s scope) scope {
	if st.typ == nil {
		for _, ch := range st.children {
			s = ch.seen(s)
		}
	} else if st.spec.Name != "" {
		s = s.with(st.spec.Name, st.typ)
	}
	return s
}

func (c *compiler) step(path string, spec *call.PipelineStep, s scope, depth int) *step {
	st := &step{spec: spec, path: path, around: c.around}
	if c.later[spec.Name] == spec {
		c.p.byName[spec.Name] = st
	}
	if spec.When != "" {
		st.when = c.expression(path+".when", spec.Name, spec.When, s, boolType)
	}
	if spec.Retry.Attempts < 0 || spec.Retry.Attempts > maxRetries {
		c.addf(path+".retry.attempts", spec.Name, "is %d: give 0 to %d", spec.Retry.Attempts, maxRetries)
	}
	inner := s
	if spec.Each != "" {
		inner = c.mapped(st, s)
	} else if spec.MinSuccess != nil || spec.Concurrency != 0 || spec.MaxItems != 0 {
		c.addf(path+".each", spec.Name, "is missing: min_success, concurrency and max_items are of steps that are done for each element of a list")
	}
	if len(spec.Parallel) > 0 || len(spec.Steps) > 0 {
		if spec.Each != "" {
			c.around = st
		}
		c.group(st, inner, depth)
		c.around = st.around
		return st
	}
	c.request(st, inner)
	return st
}

// group compiles steps beside each other, or in a row.
func (c *compiler) group(st *step, s scope, depth int) {
	spec, name := st.spec, st.spec.Name
	if depth >= maxGroups {
		c.addf(st.path, name, "groups are nested deeper than %d", maxGroups)
		return
	}
	if len(spec.Parallel) > 0 && len(spec.Steps) > 0 {
		c.addf(st.path+".steps", name, "stands beside parallel: keep one, and put the other into it")
	}
	for field, set := range map[string]bool{"model": spec.Model != "", "op": spec.Op != "", "with": spec.With != nil, "params": spec.Params != nil, "json": spec.JSON != nil,
		"fallback": len(spec.Fallback) > 0, "default": spec.Default != nil, "timeout": spec.Timeout != 0, "max_tokens": spec.MaxTokens != 0,
		"budget": spec.Budget != 0, "on_error": spec.OnError != ""} {
		if set {
			c.addf(st.path+"."+field, name, "is of steps that ask a model, and this one is a group: write it at the steps within")
		}
	}
	if st.parallel = len(spec.Parallel) > 0; !st.parallel {
		st.children, _ = c.sequence(st.path+".steps", spec.Steps, s, depth+1)
	} else {
		for i := range spec.Parallel { // none sees another
			st.children = append(st.children, c.step(fmt.Sprintf("%s.parallel[%d]", st.path, i), &spec.Parallel[i], s, depth+1))
		}
	}
	if spec.Each != "" {
		c.items(st)
	}
}

// items makes the type of a group that is done for each element of a list: of
// each, what its steps give, by name.
func (c *compiler) items(st *step) {
	fields := scope{}
	for _, ch := range st.children {
		fields = ch.seen(fields)
	}
	for name, t := range map[string]*Type{"ok": boolType, "error": stringType} {
		if fields[name] != nil {
			c.addf(st.path, name, "is what every item of group %q says of itself: choose another name", st.spec.Name)
		}
		fields[name] = t
	}
	st.result = &Type{Kind: Object, Fields: fields}
	st.typ = listOf(st.result)
}

// expression compiles source, which has to be of type want.
func (c *compiler) expression(path, step, source string, s scope, want *Type) *program {
	source = strings.TrimSpace(source)
	if inner, after, ok := cutExpr(strings.TrimPrefix(source, "{{")); strings.HasPrefix(source, "{{") && ok && after == "" {
		source = inner
	}
	p, err := compile(source, s)
	if err != nil {
		c.addf(path, step, "%v", c.explain(err, c.p.byName[step]))
		return nil
	}
	if !want.takes(p.typ) {
		c.addf(path, step, "is %s, and must be %s", p.typ, want)
	}
	return p
}

var unknownName = regexp.MustCompile(`unknown name ([A-Za-z0-9_]+)`)

// explain says of an unknown name what it could be.
func (c *compiler) explain(err error, st *step) error {
	m := unknownName.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	name := m[1]
	other := c.later[name]
	switch group := c.inside[name]; {
	case st != nil && st.spec.Name == name:
		return fmt.Errorf("%w: the step needs what it gives itself", err)
	case other != nil && st != nil && mentions(other, st.spec.Name):
		return fmt.Errorf("%w: steps %q and %q need each other, which is a cycle: take one of the two out", err, st.spec.Name, name)
	case group != "" && (st == nil || c.inside[st.spec.Name] != group):
		return fmt.Errorf("%w: step %q is done for each item of %q, read what it gives as map(%s, #.%s)", err, name, group, group, name)
	case other != nil:
		return fmt.Errorf("%w: step %q runs later, or beside this one: move it before", err, name)
	case name == "item" || name == "index":
		return fmt.Errorf("%w: it is there in steps that have each", err)
	}
	names := append(sorted(c.later), "input")
	return fmt.Errorf("%w%s: there are input and the steps before", err, near(name, names))
}

// mentions reports whether an expression of s could read what name gives.
func mentions(s *call.PipelineStep, name string) bool {
	word := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`)
	return word.MatchString(s.When+" "+s.Each) || word.MatchString(fmt.Sprint(s.With, s.Params))
}

func (c *compiler) output(s scope) {
	if c.p.Spec.Output == nil {
		if n := len(c.p.steps); n > 0 && c.p.steps[n-1].op == nil && len(c.p.steps[n-1].children) > 0 {
			c.addf("output", "", "is missing: the last step is a group, say what of it is the answer, such as {a: \"{{ a.text }}\"}")
		}
		return
	}
	v, err := parseValue(c.p.Spec.Output, s)
	if err != nil {
		c.addf("output", "", "%v", c.explain(err, nil))
	}
	c.p.output = v
}

// streamed is the step whose text is the pipeline's answer, nil: none is.
func (p *Pipeline) streamed() *step {
	last := p.steps[len(p.steps)-1]
	if last.op == nil || last.op.op != wire.OpChat || last.each != nil || last.when != nil || last.json != nil {
		return nil
	}
	if p.output == nil {
		return last
	}
	if o := p.output; o.kind == exprKind && strings.TrimSpace(strings.Trim(fmt.Sprint(p.Spec.Output), "{} ")) == last.spec.Name+".text" {
		return last
	}
	return nil
}

// all calls f with all steps, in order.
func (p *Pipeline) all(f func(*step)) {
	var walk func([]*step)
	walk = func(list []*step) {
		for _, s := range list {
			f(s)
			walk(s.children)
		}
	}
	walk(p.steps)
}
