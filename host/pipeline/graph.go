package pipeline

import (
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Shown is a pipeline as its callers see it.
type Shown struct {
	Object      string       `json:"object"` // "pipeline"
	Name        string       `json:"name"`
	Model       string       `json:"model"` // by which chats call it
	Description string       `json:"description,omitempty"`
	Inputs      []ShownInput `json:"inputs"`
	Output      string       `json:"output_type"`
	Streams     bool         `json:"streams"` // the answer comes as it is made
}

// ShownInput is an input with its name.
type ShownInput struct {
	Name string `json:"name"`
	call.PipelineInput
}

// Shown is p as its callers see it.
func (p *Pipeline) Shown() Shown {
	out := Shown{Object: "pipeline", Name: p.Name, Model: "pipeline/" + p.Name, Description: p.Spec.Description, Inputs: []ShownInput{},
		Output: p.outputType().String(), Streams: p.last != nil}
	for _, in := range p.inputs {
		out.Inputs = append(out.Inputs, ShownInput{in.name, in.spec})
	}
	return out
}

func (p *Pipeline) outputType() *Type {
	if p.output != nil {
		return p.output.typ
	}
	last := p.steps[len(p.steps)-1]
	if last.op == nil {
		return anyType
	}
	t := last.op.result[last.op.main]
	if last.json != nil {
		t = last.json
	}
	if last.each != nil {
		t = listOf(t)
	}
	return t
}

// Edge says that a step reads what an input or another step gives.
type Edge struct {
	From  string `json:"from"` // "input.text", or a step's name
	To    string `json:"to"`   // a step's name, or "output"
	Field string `json:"field"`
}

// GraphStep is a step of a graph.
type GraphStep struct {
	Name     string       `json:"name"`
	Kind     string       `json:"kind"` // "request", "parallel", "sequence"
	Op       string       `json:"op,omitempty"`
	Model    string       `json:"model,omitempty"`
	Fallback []string     `json:"fallback,omitempty"`
	Type     string       `json:"type,omitempty"` // of what it gives
	When     string       `json:"when,omitempty"`
	Each     string       `json:"each,omitempty"`
	OnError  string       `json:"on_error,omitempty"`
	Budget   *USD         `json:"budget_usd,omitempty"`
	Timeout  string       `json:"timeout,omitempty"`
	Retries  int          `json:"retries,omitempty"`
	Steps    []*GraphStep `json:"steps,omitempty"` // of a group
}

// Graph is a pipeline as its operators see it.
type Graph struct {
	Shown
	Grant    string       `json:"grant,omitempty"`
	Budget   *USD         `json:"budget_usd,omitempty"`
	Deadline string       `json:"deadline,omitempty"`
	Steps    []*GraphStep `json:"steps"`
	Edges    []Edge       `json:"edges"`
}

// Graph is p as its operators see it.
func (p *Pipeline) Graph() *Graph {
	g := &Graph{Shown: p.Shown(), Grant: p.Spec.Grant, Edges: []Edge{}, Steps: graphOf(p.steps)}
	if p.budget > 0 {
		g.Budget = new(USD(p.budget))
	}
	if p.deadline > 0 {
		g.Deadline = p.deadline.String()
	}
	p.all(func(s *step) { g.Edges = append(g.Edges, s.reads()...) })
	out := &step{spec: &call.PipelineStep{Name: "output"}, with: map[string]*value{}}
	if p.output != nil {
		out.with["value"] = p.output
		for _, e := range out.reads() {
			g.Edges = append(g.Edges, Edge{e.From, "output", "output"})
		}
	} else {
		g.Edges = append(g.Edges, Edge{p.steps[len(p.steps)-1].spec.Name, "output", "output"})
	}
	return g
}

func graphOf(list []*step) []*GraphStep {
	out := make([]*GraphStep, len(list))
	for i, s := range list {
		one := &GraphStep{Name: s.spec.Name, Kind: s.kind(), Model: s.spec.Model, Fallback: s.spec.Fallback, When: s.spec.When, Each: s.spec.Each,
			OnError: s.spec.OnError, Retries: s.spec.Retry.Attempts, Steps: graphOf(s.children)}
		if s.op != nil {
			one.Op = s.op.op.String()
		}
		if s.typ != nil {
			one.Type = s.typ.String()
		}
		if s.budget > 0 {
			one.Budget = new(USD(s.budget))
		}
		if s.spec.Timeout > 0 {
			one.Timeout = s.spec.Timeout.String()
		}
		out[i] = one
	}
	return out
}

// Models are the models that steps ask, sorted.
func (p *Pipeline) Models() []string {
	set := map[string]bool{}
	p.all(func(s *step) {
		for _, m := range s.models {
			set[m] = true
		}
	})
	return sorted(set)
}

// reads are the names that s reads, sorted, with the field that does.
func (s *step) reads() (edges []Edge) {
	note := func(field string) func(*program) {
		return func(p *program) {
			for _, r := range p.refs {
				from := r.name
				if from == "input" && r.field != "" {
					from += "." + r.field
				}
				if e := (Edge{From: from, To: s.spec.Name, Field: field}); from != "item" && from != "index" && !slices.Contains(edges, e) {
					edges = append(edges, e)
				}
			}
		}
	}
	if s.when != nil {
		note("when")(s.when)
	}
	if s.each != nil {
		note("each")(s.each)
	}
	for _, name := range sorted(s.with) {
		s.with[name].each(note("with." + name))
	}
	s.params.each(note("params"))
	return edges
}
