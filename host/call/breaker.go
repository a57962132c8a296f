package call

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Breaker says when a target is left alone; immutable. A nil Breaker never
// opens.
type Breaker struct {
	Errors   float64       // share of failed attempts that opens it
	Attempts int           // within Window, at least
	Window   time.Duration // at least a second
	Rest     time.Duration // before the first probe, doubling with every probe that fails
	MaxRest  time.Duration
}

// Circuit is the state of a target's breaker, in the numbers of the ABI.
type Circuit uint8

// The states.
const (
	CircuitClosed   Circuit = iota // in use
	CircuitHalfOpen                // one request may go there, to see
	CircuitOpen                    // left alone
)

// String returns the state's name in metrics and status.
func (c Circuit) String() string { return [...]string{"closed", "half-open", "open"}[c] }

const (
	// spans is how many parts a window has: what is older than the window
	// leaves it one part at a time.
	spans = 10
	// forgottenProbe is when a probe that nobody has judged makes way for another.
	forgottenProbe = 15 * time.Minute
	// clockSlack is how long before now a request may have looked at the clock.
	clockSlack = time.Minute
)

// circuit is the live state of a breaker. While it is closed nothing is locked:
// what is asked of it is one load, what it is told one compare-and-swap.
type circuit struct {
	until  atomic.Int64 // Unix ms until which it is open; 0: it is closed
	lasts  atomic.Int64 // ms that it was opened for
	probe  atomic.Int64 // Unix ms since which a probe is on its way; 0: none is
	opened atomic.Int64 // times that it has opened
	counts [spans]atomic.Uint64

	mu   sync.Mutex // guards changes of state
	rest time.Duration
}

// A count packs the number of its slice since 1970, of attempts and of failures.
const (
	countBits = 20
	countMax  = 1<<countBits - 1
)

func pack(slice, all, failed uint64) uint64 {
	return slice<<(2*countBits) | min(all, countMax)<<countBits | min(failed, countMax)
}

func unpack(v uint64) (slice, all, failed uint64) {
	return v >> (2 * countBits), v >> countBits & countMax, v & countMax
}

// sliceOf is the number of the slice that holds nowMS, in the bits that a count has.
func (b *Breaker) sliceOf(nowMS int64) uint64 {
	width := max(b.Window.Milliseconds()/spans, 1)
	return uint64(nowMS/width) & (1<<(64-2*countBits) - 1)
}

// end is the Unix ms until which it is open, 0: it is closed. What is longer off
// than it was to last is over: the clock was set back.
func (c *circuit) end(nowMS int64) int64 {
	until := c.until.Load()
	if until-nowMS > c.lasts.Load()+clockSlack.Milliseconds() {
		return nowMS
	}
	return until
}

// rests opens it from nowMS on; c.mu is held.
func (c *circuit) rests(d time.Duration, nowMS int64) {
	c.rest = d
	ms := max(d.Milliseconds(), 1)
	c.lasts.Store(max(ms, c.lasts.Load())) // before until: readers hold no lock
	c.until.Store(nowMS + ms)
	c.lasts.Store(ms)
}

// state is the circuit's state at nowMS.
func (c *circuit) state(nowMS int64) Circuit {
	switch until := c.end(nowMS); {
	case until == 0:
		return CircuitClosed
	case until > nowMS:
		return CircuitOpen
	default:
		return CircuitHalfOpen
	}
}

// allow reports whether a request may go there; probe is then what names it, if
// it is the one that is to see whether the target is well again.
func (c *circuit) allow(nowMS int64) (probe int64, ok bool) {
	until := c.end(nowMS)
	if until == 0 {
		return 0, true
	}
	if until > nowMS {
		return 0, false
	}
	at := c.probe.Load()
	if at != 0 && nowMS-at < forgottenProbe.Milliseconds() {
		return 0, false
	}
	nowMS = max(nowMS, at+1, 1) // no two probes have one name
	return nowMS, c.probe.CompareAndSwap(at, nowMS)
}

// probing reports whether a probe is on its way.
func (c *circuit) probing(nowMS int64) bool {
	at := c.probe.Load()
	return at != 0 && nowMS-at < forgottenProbe.Milliseconds()
}

// count folds one attempt in and opens the circuit if that was one failure too
// many. It reports whether it has.
func (c *circuit) count(b *Breaker, failed bool, nowMS int64) (opened bool) {
	if b == nil || b.Errors <= 0 {
		return false
	}
	at := b.sliceOf(nowMS)
	n := &c.counts[at%spans]
	var one uint64
	if failed {
		one = 1
	}
	for {
		old := n.Load()
		slice, all, bad := unpack(old)
		if slice != at {
			all, bad = 0, 0
		}
		if n.CompareAndSwap(old, pack(at, all+1, bad+one)) {
			break
		}
	}
	return failed && c.full(b, at) && c.open(b, nowMS)
}

// full reports whether too much of what the window holds has failed.
func (c *circuit) full(b *Breaker, at uint64) bool {
	var all, failed uint64
	for i := range c.counts {
		slice, n, bad := unpack(c.counts[i].Load())
		if at-slice < spans {
			all, failed = all+n, failed+bad
		}
	}
	return all >= uint64(max(b.Attempts, 1)) && float64(failed) >= b.Errors*float64(all)
}

// open opens a closed circuit.
func (c *circuit) open(b *Breaker, nowMS int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until.Load() != 0 {
		return false // what ran beside the one that opened it says nothing new
	}
	c.rests(b.Rest, nowMS)
	c.opened.Add(1)
	return true
}

// probed is the outcome of the probe of that name; false: it was not the one
// that is on its way.
func (c *circuit) probed(b *Breaker, probe int64, ok bool, nowMS int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.probe.Load() != probe {
		return false
	}
	if ok || b == nil {
		for i := range c.counts {
			c.counts[i].Store(0)
		}
		c.rest = 0
		c.until.Store(0)
	} else {
		c.rests(min(max(2*c.rest, b.Rest), b.MaxRest), nowMS)
	}
	c.probe.Store(0)
	return true
}

// verdict is what an outcome says of a target.
type verdict uint8

const (
	silent verdict = iota // nothing
	well
	ill
)

// verdictOf reads the class of an attempt: ClassNone, it answered. What is the
// caller's own fault shows a target that works; so does one that is merely
// limiting its rate, but that speaks of its load, for which there are pauses.
func verdictOf(class wire.Class) verdict {
	switch class {
	case wire.ClassNone, wire.ClassInvalid, wire.ClassContentFilter, wire.ClassContextLength, wire.ClassModelNotFound:
		return well
	case wire.ClassServer, wire.ClassOverloaded, wire.ClassTimeout, wire.ClassNetwork:
		return ill
	}
	return silent
}
