package dispatch

import "github.com/signalbox-ai/signalbox/host/call"

// Replanning is an Account that can order anew, once an attempt has failed,
// what is left of the plan.
type Replanning interface {
	// Replan may put the steps in open, one bit each, into another order among
	// themselves, and change what they say but for their targets.
	Replan(c *call.Call, open uint64)
}

// replan has the steps ordered anew that have not been tried.
func (r *run) replan() {
	a, ok := r.account.(Replanning)
	if !ok || r.round > 0 || r.step+1 >= r.c.Plan.N {
		return
	}
	all := ^uint64(0) >> (64 - r.c.Plan.N)
	if open := all &^ (1<<(r.step+1) - 1) &^ r.dead; open&(open-1) != 0 { // one alone has its place
		a.Replan(r.c, open)
	}
}
