// Package telemetry counts what happens, for Prometheus. What one request
// touches is resolved once per target, so that counting it is a few atomic
// additions.
package telemetry

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	namespace = "signalbox"
	// maxTargets bounds the targets that have series of their own: callers may
	// name any model of a provider. The rest is counted as otherTarget.
	maxTargets  = 512
	noTarget    = "none"
	otherTarget = "other"
)

// Described is a family as documents list it.
type Described struct {
	Name, Kind, Help string
	Labels           []string
}

// Metrics is the registry of a gateway. All methods may be called at once.
type Metrics struct {
	registry *prometheus.Registry
	list     []Described // of the gateway's own, as they were registered
	teams    teams

	requests, attempts, tokens, units, cost, misses, overruns *prometheus.CounterVec
	duration, ttft                                            *prometheus.HistogramVec
	overhead                                                  timer
	reloads                                                   *prometheus.CounterVec
	lastReload                                                prometheus.Gauge

	targets atomic.Pointer[map[string]*target]
	gen     atomic.Pointer[gen] // nil: nobody wants those
	pushes  int                 // that do want them
	grow    sync.Mutex          // guards replacing all three

	pushed, unpushed atomic.Int64
}

// target is what requests to one target count in. Counters of classes that
// have not occurred do not exist yet.
type target struct {
	name     string
	requests [wire.NumOps][wire.NumClasses]atomic.Pointer[counter]
	attempts [wire.NumClasses]atomic.Pointer[counter]
	cost     [call.CostReported + 1]atomic.Pointer[counter]
	tokens   [numKinds]prometheus.Counter
	rare     [wire.NumBuckets]atomic.Pointer[counter] // of the buckets beyond
	misses   [2]atomic.Pointer[counter]
	overruns prometheus.Counter
	duration timer
	ttft     timer
}

type counter struct{ prometheus.Counter }

// timer is a histogram of seconds, some of which refer to a trace.
type timer struct{ prometheus.Observer }

// observe counts microseconds. Labels of a trace are nil but for requests that
// were exported.
func (t timer) observe(us int64, trace prometheus.Labels) {
	v := float64(us) / 1e6
	if trace == nil {
		t.Observe(v)
		return
	}
	t.Observer.(prometheus.ExemplarObserver).ObserveWithExemplar(v, trace)
}

// numKinds is how many of a usage's buckets, text tokens, every target counts.
const numKinds = 6

var (
	durations = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	overheads = []float64{25e-6, 50e-6, 100e-6, 200e-6, 400e-6, 800e-6, 1.6e-3, 3.2e-3, 6.4e-3, 25e-3, 100e-3}
)

// New returns metrics that hold nothing yet but those of the process.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	note := func(kind, name, help string, labels ...string) {
		m.list = append(m.list, Described{namespace + "_" + name, kind, help, labels})
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		note("counter", name, help, labels...)
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	hist := func(name, help string, buckets []float64, labels ...string) prometheus.HistogramOpts {
		note("histogram", name, help, labels...)
		return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}
	}
	m.requests = vec("requests_total", "Requests by operation, target and outcome (ok or the class of the error).", "op", "target", "outcome")
	m.attempts = vec("attempts_total", "Attempts at targets by outcome.", "target", "outcome")
	m.tokens = vec("tokens_total", "Tokens by target and kind.", "target", "kind")
	m.units = vec("units_total", "What is not counted in tokens by target and unit: characters, audio_seconds, images, pages, searches.", "target", "unit")
	m.misses = vec("cost_error_usd_total", "How far the catalogue's price was above (over) or below (under) the cost that the provider told.", "target", "direction")
	m.cost = vec("cost_usd_total", "Cost in US dollars by target and provenance.", "target", "provenance")
	m.overruns = vec("bound_overruns_total", "Requests that cost more than was reserved for them: worth an alarm.", "target")
	m.reloads = vec("config_reloads_total", "Reloads of the configuration by result.", "result")
	note("gauge", "config_last_reload_ok", "1 if the last reload of the configuration was taken, else 0.")
	m.lastReload = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "config_last_reload_ok", Help: "1 if the last reload of the configuration was taken, else 0."})
	m.lastReload.Set(1)
	m.duration = prometheus.NewHistogramVec(hist("request_duration_seconds", "Time from the request's arrival to the end of the answer.", durations, "target"), []string{"target"})
	m.ttft = prometheus.NewHistogramVec(hist("time_to_first_byte_seconds", "Time from the request's arrival to the first byte of the answer.", durations, "target"), []string{"target"})
	overhead := prometheus.NewHistogram(hist("overhead_seconds", "Time that the gateway itself added to a request.", overheads))
	m.overhead = timer{overhead}
	m.registry.MustRegister(m.lastReload, m.duration, m.ttft, overhead,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.teams = teams{requests: vec("team_requests_total", "Requests by the caller's team and outcome.", "team", "outcome"),
		cost: vec("team_cost_usd_total", "Cost in US dollars by the caller's team.", "team")}
	m.teams.known.Store(&map[string]*team{})
	m.targets.Store(&map[string]*target{})
	return m
}

// Handler serves the metrics in Prometheus' text form, and in that of OpenMetrics,
// with exemplars, to whoever asks for it.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true})
}

// List describes all families of the gateway's own, in alphabetical order.
func (m *Metrics) List() []Described {
	list := slices.Clone(m.list)
	slices.SortFunc(list, func(a, b Described) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Reload counts a reload of the configuration.
func (m *Metrics) Reload(ok bool) {
	result, last := "failed", 0.0
	if ok {
		result, last = "ok", 1
	}
	m.reloads.WithLabelValues(result).Inc()
	m.lastReload.Set(last)
}

// Request counts a finished request, whose trace was exported, 0: was not. It
// does not allocate once the target and the outcome have been seen, unless there
// is a trace.
func (m *Metrics) Request(r *call.Record, trace call.TraceID) {
	t := m.counted(r)
	var exemplar prometheus.Labels
	if trace != (call.TraceID{}) {
		exemplar = prometheus.Labels{"trace_id": trace.String()}
	}
	t.duration.observe(r.DurationUS, exemplar)
	m.overhead.observe(r.OverheadUS, exemplar)
	if r.TTFTUS > 0 {
		t.ttft.observe(r.TTFTUS, exemplar)
	}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		if a.Target == nil {
			continue
		}
		switch t := m.target(a.Target.Name); {
		case a.Lost: // to a faster one
			m.attempts.WithLabelValues(t.name, "lost").Inc()
		case a.Rejected != "":
			m.attempts.WithLabelValues(t.name, "rejected").Inc()
		default:
			t.attempt(m, a.Class).Inc()
		}
	}
}

// Unhurried counts a request that nobody waited for: how long it took says nothing.
func (m *Metrics) Unhurried(r *call.Record) { m.counted(r) }

// counted counts what r is and has used, but not how long it took.
func (m *Metrics) counted(r *call.Record) *target {
	t := m.target(r.Target)
	t.request(m, r.Op, r.Class).Inc()
	m.teams.count(r)
	for i, n := range r.Usage.Buckets() {
		switch {
		case *n <= 0:
		case i < numKinds:
			t.tokens[i].Add(float64(*n))
		case i < numUnits:
			t.used(m, i, *n)
		}
	}
	if r.Cost > 0 {
		t.spent(m, r.Provenance).Add(float64(r.Cost) / 1e9)
		if r.Reserved > 0 && r.Cost > r.Reserved {
			t.overruns.Inc()
		}
	}
	if r.Computed != 0 && r.Computed != r.Usage.Cost {
		t.missed(m, r.Computed-r.Usage.Cost)
	}
	return t
}

func (m *Metrics) target(name string) *target {
	if name == "" {
		name = noTarget
	}
	if t := (*m.targets.Load())[name]; t != nil {
		return t
	}
	return m.newTarget(name)
}

func (m *Metrics) newTarget(name string) *target {
	m.grow.Lock()
	defer m.grow.Unlock()
	old := *m.targets.Load()
	if len(old) >= maxTargets {
		name = otherTarget
	}
	name = strings.ToValidUTF8(name, "\uFFFD") // labels are text
	if t := old[name]; t != nil {
		return t
	}
	t := &target{name: name, overruns: m.overruns.WithLabelValues(name), duration: timer{m.duration.WithLabelValues(name)}, ttft: timer{m.ttft.WithLabelValues(name)}}
	for i, kind := range wire.BucketNames[:numKinds] {
		t.tokens[i] = m.tokens.WithLabelValues(name, kind)
	}
	grown := make(map[string]*target, len(old)+1)
	for k, v := range old {
		grown[k] = v
	}
	grown[name] = t
	m.targets.Store(&grown)
	return t
}

func (t *target) request(m *Metrics, op wire.Op, class wire.Class) prometheus.Counter {
	at := &t.requests[op][class]
	if c := at.Load(); c != nil {
		return c
	}
	c := &counter{m.requests.WithLabelValues(op.String(), t.name, outcome(class))}
	at.Store(c) // a racing store holds the same counter
	return c
}

func (t *target) attempt(m *Metrics, class wire.Class) prometheus.Counter {
	at := &t.attempts[class]
	if c := at.Load(); c != nil {
		return c
	}
	c := &counter{m.attempts.WithLabelValues(t.name, outcome(class))}
	at.Store(c)
	return c
}

func (t *target) spent(m *Metrics, p call.Provenance) prometheus.Counter {
	at := &t.cost[p]
	if c := at.Load(); c != nil {
		return c
	}
	c := &counter{m.cost.WithLabelValues(t.name, p.String())}
	at.Store(c)
	return c
}

func outcome(class wire.Class) string {
	if class == wire.ClassNone {
		return "ok"
	}
	return class.String()
}
