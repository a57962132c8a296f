package call

import (
	"math"
	"strconv"
	"sync/atomic"
	"time"
)

// Model is a name that callers may ask for: "provider/model" or an alias of
// the configuration. It is immutable once published.
type Model struct {
	Name    string
	Targets []*Target
	Route   string   // name of the route module that orders the targets, "" for the built-in order
	Filters []string // that look at its requests and answers, beside those that policy requires
	Hold    Hold
	Mirror  Mirror
}

// Hold keeps the start of a streamed answer back, so that another target can
// still take over: until so long after the first event, or so many events,
// whichever comes first. The zero Hold keeps nothing back.
type Hold struct {
	Time   time.Duration
	Events int
}

// Mirror sends a share of a model's requests, 0 to 1, to Target as well; nobody
// sees its answers. The zero Mirror sends none.
type Mirror struct {
	Target *Target
	Share  float64
}

// Target is one provider's model. All but State is immutable once published.
type Target struct {
	Name     string // "openai/gpt-4o-mini"
	Provider *Provider
	Model    string // as the provider calls it
	Weight   uint32 // relative share among targets of the same priority, 0 counts as 1
	Priority uint32 // lower is tried first
	Region   string
	Tags     uint64
	Quality  float64
	Price    *Price // nil: unknown, which is never free
	// MaxInFlight bounds the requests that are there at a time, 0: it is not bounded.
	MaxInFlight uint32
	Breaker     *Breaker // nil: never opens
	State       *TargetState
}

// AppendUSD appends nano-dollars as a decimal number of dollars.
func AppendUSD(dst []byte, nano int64) []byte {
	if nano < 0 {
		dst, nano = append(dst, '-'), -nano
	}
	dst = strconv.AppendInt(dst, nano/1e9, 10)
	frac := nano % 1e9
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for div := int64(1e8); frac > 0; div /= 10 {
		dst = append(dst, byte('0'+frac/div))
		frac %= div
	}
	return dst
}

// Candidate is a target that a request may go to.
type Candidate struct {
	Target *Target
	Bound  int64 // nano-dollars, the most that one attempt at it can cost
	Tokens int64 // the most that one can take, 0: nobody counts them
}

// Most is the most that one attempt takes.
func (c *Candidate) Most() Bound { return Bound{c.Bound, c.Tokens} }

// Bound is the most that attempts take.
type Bound struct{ USD, Tokens int64 }

// Plus is what both take.
func (b Bound) Plus(o Bound) Bound { return Bound{b.USD + o.USD, b.Tokens + o.Tokens} }

// TargetState is the live state of a target; dispatch writes it, routing reads it.
type TargetState struct {
	InFlight      atomic.Int32
	CooldownUntil atomic.Int64 // Unix ms until which the target asked not to be used
	RequestsLeft  atomic.Int64 // before the provider's own limit; -1: unknown
	TokensLeft    atomic.Int64 // before the provider's own limit; -1: unknown
	ttft          ewma         // ms until the first byte
	tokenMS       ewma         // ms per output token after the first
	errRate       ewma         // 0–1
	lastUse       atomic.Int64 // Unix ms of the last attempt that was judged
	circuit       circuit
	waker         atomic.Pointer[Waker] // nil: nobody waits
}

// NewTargetState returns the state of a target of which nothing is known.
func NewTargetState() *TargetState {
	s := &TargetState{}
	s.RequestsLeft.Store(-1)
	s.TokensLeft.Store(-1)
	return s
}

// TTFT is the moving average of the time to the first byte in ms, 0 if unknown.
func (s *TargetState) TTFT() float64 { return s.ttft.load() }

// TokenMS is the moving average of ms per token after the first, 0 if unknown.
func (s *TargetState) TokenMS() float64 { return s.tokenMS.load() }

// ErrorRate is the moving share of failed attempts, 0–1.
func (s *TargetState) ErrorRate() float64 { return s.errRate.load() }

// Observe folds the outcome of one attempt in. failed means the target's
// fault, not the caller's; zero durations are not folded.
func (s *TargetState) Observe(failed bool, firstByte, perToken time.Duration) {
	v := 0.0
	if failed {
		v = 1
	}
	s.errRate.fold(v, true)
	if firstByte > 0 {
		s.ttft.fold(float64(firstByte)/float64(time.Millisecond), false)
	}
	if perToken > 0 {
		s.tokenMS.fold(float64(perToken)/float64(time.Millisecond), false)
	}
}

// ewma is an exponentially weighted moving average over about the last ten
// values. A lost update under contention costs one sample, so it does not loop.
type ewma struct{ bits atomic.Uint64 }

const ewmaAlpha = 0.2

func (e *ewma) load() float64 { return math.Float64frombits(e.bits.Load()) }

func (e *ewma) fold(v float64, fromZero bool) {
	old := e.bits.Load()
	avg := math.Float64frombits(old)
	if avg == 0 && !fromZero {
		avg = v
	} else {
		avg += ewmaAlpha * (v - avg)
	}
	e.bits.CompareAndSwap(old, math.Float64bits(avg))
}
