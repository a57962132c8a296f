package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Seed is the version of a name that the configuration brings. It becomes
// active when it is new or has changed since the configuration brought one
// last; what was promoted since stays while it is the same.
type Seed struct {
	Source  wasm.Source
	Config  []byte // JSON, nil: none
	OnError string // "": as manifests say
}

// Prepared is a configuration whose modules are ready. It must be committed or
// aborted.
type Prepared struct {
	r     *Registry
	seeds map[string]*seeded
	tags  string
	ready map[string]map[liveKey]*lane.Version
}

// seeded is a seed that has been read.
type seeded struct {
	version call.ModuleVersion
	code    []byte
	onError string
}

// Prepare reads and compiles what a configuration asks for, beside what runs.
// tags are the names of targets' tags by bit, a line each.
func (r *Registry) Prepare(ctx context.Context, seeds map[string]Seed, tags string) (p *Prepared, err error) {
	p = &Prepared{r: r, seeds: map[string]*seeded{}, tags: tags, ready: map[string]map[liveKey]*lane.Version{}}
	for name, seed := range seeds {
		if p.seeds[name], err = r.read(seed); err != nil {
			return nil, fmt.Errorf("cannot load %s %q: %w", r.opt.Kind, name, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.heed(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(p.seeds)) {
		s := p.step(name)
		_, err := s.settle(ctx, p.seeds[name])
		p.ready[name] = s.fresh
		if err != nil {
			p.Abort()
			return nil, fmt.Errorf("cannot load %s %q: %w", r.opt.Kind, name, err)
		}
	}
	return p, nil
}

func (r *Registry) read(seed Seed) (*seeded, error) {
	m, signer, err := r.opt.Check(seed.Source)
	if err != nil {
		return nil, err
	}
	return &seeded{version: r.version(seed.Source, m, seed.Config, signer, byConfig), code: seed.Source.Code, onError: seed.OnError}, nil
}

// version is the record of a new version.
func (r *Registry) version(src wasm.Source, m *module.Manifest, config []byte, signer, origin string) call.ModuleVersion {
	sum := sha256.Sum256(src.Code)
	s := lane.Source{Code: src.Code, Manifest: m, Config: config}
	v := call.ModuleVersion{Digest: s.Digest(), SHA256: hex.EncodeToString(sum[:]), Manifest: src.Manifest, Config: config, Signer: signer,
		Origin: origin, State: Pushed}
	if m != nil {
		v.Tag = m.Version
	}
	return v
}

// step begins the change of a name that the configuration has.
func (p *Prepared) step(name string) *step {
	s := p.r.step(p.r.entry(name))
	s.configured, s.tags, s.onError = true, p.tags, p.seeds[name].onError
	s.ready = p.ready[name]
	return s
}

// settle decides what is in use of a name whose seed is given, and compiles it.
// What is kept but cannot be run any more leaves; a seed that cannot is an error.
func (s *step) settle(ctx context.Context, seed *seeded) (wanted, error) {
	digest := seed.version.Digest
	if known := s.find(digest); known == nil {
		s.add(seed.version, seed.code)
	} else {
		known.Signer = seed.version.Signer
		s.changed[digest], s.codes[digest] = true, seed.code
	}
	first := s.lanes.Seed == ""
	if s.lanes.Seed != digest {
		s.lanes.Seed = digest
		if s.lanes.Active != digest {
			s.activate(digest, Superseded)
			why := "the module of the configuration, or its settings, have changed"
			if first {
				why = "first start"
			}
			defer func() { s.note(digest, Active, Act{Who: byConfig, Why: why}) }()
		}
	}
	for {
		w, bad, err := s.compile(ctx)
		if err == nil || bad == digest || ctx.Err() != nil {
			return w, err
		}
		s.expel(bad, digest, err)
	}
}

// expel takes a version that cannot be run out of its lanes; the seed steps in
// for the active one.
func (s *step) expel(bad, seed string, err error) {
	s.r.opt.Log.Error("version cannot be run any more and is out of use", "kind", s.r.opt.Kind, "name", s.e.name, "err", err)
	s.set(bad, Quarantined)
	s.note(bad, Quarantined, Act{Who: byGateway, Why: err.Error()})
	for _, lane := range []*string{&s.lanes.Previous, &s.lanes.Canary, &s.lanes.Shadow} {
		if *lane == bad {
			*lane = ""
		}
	}
	if s.lanes.Active == bad {
		s.activate(seed, Quarantined)
		s.note(seed, Active, Act{Who: byGateway, Why: "the version before it cannot be run"})
	}
}

// Commit takes the configuration's modules into use; see the function.
func (p *Prepared) Commit(ctx context.Context) error { return Commit(ctx, func() {}, p) }

// Commit takes what configurations bring, each of another kind and in one store,
// into use: all of it, or on error none. Between what comes into use and what
// goes out of it, use is called, for what has to change with them. All of ps end
// in either case.
func Commit(ctx context.Context, use func(), ps ...*Prepared) error {
	for _, p := range ps {
		p.r.mu.Lock()
		defer p.r.mu.Unlock()
		defer p.Abort() // closes what was not needed after all
	}
	err := each(ps, (*Registry).heed)
	for n := 1; err == nil; n++ {
		err = commit(ctx, use, ps)
		if !errors.Is(err, call.ErrRevision) || n == attempts {
			return err
		}
		err = each(ps, func(r *Registry) error {
			_, err := r.reread(ctx)
			return err
		})
	}
	return err
}

func each(ps []*Prepared, do func(*Registry) error) error {
	for _, p := range ps {
		if err := do(p.r); err != nil {
			return err
		}
	}
	return nil
}

// commit is one try of Commit.
func commit(ctx context.Context, use func(), ps []*Prepared) error {
	var steps []*step
	var lanes []wanted
	changes := make([]call.ModuleChange, len(ps))
	for i, p := range ps {
		s, w, err := p.change(ctx, &changes[i])
		if steps, lanes = append(steps, s...), append(lanes, w...); err != nil {
			drop(steps)
			return err
		}
	}
	if err := save(ctx, changes, ps); err != nil {
		drop(steps)
		return err
	}
	for i, s := range steps {
		if s.configured {
			s.publish(lanes[i])
		}
	}
	use()
	for i, s := range steps {
		if !s.configured {
			s.publish(lanes[i])
		}
	}
	return nil
}

func save(ctx context.Context, changes []call.ModuleChange, ps []*Prepared) error {
	for i, p := range ps {
		changes[i].Kind, changes[i].Revision = string(p.r.opt.Kind), p.r.revision
	}
	err := ps[0].r.opt.Store.SaveModules(ctx, changes...)
	if err != nil {
		return err
	}
	for _, p := range ps {
		p.r.revision++
		p.r.tags = p.tags
	}
	return nil
}

// change adds to c what p changes, by steps that need the versions of lanes.
func (p *Prepared) change(ctx context.Context, c *call.ModuleChange) (steps []*step, lanes []wanted, err error) {
	r := p.r
	for _, name := range slices.Sorted(maps.Keys(r.names)) {
		var w wanted
		var s *step
		if p.seeds[name] != nil {
			s = p.step(name)
			if w, err = s.settle(ctx, p.seeds[name]); err != nil {
				return append(steps, s), append(lanes, w), fmt.Errorf("cannot load %s %q: %w", r.opt.Kind, name, err)
			}
		} else if s = r.step(r.entry(name)); !s.configured {
			continue
		}
		s.configured = p.seeds[name] != nil
		steps, lanes = append(steps, s), append(lanes, w)
		one := s.change()
		c.Codes = append(c.Codes, one.Codes...)
		c.Versions = append(c.Versions, one.Versions...)
		c.Gone = append(c.Gone, one.Gone...)
		c.Lanes = append(c.Lanes, one.Lanes...)
		c.Events = append(c.Events, one.Events...)
	}
	return steps, lanes, nil
}

func drop(steps []*step) {
	for _, s := range steps {
		s.drop()
	}
}

// Abort ends p without effect. It may follow Commit.
func (p *Prepared) Abort() {
	for _, ready := range p.ready {
		for key, v := range ready {
			v.Close()
			delete(ready, key)
		}
	}
}
