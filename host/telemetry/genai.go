package telemetry

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// The buckets that the GenAI conventions specify.
var (
	genTokens    = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
	genDurations = []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	genFirst     = []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0}
	genPerToken  = []float64{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5}
)

const maxBuckets = 17

// hist is a histogram that is added to without locks.
type hist struct {
	bounds []float64
	counts [maxBuckets]atomic.Uint64
	sum    atomic.Uint64 // bits of a float64
}

func (h *hist) observe(v float64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

func (h *hist) total() float64 { return math.Float64frombits(h.sum.Load()) }

// genKey names the series of one kind of call at one target.
type genKey struct {
	target  string
	op      wire.Op
	gemini  bool // its chats are named otherwise
	refused bool // no target was asked
}

// genSeries are what calls of one kind at one target count in.
type genSeries struct {
	operation, service, model string

	input, output hist                                  // gen_ai.client.token.usage
	chunk         hist                                  // gen_ai.client.operation.time_to_first_chunk
	first         hist                                  // gen_ai.server.time_to_first_token
	perToken      hist                                  // gen_ai.server.time_per_output_token
	attempts      [wire.NumClasses]atomic.Pointer[hist] // gen_ai.client.operation.duration
	requests      [wire.NumClasses]atomic.Pointer[hist] // gen_ai.server.request.duration
}

// gen are the metrics of the GenAI conventions. They are kept where they are
// pushed alone.
type gen struct {
	name   Naming
	began  time.Time
	mu     sync.Mutex // guards replacing series
	series atomic.Pointer[map[genKey]*genSeries]
}

// maxSeries bounds the kinds of calls that are told apart.
const maxSeries = 2048

func (g *gen) of(k genKey, d wire.Dialect, t *call.Target) *genSeries {
	if s := (*g.series.Load())[k]; s != nil {
		return s
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	old := *g.series.Load()
	if len(old) >= maxSeries {
		k, t = genKey{target: otherTarget, op: k.op}, nil
	}
	if s := old[k]; s != nil {
		return s
	}
	s := &genSeries{model: k.target}
	s.operation, s.service = g.name(k.op, d, t)
	if t != nil {
		s.model = t.Model
	}
	s.input.bounds, s.output.bounds, s.chunk.bounds, s.first.bounds, s.perToken.bounds = genTokens, genTokens, genDurations, genFirst, genPerToken
	grown := make(map[genKey]*genSeries, len(old)+1)
	for k, v := range old {
		grown[k] = v
	}
	grown[k] = s
	g.series.Store(&grown)
	return s
}

// by is the histogram of durations of one class.
func by(at *atomic.Pointer[hist]) *hist {
	if h := at.Load(); h != nil {
		return h
	}
	h := &hist{bounds: genDurations}
	if !at.CompareAndSwap(nil, h) {
		return at.Load()
	}
	return h
}

func keyOf(t *call.Target, r *call.Record) genKey {
	k := genKey{op: r.Op, gemini: r.Dialect == wire.GeminiGenerate}
	if t == nil {
		k.refused = true
		return k
	}
	k.target = t.Name
	return k
}

// request counts a finished request, answered by t, if by any.
func (g *gen) request(r *call.Record, t *call.Target) {
	s := g.of(keyOf(t, r), r.Dialect, t)
	for i := range r.Attempts {
		if a := &r.Attempts[i]; a.Target != nil && !a.Lost {
			took := a.Duration.Seconds()
			if i == len(r.Attempts)-1 && r.Stream && a.Class == wire.ClassNone {
				took = float64(r.DurationUS)/1e6 - a.Start.Seconds() // until the answer's end
			}
			one := s
			if a.Target != t {
				one = g.of(keyOf(a.Target, r), r.Dialect, a.Target)
			}
			by(&one.attempts[a.Class]).observe(max(took, 0))
		}
	}
	by(&s.requests[r.Class]).observe(float64(r.DurationUS) / 1e6)
	if in := r.Usage.Prompt(); in > 0 {
		s.input.observe(float64(in))
	}
	out := r.Usage.Completion()
	if out > 0 {
		s.output.observe(float64(out))
	}
	if r.TTFTUS <= 0 || r.Class != wire.ClassNone {
		return
	}
	s.first.observe(float64(r.TTFTUS) / 1e6)
	if !r.Stream {
		return
	}
	s.chunk.observe(float64(r.TTFTUS) / 1e6)
	if out > 1 {
		s.perToken.observe(float64(r.DurationUS-r.TTFTUS) / 1e6 / float64(out-1))
	}
}

// Generated counts a finished request by the GenAI conventions, where that is
// wanted; t answered it, or was tried last, nil: none was.
func (m *Metrics) Generated(r *call.Record, t *call.Target) {
	if g := m.gen.Load(); g != nil {
		g.request(r, t)
	}
}
