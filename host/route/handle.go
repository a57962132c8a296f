package route

import (
	"cmp"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
)

// Handle asks the module of one name, in whatever version is in use. A nil
// Handle gives the built-in order.
type Handle struct {
	name  string
	log   *slog.Logger
	state *wasm.State
	lanes *lane.Set

	calls    atomic.Int64
	declined atomic.Int64
	spent    atomic.Int64
	fellBack atomic.Int64
	canary   atomic.Int64 // calls
	faults   [wasm.NumFaults]atomic.Int64

	shadow shadow
	pump   pump

	putting sync.Mutex // one Put at a time
	own     lane.Lanes // what Load has made
	source  string     // its digest
}

func newHandle(name string, log *slog.Logger, notify func(lane.Notice)) *Handle {
	log = log.With("route", name)
	h := &Handle{name: name, log: log, state: wasm.NewState(log), lanes: lane.NewSet(name, log, notify)}
	h.shadow.handle, h.pump.handle = h, h
	return h
}

// Outcome is how a request ended.
type Outcome = lane.Outcome

// Outcome counts how a request ended with a plan: a canary that does worse than
// the active version is taken out. To decline is a decision too.
func (h *Handle) Outcome(p *call.Plan, o Outcome) {
	if h != nil {
		h.lanes.Outcome(cmp.Or(p.Declined, p.Route), o)
	}
}

// Needs are what the versions in use ask to know about requests.
func (h *Handle) Needs() call.Needs {
	if h == nil {
		return 0
	}
	return h.lanes.View().Needs
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
	view := h.lanes.View()
	if view.Shadow == nil {
		h.decide(view, c, r)
		return
	}
	h.shadow.watch(view, c, r)
}

// decide asks the version that serves c.
func (h *Handle) decide(view *lane.View, c *call.Call, r *Recording) {
	if view.BySession() {
		c.Need(call.NeedSession)
	}
	for {
		v := view.Pick(split(c))
		switch {
		case v == nil && view.Refuse:
			refuse(c, "")
			return
		case v == nil:
			Builtin(c)
			return
		}
		in, err := v.Acquire()
		if in == nil && err == nil {
			view = h.lanes.View() // v has just left its lane
			continue
		}
		if h.ask(view, v, in, err, c, r) {
			return
		}
		if v == view.Canary && view.Active != nil { // the request is served as if there were no canary
			h.fellBack.Add(1)
			h.fallBack(view, c, r)
			return
		}
		h.failed(view, v, c)
		return
	}
}

// fallBack asks the active version in the place of a canary that has failed.
func (h *Handle) fallBack(view *lane.View, c *call.Call, r *Recording) {
	v := view.Active
	in, err := v.Acquire()
	if in == nil && err == nil { // both have just left
		view = h.lanes.View()
		if v = view.Active; v != nil {
			in, err = v.Acquire()
		}
		if in == nil && err == nil {
			Builtin(c)
			return
		}
	}
	if !h.ask(view, v, in, err, c, r) {
		h.failed(view, v, c)
	}
}

// failed does what is to be done when a module cannot judge.
func (h *Handle) failed(view *lane.View, v *lane.Version, c *call.Call) {
	if view.Refuse {
		refuse(c, v.Label)
		return
	}
	Builtin(c)
}

// CodeFailed in a plan: the module cannot judge, and its configuration refuses
// the request then. Modules cannot answer it.
const CodeFailed = 1<<32 - 1

func refuse(c *call.Call, label string) {
	c.Plan.Reset()
	c.Plan.Code, c.Plan.Route = CodeFailed, label
}

// split is what a canary's share is taken of.
func split(c *call.Call) lane.Split {
	s := lane.Split{Request: uint64(c.ID), Session: c.Wants.Session}
	if c.Principal != nil {
		s.Key = c.Principal.KeyID
	}
	return s
}

// ask fills c.Plan as in, an instance of v, says; err is why there is none. It
// reports whether the plan is good.
func (h *Handle) ask(view *lane.View, v *lane.Version, in *wasm.Instance, err error, c *call.Call, r *Recording) bool {
	h.calls.Add(1)
	if v == view.Canary {
		h.canary.Add(1)
	}
	if in != nil {
		err = ask(in, v, c, r)
		h.spent.Add(in.Spent())
		in.Release(err)
	}
	if err != nil {
		h.faults[wasm.FaultOf(err)].Add(1)
		f := lane.Failure{Err: err, At: c.Received}
		if c.Principal != nil {
			f.Key = c.Principal.KeyID
		}
		h.lanes.Failed(view, v, f)
		return false
	}
	view.Called(v, false)
	if c.Plan.N == 0 && c.Plan.Code == 0 {
		h.declined.Add(1)
		Builtin(c)
		c.Plan.Declined = v.Label
		return true
	}
	c.Plan.Route = v.Label
	return true
}

// ask runs one decision on an instance and keeps it in r unless that is nil. The
// empty plan means that it declines.
func ask(in *wasm.Instance, v *lane.Version, c *call.Call, r *Recording) error {
	needs := needsOf(in.Version().Manifest())
	c.Need(needs)
	size := recordSize(c, needs)
	b, err := in.Buffer(size)
	if err != nil {
		return err
	}
	encode(b, c, c.Received.UnixMilli(), seedOf(c), needs)
	if r != nil {
		r.Module, r.Record = v.Label, append(r.Record[:0], b...)
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
	if err := decode(answer, min(len(c.Candidates), call.MaxCandidates), &c.Plan); err != nil {
		return err
	}
	if c.Plan.Code == CodeFailed {
		return wasm.BadAnswer("code %d is the host's own", uint32(CodeFailed))
	}
	return nil
}

// Put takes l into use, whole; see lane.Set. It reports whether the handle is open.
func (h *Handle) Put(l lane.Lanes) bool {
	h.putting.Lock()
	defer h.putting.Unlock()
	return h.put(l)
}

func (h *Handle) put(l lane.Lanes) bool {
	if !h.lanes.Put(l) {
		return false
	}
	h.shadow.follow(l.Shadow)
	h.pump.follow(l.Active)
	return true
}

// close ends the handle; what it made drains.
func (h *Handle) close() {
	h.putting.Lock()
	defer h.putting.Unlock()
	h.lanes.Close()
	h.shadow.follow(nil)
	h.pump.follow(nil)
	for _, v := range []*lane.Version{h.own.Active, h.own.Previous} {
		if v != nil {
			v.Close()
		}
	}
	h.own = lane.Lanes{}
}
