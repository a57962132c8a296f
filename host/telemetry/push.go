package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	prombridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// PushOptions say where metrics are pushed to.
type PushOptions struct {
	Export   metric.Exporter
	Resource *resource.Resource
	Every    time.Duration
	Log      *slog.Logger
	Name     Naming
}

// Naming is how the GenAI conventions name an operation, and the service of a
// target, nil: the gateway itself.
type Naming func(op wire.Op, d wire.Dialect, t *call.Target) (operation, service string)

// Push is metrics on their way to a collector: those of /metrics under their
// own names, and those of the GenAI conventions. A nil Push pushes nothing.
type Push struct {
	metric.Exporter
	of       *Metrics
	log      *slog.Logger
	provider *metric.MeterProvider
	said     atomic.Int64
	over     sync.Once
}

// pushWait bounds what the last push may take.
const pushWait = 5 * time.Second

// Push pushes m until Close, and begins to keep the metrics of the GenAI
// conventions.
func (m *Metrics) Push(opt PushOptions) *Push {
	p := &Push{Exporter: opt.Export, of: m, log: opt.Log}
	g := m.generate(opt.Name)
	reader := metric.NewPeriodicReader(p, metric.WithInterval(opt.Every),
		metric.WithProducer(prombridge.NewMetricProducer(prombridge.WithGatherer(m.registry))),
		metric.WithProducer(&producer{g}))
	p.provider = metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(opt.Resource))
	return p
}

// Export implements metric.Exporter. What fails is counted and told of once a
// minute; the next push has all that this one had.
func (p *Push) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	err := p.Exporter.Export(ctx, rm)
	if err == nil {
		p.of.pushed.Add(1)
		return nil
	}
	p.of.unpushed.Add(1)
	now, last := time.Now().Unix(), p.said.Load()
	if now-last >= 60 && p.said.CompareAndSwap(last, now) {
		p.log.Warn("metrics cannot be pushed", "err", fmt.Errorf("cannot push metrics: %w: check telemetry.metrics.endpoint and the collector", err), "failed", p.of.unpushed.Load())
	}
	return nil
}

// Pushes are how many pushes have and have not reached a collector.
func (m *Metrics) Pushes() (ok, failed int64) { return m.pushed.Load(), m.unpushed.Load() }

// generate has the metrics of the GenAI conventions kept for one more Push.
func (m *Metrics) generate(name Naming) *gen {
	m.grow.Lock()
	defer m.grow.Unlock()
	m.pushes++
	g := m.gen.Load()
	if g == nil {
		g = &gen{name: name, began: time.Now()}
		g.series.Store(&map[genKey]*genSeries{})
		m.gen.Store(g)
	}
	return g
}

// Close pushes once more and ends. It waits for another Close.
func (p *Push) Close() {
	if p == nil {
		return
	}
	p.over.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), pushWait)
		defer cancel()
		if err := p.provider.Shutdown(ctx); err != nil {
			p.log.Debug("the exporter of metrics did not end in order", "err", err)
		}
		p.of.grow.Lock()
		defer p.of.grow.Unlock()
		if p.of.pushes--; p.of.pushes == 0 {
			p.of.gen.Store(nil) // nobody wants them any more
		}
	})
}

// producer gives the metrics of the GenAI conventions.
type producer struct{ gen *gen }

var genScope = instrumentation.Scope{Name: "github.com/signalbox-ai/signalbox/host/telemetry"}

// Produce implements metric.Producer.
func (p *producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	b := &builder{began: p.gen.began, now: time.Now()}
	for _, s := range *p.gen.series.Load() {
		b.add(usageMetric, &s.input, s, attribute.String("gen_ai.token.type", "input"))
		b.add(usageMetric, &s.output, s, attribute.String("gen_ai.token.type", "output"))
		b.add(chunkMetric, &s.chunk, s)
		b.add(firstMetric, &s.first, s)
		b.add(perTokenMetric, &s.perToken, s)
		for class := range s.attempts {
			var failed []attribute.KeyValue
			if class != 0 {
				failed = append(failed, attribute.String("error.type", wire.Class(class).String()))
			}
			b.add(attemptMetric, s.attempts[class].Load(), s, failed...)
			b.add(requestMetric, s.requests[class].Load(), s, failed...)
		}
	}
	return []metricdata.ScopeMetrics{{Scope: genScope, Metrics: b.metrics()}}, nil
}

// The metrics, in the order of genMetrics.
const (
	usageMetric = iota
	attemptMetric
	chunkMetric
	requestMetric
	firstMetric
	perTokenMetric
	numMetrics
)

// genMetrics are their names, units and descriptions by the conventions.
var genMetrics = [numMetrics]metricdata.Metrics{
	{Name: "gen_ai.client.token.usage", Unit: "{token}", Description: "Number of input and output tokens used."},
	{Name: "gen_ai.client.operation.duration", Unit: "s", Description: "GenAI operation duration."},
	{Name: "gen_ai.client.operation.time_to_first_chunk", Unit: "s", Description: "Time to receive the first chunk."},
	{Name: "gen_ai.server.request.duration", Unit: "s", Description: "Generative AI server request duration such as time-to-last byte or last output token."},
	{Name: "gen_ai.server.time_to_first_token", Unit: "s", Description: "Time to generate first token for successful responses."},
	{Name: "gen_ai.server.time_per_output_token", Unit: "s", Description: "Time per output token generated after the first token for successful responses."},
}

// builder collects the points of each metric.
type builder struct {
	began, now time.Time
	points     [numMetrics][]metricdata.HistogramDataPoint[float64]
}

// add adds h, unless it is nil or has counted nothing.
func (b *builder) add(to int, h *hist, s *genSeries, more ...attribute.KeyValue) {
	if h == nil {
		return
	}
	p := metricdata.HistogramDataPoint[float64]{StartTime: b.began, Time: b.now, Bounds: h.bounds, BucketCounts: make([]uint64, len(h.bounds)+1)}
	for i := range p.BucketCounts {
		n := h.counts[i].Load()
		p.BucketCounts[i] = n
		p.Count += n
	}
	if p.Count == 0 {
		return
	}
	p.Sum = h.total()
	attrs := append(more, attribute.String("gen_ai.operation.name", s.operation), attribute.String("gen_ai.provider.name", s.service))
	if s.model != "" {
		attrs = append(attrs, attribute.String("gen_ai.request.model", s.model))
	}
	p.Attributes = attribute.NewSet(attrs...)
	b.points[to] = append(b.points[to], p)
}

func (b *builder) metrics() (list []metricdata.Metrics) {
	for i, points := range b.points {
		if len(points) > 0 {
			m := genMetrics[i]
			m.Data = metricdata.Histogram[float64]{DataPoints: points, Temporality: metricdata.CumulativeTemporality}
			list = append(list, m)
		}
	}
	return list
}
