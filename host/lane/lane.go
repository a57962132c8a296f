// Package lane keeps the versions of a module that are in use under one name:
// the active one, a canary that serves a share of the requests, and a shadow
// that only watches. Which are in use is one immutable value behind one atomic
// pointer, so that versions change while requests run; a canary that does worse
// than the active version, and a version that fails too often, leave by
// themselves. Routing modules and filters are run on it.
package lane

import (
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/route"
)

// By is what a canary's share is a share of.
type By uint8

// The ways to split. The same key, session or request always comes to the same
// version, and a larger share keeps those that a smaller one had.
const (
	ByRequest By = iota
	ByKey
	BySession // a request that belongs to no session is split by its key
)

var byNames = [...]string{"request", "key", "session"}

// String returns the name in commands.
func (b By) String() string { return byNames[b] }

// ParseBy reads a name.
func ParseBy(name string) (By, error) {
	for i, n := range byNames {
		if n == name {
			return By(i), nil
		}
	}
	return 0, fmt.Errorf("by is %q: give key, request or session", name)
}

// Lanes say which versions are in use. The zero Lanes use none.
type Lanes struct {
	Active   *Version
	Previous *Version // serves nothing; a quarantine of Active goes back to it
	Canary   *Version
	Shadow   *Version
	Share    float64 // of requests that the canary serves, 0 to 1
	By       By
	Guard    Guard  // of the canary
	OnError  string // of the operator, "": as the active version's manifest says
}

// View is what is in use at a moment. It is immutable; no View is nil.
type View struct {
	Active, Canary, Shadow *Version // nil: none
	Refuse                 bool     // what a module cannot judge is refused
	Needs                  call.Needs

	by    By
	limit uint64 // hashes below it are the canary's
	salt  uint64
	trial *trial
	lanes Lanes
}

// Split is what a canary's share is taken of.
type Split struct {
	Key     string // public id
	Session uint64 // 0: none
	Request uint64
}

// Pick returns the version that serves, nil for none.
func (v *View) Pick(s Split) *Version {
	if v.Canary != nil && v.hash(s)>>1 < v.limit {
		return v.Canary
	}
	return v.Active
}

// BySession reports whether Pick has to be told of the session.
func (v *View) BySession() bool { return v.Canary != nil && v.by == BySession }

func (v *View) hash(s Split) uint64 {
	switch {
	case v.by == ByRequest:
		return mix(s.Request ^ v.salt)
	case v.by == BySession && s.Session != 0:
		return mix(s.Session ^ v.salt)
	}
	return mix(call.Hash(s.Key) ^ v.salt)
}

// mix spreads a number over all its bits (SplitMix64).
func mix(z uint64) uint64 { return route.Mix(z + 0x9e3779b97f4a7c15) }

// Set is the lanes of one name.
type Set struct {
	name   string
	log    *slog.Logger
	notify func(Notice)
	view   atomic.Pointer[View]

	mu          sync.Mutex // held for moments, by requests too
	watch       watch
	quarantined string
	swaps       int64
	rollbacks   map[string]int64 // by the guard's rule
	closed      bool
}

// NewSet returns a set without versions. notify is told of versions that leave
// by themselves; it must not call the set.
func NewSet(name string, log *slog.Logger, notify func(Notice)) *Set {
	s := &Set{name: name, log: log, notify: notify, rollbacks: map[string]int64{}}
	s.view.Store(&View{})
	return s
}

// View returns what is in use.
func (s *Set) View() *View { return s.view.Load() }

// Put takes l into use: requests that begin from now on see all of it, those
// that run end where they began. Versions that are in use no longer are retired;
// whoever made them closes them. It reports whether the set is open.
func (s *Set) Put(l Lanes) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if l.Active != s.View().Active {
		s.swaps++
		s.quarantined, s.watch = "", watch{}
	}
	s.put(l)
	return true
}

// put publishes l; s.mu is held.
func (s *Set) put(l Lanes) {
	old, next := s.View(), newView(l)
	if old.Canary != nil && old.Canary == next.Canary && old.Active == next.Active {
		next.trial = old.trial
		next.trial.guard.Store(&l.Guard)
	}
	if next.Active == nil && s.quarantined != "" { // what was refused before is not let through now
		next.Refuse = old.Refuse
	}
	for _, v := range next.versions() {
		if v != nil {
			v.start()
		}
	}
	s.view.Store(next)
	used := next.versions()
	for _, v := range old.versions() {
		if v != nil && v != used[0] && v != used[1] && v != used[2] {
			v.stop()
		}
	}
}

func newView(l Lanes) *View {
	v := &View{Active: l.Active, Canary: l.Canary, Shadow: l.Shadow, by: l.By, lanes: l, Refuse: refuses(l)}
	for _, in := range v.versions() {
		if in != nil {
			v.Needs |= in.needs
		}
	}
	if v.Canary == nil {
		return v
	}
	if l.By == BySession {
		v.Needs |= call.NeedSession
	}
	v.salt = call.Hash(v.Canary.Label)
	v.limit = uint64(min(max(l.Share, 0), 1) * math.MaxInt64)
	if l.Share >= 1 {
		v.limit = math.MaxUint64
	}
	v.trial = &trial{}
	v.trial.guard.Store(&l.Guard)
	return v
}

func (v *View) versions() [3]*Version { return [3]*Version{v.Active, v.Canary, v.Shadow} }

// Lanes are what the view was made of.
func (v *View) Lanes() Lanes { return v.lanes }

// Close takes all versions out of use, for good.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(Lanes{})
	s.closed = true
}

// Stats of one name.
type Stats struct {
	Active, Canary, Shadow string // labels, "" for none
	Quarantined            string // the version that was taken out last, "" if none is
	Share                  float64
	By                     string
	Swaps                  int64            // of the active version
	Rollbacks              map[string]int64 // of canaries, by the rule of the guard
	Trial                  *Trial           // nil: there is no canary
}

// Stats returns the set's counters.
func (s *Set) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.View()
	out := Stats{Active: v.Active.label(), Canary: v.Canary.label(), Shadow: v.Shadow.label(), Quarantined: s.quarantined,
		Swaps: s.swaps, Rollbacks: map[string]int64{}}
	for rule, n := range s.rollbacks {
		out.Rollbacks[rule] = n
	}
	if v.Canary != nil {
		out.Share, out.By = v.lanes.Share, v.by.String()
		t := v.trial.snapshot()
		out.Trial = &t
	}
	return out
}
