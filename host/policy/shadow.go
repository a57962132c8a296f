package policy

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Shadow asks a bundle that decides nothing about the requests that another
// decides, and counts where the two differ. It works off the path: what its
// queue has no room for goes unseen, and is counted.
type Shadow struct {
	trial *Trial
	since time.Time
	under uint64 // hashes of ids below are looked at

	queue chan *sample
	free  chan *sample
	done  chan struct{}

	seen, dropped, tooLarge atomic.Uint64

	mu      sync.Mutex
	closed  bool
	known   map[string]said // by the input without what differs in each request; nil: a unit reads that
	room    int             // bytes of keys that known may still take
	counts  map[ChangeKind]uint64
	codes   map[string]uint64 // of requests that would be refused
	terms   map[string]uint64
	latest  []ShadowExample
	perUnit map[string]uint64 // denials by unit
}

type sample struct {
	id    call.ID
	input []byte
	old   *call.Decision
}

type said struct {
	d   *call.Decision
	err error
}

const (
	shadowQueue  = 1024
	shadowKnown  = 8 << 20 // bytes of inputs that are known
	shadowLatest = 50
	maxTallied   = 100
	maxSample    = 16 << 10 // bytes of one input
	spareSample  = 4 << 10  // of one that is used again
)

// ShadowExample is a request that the two bundles decide differently.
type ShadowExample struct {
	ID     call.ID
	Change Change
}

// ShadowReport is what a shadow has found.
type ShadowReport struct {
	Revision string
	Since    time.Time
	Seen     uint64 // requests that both have decided
	Dropped  uint64 // for which there was no room
	TooLarge uint64 // whose input is
	Counts   map[ChangeKind]uint64
	Codes    map[string]uint64 // that requests would be refused with
	Units    map[string]uint64 // that would refuse them
	Terms    map[string]uint64
	Latest   []ShadowExample // newest first
}

// NewShadow begins to look at a share, 0 to 1, of what Observe is told.
func NewShadow(t *Trial, share float64) *Shadow {
	s := &Shadow{trial: t, since: time.Now(), under: math.MaxUint64, queue: make(chan *sample, shadowQueue), free: make(chan *sample, shadowQueue),
		done: make(chan struct{}), counts: map[ChangeKind]uint64{}, codes: map[string]uint64{}, terms: map[string]uint64{}, perUnit: map[string]uint64{}}
	if share < 1 {
		s.under = uint64(share * (1 << 63) * 2)
	}
	if !slices.ContainsFunc(t.snap.units, func(u *unit) bool { return u.memo == nil }) {
		s.known, s.room = map[string]said{}, shadowKnown
	}
	go s.work()
	return s
}

// Trial is the bundle that is asked.
func (s *Shadow) Trial() *Trial { return s.trial }

// Wants reports whether the request is to be observed. A nil Shadow wants none.
func (s *Shadow) Wants(id call.ID) bool {
	return s != nil && (s.under == math.MaxUint64 || uint64(id)*0x9e3779b97f4a7c15 < s.under)
}

// Observe tells of a request and what was decided on it. It copies input and
// waits for nothing.
func (s *Shadow) Observe(id call.ID, input []byte, old *call.Decision) {
	if len(input) > maxSample {
		s.tooLarge.Add(1)
		return
	}
	var m *sample
	select {
	case m = <-s.free:
	default:
		m = &sample{}
	}
	m.id, m.input, m.old = id, append(m.input[:0], input...), old
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	select {
	case s.queue <- m:
	default:
		s.dropped.Add(1)
	}
}

// Close ends the shadow; what waits is left. It tolerates nil and being called twice.
func (s *Shadow) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if !closed {
		close(s.queue)
	}
	<-s.done
}

func (s *Shadow) work() {
	defer close(s.done)
	for m := range s.queue {
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if closed {
			continue
		}
		o := s.decide(m.input)
		s.count(m, o)
		m.old = nil
		if cap(m.input) > spareSample {
			continue
		}
		select {
		case s.free <- m:
		default:
		}
	}
}

// decide asks the bundle, or its memory.
func (s *Shadow) decide(input []byte) said {
	end := bytes.LastIndex(input, []byte(`,"call":`))
	if s.known == nil || end < 0 {
		d, err := s.trial.Decide(input)
		return said{d, err}
	}
	if o, ok := s.known[string(input[:end])]; ok {
		return o
	}
	d, err := s.trial.Decide(input)
	if err == nil {
		s.remember(input[:end], said{d, nil})
	}
	return said{d, err}
}

func (s *Shadow) remember(key []byte, o said) {
	size := len(key) + int(decisionSize(o.d))
	if s.room < size {
		clear(s.known)
		s.room = shadowKnown
	}
	s.known[string(key)] = o
	s.room -= size
}

func (s *Shadow) count(m *sample, o said) {
	c := Compare(m.old, o.d, o.err, true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Add(1)
	s.counts[c.Kind]++
	if c.Kind == ChangeNone {
		return
	}
	for _, r := range c.Reasons {
		tally(s.codes, r.Code)
		tally(s.perUnit, r.Unit)
	}
	for _, t := range c.Terms {
		tally(s.terms, t)
	}
	if len(s.latest) == shadowLatest {
		s.latest = append(s.latest[:0], s.latest[1:]...)
	}
	s.latest = append(s.latest, ShadowExample{m.id, c})
}

// tally counts name, or the rest where there are too many names.
func tally(m map[string]uint64, name string) {
	if _, ok := m[name]; !ok && len(m) >= maxTallied {
		name = "…"
	}
	m[name]++
}

// Report is what has been found so far.
func (s *Shadow) Report() ShadowReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := ShadowReport{Revision: s.trial.Revision(), Since: s.since, Seen: s.seen.Load(), Dropped: s.dropped.Load(), TooLarge: s.tooLarge.Load(),
		Counts: maps.Clone(s.counts), Codes: maps.Clone(s.codes), Units: maps.Clone(s.perUnit), Terms: maps.Clone(s.terms), Latest: slices.Clone(s.latest)}
	slices.Reverse(r.Latest)
	return r
}
