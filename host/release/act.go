package release

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
)

// current returns a name that the configuration has, as it is now; r.mu is held.
func (r *Registry) current(ctx context.Context, name string) (*entry, error) {
	e, err := r.known(name)
	if err == nil {
		err = r.refresh(ctx)
	}
	return e, err
}

// refresh takes in what has happened here and elsewhere; r.mu is held.
func (r *Registry) refresh(ctx context.Context) error {
	err := r.heed()
	if err == nil {
		_, err = r.reread(ctx) // other gateways take steps too
	}
	return err
}

// pick finds a version; r.mu is held.
func (r *Registry) pick(ctx context.Context, name, ref string, none func(*entry) *call.ModuleVersion) (*entry, *call.ModuleVersion, error) {
	e, err := r.current(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	v, err := r.resolve(e, ref, func() *call.ModuleVersion { return none(e) })
	return e, v, err
}

// Shadow lets a version see what the active one decides, and act on nothing.
func (r *Registry) Shadow(ctx context.Context, name, ref string, a Act) (Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, v, err := r.pick(ctx, name, ref, (*entry).latest)
	if err != nil {
		return Version{}, err
	}
	if v.Digest == e.lanes.Active || v.Digest == e.lanes.Canary {
		return Version{}, conflict("%s is %s: it has nothing to be compared with", v.Label, v.State)
	}
	s := r.step(e)
	if s.lanes.Shadow != "" && s.lanes.Shadow != v.Digest {
		s.note(s.lanes.Shadow, "shadow ended", Act{Who: a.Who, Why: "for another"})
		s.leave(&s.lanes.Shadow)
	}
	s.lanes.Shadow = v.Digest
	s.set(v.Digest, Shadow)
	s.note(v.Digest, Shadow, a)
	return s.finish(ctx, v.Digest)
}

// finish is done, and shows a version.
func (s *step) finish(ctx context.Context, digest string) (Version, error) {
	if err := s.done(ctx); err != nil {
		return Version{}, err
	}
	v := s.e.find(digest)
	if v == nil {
		return Version{}, nil
	}
	return s.e.show(v), nil
}

// EndShadow takes the shadow out.
func (r *Registry) EndShadow(ctx context.Context, name string, a Act) (Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := r.current(ctx, name)
	if err != nil {
		return Version{}, err
	}
	digest := e.lanes.Shadow
	if digest == "" {
		return Version{}, conflict("%s %q has no shadow", r.opt.Kind, name)
	}
	s := r.step(e)
	s.note(digest, "shadow ended", a)
	s.leave(&s.lanes.Shadow)
	return s.finish(ctx, digest)
}

// Split is what a canary gets.
type Split struct {
	Share float64
	By    lane.By
	Guard lane.Guard
}

// Canary gives a version a share of the requests. It leaves by itself when it
// does worse than its guard allows.
func (r *Registry) Canary(ctx context.Context, name, ref string, split Split, a Act) (Version, error) {
	if !(split.Share > 0 && split.Share <= 1) {
		return Version{}, invalid("share is %v: give more than 0, at most 1; signalbox %s rollback ends a canary", split.Share, r.opt.Kind)
	}
	if err := split.Guard.Validate(); err != nil {
		return Version{}, invalid("%v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e, v, err := r.pick(ctx, name, ref, func(e *entry) *call.ModuleVersion {
		return cmp.Or(e.find(e.lanes.Canary), e.find(e.lanes.Shadow), e.latest())
	})
	switch {
	case err != nil:
		return Version{}, err
	case e.lanes.Active == "":
		return Version{}, conflict("%s %q has no active version to compare a canary with: promote one", r.opt.Kind, name)
	case v.Digest == e.lanes.Active:
		return Version{}, conflict("%s is active already", v.Label)
	case !r.opt.Unproven && !a.Force && !v.Proven && v.Digest != e.lanes.Shadow && v.Digest != e.lanes.Canary:
		return Version{}, unproven("%s has been neither replayed without a fault nor in the shadow: do that, or say --force", v.Label)
	}
	s := r.step(e)
	if s.lanes.Canary != "" && s.lanes.Canary != v.Digest {
		s.note(s.lanes.Canary, "canary ended", Act{Who: a.Who, Why: "for another"})
		s.leave(&s.lanes.Canary)
	}
	if s.lanes.Shadow == v.Digest {
		s.lanes.Shadow = ""
	}
	guard, err := json.Marshal(split.Guard)
	if err != nil {
		return Version{}, err
	}
	s.lanes.Canary, s.lanes.Share, s.lanes.By, s.lanes.Guard = v.Digest, split.Share, split.By.String(), guard
	s.set(v.Digest, Canary)
	a.Why = joined(fmt.Sprintf("%g %% by %s", 100*split.Share, split.By), a.Why)
	s.note(v.Digest, Canary, a)
	return s.finish(ctx, v.Digest)
}

// Promote makes a version the active one, the canary where none is named.
func (r *Registry) Promote(ctx context.Context, name, ref string, a Act) (Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, v, err := r.pick(ctx, name, ref, func(e *entry) *call.ModuleVersion { return e.find(e.lanes.Canary) })
	if err != nil {
		return Version{}, err
	}
	if v.Digest == e.lanes.Active {
		return Version{}, conflict("%s is active already", v.Label)
	}
	if err := r.proven(e, v); err != nil && !a.Force {
		return Version{}, err
	}
	s := r.step(e)
	s.activate(v.Digest, Superseded)
	s.note(v.Digest, Active, a)
	return s.finish(ctx, v.Digest)
}

// proven tells what v lacks to become active: it has been before, or has served
// as a canary.
func (r *Registry) proven(e *entry, v *call.ModuleVersion) error {
	if v.Served && v.State == Superseded {
		return nil
	}
	if v.Digest != e.lanes.Canary {
		return unproven("%s has not been a canary: let it serve a share first, or say --force", v.Label)
	}
	least := e.guard().Min
	var served int64
	if t := r.opt.Fleet.Lanes(e.name).Trial; t != nil {
		served = max(t.Canary.Requests, t.Canary.Calls)
	}
	if served < least {
		return unproven("%s has served %d requests as a canary, its guard judges from %d on: wait, or say --force", v.Label, served, least)
	}
	return nil
}

// Rollback ends the canary, or makes the version before the active one active
// again; with ref, that version.
func (r *Registry) Rollback(ctx context.Context, name, ref string, a Act) (Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := r.current(ctx, name)
	if err != nil {
		return Version{}, err
	}
	s := r.step(e)
	if ref == "" && e.lanes.Canary != "" {
		s.set(e.lanes.Canary, RolledBack)
		s.note(e.lanes.Canary, RolledBack, a)
		s.lanes.Canary, s.lanes.Share, s.lanes.By, s.lanes.Guard = "", 0, "", nil
		return s.finish(ctx, e.lanes.Active)
	}
	v, err := r.resolve(e, ref, e.before)
	switch {
	case err != nil:
		return Version{}, err
	case v.Digest == e.lanes.Active:
		return Version{}, conflict("%s is active already", v.Label)
	case !v.Served && !a.Force:
		return Version{}, unproven("%s has never been active: promote it instead", v.Label)
	}
	if e.lanes.Active != "" {
		s.note(e.lanes.Active, RolledBack, a)
	}
	s.activate(v.Digest, RolledBack)
	s.note(v.Digest, Active, Act{Who: a.Who, Why: "rolled back to"})
	return s.finish(ctx, v.Digest)
}

// before is the version to go back to: the one before, else the one that was
// active last and left without fault.
func (e *entry) before() *call.ModuleVersion {
	if v := e.find(e.lanes.Previous); v != nil {
		return v
	}
	var last *call.ModuleVersion
	for i := range e.versions {
		v := &e.versions[i]
		if v.Served && v.State == Superseded && (last == nil || v.Changed.After(last.Changed)) {
			last = v
		}
	}
	return last
}
