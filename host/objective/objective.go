// Package objective keeps how providers and their targets have fared, by the
// minute for a day and by the hour for thirty, and holds that against what they
// are meant to do. What it is told costs a few atomic additions and locks nothing.
package objective

import (
	"maps"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	minutes = 24 * 60
	hours   = 30 * 24
	// maxSeries bounds the targets that are kept apart: callers can think of many
	// names. One that is busy all month takes 0.5 MB, one that is idle 17 KB.
	maxSeries = 256
	// buckets of a histogram: below 1 ms, below 2, below 4, … and from 65 s on.
	buckets = 18
)

// Goal is what a provider is meant to do within a window. The zero Goal is none.
type Goal struct {
	Availability float64       // share of attempts that do not fail, 0 to 1; 0: none
	Latency      time.Duration // until the first byte of an answer, 0: none
	LatencyShare float64       // of answers that are to begin within Latency
	Window       time.Duration // whole hours, at most thirty days
}

// Outcome is how one attempt ended.
type Outcome struct {
	Class wire.Class    // ClassNone: it answered
	First time.Duration // until the first byte, 0: none came
	Whole time.Duration // until the end
}

// Failed reports whether a failure of this class counts against the provider.
// What is wrong with the request, and what the gateway itself refuses, does not.
func Failed(c wire.Class) bool {
	switch c {
	case wire.ClassNone, wire.ClassInvalid, wire.ClassContextLength, wire.ClassModelNotFound, wire.ClassContentFilter, wire.ClassPolicy:
		return false
	}
	return true
}

// Keeper keeps the series of all providers and targets. All its methods may be
// called at once.
type Keeper struct {
	mu    sync.Mutex // of changes of all
	all   atomic.Pointer[map[string]*series]
	goals atomic.Pointer[Goals]
}

// Goals are those of providers, by name.
type Goals struct {
	Default Goal
	By      map[string]Goal
}

// Of is the goal of a provider.
func (g *Goals) Of(provider string) Goal {
	if goal, ok := g.By[provider]; ok {
		return goal
	}
	return g.Default
}

// New returns a keeper that knows nothing.
func New() *Keeper {
	k := &Keeper{}
	k.all.Store(&map[string]*series{})
	k.goals.Store(&Goals{})
	return k
}

// SetGoals replaces what providers are meant to do. What was too slow before
// stays so.
func (k *Keeper) SetGoals(g *Goals) { k.goals.Store(g) }

// Note takes the outcome of an attempt at a target, "provider/model".
func (k *Keeper) Note(now time.Time, provider, target string, o Outcome) {
	goal := k.goals.Load().Of(provider)
	slow := o.Class == wire.ClassNone && goal.Latency > 0 && o.First > goal.Latency
	k.of(provider, true).note(now, &o, slow)
	k.of(target, false).note(now, &o, slow)
}

// Down adds time that a provider's adapter was not there.
func (k *Keeper) Down(now time.Time, provider string, d time.Duration) {
	k.of(provider, true).down(now, uint32(d.Milliseconds()))
}

// of returns the series of that name, nil: it is one too many.
func (k *Keeper) of(name string, always bool) *series {
	if s := (*k.all.Load())[name]; s != nil {
		return s
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old := *k.all.Load()
	if s := old[name]; s != nil || len(old) >= maxSeries && !always {
		return s
	}
	fresh := maps.Clone(old)
	s := &series{}
	fresh[name] = s
	k.all.Store(&fresh)
	return s
}

// series is how one provider or target has fared.
type series struct {
	minutes [minutes]atomic.Pointer[cell]
	hours   [hours]atomic.Pointer[cell]
}

// cell sums one minute or hour up.
type cell struct {
	at      int64 // its number since 1970
	classes [wire.NumClasses]atomic.Uint32
	slow    atomic.Uint32 // of those that answered
	downMS  atomic.Uint32
	first   [buckets]atomic.Uint32 // of those that answered
	whole   [buckets]atomic.Uint32
}

// current returns the cell of number n, which takes the place of what was there
// a round before.
func current(ring []atomic.Pointer[cell], n int64) *cell {
	slot := &ring[n%int64(len(ring))]
	for {
		c := slot.Load()
		if c != nil && c.at == n {
			return c
		}
		if fresh := (&cell{at: n}); slot.CompareAndSwap(c, fresh) {
			return fresh
		}
	}
}

func minuteOf(now time.Time) int64 { return max(now.Unix(), 0) / 60 }
func hourOf(now time.Time) int64   { return max(now.Unix(), 0) / 3600 }

func (s *series) note(now time.Time, o *Outcome, slow bool) {
	if s != nil {
		current(s.minutes[:], minuteOf(now)).note(o, slow)
		current(s.hours[:], hourOf(now)).note(o, slow)
	}
}

func (s *series) down(now time.Time, ms uint32) {
	current(s.minutes[:], minuteOf(now)).downMS.Add(ms)
	current(s.hours[:], hourOf(now)).downMS.Add(ms)
}

func (c *cell) note(o *Outcome, slow bool) {
	c.classes[o.Class].Add(1)
	if o.Class != wire.ClassNone {
		return
	}
	c.first[bucketOf(o.First)].Add(1)
	c.whole[bucketOf(o.Whole)].Add(1)
	if slow {
		c.slow.Add(1)
	}
}

func bucketOf(d time.Duration) int {
	return min(bits.Len64(uint64(max(d.Milliseconds(), 0))), buckets-1)
}
