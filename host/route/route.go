// Package route asks routing modules in which order a request's candidates are
// tried. A module sees facts and live state, never content, and answers with
// indexes into the list that policy has left: it cannot route outside of it.
// Whatever goes wrong in a module, the request is served in the built-in order.
package route

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Options of a Router.
type Options struct {
	Log      *slog.Logger
	CacheDir string // for compiled modules, "" for none; nobody else may write there
	// AllowUnmetered runs modules that cannot be metered, under a slower guard.
	AllowUnmetered bool
	// Notify is told of versions that leave their lane by themselves; it must
	// not call the router.
	Notify func(lane.Notice)
}

// Router holds the routing modules by the name that configuration gives them.
type Router struct {
	log     *slog.Logger
	notify  func(lane.Notice)
	runtime *wasm.Runtime

	loading sync.Mutex // one load at a time; it may take a second
	mu      sync.RWMutex
	handles map[string]*Handle
}

// New returns a router without modules.
func New(o Options) (*Router, error) {
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
	return &Router{log: o.Log, notify: o.Notify, runtime: rt, handles: map[string]*Handle{}}, nil
}

// Load makes the module of code the active version of name; where code is nil,
// it is read from path, with its manifest if there is one; path is otherwise for
// messages alone. Calls that run end in the version before. On error that
// version stays in use. The same module and config as before change nothing,
// also when the module is in quarantine.
func (r *Router) Load(name, path string, code, config []byte) error {
	src := lane.Source{Code: code, Config: config}
	if code == nil {
		var err error
		if src.Code, src.Manifest, err = readModule(path); err != nil {
			return fmt.Errorf("cannot read route %q: %w", name, err)
		}
	}
	r.loading.Lock()
	defer r.loading.Unlock()
	h := r.handle(name)
	if err := h.load(r, src); err != nil {
		if h.lanes.Stats().Swaps == 0 {
			r.Drop(name)
		}
		return fmt.Errorf("cannot load route %q from %q: %w", name, path, err)
	}
	return nil
}

// readModule reads a module and the manifest beside it, nil for none. Signatures
// are not looked at.
func readModule(path string) ([]byte, *module.Manifest, error) {
	s, err := wasm.Read(path)
	if err != nil || len(s.Manifest) == 0 {
		return s.Code, nil, err
	}
	m, err := module.Parse(s.Manifest)
	if err == nil {
		err = m.Matches(s.Code)
	}
	return s.Code, m, err
}

// load makes src active, and keeps the version before it for a quarantine.
func (h *Handle) load(r *Router, src lane.Source) error {
	if src.Digest() == h.source {
		return nil
	}
	v, err := r.Compile(h.name, src)
	if err != nil {
		return err
	}
	h.putting.Lock()
	defer h.putting.Unlock()
	old := h.own
	l := lane.Lanes{Active: v, Previous: h.lanes.View().Active}
	if !h.put(l) {
		v.Close()
		return errClosed
	}
	h.own, h.source = l, src.Digest()
	for _, v := range []*lane.Version{old.Active, old.Previous} {
		if v != nil && v != l.Previous {
			v.Close()
		}
	}
	return nil
}

// Compile makes a version of name's module that serves nothing yet. Whoever
// asks for it closes it, once no lane has it any more.
func (r *Router) Compile(name string, src lane.Source) (*lane.Version, error) {
	state := wasm.NewState(r.log.With("route", name, "trial", true))
	if !src.Apart {
		state = r.handle(name).state
	}
	m := src.Manifest
	if m == nil {
		m = module.Default(module.Route, name)
	}
	v, err := r.runtime.Load(asModule(name, src, state))
	if err != nil {
		return nil, err
	}
	return lane.NewVersion(v, m), nil
}

// Put takes versions of name's module into use; the zero Lanes take out all.
func (r *Router) Put(name string, l lane.Lanes) { r.handle(name).Put(l) }

// Lanes tells which versions of name's module are in use, and how a canary does.
func (r *Router) Lanes(name string) lane.Stats {
	if h := r.Handle(name); h != nil {
		return h.lanes.Stats()
	}
	return lane.Stats{}
}

// handle returns the handle of name, a new one where there is none.
func (r *Router) handle(name string) *Handle {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.handles[name]
	if h == nil {
		h = newHandle(name, r.log, r.notify)
		r.handles[name] = h
	}
	return h
}

// Handle returns what asks the module called name; nil, whose Plan gives the
// built-in order, when there is none. It stays valid through later loads.
func (r *Router) Handle(name string) *Handle {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.handles[name]
}

// Plan fills c.Plan as the module called name says.
func (r *Router) Plan(name string, c *call.Call) { r.Handle(name).Plan(c) }

// Drop takes a module out of use; its handles give the built-in order from now on.
func (r *Router) Drop(name string) {
	r.mu.Lock()
	h := r.handles[name]
	delete(r.handles, name)
	r.mu.Unlock()
	if h != nil {
		h.close()
	}
}

// Close drops all modules, waits for running calls and frees the runtime.
func (r *Router) Close() error {
	r.loading.Lock()
	defer r.loading.Unlock()
	r.mu.Lock()
	handles := slices.Collect(maps.Values(r.handles))
	clear(r.handles)
	r.mu.Unlock()
	for _, h := range handles {
		h.close()
	}
	return r.runtime.Close()
}

// Stats of all modules, by name.
func (r *Router) Stats() []Stats {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]Stats, 0, len(r.handles))
	for _, h := range r.handles {
		out = append(out, h.Stats())
	}
	slices.SortFunc(out, func(a, b Stats) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// ErrBadPlan is the fault of a module whose plan is not one.
var ErrBadPlan = wasm.ErrBadAnswer

var errClosed = errors.New("route has been dropped")
