package policy

// Stats are an engine's counters; all but Units' Entries and Bytes only grow.
type Stats struct {
	Revision     string
	Decisions    uint64
	Denials      uint64 // decided against the request
	Failures     uint64 // could not be decided, and so refused
	Reloads      uint64 // bundles that became active
	ReloadErrors uint64
	LastError    error  // of the last reload, nil if it went well
	Kept         bool   // the configured bundle was refused at the start, LastError says why: what it last was is served
	KeepErrors   uint64 // accepted bundles that could not be kept
	MemoBytes    int64  // of all units, the merged and the whole decisions
	Units        []UnitStats
}

// UnitStats are the counters of one unit.
type UnitStats struct {
	Name    string
	Cached  bool   // its verdicts are remembered
	Hits    uint64 // answered from memory
	Misses  uint64 // evaluated
	Errors  uint64 // of those, decided nothing
	Entries int64
	Bytes   int64
}

// Stats returns the counters as they are now.
func (e *Engine) Stats() Stats {
	e.mu.Lock() // a new snapshot takes over what the old one has counted
	defer e.mu.Unlock()
	s := e.snap.Load()
	st := Stats{
		Revision: s.revision, LastError: e.lastErr, Kept: e.kept, KeepErrors: e.keepErrors.Load(), MemoBytes: s.merged.bytes.Load(),
		Decisions: e.decisions.Load(), Denials: e.denials.Load(), Failures: e.failures.Load(),
		Reloads: e.reloads.Load(), ReloadErrors: e.reloadErrors.Load(),
	}
	if s.whole != nil {
		st.MemoBytes += s.whole.bytes.Load()
	}
	for _, u := range s.units {
		us := UnitStats{Name: u.name, Hits: u.stats.hits.Load() + s.answered.Load(), Misses: u.stats.misses.Load(), Errors: u.stats.errors.Load()}
		if u.memo != nil {
			us.Cached, us.Entries, us.Bytes = true, u.memo.entries.Load(), u.memo.bytes.Load()
		}
		st.MemoBytes += us.Bytes
		st.Units = append(st.Units, us)
	}
	return st
}
