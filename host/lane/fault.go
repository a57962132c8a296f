package lane

import (
	"slices"
	"sync"
	"time"

	"github.com/signalbox-ai/signalbox/host/wasm"
)

// A module is taken out when, within a window, it fails for enough different
// keys and for enough of its calls: one caller's crafted requests, or a rare
// fault under much traffic, do not take it from everybody.
const (
	watchWindow = 10 * time.Second
	watchKeys   = 3
	watchShare  = 10 // one in so many calls
)

// Failure is a call that failed.
type Failure struct {
	Err error
	Key string // whose request it was
	At  time.Time
}

// Failed counts that a call of which failed, and takes it out of its lane when
// it fails too often: a canary ends, in the place of the active version comes
// the one before it, or none.
func (s *Set) Failed(v *View, which *Version, f Failure) {
	which.faults.Add(1)
	v.Called(which, true)
	if which == v.Canary {
		s.judge(v)
	}
	if n, ok := s.failed(which, f); ok {
		s.notify(n)
	}
}

func (s *Set) failed(which *Version, f Failure) (n Notice, out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.View()
	if which != now.Active && which != now.Canary {
		return n, false // already out of use
	}
	w := &s.watch
	if which == now.Canary {
		w = &now.trial.watch
	}
	first, over := w.fault(f, which.Calls())
	if first {
		s.log.Warn("module failed", "version", which.Label, "fault", wasm.FaultOf(f.Err), "error", f.Err)
	}
	if !over {
		return n, false
	}
	l := now.lanes
	n = Notice{Name: s.name, Kind: Quarantined, Label: which.Label,
		Why: "it fails too often: " + f.Err.Error()}
	if which == now.Canary {
		l.Canary, l.Share = nil, 0
		s.rollbacks["faults"]++
	} else {
		l.Active, l.Previous, s.watch = l.Previous, nil, watch{}
		if l.Canary != nil && l.Active == nil { // it is compared with nothing now
			l.Canary, l.Share = nil, 0
		}
	}
	s.quarantined = which.Label
	s.put(l)
	n.To = l.Active.label()
	s.log.Error("module fails too often and is out of use until another is loaded", "version", which.Label, "instead", n.To)
	return n, true
}

// watch counts the faults of one version in the current window.
type watch struct {
	start  time.Time
	calls  int64 // of the version when the window began
	faults int64
	keys   [watchKeys]string
	nKeys  int
}

// fault counts one; first is true for the first within a window, over when the
// version should be taken out.
func (w *watch) fault(f Failure, calls int64) (first, over bool) {
	if w.faults == 0 || f.At.Sub(w.start) > watchWindow {
		*w = watch{start: f.At, calls: calls - 1}
	}
	w.faults++
	if w.nKeys < watchKeys && !slices.Contains(w.keys[:w.nKeys], f.Key) {
		w.keys[w.nKeys] = f.Key
		w.nKeys++
	}
	return w.faults == 1, w.nKeys == watchKeys && w.faults*watchShare >= calls-w.calls
}

// The kinds of notices.
const (
	RolledBack  = "rolled_back" // a canary did worse than the active version
	Quarantined = "quarantined" // a version failed too often
)

// Notice is a version that has left its lane by itself.
type Notice struct {
	Name, Kind, Label string
	To                string // what is active now, "" for none
	Why               string
}

// Notices are kept until somebody takes them. The zero Notices are ready.
type Notices struct {
	mu   sync.Mutex
	list []Notice
	wake chan struct{}
	once sync.Once
}

// Add keeps n. There are few: each ends a lane that somebody has to fill again.
func (n *Notices) Add(notice Notice) {
	n.mu.Lock()
	n.list = append(n.list, notice)
	n.mu.Unlock()
	select {
	case n.Wake() <- struct{}{}:
	default:
	}
}

// Wake gets a value when there is something to take.
func (n *Notices) Wake() chan struct{} {
	n.once.Do(func() { n.wake = make(chan struct{}, 1) })
	return n.wake
}

// Take returns what was kept.
func (n *Notices) Take() []Notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.list
	n.list = nil
	return list
}
