package limit

import "github.com/signalbox-ai/signalbox/host/call"

// Stats is a snapshot of what the limits have come to.
type Stats struct {
	Counters int   // in use
	Running  int64 // requests that a limit of those at once holds for
	// Of what nodes share:
	Shared     bool `json:",omitempty"` // it is there and asked
	Nodes      int64
	Rounds     int64 // times that the banker has asked
	Failed     int64 // of those in vain
	Alone      int64 // requests that this node's part alone has decided on, as there was no answer in time
	LostFixes  int64 // corrections that were not made
	Configured bool  `json:"-"` // there is something to share
}

// Stats returns the figures as they stand.
func (l *Limits) Stats() Stats {
	l.counters.mu.Lock()
	s := Stats{Counters: len(l.counters.m), Running: l.running.Load(), Nodes: 1}
	l.counters.mu.Unlock()
	if b := l.bank; b != nil {
		s.Configured, s.Shared, s.Nodes = true, b.up(), b.nodes()
		s.Rounds, s.Failed, s.Alone, s.LostFixes = b.asked.Load(), b.failed.Load(), b.alone.Load(), b.lost.Load()
	}
	return s
}

// Refusals calls f with how often limits of a kind of scope and unit have
// refused a request or, soft ones, were passed.
func (l *Limits) Refusals(f func(n int64, kind, unit string, soft bool)) {
	for soft := range l.refused {
		for kind := range l.refused[soft] {
			name := "other"
			if kind < len(call.ScopeKinds) && kind < numKinds-1 {
				name = call.ScopeKinds[kind]
			}
			for unit := call.UnitTokens; unit <= call.UnitConcurrent; unit++ {
				if n := l.refused[soft][kind][unit].Load(); n > 0 {
					f(n, name, unit.String(), soft == 1)
				}
			}
		}
	}
}
