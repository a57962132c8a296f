package host

import (
	"math/bits"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Replan implements dispatch.Replanning: the module that planned c is asked
// again, now that it can be told what has failed and how. Its new order holds
// among what has not been tried; what it does not name any more comes last.
func (h *Host) Replan(c *call.Call, open uint64) {
	f := c.Owner.(*flight)
	handle := f.gen.handles[f.route()]
	if handle == nil || handle.Lane(c.Plan.Route) == "" {
		return // the built-in order stays, and a module that is not there any more is not asked
	}
	before := c.Plan
	if f.sampled && !f.replanned {
		first := before
		f.kept.plan = &first
	}
	handle.Plan(c)
	again := c.Plan
	c.Plan = before
	if again.Code == 0 && again.Route == c.Plan.Route {
		reorder(&c.Plan, &again, open)
		f.replanned = true
	}
}

// reorder puts p's open steps into the order of another plan for the same
// candidates.
func reorder(p, by *call.Plan, open uint64) {
	var waiting uint64 // candidates of the open steps
	for rest := open; rest != 0; rest &= rest - 1 {
		waiting |= 1 << p.Attempts[bits.TrailingZeros64(rest)].Index
	}
	steps, left := open, open
	put := func(a call.PlannedAttempt) {
		p.Attempts[bits.TrailingZeros64(steps)] = a
		steps &= steps - 1
	}
	was := *p
	for i := range by.N {
		if a := by.Attempts[i]; waiting&(1<<a.Index) != 0 {
			waiting &^= 1 << a.Index
			put(a)
		}
	}
	for ; left != 0; left &= left - 1 {
		if a := was.Attempts[bits.TrailingZeros64(left)]; waiting&(1<<a.Index) != 0 {
			put(a)
		}
	}
}
