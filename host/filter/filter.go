// Package filter lets filters look at the text of requests and answers: modules
// in WebAssembly, and a few that are part of the host. Each sees the text of
// one channel in windows and says what goes on of it. The host keeps what a
// filter has not settled, so that any instance of any version can be asked
// next, and a failed one has lost nothing.
//
// What a filter cannot judge is blocked, unless the operator says otherwise.
package filter

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Options of a Set.
type Options struct {
	Log      *slog.Logger
	CacheDir string // for compiled modules, "" for none; nobody else may write there
	// AllowUnmetered runs modules that cannot be metered, under a slower guard.
	AllowUnmetered bool
	// Notify is told of versions that leave their lane by themselves; it must
	// not call the set.
	Notify func(lane.Notice)
}

// Set holds the filters by the name that configuration gives them.
type Set struct {
	log     *slog.Logger
	notify  func(lane.Notice)
	runtime *wasm.Runtime
	screens sync.Pool
	schemas schemas

	loading sync.Mutex // one load at a time; it may take a second
	mu      sync.RWMutex
	handles map[string]*Handle
}

// New returns a set without filters.
func New(o Options) (*Set, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Notify == nil {
		o.Notify = func(lane.Notice) {}
	}
	rt, err := wasm.New(wasm.Options{CacheDir: o.CacheDir, AllowUnmetered: o.AllowUnmetered})
	if err != nil {
		return nil, err
	}
	s := &Set{log: o.Log, notify: o.Notify, runtime: rt, handles: map[string]*Handle{}}
	s.screens.New = func() any { return &Screen{set: s} }
	return s, nil
}

// Load makes the module of src the active version of name; the one before it is
// kept for a quarantine. Calls that run end in the version before, a stream's
// next window is the new one's. On error nothing changes, nor does it where src
// is what was loaded last, also when that is in quarantine.
func (s *Set) Load(name string, src lane.Source, onError string) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	h, isNew := s.handle(name)
	if err := h.load(s, src, onError); err != nil {
		if isNew {
			s.forget(name)
		}
		return fmt.Errorf("cannot load filter %q: %w", name, err)
	}
	return nil
}

// Native is a filter that is part of the host, made of its configuration.
type Native struct{ native native }

// NewNative makes the filter of the host that is called builtin.
func NewNative(builtin string, config []byte) (Native, error) {
	make := natives[builtin]
	if make == nil {
		return Native{}, fmt.Errorf("there is no filter builtin:%s", builtin)
	}
	n, err := make(config)
	return Native{n}, err
}

// PutNative puts n in use under name, in the place of a module.
func (s *Set) PutNative(name string, n Native) {
	h, _ := s.handle(name)
	h.native.Store(&n.native)
}

// IsBuiltin reports whether the filter called so is part of the host.
func IsBuiltin(name string) bool { return natives[name] != nil }

// Compile makes a version of name's module that serves nothing yet. Whoever
// asks for it closes it, once no lane has it any more.
func (s *Set) Compile(name string, src lane.Source) (*lane.Version, error) {
	state := wasm.NewState(s.log.With("filter", name, "trial", true))
	if !src.Apart {
		h, _ := s.handle(name)
		state = h.state
	}
	m := src.Manifest
	if m == nil {
		m = module.Default(module.Filter, name)
	}
	v, err := s.runtime.Load(wasm.Module{Name: name, Code: src.Code, Manifest: src.Manifest, Config: record.Config(name, src.Config, src.Tags),
		Strict: src.Configured(), Entry: "sb_filter", Params: 2, State: state})
	if err != nil {
		return nil, err
	}
	return lane.NewVersion(v, m), nil
}

// Put takes versions of name's module into use; see lane.Set. Without any, all
// that the filter should look at is blocked.
func (s *Set) Put(name string, l lane.Lanes) {
	h, _ := s.handle(name)
	if l.Active != nil {
		h.native.Store(nil)
	}
	h.shadow.follow(l.Shadow)
	h.lanes.Put(l)
}

// Lanes tells which versions of name's module are in use.
func (s *Set) Lanes(name string) lane.Stats {
	if h := s.Handle(name); h != nil {
		return h.lanes.Stats()
	}
	return lane.Stats{}
}

// Handle returns the filter called name, nil when there is none.
func (s *Set) Handle(name string) *Handle {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.handles[name]
}

// handle returns the handle of name, a new one where there is none.
func (s *Set) handle(name string) (h *Handle, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h = s.handles[name]; h == nil {
		h, isNew = newHandle(name, s.log, s.notify), true
		s.handles[name] = h
	}
	return h, isNew
}

func (s *Set) forget(name string) {
	s.mu.Lock()
	h := s.handles[name]
	delete(s.handles, name)
	s.mu.Unlock()
	if h != nil {
		h.close()
	}
}

// Close drops all filters, waits for running calls and frees the runtime.
func (s *Set) Close() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.mu.Lock()
	handles := slices.Collect(maps.Values(s.handles))
	clear(s.handles)
	s.mu.Unlock()
	for _, h := range handles {
		h.close()
	}
	return s.runtime.Close()
}

// Stats of all filters, by name.
func (s *Set) Stats() []Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]Stats, 0, len(s.handles))
	for _, h := range s.handles {
		out = append(out, h.Stats())
	}
	slices.SortFunc(out, func(a, b Stats) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

var (
	errClosed = errors.New("filter has been dropped")
	errNone   = errors.New("no version of it is in use")
)
