package pipeline

import (
	"fmt"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Bounds knows what requests may cost.
type Bounds interface {
	// Bound is the most that one answer of model to a can cost, in nano-dollars;
	// why is said where there is no such bound.
	Bound(model string, a *Ask) (nano int64, why string)
	// Longest is the most tokens of an answer of model, 0: it is not known.
	Longest(model string) int64
	// Attempts is how many upstreams a request may be sent to.
	Attempts() int
}

// Ask is a request by its sizes.
type Ask struct {
	Op         wire.Op
	Bytes      int64 // of the body, at most
	Image      bool  // what the prompt holds beside text
	Audio      bool
	File       bool
	MaxTokens  int64
	N          int64 // images
	Inputs     int   // texts to embed, documents to rank
	Characters int64 // of a text to be spoken
}

// Plan is what a run would do, and what it may cost.
type Plan struct {
	Object    string      `json:"object"` // "pipeline.plan"
	Pipeline  string      `json:"pipeline"`
	Budget    *USD        `json:"budget_usd,omitempty"`
	Deadline  string      `json:"deadline,omitempty"`
	Bound     *USD        `json:"bound_usd"` // where each step answers once; null: there is no bound
	Worst     *USD        `json:"worst_usd"` // where all its tries are charged too
	Unbounded []string    `json:"unbounded,omitempty"`
	Steps     []*PlanStep `json:"steps"`
}

// PlanStep is a step of a plan.
type PlanStep struct {
	Name        string      `json:"name"`
	Kind        string      `json:"kind"` // "request", "parallel", "sequence"
	Op          string      `json:"op,omitempty"`
	Models      []string    `json:"models,omitempty"` // the first is asked, the others in its place
	When        string      `json:"when,omitempty"`
	Each        string      `json:"each,omitempty"`
	MaxItems    int         `json:"max_items,omitempty"`
	Concurrency int         `json:"concurrency,omitempty"`
	Retries     int         `json:"retries,omitempty"`
	Budget      *USD        `json:"budget_usd,omitempty"`
	Bound       *USD        `json:"bound_usd"`
	Worst       *USD        `json:"worst_usd"`
	Unbounded   string      `json:"unbounded,omitempty"`
	Steps       []*PlanStep `json:"steps,omitempty"`
}

// planner works out sizes.
type planner struct {
	p      *Pipeline
	bounds Bounds
	sizes  map[string]size // of what steps give, by name
}

// Plan tells what a run of p may cost.
func (p *Pipeline) Plan(b Bounds) *Plan {
	pl := &planner{p: p, bounds: b, sizes: map[string]size{}}
	out := &Plan{Object: "pipeline.plan", Pipeline: p.Name, Steps: pl.steps(p.steps, often{1, 1})}
	if p.deadline > 0 {
		out.Deadline = p.deadline.String()
	}
	out.Bound, out.Worst = sumOf(out.Steps, p.budget)
	if p.budget > 0 {
		out.Budget = new(USD(p.budget))
	}
	var gather func([]*PlanStep)
	gather = func(list []*PlanStep) {
		for _, s := range list {
			if s.Unbounded != "" {
				out.Unbounded = append(out.Unbounded, fmt.Sprintf("step %q: %s", s.Name, s.Unbounded))
			}
			gather(s.Steps)
		}
	}
	gather(out.Steps)
	return out
}

// sumOf adds up steps; a budget bounds what nothing else does.
func sumOf(steps []*PlanStep, budget int64) (bound, worst *USD) {
	sum := func(of func(*PlanStep) *USD) *USD {
		var n int64
		for _, s := range steps {
			v := of(s)
			if v == nil {
				return within(nil, budget)
			}
			n = add(n, int64(*v))
		}
		return within(new(USD(n)), budget)
	}
	return sum(func(s *PlanStep) *USD { return s.Bound }), sum(func(s *PlanStep) *USD { return s.Worst })
}

func within(v *USD, budget int64) *USD {
	if budget > 0 && (v == nil || int64(*v) > budget) {
		return new(USD(budget))
	}
	return v
}

// often is how many times a step is done: for how many items, and how many tries
// of each there are, by all that it stands in.
type often struct{ items, tries int64 }

func (pl *planner) steps(list []*step, o often) []*PlanStep {
	out := make([]*PlanStep, len(list))
	for i, s := range list {
		out[i] = pl.step(s, o)
	}
	return out
}

func (pl *planner) step(s *step, o often) *PlanStep {
	out := &PlanStep{Name: s.spec.Name, Kind: s.kind(), When: s.spec.When, Each: s.spec.Each, Retries: s.spec.Retry.Attempts}
	own := int64(1)
	if s.each != nil {
		out.MaxItems, out.Concurrency = s.most(), s.width()
		own = int64(out.MaxItems)
	}
	o = often{multiply(o.items, own), multiply(o.tries, int64(out.Retries+1))}
	if s.op == nil {
		out.Steps = pl.steps(s.children, o)
		out.Bound, out.Worst = sumOf(out.Steps, 0)
		total := size{}
		for name := range s.gives() {
			total = total.plus(pl.sizes[name])
		}
		pl.sizes[s.spec.Name] = total.times(own)
		return out
	}
	out.Op, out.Models = s.op.op.String(), s.models
	if s.budget > 0 {
		out.Budget = new(USD(s.budget))
	}
	ask, why := pl.ask(s)
	var once, all int64
	for i, m := range s.models {
		n, whyNot := pl.bounds.Bound(m, ask)
		why = first(why, whyNot)
		if i == 0 || n > once {
			once = n
		}
		all = add(all, multiply(n, multiply(o.tries, int64(pl.bounds.Attempts()))))
	}
	if out.Unbounded = why; why == "" {
		out.Bound, out.Worst = new(USD(multiply(once, o.items))), new(USD(multiply(all, o.items)))
	}
	out.Bound, out.Worst = within(out.Bound, s.budget), within(out.Worst, s.budget)
	pl.sizes[s.spec.Name] = pl.gives(s, ask).times(own)
	return out
}

// kind is what sort of step s is.
func (s *step) kind() string {
	switch {
	case s.op != nil:
		return "request"
	case s.parallel:
		return "parallel"
	}
	return "sequence"
}
