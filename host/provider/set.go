package provider

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/signalbox-ai/signalbox/host/call"
	pb "github.com/signalbox-ai/signalbox/sdk/provider/proto/v1"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Set is what one configuration's providers became. It serves from Apply on
// and is current after Commit.
type Set struct {
	sup     *Supervisor
	entries map[string]*entry
	closed  sync.Once
}

// entry is one provider of a Set.
type entry struct {
	spec     Spec
	provider *call.Provider
	unit     *unit
	fresh    bool // unit was started for this set
	models   []Model
}

// Model is a model that an adapter names.
type Model struct {
	Name         string // as in provider/name
	Ops          []wire.Op
	Capabilities []string
	Context      int64 // tokens, 0: unknown
	MaxOutput    int64 // tokens, 0: unknown
}

// Provider returns the provider called name, nil if the set has none.
func (s *Set) Provider(name string) *call.Provider {
	if e := s.entries[name]; e != nil {
		return e.provider
	}
	return nil
}

// Models returns the models that the adapter of the provider called name knows of.
func (s *Set) Models(name string) []Model {
	if e := s.entries[name]; e != nil {
		return e.models
	}
	return nil
}

// build finds or starts the process of every entry, side by side.
func (s *Set) build(ctx context.Context, current *Set) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(s.entries))
	for _, e := range s.entries {
		var before *entry
		if current != nil {
			before = current.entries[e.spec.Name]
		}
		go func() {
			err := s.sup.prepare(ctx, e, before)
			if err != nil {
				err = fmt.Errorf("cannot start provider %q: %w", e.spec.Name, err)
			}
			errs <- err
		}()
	}
	var all []error
	for range s.entries {
		if err := <-errs; err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// prepare gives e a unit and a provider; those of before where nothing changed.
func (s *Supervisor) prepare(ctx context.Context, e, before *entry) error {
	prog, err := s.program(&e.spec)
	if err != nil {
		return err
	}
	e.spec.vouched = prog.vouched
	im, err := s.images.load(prog.path, prog.pin)
	if err != nil {
		return err
	}
	if before != nil && before.spec.same(&e.spec) && before.unit.alive() && !s.renewing(e.spec.Name) && before.unit.serves(im) {
		s.images.release(im)
		e.unit, e.models = before.unit, before.models
		e.unit.nudge()
		if before.spec.sameProvider(&e.spec) {
			e.provider = before.provider
			return nil
		}
		e.provider = newProvider(&e.spec, before.provider, e.unit.mints())
		e.unit.attach(e.provider)
		e.unit.mintFirst(ctx)
		return nil
	}
	u, err := newUnit(ctx, s, e.spec, im, prog.version)
	if err != nil {
		s.images.release(im)
		return err
	}
	if before != nil && before.spec.sameButProgram(&e.spec) {
		u.keepPrevious(before.unit)
	}
	e.models = modelsOf(u.in.models)
	s.keep(u)
	e.unit, e.fresh = u, true
	var old *call.Provider
	if before != nil {
		old = before.provider
	}
	e.provider = newProvider(&e.spec, old, u.mints())
	u.attach(e.provider)
	u.mintFirst(ctx)
	return nil
}

// newProvider keeps the credentials of old that are the same: a benched one
// stays benched, and a token good.
func newProvider(spec *Spec, old *call.Provider, minted bool) *call.Provider {
	p := &call.Provider{Name: spec.Name, Timeouts: spec.Timeouts, Drain: spec.Drain, Awaiting: spec.Awaiting, Propagate: spec.Propagate}
	for _, c := range spec.Credentials {
		p.Credentials = append(p.Credentials, credential(c, old, minted))
	}
	return p
}

func credential(c SpecCredential, old *call.Provider, minted bool) *call.Credential {
	if old != nil {
		for _, o := range old.Credentials {
			if o.Name == c.Name && o.Value == c.Value && o.Weight == c.Weight && o.Minted == minted {
				return o
			}
		}
	}
	return &call.Credential{Name: c.Name, Value: c.Value, Weight: c.Weight, Minted: minted}
}

// Commit makes s current and ends what it no longer uses: those processes
// finish what they serve. It does not wait for that.
func (s *Set) Commit() {
	s.closed.Do(func() {
		sup := s.sup
		sup.mu.Lock()
		old := sup.current
		sup.current, sup.pending = s, nil
		clear(sup.renew)
		sup.mu.Unlock()
		if old == nil {
			return
		}
		for name, before := range old.entries {
			e := s.entries[name]
			if e != nil && e.unit == before.unit {
				continue
			}
			if e != nil && e.unit.sameHosts(before.unit) {
				e.unit.adopt(before.unit)
			}
			before.unit.stop()
		}
	})
}

// Abort ends what was started for s. Calling it after Commit does nothing.
func (s *Set) Abort() {
	s.closed.Do(func() {
		s.sup.mu.Lock()
		s.sup.pending = nil
		s.sup.mu.Unlock()
		s.discard()
	})
}

// discard ends the fresh units of s and waits for that.
func (s *Set) discard() {
	for _, e := range s.entries {
		switch {
		case e.unit == nil:
		case e.fresh:
			e.unit.hurry()
			e.unit.stop()
			<-e.unit.done
		default:
			s.sup.undo(e)
		}
	}
}

// undo detaches the provider that e made for a unit of the current set.
func (s *Supervisor) undo(e *entry) {
	s.mu.Lock()
	var kept *call.Provider
	if s.current != nil && s.current.entries[e.spec.Name] != nil {
		kept = s.current.entries[e.spec.Name].provider
	}
	s.mu.Unlock()
	if e.provider != nil && e.provider != kept {
		e.unit.detach(e.provider)
	}
}

func modelsOf(list []*pb.Model) (out []Model) {
	for _, m := range list {
		model := Model{Name: m.GetName(), Capabilities: m.GetCapabilities(), Context: max(m.GetContextTokens(), 0), MaxOutput: max(m.GetMaxOutputTokens(), 0)}
		for _, name := range m.GetOperations() {
			if op := wire.ParseOp(name); op != wire.OpNone {
				model.Ops = append(model.Ops, op)
			}
		}
		if modelName(model.Name) {
			out = append(out, model)
		}
	}
	return out
}
