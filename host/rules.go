package host

import (
	"fmt"
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/rule"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// rules are those of one model, and what each does.
type rules struct {
	set     *rule.Set
	effects []effect
}

// effect is where the requests go that a rule holds for.
type effect struct {
	targets []swap // none: all of the model's
	route   string // "": the model's
}

// swap is a target of the model and the same one with its place in the rule as
// its priority.
type swap struct{ from, to *call.Target }

// compileRules makes the rules of m, whose targets are resolved; nil where it
// has none.
func compileRules(list []config.Rule, m *call.Model) (*rules, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := &rules{}
	var whens []rule.When
	for i := range list {
		r := &list[i]
		e := effect{route: r.Route}
		salt := r.Route
		for place, name := range r.Targets {
			if slices.Contains(r.Targets[:place], name) {
				return nil, fmt.Errorf("models.%s.rules[%d].targets[%d]: %q is listed twice: list each target once", m.Name, i, place, name)
			}
			salt += " " + name
			for _, t := range m.Targets {
				if t.Name == name {
					to := *t
					to.Priority = uint32(place)
					e.targets = append(e.targets, swap{t, &to})
				}
			}
		}
		out.effects = append(out.effects, e)
		whens = append(whens, whenOf(&r.When, salt))
	}
	var err error
	if out.set, err = rule.Compile(whens); err != nil {
		return nil, fmt.Errorf("models.%s.%w", m.Name, err)
	}
	return out, nil
}

func whenOf(w *config.When, salt string) rule.When {
	return rule.When{Orgs: w.Orgs, Teams: w.Teams, Projects: w.Projects, Users: w.Users, Keys: w.Keys, Metadata: w.Metadata,
		Stream: w.Stream, Tools: w.Tools, Images: w.Images, Audio: w.Audio, Files: w.Files,
		Input: rule.Range(w.Input), Output: rule.Range(w.Output), Hours: w.Hours, Days: w.Days, TZ: w.TZ, Share: w.Share, Salt: salt}
}

// narrow leaves the candidates of the rule that holds, in its order.
func (f *flight) narrow() *wire.Error {
	rs := f.gen.rules[f.Model]
	if rs == nil {
		return nil
	}
	f.Rule = rs.set.Match(&f.Call)
	if f.Rule == 0 {
		return nil
	}
	f.rule = &rs.effects[f.Rule-1]
	if len(f.rule.targets) == 0 {
		return nil
	}
	kept := f.eligible[:0]
	for _, s := range f.rule.targets {
		for _, cand := range f.Candidates {
			if cand.Target == s.from {
				kept = append(kept, call.Candidate{Target: s.to, Bound: cand.Bound, Tokens: cand.Tokens})
			}
		}
	}
	f.Candidates, f.eligible = append(f.Candidates[:0], kept...), kept[:0]
	if len(kept) > 0 {
		return nil
	}
	e := wire.Errorf(403, "no_target", "none of the targets that rule %d of model %q sends the request to can take it: policy, tags or its operation exclude them", f.Rule, f.Model.Name)
	e.Class = wire.ClassPolicy
	return e
}

// route is the name of the module that orders f's candidates, "" for the
// built-in order.
func (f *flight) route() string {
	switch {
	case f.rule != nil && f.rule.route != "":
		return f.rule.route
	case f.Model == nil: // nothing was asked of a model yet
		return ""
	}
	return f.Model.Route
}
