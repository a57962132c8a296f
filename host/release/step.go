package release

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// maxEvents is how many lines of a history are held in memory.
const maxEvents = 500

// step is a change of one name in the making: nothing of it counts before it is
// kept, and all of it after.
type step struct {
	r        *Registry
	e        *entry
	now      time.Time
	lanes    call.ModuleLanes
	versions []call.ModuleVersion // all, changed ones included
	changed  map[string]bool
	codes    map[string][]byte // of new versions, by digest
	events   []call.ModuleEvent
	fresh    map[liveKey]*lane.Version // that the step has compiled
	ready    map[liveKey]*lane.Version // that were compiled for it before

	configured bool
	tags       string
	onError    string
}

// step begins a change of e; r.mu is held until it is done.
func (r *Registry) step(e *entry) *step {
	return &step{r: r, e: e, now: time.Now().UTC().Truncate(time.Millisecond), lanes: e.lanes, versions: slices.Clone(e.versions), changed: map[string]bool{},
		codes: map[string][]byte{}, fresh: map[liveKey]*lane.Version{}, configured: e.configured, tags: r.tags, onError: e.onError}
}

func (s *step) find(digest string) *call.ModuleVersion {
	i := slices.IndexFunc(s.versions, func(v call.ModuleVersion) bool { return v.Digest == digest })
	if i < 0 || digest == "" {
		return nil
	}
	return &s.versions[i]
}

// set changes a version's state.
func (s *step) set(digest, state string) {
	v := s.find(digest)
	if v == nil {
		return
	}
	v.State, v.Changed = state, s.now
	v.Served = v.Served || state == Active
	s.changed[digest] = true
}

// note writes a line of history.
func (s *step) note(digest, what string, a Act) {
	label := ""
	if v := s.find(digest); v != nil {
		label = v.Label
	}
	why := a.Why
	if a.Force {
		why = joined("without proof", why)
	}
	s.events = append(s.events, call.ModuleEvent{Kind: string(s.r.opt.Kind), Name: s.e.name, Label: label, Time: s.now, What: what, Who: a.Who, Why: why})
}

func joined(a, b string) string {
	if b == "" {
		return a
	}
	return a + ": " + b
}

// add puts a new version on record.
func (s *step) add(v call.ModuleVersion, code []byte) {
	v.Kind, v.Name, v.Pushed, v.Changed = string(s.r.opt.Kind), s.e.name, s.now, s.now
	s.versions = append(s.versions, v)
	s.changed[v.Digest] = true
	s.codes[v.Digest] = code
}

// rest is the state of a version that leaves a lane without fault.
func rest(v *call.ModuleVersion) string {
	switch {
	case v.Served:
		return Superseded
	case v.Proven:
		return Replayed
	}
	return Pushed
}

// leave takes a version out of the canary's or the shadow's lane.
func (s *step) leave(digest *string) {
	if v := s.find(*digest); v != nil && *digest != s.lanes.Active {
		s.set(*digest, rest(v))
	}
	*digest = ""
}

// activate makes a version the active one; the one before becomes before.
func (s *step) activate(digest, before string) {
	old := s.lanes.Active
	if old == digest {
		return
	}
	if s.lanes.Canary != "" && s.lanes.Canary != digest {
		s.note(s.lanes.Canary, "canary ended", Act{Who: byGateway, Why: "another version became active"})
		s.leave(&s.lanes.Canary)
	}
	if s.lanes.Shadow == digest {
		s.lanes.Shadow = ""
	}
	s.lanes.Canary, s.lanes.Share, s.lanes.By, s.lanes.Guard = "", 0, "", nil
	s.lanes.Active, s.lanes.Previous = digest, ""
	s.set(digest, Active)
	if old != "" {
		s.set(old, before)
		if before == Superseded {
			s.lanes.Previous = old
		}
	}
}

// done compiles what the step needs, keeps the step, and takes it into use.
func (s *step) done(ctx context.Context) error {
	live, _, err := s.compile(ctx)
	if err == nil {
		err = s.r.save(ctx, s.change())
	}
	if err != nil {
		s.drop()
		if errors.Is(err, call.ErrRevision) {
			return errMeanwhile
		}
		return err
	}
	s.publish(live)
	return nil
}

// drop closes what the step has compiled for nothing.
func (s *step) drop() {
	for _, v := range s.fresh {
		v.Close()
	}
	s.fresh = nil
}

// change is what is to be kept; the oldest versions that nobody uses go.
func (s *step) change() call.ModuleChange {
	change := call.ModuleChange{Lanes: []call.ModuleLanes{s.lanes}, Events: s.events}
	used := []string{s.lanes.Active, s.lanes.Previous, s.lanes.Canary, s.lanes.Shadow, s.lanes.Seed}
	idle := 0
	for i := len(s.versions) - 1; i >= 0; i-- {
		v := s.versions[i]
		if slices.Contains(used, v.Digest) {
			continue
		}
		if idle++; idle > s.r.opt.Keep {
			change.Gone = append(change.Gone, v)
			s.versions = slices.Delete(s.versions, i, i+1)
		}
	}
	for _, v := range s.versions {
		if s.changed[v.Digest] {
			change.Versions = append(change.Versions, v)
		}
		if code := s.codes[v.Digest]; code != nil {
			change.Codes = append(change.Codes, code)
		}
	}
	return change
}

// wanted are the versions that the step's lanes need, compiled.
type wanted struct{ active, previous, canary, shadow *lane.Version }

// running are those that run already: a step that only takes versions out needs
// no others.
func (s *step) running() wanted {
	live := func(digest string, apart bool) *lane.Version { return s.e.live[liveKey{digest, s.tags, apart}] }
	return wanted{live(s.lanes.Active, false), live(s.lanes.Previous, false), live(s.lanes.Canary, false), live(s.lanes.Shadow, true)}
}

// compile makes what the lanes need and is not there yet; bad is the digest of
// what cannot be made. Nothing is compiled of names that the configuration does
// not have.
func (s *step) compile(ctx context.Context) (w wanted, bad string, err error) {
	if !s.configured {
		return w, "", nil
	}
	for _, want := range []struct {
		digest string
		apart  bool
		to     **lane.Version
	}{{s.lanes.Active, false, &w.active}, {s.lanes.Previous, false, &w.previous}, {s.lanes.Canary, false, &w.canary}, {s.lanes.Shadow, true, &w.shadow}} {
		if want.digest == "" {
			continue
		}
		if *want.to, err = s.version(ctx, want.digest, want.apart); err != nil {
			return w, want.digest, err
		}
	}
	return w, "", nil
}

// version returns a version compiled.
func (s *step) version(ctx context.Context, digest string, apart bool) (*lane.Version, error) {
	rec := s.find(digest)
	if rec == nil {
		return nil, notFound("a version of %s %q that was in use is not kept any more", s.r.opt.Kind, s.e.name)
	}
	_, given := s.codes[digest] // and checked with what came along
	if vouched := s.r.opt.Vouched; vouched != nil && !given && !vouched(rec.Signer) {
		if rec.Signer == "" {
			return nil, refused("%s is not signed, and plugins.require_signature is set: push it with its signature", rec.Label)
		}
		return nil, refused("%s is signed by key %s, which is not among plugins.trusted_keys any more: push it signed by one that is", rec.Label, rec.Signer)
	}
	key := liveKey{digest, s.tags, apart}
	if v := cmp.Or(s.e.live[key], s.fresh[key]); v != nil {
		return v, nil
	}
	v := s.ready[key]
	if v == nil {
		src, err := s.source(ctx, rec)
		if err != nil {
			return nil, err
		}
		src.Tags, src.Apart = s.tags, apart
		if v, err = s.r.opt.Fleet.Compile(s.e.name, src); err != nil {
			return nil, refused("%s %s cannot be run: %v", s.r.opt.Kind, cmp.Or(rec.Label, s.e.name), err)
		}
	}
	delete(s.ready, key)
	s.fresh[key] = v
	if v.Label != rec.Label { // it is new, or the tags of targets have changed since
		rec.Label = v.Label
		s.changed[digest] = true
	}
	return v, nil
}

func (s *step) source(ctx context.Context, v *call.ModuleVersion) (lane.Source, error) {
	if code, ok := s.codes[v.Digest]; ok {
		return sourceOf(v, code)
	}
	return s.r.source(ctx, v)
}

// publish makes the step what is so.
func (s *step) publish(w wanted) {
	e := s.e
	e.versions, e.lanes = s.versions, s.lanes
	e.events = append(e.events, s.events...)
	if n := len(e.events) - maxEvents; n > 0 {
		e.events = slices.Delete(e.events, 0, n)
	}
	for key, v := range s.fresh {
		e.live[key] = v
	}
	e.configured, e.onError = s.configured, s.onError
	if !e.configured {
		e.unload(s.r.opt.Fleet)
		return
	}
	by, _ := lane.ParseBy(e.lanes.By) // "" is of no canary
	s.r.opt.Fleet.Put(e.name, lane.Lanes{Active: w.active, Previous: w.previous, Canary: w.canary, Shadow: w.shadow,
		Share: e.lanes.Share, By: by, Guard: e.guard(), OnError: cmp.Or(e.onError, e.wish())})
	for key, v := range e.live {
		if v != w.active && v != w.previous && v != w.canary && v != w.shadow {
			v.Close()
			delete(e.live, key)
		}
	}
}

// wish is what is to become of requests while nothing is active: what the
// version asked for that was taken out last.
func (e *entry) wish() string {
	var last *call.ModuleVersion
	for i := range e.versions {
		if v := &e.versions[i]; v.State == Quarantined && (last == nil || v.Changed.After(last.Changed)) {
			last = v
		}
	}
	if e.lanes.Active != "" || last == nil || len(last.Manifest) == 0 {
		return ""
	}
	m, err := module.Parse(last.Manifest)
	if err != nil {
		return ""
	}
	return m.OnError
}

// guard is that of the canary.
func (e *entry) guard() lane.Guard {
	g := lane.DefaultGuard
	if len(e.lanes.Guard) > 0 && json.Unmarshal(e.lanes.Guard, &g) != nil {
		return lane.DefaultGuard
	}
	return g
}
