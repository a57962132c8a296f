package release

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
)

// maxConfig bounds a version's configuration.
const maxConfig = 64 << 10

// Upload is a version to be pushed.
type Upload struct {
	Source wasm.Source
	Config []byte // JSON object; nil: that of the active version
}

// Receipt is what a push answers.
type Receipt struct {
	Version
	Known bool `json:"known"` // it had been pushed before
}

// maxWaiting bounds the names that have versions and stand in no configuration.
const maxWaiting = 200

// pushable returns name as it is now, also where the configuration does not have
// it yet; r.mu is held.
func (r *Registry) pushable(ctx context.Context, name string) (*entry, error) {
	if err := r.refresh(ctx); err != nil {
		return nil, err
	}
	if e := r.names[name]; e != nil {
		return e, nil
	}
	if !names.MatchString(name) {
		return nil, invalid("%q is no name for a %s: give up to 64 letters, digits, dots, dashes and underscores", name, r.opt.Kind)
	}
	waiting := 0
	for _, e := range r.names {
		if !e.configured {
			waiting++
		}
	}
	if waiting >= maxWaiting {
		return nil, conflict("%d names have versions and are in no configuration: add %q under %ss before you push more", waiting, name, r.opt.Kind)
	}
	return r.blank(name), nil
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Push takes a new version in: it is checked, metered, compiled and configured
// on trial. Nothing of it is in use yet. The configuration need not have its
// name: it lies ready for the one that does.
func (r *Registry) Push(ctx context.Context, name string, up Upload, a Act) (Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := r.pushable(ctx, name)
	if err != nil {
		return Receipt{}, err
	}
	if len(up.Config) > maxConfig || len(up.Config) > 0 && !isObject(up.Config) {
		return Receipt{}, invalid("config is no JSON object of at most %d bytes", maxConfig)
	}
	if len(up.Source.Code) == 0 {
		return Receipt{}, refused("the module is empty")
	}
	m, signer, err := r.opt.Check(up.Source)
	if err != nil {
		return Receipt{}, refused("%v", err)
	}
	if active := e.find(e.lanes.Active); up.Config == nil && active != nil {
		up.Config = active.Config
	}
	v := r.version(up.Source, m, up.Config, signer, "push")
	s := r.step(e)
	if old := s.find(v.Digest); old != nil {
		if signer != "" && signer != old.Signer {
			old.Signer, s.changed[v.Digest] = signer, true
			if err := s.done(ctx); err != nil {
				return Receipt{}, err
			}
		}
		return Receipt{e.show(e.find(v.Digest)), true}, nil
	}
	s.add(v, up.Source.Code)
	if _, err := s.version(ctx, v.Digest, !e.configured); err != nil { // done closes it
		return Receipt{}, err
	}
	if !e.configured {
		s.drop()
	}
	label := s.find(v.Digest).Label
	if slices.ContainsFunc(e.versions, func(v call.ModuleVersion) bool { return v.Label == label }) {
		s.drop()
		return Receipt{}, conflict("another version is called %s already", label)
	}
	s.note(v.Digest, Pushed, a)
	if err := s.done(ctx); err != nil {
		return Receipt{}, err
	}
	r.names[name] = e
	return Receipt{e.show(e.find(v.Digest)), false}, nil
}

func isObject(text []byte) bool {
	text = bytes.TrimSpace(text)
	return json.Valid(text) && text[0] == '{'
}

// Query says what a version is proven on.
type Query struct {
	Most  int             // recorded decisions: the latest so many, 0: 10,000
	Texts json.RawMessage // what else it is to be shown, in the way of its kind
}

// Proof is what a replay found.
type Proof struct {
	Report  json.RawMessage // for the caller, and kept
	Passed  bool            // there were decisions, and the module failed none
	Summary string          // a line for the history
}

// Replay shows a version what its kind has seen, or what q brings, and keeps the
// report.
func (r *Registry) Replay(ctx context.Context, name, ref string, q Query, a Act) (json.RawMessage, error) {
	r.mu.Lock()
	e, v, err := r.pick(ctx, name, ref, (*entry).latest)
	var src lane.Source
	var rec call.ModuleVersion
	if err == nil {
		rec = *v
		src, err = r.source(ctx, v)
		src.Tags, src.Apart = r.tags, true
	}
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	proof, err := r.opt.Replay(ctx, name, src, q)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.reread(ctx); err != nil { // it has taken a while
		return nil, err
	}
	s := r.step(e)
	now := s.find(rec.Digest)
	if now == nil {
		return nil, notFound("%s went while it was replayed", rec.Label)
	}
	now.Report, now.Proven = proof.Report, proof.Passed
	s.changed[rec.Digest] = true
	if now.State == Pushed && proof.Passed {
		s.set(rec.Digest, Replayed)
	}
	s.note(rec.Digest, "replay", Act{Who: a.Who, Why: joined(proof.Summary, a.Why)})
	if err := s.done(ctx); err != nil {
		return nil, err
	}
	return proof.Report, nil
}
