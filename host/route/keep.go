package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
)

// keptNeeds are shown in records that no module was asked with: what one could
// ask for, but for what callers write themselves. Of bodies beyond keptBody, it
// is what costs nothing to find out.
const (
	keptNeeds = call.NeedSession | call.NeedBudget | call.NeedIdentity | call.NeedFeatures
	keptBody  = 16 << 10
)

// Keep is h.Record, and brings r to where the decision can be made again
// whoever made it: where no module was asked, r holds what one would have been
// shown, and what the built-in order decides, it decides by r.
func (h *Handle) Keep(c *call.Call, r *Recording) {
	h.Record(c, r)
	if len(c.Candidates) == 0 {
		return
	}
	if len(r.Record) == 0 {
		needs := keptNeeds
		if len(c.Body) > keptBody {
			needs = call.NeedBudget | call.NeedIdentity
		}
		c.Need(needs)
		size := recordSize(c, needs)
		r.Record = slices.Grow(r.Record[:0], size)[:size]
		encode(r.Record, c, c.Received.UnixMilli(), seedOf(c), needs)
	}
	if c.Plan.Route == builtin { // live state may have changed since it was read
		_ = builtinOf(r.Record, &c.Plan) // it has just been written
	}
}

// Lane is where the version called label is in use now: "active", "canary", ""
// for nowhere.
func (h *Handle) Lane(label string) string {
	if h == nil {
		return ""
	}
	switch v := h.lanes.View(); {
	case v.Active != nil && v.Active.Label == label:
		return "active"
	case v.Canary != nil && v.Canary.Label == label:
		return "canary"
	}
	return ""
}

// ErrGone is answered for decisions of a version that is not here any more.
var ErrGone = errors.New("the version that decided is not kept here any more")

// Repeat repeats a recorded decision on the version that made it: one that is in
// use, or else what source has kept of it, nil for nothing. Errors other than
// ErrGone are those of the module.
func (r *Router) Repeat(rec *Recording, source func(name, label string) (lane.Source, error)) (*Replayed, error) {
	name, _, _ := strings.Cut(rec.Module, "@")
	if h := r.Handle(name); h != nil {
		view := h.lanes.View()
		for _, v := range [...]*lane.Version{view.Active, view.Canary, view.Shadow} {
			if v != nil && v.Label == rec.Module {
				return replay(v.Module(), rec, 1)
			}
		}
	}
	if source == nil {
		return nil, ErrGone
	}
	src, err := source(name, rec.Module)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	src.Apart = true
	v, err := r.Compile(name, src)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not load: %w", ErrGone, err)
	}
	defer v.Close()
	if v.Label != rec.Module {
		return nil, fmt.Errorf("%w: what is kept is %s", ErrGone, v.Label)
	}
	return replay(v.Module(), rec, 1)
}

// BuiltinOf is the built-in order of a recorded request.
func BuiltinOf(record []byte) (*call.Plan, error) {
	var p call.Plan
	if err := builtinOf(record, &p); err != nil {
		return nil, err
	}
	return &p, nil
}
