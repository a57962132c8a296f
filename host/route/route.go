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
	"os"
	"slices"
	"sync"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm"
)

// Options of a Router.
type Options struct {
	Log      *slog.Logger
	CacheDir string // for compiled modules, "" for none; nobody else may write there
}

// Router holds the routing modules by the name that configuration gives them.
type Router struct {
	log     *slog.Logger
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
	rt, err := wasm.New(wasm.Options{CacheDir: o.CacheDir})
	if err != nil {
		return nil, err
	}
	return &Router{log: o.Log, runtime: rt, handles: map[string]*Handle{}}, nil
}

// Load puts the module of code in use under name; where code is nil, it is read
// from path, which is otherwise for messages alone. Calls that run end in the
// version before. On error that version stays in use. The same code and config
// as before change nothing, also when the module is in quarantine.
func (r *Router) Load(name, path string, code, config []byte) error {
	if code == nil {
		var err error
		if code, err = os.ReadFile(path); err != nil {
			return fmt.Errorf("cannot read route %q: %w", name, err)
		}
	}
	r.loading.Lock()
	defer r.loading.Unlock()
	h := r.Handle(name)
	if h == nil {
		h = newHandle(name, r.log)
	}
	if err := h.load(r.runtime, code, config); err != nil {
		return fmt.Errorf("cannot load route %q from %q: %w", name, path, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handles[name] = h
	return nil
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
