package route

import "github.com/signalbox-ai/signalbox/host/wasm"

// Stats of one module since the handle was made, over all its versions.
type Stats struct {
	Name        string
	Version     string // name@sha256 of what is active, "builtin" when nothing is
	Quarantined string // the version that was taken out last, "" if none is
	Calls       int64
	Declined    int64            // calls that the module left to the built-in order
	Faults      map[string]int64 // by kind: fuel, trap, memory, bad_answer, start
	Fuel        int64            // spent
	Instances   int

	Canary      string           // "" for none
	Share       float64          // of requests that it serves
	CanaryCalls int64            // of canaries, in all
	FellBack    int64            // calls that a canary failed and the active version served
	Swaps       int64            // of the active version
	Rollbacks   map[string]int64 // of canaries by themselves, by the rule that they broke
	LaneCalls   map[string]int64 // of the versions in use: active, canary, shadow
	LaneFaults  map[string]int64
	Shadow      *ShadowStats // nil: no version ever was in the shadow
	Observing   *Observing   // nil: no version ever asked for outcomes
}

// Stats returns the module's counters.
func (h *Handle) Stats() Stats {
	l, view := h.lanes.Stats(), h.lanes.View()
	s := Stats{Name: h.name, Version: builtin, Quarantined: l.Quarantined, Calls: h.calls.Load(),
		Declined: h.declined.Load(), Fuel: h.spent.Load(), Faults: map[string]int64{},
		Canary: l.Canary, Share: l.Share, CanaryCalls: h.canary.Load(), FellBack: h.fellBack.Load(), Swaps: l.Swaps, Rollbacks: l.Rollbacks,
		LaneCalls: map[string]int64{}, LaneFaults: map[string]int64{}, Shadow: h.shadow.stats(), Observing: h.pump.stats()}
	for kind := wasm.NoFault + 1; kind < wasm.NumFaults; kind++ {
		s.Faults[kind.String()] = h.faults[kind].Load()
	}
	if view.Active != nil {
		s.Version, s.Instances = view.Active.Label, view.Active.Instances()
		s.LaneCalls["active"], s.LaneFaults["active"] = view.Active.Calls(), view.Active.Faults()
	}
	if view.Canary != nil {
		s.LaneCalls["canary"], s.LaneFaults["canary"] = view.Canary.Calls(), view.Canary.Faults()
	}
	if view.Shadow != nil {
		s.LaneCalls["shadow"], s.LaneFaults["shadow"] = view.Shadow.Calls(), view.Shadow.Faults()
	}
	return s
}
