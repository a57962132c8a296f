package route

import (
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	sdk "github.com/signalbox-ai/signalbox/sdk/route"
)

// builtin is what Plan.Route says of the built-in order.
const builtin = "builtin"

// Builtin fills c.Plan with the built-in order: lower priority first, equals
// drawn by weight, targets that are down or not to be used for a while last.
func Builtin(c *call.Call) {
	c.Plan.Reset()
	c.Plan.Route = builtin
	candidates := c.Candidates[:min(len(c.Candidates), call.MaxCandidates)]
	c.Plan.N = len(candidates)
	if len(candidates) == 1 {
		c.Plan.Attempts[0] = call.PlannedAttempt{}
		return
	}
	now := c.Received.UnixMilli()
	var rank sdk.Rank
	for i := range candidates {
		t := candidates[i].Target
		rank.Add(sdk.Class(t.Priority, pause(t, now) > 0 || circuit(t, now) == abi.CircuitOpen), t.Weight)
	}
	rank.Draw(seedOf(c))
	for place := range rank.Len() {
		c.Plan.Attempts[place] = call.PlannedAttempt{Index: uint8(rank.At(place))}
	}
}

// seedOf is the call's random number. It follows from the id, so that a
// decision can be replayed from its ledger row.
func seedOf(c *call.Call) uint64 { return sdk.Mix(uint64(c.ID)) }

// pause is for how many ms from now t is not to be used.
func pause(t *call.Target, now int64) int64 { return t.Resting(now) }

// circuit is the state of t's breaker; one whose provider cannot be reached at
// all is open.
func circuit(t *call.Target, now int64) uint32 {
	if t.Provider != nil && !t.Provider.Up() {
		return abi.CircuitOpen
	}
	return uint32(t.Circuit(now))
}
