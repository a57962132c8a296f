package route

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm"
)

const (
	shadowRing  = 256 // decisions that wait for the shadow
	shadowDiffs = 64  // differences that are kept
)

// seen is a decision that waits for the shadow: what it would have been shown,
// and the plan that was acted on.
type seen struct {
	id      call.ID
	at      time.Time
	record  []byte
	plan    call.Plan
	targets int
}

// shadow runs a version on copies of what the others decide, behind the
// requests' backs. When it falls behind, decisions are dropped and counted.
type shadow struct {
	handle  *Handle
	ring    atomic.Pointer[ring] // made for the first shadow
	stop    chan struct{}        // nil: no worker runs
	stopped chan struct{}

	compared, same, first, failed, dropped atomic.Int64

	mu      sync.Mutex
	version string
	diffs   []Difference // a ring
	next    int
}

// ring passes decisions from requests to the worker and back.
type ring struct{ free, full chan *seen }

// Difference is a decision that the shadow would have made otherwise.
type Difference struct {
	Request string    `json:"request"`
	Time    time.Time `json:"time"`
	By      string    `json:"by"`     // who made the plan that was acted on
	Acted   string    `json:"acted"`  // its first target
	Shadow  string    `json:"shadow"` // the shadow's first target
	What    string    `json:"what"`
}

// ShadowStats say how the shadow compares since it was put there.
type ShadowStats struct {
	Version     string       `json:"version"`
	Compared    int64        `json:"compared"`
	Same        int64        `json:"same"`         // the whole plan
	FirstChoice int64        `json:"first_choice"` // of another target
	Failed      int64        `json:"failed"`       // calls of the shadow
	Dropped     int64        `json:"dropped"`      // decisions that it did not get to see
	Last        []Difference `json:"last,omitempty"`
}

// follow makes v the shadow, nil for none.
func (s *shadow) follow(v *lane.Version) {
	if v != nil && v.Label == s.label() && s.stop != nil {
		return
	}
	if s.stop != nil {
		close(s.stop)
		<-s.stopped
		s.stop = nil
	}
	if v == nil {
		return
	}
	s.mu.Lock()
	s.version, s.diffs, s.next = v.Label, nil, 0
	for _, n := range []*atomic.Int64{&s.compared, &s.same, &s.first, &s.failed, &s.dropped} {
		n.Store(0)
	}
	s.mu.Unlock()
	if s.ring.Load() == nil {
		r := &ring{make(chan *seen, shadowRing), make(chan *seen, shadowRing)}
		for range shadowRing {
			r.free <- &seen{}
		}
		s.ring.Store(r)
	}
	s.stop, s.stopped = make(chan struct{}), make(chan struct{})
	go s.run(s.ring.Load(), s.stop, s.stopped)
}

func (s *shadow) label() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// watch decides c, and shows it to the shadow.
func (s *shadow) watch(view *lane.View, c *call.Call, r *Recording) {
	ring := s.ring.Load()
	var d *seen
	if ring != nil {
		select {
		case d = <-ring.free:
		default:
		}
	}
	if d == nil {
		s.dropped.Add(1)
		s.handle.decide(view, c, r)
		return
	}
	c.Need(view.Shadow.Needs())
	size := recordSize(c, view.Shadow.Needs())
	d.record = slices.Grow(d.record[:0], size)[:size]
	encode(d.record, c, c.Received.UnixMilli(), seedOf(c), view.Shadow.Needs())
	s.handle.decide(view, c, r)
	d.id, d.at, d.plan, d.targets = c.ID, c.Received, c.Plan, min(len(c.Candidates), call.MaxCandidates)
	ring.full <- d // it has room for all there are
}

// run compares until stop.
func (s *shadow) run(ring *ring, stop, stopped chan struct{}) {
	defer close(stopped)
	var mine call.Plan
	for {
		select {
		case <-stop:
			return
		case d := <-ring.full:
			s.compare(d, &mine)
			ring.free <- d
		}
	}
}

// compare asks the shadow about d; mine is room for its plan.
func (s *shadow) compare(d *seen, mine *call.Plan) {
	v := s.handle.lanes.View().Shadow
	if v == nil {
		return
	}
	in, err := v.Acquire()
	if in == nil && err == nil {
		return // it has just left
	}
	if in != nil {
		err = askAgain(in, d.record, d.targets, mine)
		in.Release(err)
	}
	s.compared.Add(1)
	if err != nil {
		s.failed.Add(1)
		v.Failed()
		s.differ(d, Difference{What: "failed: " + wasm.FaultOf(err).String()})
		return
	}
	what := difference(&d.plan, mine)
	switch what {
	case "":
		s.same.Add(1)
		return
	case firstChoice:
		s.first.Add(1)
	}
	s.differ(d, Difference{What: what, Shadow: firstTarget(d.record, mine)})
}

// differ keeps what differs.
func (s *shadow) differ(d *seen, diff Difference) {
	diff.Request, diff.Time, diff.By = d.id.String(), d.at.UTC(), d.plan.Route
	diff.Acted = firstTarget(d.record, &d.plan)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.diffs) < shadowDiffs {
		s.diffs = append(s.diffs, diff)
		return
	}
	s.diffs[s.next] = diff
	s.next = (s.next + 1) % shadowDiffs
}

// stats are nil if there never was a shadow.
func (s *shadow) stats() *ShadowStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == "" {
		return nil
	}
	return &ShadowStats{Version: s.version, Compared: s.compared.Load(), Same: s.same.Load(), FirstChoice: s.first.Load(),
		Failed: s.failed.Load(), Dropped: s.dropped.Load(), Last: slices.Concat(s.diffs[s.next:], s.diffs[:s.next])}
}
