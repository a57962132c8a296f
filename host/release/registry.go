// Package release takes versions of modules from their first push to service
// and back: it keeps them, checks what each step asks for as proof, tells the
// fleet which versions are in use, and writes down who did what and why. What
// is in use survives a restart. It knows nothing of what modules do: a fleet
// runs them, one for each kind.
package release

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Fleet runs the modules of one kind.
type Fleet interface {
	// Compile makes a version that serves nothing yet.
	Compile(name string, s lane.Source) (*lane.Version, error)
	// Put takes versions into use, whole; the zero Lanes take out all.
	Put(name string, l lane.Lanes)
	// Lanes tells what is in use, and how the canary does.
	Lanes(name string) lane.Stats
}

// Store keeps what must last.
type Store interface {
	Modules(ctx context.Context, kind string) (call.ModuleState, error)
	ModuleCode(ctx context.Context, sha256 string) ([]byte, error)
	SaveModules(context.Context, ...call.ModuleChange) error
}

// Options of a Registry.
type Options struct {
	Kind    module.Kind
	Fleet   Fleet
	Store   Store
	Notices *lane.Notices // of the fleet
	// Check reads a module's manifest, nil for none, and tells who signed it.
	Check func(wasm.Source) (m *module.Manifest, signer string, err error)
	// Vouched reports whether what a key has signed may run, now; "" is what
	// nobody has. nil: all may.
	Vouched func(signer string) bool
	// Replay proves a version on what modules have seen.
	Replay func(ctx context.Context, name string, s lane.Source, q Query) (*Proof, error)
	// Unproven lets a version become a canary that neither Replay nor a shadow
	// has proven.
	Unproven bool
	Log      *slog.Logger
	Keep     int // versions of a name that are kept though they are not in use; 0: 20
}

// The states of a version.
const (
	Pushed      = "pushed"   // checked, compiled and configured, but never used
	Replayed    = "replayed" // recorded decisions have been repeated on it
	Shadow      = "shadow"   // it sees requests, and acts on none
	Canary      = "canary"   // it serves a share of them
	Active      = "active"
	Superseded  = "superseded"
	RolledBack  = "rolled_back"
	Quarantined = "quarantined"
)

// byConfig is who acts where the configuration says so, byGateway where a
// version leaves by itself.
const (
	byConfig  = "config"
	byGateway = "gateway"
)

// Act says who does something, and why.
type Act struct {
	Who   string
	Why   string
	Force bool // without the proof that the step asks for
}

// Registry knows all versions of one kind of module.
type Registry struct {
	opt Options

	mu       sync.Mutex
	names    map[string]*entry
	revision int64         // of what is known
	tags     string        // what the bits of targets' tags are called
	left     []lane.Notice // what has left its lane and is not written down yet
	sick     bool          // it could not be

	stop    chan struct{}
	stopped chan struct{}
}

// entry is one name.
type entry struct {
	name       string
	versions   []call.ModuleVersion // in the order in which they came
	lanes      call.ModuleLanes
	events     []call.ModuleEvent
	configured bool   // by the running configuration
	onError    string // that it asks for
	behind     bool   // what is kept could not be taken into use
	live       map[liveKey]*lane.Version
}

// liveKey tells compiled versions apart.
type liveKey struct {
	digest, tags string
	apart        bool
}

// Open reads what is kept. Nothing is in use before a configuration is committed.
func Open(ctx context.Context, o Options) (*Registry, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Keep == 0 {
		o.Keep = 20
	}
	state, err := o.Store.Modules(ctx, string(o.Kind))
	if err != nil {
		return nil, err
	}
	r := &Registry{opt: o, stop: make(chan struct{}), stopped: make(chan struct{})}
	r.names, r.revision = r.sorted(&state), state.Revision
	go r.listen()
	return r, nil
}

// entry returns that of name, a new one where there is none.
func (r *Registry) entry(name string) *entry {
	e := r.names[name]
	if e == nil {
		e = r.blank(name)
		r.names[name] = e
	}
	return e
}

func (r *Registry) blank(name string) *entry {
	return &entry{name: name, lanes: call.ModuleLanes{Kind: string(r.opt.Kind), Name: name}, live: map[liveKey]*lane.Version{}}
}

// Close takes all versions out of use. The fleet is closed after it.
func (r *Registry) Close() {
	close(r.stop)
	<-r.stopped
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.names {
		e.unload(r.opt.Fleet)
	}
}

// unload takes all versions of e out of use.
func (e *entry) unload(f Fleet) {
	if len(e.live) == 0 {
		return
	}
	f.Put(e.name, lane.Lanes{})
	for key, v := range e.live {
		v.Close()
		delete(e.live, key)
	}
}

// find returns the version with a digest, nil if there is none.
func (e *entry) find(digest string) *call.ModuleVersion {
	if digest == "" {
		return nil
	}
	i := slices.IndexFunc(e.versions, func(v call.ModuleVersion) bool { return v.Digest == digest })
	if i < 0 {
		return nil
	}
	return &e.versions[i]
}

// lane is the name of the lane that a version is in, "" for none.
func (e *entry) lane(digest string) string {
	if !e.configured {
		return ""
	}
	switch digest {
	case e.lanes.Active:
		return Active
	case e.lanes.Canary:
		return Canary
	case e.lanes.Shadow:
		return Shadow
	}
	return ""
}

// source reads what v is made of.
func (r *Registry) source(ctx context.Context, v *call.ModuleVersion) (lane.Source, error) {
	code, err := r.opt.Store.ModuleCode(ctx, v.SHA256)
	if err != nil {
		return lane.Source{}, err
	}
	return sourceOf(v, code)
}

func sourceOf(v *call.ModuleVersion, code []byte) (s lane.Source, err error) {
	s.Code, s.Config = code, v.Config
	if len(v.Manifest) > 0 {
		if s.Manifest, err = module.Parse(v.Manifest); err != nil {
			return s, err
		}
	}
	if s.Digest() != v.Digest {
		return s, fmt.Errorf("what is kept of %s is not what came", v.Label)
	}
	return s, nil
}

// Source is what the version is made of that a label names, as decisions show
// it, and the names of tags' bits that it runs with.
func (r *Registry) Source(ctx context.Context, name, label string) (lane.Source, error) {
	r.mu.Lock()
	var v call.ModuleVersion
	if e := r.names[name]; e != nil {
		if i := slices.IndexFunc(e.versions, func(v call.ModuleVersion) bool { return v.Label == label }); i >= 0 {
			v = e.versions[i]
		}
	}
	tags := r.tags
	r.mu.Unlock()
	if v.Digest == "" {
		return lane.Source{}, notFound("version %s is not kept", label)
	}
	s, err := r.source(ctx, &v)
	s.Tags = tags
	return s, err
}
