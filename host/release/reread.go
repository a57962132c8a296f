package release

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
)

// errMeanwhile is what a caller is told whose step another node's came before.
var errMeanwhile = conflict("another gateway has changed versions meanwhile: look at them and try again")

// attempts is how often what nobody has asked for is tried when other nodes
// come first.
const attempts = 5

// save keeps a change that was made from what the registry knows. Where that is
// not what is so any more, it is call.ErrRevision; r.mu is held.
func (r *Registry) save(ctx context.Context, c call.ModuleChange) error {
	c.Kind, c.Revision = string(r.opt.Kind), r.revision
	err := r.opt.Store.SaveModules(ctx, c)
	if err == nil {
		r.revision++
	}
	return err
}

// Refresh takes in what other nodes have changed, and into use what they have
// taken into use. What cannot be run here is an error, and what runs stays.
func (r *Registry) Refresh(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.heed(); err != nil {
		return err
	}
	behind, err := r.reread(ctx)
	return errors.Join(behind, err)
}

// reread is Refresh; behind says what cannot be run here. r.mu is held.
func (r *Registry) reread(ctx context.Context) (behind, err error) {
	state, err := r.opt.Store.Modules(ctx, string(r.opt.Kind))
	if err != nil {
		return nil, err
	}
	kept := r.sorted(&state)
	for name := range kept {
		r.entry(name)
	}
	r.revision = state.Revision
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.names)) {
		k := kept[name]
		if k == nil {
			k = r.blank(name)
		}
		if err := r.follow(ctx, r.names[name], k); err != nil {
			errs = append(errs, fmt.Errorf("cannot take %s %q into use as another gateway has, what runs stays: %w", r.opt.Kind, name, err))
		}
	}
	return errors.Join(errs...), nil
}

// follow makes e what is kept of it.
func (r *Registry) follow(ctx context.Context, e, kept *entry) error {
	moved := e.behind || !reflect.DeepEqual(e.lanes, kept.lanes)
	e.versions, e.lanes, e.events = kept.versions, kept.lanes, kept.events
	if !moved || !e.configured {
		return nil
	}
	s := r.step(e)
	w, _, err := s.compile(ctx)
	if e.behind = err != nil; err != nil {
		s.drop()
		return err
	}
	s.publish(w)
	return nil
}

// sorted is what is kept, by name.
func (r *Registry) sorted(state *call.ModuleState) map[string]*entry {
	names := map[string]*entry{}
	at := func(name string) *entry {
		if names[name] == nil {
			names[name] = r.blank(name)
		}
		return names[name]
	}
	for _, v := range state.Versions {
		e := at(v.Name)
		e.versions = append(e.versions, v)
	}
	for _, l := range state.Lanes {
		at(l.Name).lanes = l
	}
	for _, ev := range state.Events {
		e := at(ev.Name)
		e.events = append(e.events, ev)
	}
	return names
}
