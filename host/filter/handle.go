package filter

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// Handle is the filter of one name, in whatever version is in use.
type Handle struct {
	name   string
	state  *wasm.State
	lanes  *lane.Set
	native atomic.Pointer[native] // nil: it is a module

	counts counts
	shadow shadow

	own    lane.Lanes // what load has made
	source string     // its digest
}

func newHandle(name string, log *slog.Logger, notify func(lane.Notice)) *Handle {
	log = log.With("filter", name)
	return &Handle{name: name, state: wasm.NewState(log), lanes: lane.NewSet(name, log, notify)}
}

// load makes src active; the set calls it one at a time.
func (h *Handle) load(s *Set, src lane.Source, onError string) error {
	h.native.Store(nil)
	if src.Digest() == h.source {
		l := h.lanes.View().Lanes()
		if l.OnError != onError {
			l.OnError = onError
			h.lanes.Put(l)
		}
		return nil
	}
	v, err := s.Compile(h.name, src)
	if err != nil {
		return err
	}
	old := h.own
	l := lane.Lanes{Active: v, Previous: h.lanes.View().Active, OnError: onError}
	if !h.lanes.Put(l) {
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

// close ends the handle; what it made drains.
func (h *Handle) close() {
	h.lanes.Close()
	for _, v := range []*lane.Version{h.own.Active, h.own.Previous} {
		if v != nil {
			v.Close()
		}
	}
	h.own, h.source = lane.Lanes{}, ""
}

// open reports whether what the filter cannot judge passes: only where the
// operator, or else the manifest of the active version, says so.
func (h *Handle) open() bool {
	v := h.lanes.View()
	onError := v.Lanes().OnError
	if onError == "" && v.Active != nil {
		onError = v.Active.Manifest.OnError
	}
	return onError == module.Open
}

// limit is how much text a window of the filter holds at most.
func (h *Handle) limit() int {
	if n := h.native.Load(); n != nil {
		return (*n).limit()
	}
	return abi.MaxWindow
}

// verdict is what was said of a window. Its bytes are copies.
type verdict struct {
	version  string
	action   uint32
	consumed int
	code     uint32
	findings uint32
	output   []byte
	reason   [abi.MaxReason]byte
	nReason  int
}

func (v *verdict) because(reason string) { v.nReason = copy(v.reason[:], reason) }

// look shows a module the window and keeps what it says in v. state is where
// the channel's state lies. A canary that fails is stood in for.
func (h *Handle) look(w *record.Window, split lane.Split, who lane.Failure, state *state, v *verdict) error {
	view := h.lanes.View()
	version := view.Pick(split)
	for {
		if version == nil {
			return errNone
		}
		in, err := version.Acquire()
		if in == nil && err == nil { // it has just left its lane
			view = h.lanes.View()
			version = view.Pick(split)
			continue
		}
		h.counts.calls.Add(1)
		if in != nil {
			err = ask(in, w, state, v)
			h.counts.fuel.Add(in.Spent())
			in.Release(err)
		}
		if err == nil {
			view.Called(version, false)
			v.version = version.Label
			if shadow := view.Shadow; shadow != nil && version == view.Active {
				h.shadow.watch(shadow, w, v)
			}
			return nil
		}
		h.counts.faults[wasm.FaultOf(err)].Add(1)
		who.Err = err
		h.lanes.Failed(view, version, who)
		if version != view.Canary || view.Active == nil {
			v.version = version.Label
			return err
		}
		version = view.Active
	}
}

// ask makes one call of an instance.
func ask(in *wasm.Instance, w *record.Window, state *state, v *verdict) error {
	size := w.Size()
	b, err := in.Buffer(size)
	if err != nil {
		return err
	}
	w.Encode(b)
	answer, err := in.Call(size)
	if err != nil {
		return err
	}
	said, err := record.ReadVerdict(answer, w)
	if err != nil {
		return err
	}
	v.action, v.consumed, v.code, v.findings = said.Action, said.Consumed, said.Code, said.Findings
	v.output = append(v.output[:0], said.Output...)
	v.nReason = copy(v.reason[:], said.Reason)
	state.n = copy(state.b[:], said.State)
	return nil
}

// state is what a filter leaves to a channel's next window.
type state struct {
	b [abi.MaxState]byte
	n int
}

// maxCodes bounds the codes of a filter that are counted apart.
const maxCodes = 32

// counts are a filter's, over all its versions.
type counts struct {
	calls    atomic.Int64
	fuel     atomic.Int64
	bytes    atomic.Int64 // settled
	findings atomic.Int64
	opened   atomic.Int64 // windows that passed though it failed
	actions  [abi.ActionEscalate + 1]atomic.Int64
	faults   [wasm.NumFaults]atomic.Int64

	mu    sync.Mutex
	codes map[uint32]int64 // of blocks and escalations
}

// said counts a verdict.
func (c *counts) said(v *verdict) {
	c.actions[v.action].Add(1)
	c.bytes.Add(int64(v.consumed))
	if v.findings > 0 {
		c.findings.Add(int64(v.findings))
	}
	if v.action != abi.ActionBlock && v.action != abi.ActionEscalate {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.codes == nil {
		c.codes = map[uint32]int64{}
	}
	if _, ok := c.codes[v.code]; ok || len(c.codes) < maxCodes {
		c.codes[v.code]++
	}
}

// ActionNames are the stable names of actions, by package abi.
var ActionNames = [...]string{"failed", "pass", "replace", "block", "more", "escalate"}

// Stats of one filter since the handle was made, over all its versions.
type Stats struct {
	Name        string
	Version     string // name@sha256 of what is active, "" when nothing is; of what is part of the host "builtin"
	Quarantined string // the version that was taken out last, "" if none is
	Calls       int64
	Actions     map[string]int64
	Codes       map[uint32]int64 // of blocks and escalations
	Findings    int64
	Bytes       int64            // of text, settled
	Faults      map[string]int64 // by kind: fuel, trap, memory, bad_answer, start
	Opened      int64            // windows that passed though it failed, since on_error is open
	Fuel        int64            // spent
	Instances   int
	Lanes       lane.Stats
	Shadow      *ShadowStats // nil: no version ever was in the shadow
}

// Stats returns the filter's counters.
func (h *Handle) Stats() Stats {
	l, view := h.lanes.Stats(), h.lanes.View()
	s := Stats{Name: h.name, Version: l.Active, Quarantined: l.Quarantined, Calls: h.counts.calls.Load(), Findings: h.counts.findings.Load(),
		Bytes: h.counts.bytes.Load(), Opened: h.counts.opened.Load(), Fuel: h.counts.fuel.Load(), Lanes: l,
		Shadow: h.shadow.stats(), Actions: map[string]int64{}, Codes: map[uint32]int64{}, Faults: map[string]int64{}}
	for action := abi.ActionPass; action <= abi.ActionEscalate; action++ {
		s.Actions[ActionNames[action]] = h.counts.actions[action].Load()
	}
	for kind := wasm.NoFault + 1; kind < wasm.NumFaults; kind++ {
		s.Faults[kind.String()] = h.counts.faults[kind].Load()
	}
	h.counts.mu.Lock()
	for code, n := range h.counts.codes {
		s.Codes[code] = n
	}
	h.counts.mu.Unlock()
	if h.native.Load() != nil {
		s.Version = builtin
	}
	if view.Active != nil {
		s.Instances = view.Active.Instances()
	}
	return s
}

// builtin is the version of filters that are part of the host.
const builtin = "builtin"
