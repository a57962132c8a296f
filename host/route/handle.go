package route

import (
	"bytes"
	"crypto/sha256"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm"
)

// Handle asks one module. A nil Handle gives the built-in order.
type Handle struct {
	name  string
	log   *slog.Logger
	state *wasm.State
	slot  wasm.Slot

	calls    atomic.Int64
	declined atomic.Int64
	spent    atomic.Int64
	faults   [wasm.NumFaults]atomic.Int64

	code   wasm.ID // of what was loaded last, in use or in quarantine
	config []byte

	mu          sync.Mutex    // held for moments, by requests too
	previous    *wasm.Version // good and retired: what a quarantine goes back to
	watch       watch
	quarantined string // label of the version that was taken out, "" if none
	closed      bool
}

func newHandle(name string, log *slog.Logger) *Handle {
	log = log.With("route", name)
	return &Handle{name: name, log: log, state: wasm.NewState(log)}
}

// Plan fills c.Plan from c.Candidates. It never fails and allocates nothing.
func (h *Handle) Plan(c *call.Call) { h.plan(c, nil) }

// Record is Plan, and keeps what the decision can be repeated from in r, whose
// room is used again. Where no module was asked, r.Module is empty.
func (h *Handle) Record(c *call.Call, r *Recording) {
	r.Module, r.Record, r.Calls, r.Answer = "", r.Record[:0], r.Calls[:0], r.Answer[:0]
	h.plan(c, r)
}

func (h *Handle) plan(c *call.Call, r *Recording) {
	if h == nil || len(c.Candidates) == 0 {
		Builtin(c)
		return
	}
	in, err := h.slot.Acquire()
	if in == nil && err == nil {
		Builtin(c)
		return
	}
	h.calls.Add(1)
	if err == nil {
		err = ask(in, c, r)
		h.spent.Add(in.Spent())
		in.Release(err)
	}
	switch {
	case err != nil:
		h.fault(in, err, c)
		Builtin(c)
	case c.Plan.N == 0 && c.Plan.Code == 0:
		h.declined.Add(1)
		Builtin(c)
	default:
		c.Plan.Route = in.Version().Label
	}
}

// ask runs one decision on an instance and keeps it in r unless that is nil. The
// empty plan means that it declines.
func ask(in *wasm.Instance, c *call.Call, r *Recording) error {
	size := recordSize(c)
	b, err := in.Buffer(size)
	if err != nil {
		return err
	}
	encode(b, c, c.Received.UnixMilli(), seedOf(c))
	if r != nil {
		r.Module, r.Record = in.Version().Label, append(r.Record, b...)
	}
	answer, err := in.Call(size)
	if r != nil {
		r.Keep(in, answer)
	}
	if err != nil {
		return err
	}
	c.Plan.Reset()
	if answer == nil {
		return nil
	}
	return decode(answer, min(len(c.Candidates), call.MaxCandidates), &c.Plan)
}

// fault counts a failed decision and takes the module out when it fails too
// often. in is nil when no instance could be made.
func (h *Handle) fault(in *wasm.Instance, err error, c *call.Call) {
	kind := wasm.FaultOf(err)
	h.faults[kind].Add(1)
	v := h.slot.Current()
	if in != nil {
		v = in.Version()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if v == nil || v != h.slot.Current() {
		return // already out of use
	}
	if h.watch.version != v {
		h.watch = watch{version: v}
	}
	first, over := h.watch.fault(c, h.calls.Load())
	if first {
		h.log.Warn("routing module failed; the built-in order served the request", "version", v.Label, "fault", kind, "error", err)
	}
	if over {
		h.quarantine(v)
	}
}

// quarantine puts the version before v back in use, or the built-in order;
// h.mu is held.
func (h *Handle) quarantine(v *wasm.Version) {
	back, to := h.previous, "builtin"
	h.previous = nil
	if back != nil {
		to = back.Label
	}
	h.slot.Swap(back)
	v.Close()
	h.quarantined, h.watch = v.Label, watch{}
	h.log.Error("routing module fails too often and is out of use until another is loaded", "version", v.Label, "instead", to)
}

// load compiles code and puts it in use, unless it is what was loaded last.
// The router calls it one at a time.
func (h *Handle) load(rt *wasm.Runtime, code, config []byte) error {
	id := wasm.ID(sha256.Sum256(code))
	if id == h.code && bytes.Equal(config, h.config) {
		return nil
	}
	v, err := rt.Load(module(h.name, code, config, h.state))
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		v.Close()
		return errClosed
	}
	h.code, h.config = id, bytes.Clone(config)
	h.quarantined = ""
	if old := h.slot.Swap(v); old != nil {
		if h.previous != nil {
			h.previous.Close()
		}
		h.previous = old
	}
	return nil
}

// close ends the handle; its versions drain.
func (h *Handle) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, v := range []*wasm.Version{h.slot.Swap(nil), h.previous} {
		if v != nil {
			v.Close()
		}
	}
	h.previous = nil
}

// Stats of one module since the handle was made, over all its versions.
type Stats struct {
	Name        string
	Version     string // name@sha256 of what is in use, "builtin" when nothing is
	Quarantined string // the version that was taken out last, "" if none is
	Calls       int64
	Declined    int64            // calls that the module left to the built-in order
	Faults      map[string]int64 // by kind: fuel, trap, memory, bad_answer, start
	Fuel        int64            // spent
	Instances   int
}

// Stats returns the module's counters.
func (h *Handle) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Stats{Name: h.name, Version: builtin, Quarantined: h.quarantined, Calls: h.calls.Load(),
		Declined: h.declined.Load(), Fuel: h.spent.Load(), Faults: map[string]int64{}}
	for kind := wasm.NoFault + 1; kind < wasm.NumFaults; kind++ {
		s.Faults[kind.String()] = h.faults[kind].Load()
	}
	if v := h.slot.Current(); v != nil {
		s.Version, s.Instances = v.Label, v.Instances()
	}
	return s
}

// A module is taken out when, within a window, it fails for enough different
// keys and for enough of its calls: one caller's crafted requests, or a rare
// fault under much traffic, do not take it from everybody.
const (
	watchWindow = 10 * time.Second
	watchKeys   = 3
	watchShare  = 10 // one in so many calls
)

// watch counts the faults of one version in the current window.
type watch struct {
	version *wasm.Version
	start   time.Time
	calls   int64 // of the handle when the window began
	faults  int64
	keys    [watchKeys]string
	nKeys   int
}

// fault counts one; first is true for the first within a window, over when the
// version should be taken out.
func (w *watch) fault(c *call.Call, calls int64) (first, over bool) {
	if w.faults == 0 || c.Received.Sub(w.start) > watchWindow {
		*w = watch{version: w.version, start: c.Received, calls: calls - 1}
	}
	w.faults++
	key := ""
	if c.Principal != nil {
		key = c.Principal.KeyID
	}
	if w.nKeys < watchKeys && !slices.Contains(w.keys[:w.nKeys], key) {
		w.keys[w.nKeys] = key
		w.nKeys++
	}
	return w.faults == 1, w.nKeys == watchKeys && w.faults*watchShare >= calls-w.calls
}
