package pipeline

import "maps"

// liveness notes at each step what is read once it has been done: a run keeps
// nothing else.
func (p *Pipeline) liveness() {
	live := map[string]bool{}
	if p.output == nil {
		live[p.steps[len(p.steps)-1].spec.Name] = true
	}
	p.output.each(reading(live))
	alive(p.steps, live)
}

// reading notes in live what an expression reads: "a", "input.text", or "input"
// where it is all of it.
func reading(live map[string]bool) func(*program) {
	return func(p *program) {
		for _, r := range p.refs {
			if r.name == "input" && r.field != "" {
				live["input."+r.field] = true
			} else {
				live[r.name] = true
			}
		}
	}
}

// alive goes over steps in a row from the last to the first. live is what is
// read after them, and then before.
func alive(steps []*step, live map[string]bool) {
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		s.live = maps.Clone(live)
		s.programs(reading(live))
		if s.typ != nil { // an item gives what all of them give
			for name := range s.gives() {
				live[name] = true
			}
		}
		if !s.parallel {
			alive(s.children, live)
			continue
		}
		after := maps.Clone(live)
		for _, ch := range s.children { // what one leaves, another may read
			mine := maps.Clone(after)
			alive([]*step{ch}, mine)
			maps.Copy(live, mine)
		}
	}
}

// programs calls f with all expressions of s itself.
func (s *step) programs(f func(*program)) {
	for _, p := range []*program{s.when, s.each} {
		if p != nil {
			f(p)
		}
	}
	for _, v := range s.with {
		v.each(f)
	}
	s.params.each(f)
}

// gives are the names of what the steps of a group give.
func (s *step) gives() vars {
	out := vars{}
	for _, ch := range s.children {
		if ch.typ != nil {
			out[ch.spec.Name] = nil
			continue
		}
		maps.Copy(out, ch.gives())
	}
	return out
}

// forget leaves in v what is read after s.
func (s *step) forget(v vars) {
	for name := range v {
		if name != "input" && !s.live[name] {
			delete(v, name)
		}
	}
	inputs, _ := v["input"].(map[string]any)
	if s.live["input"] || len(inputs) == 0 {
		return
	}
	left := map[string]any{} // others may be reading the old one
	for name, value := range inputs {
		if s.live["input."+name] {
			left[name] = value
		}
	}
	v["input"] = left
}
