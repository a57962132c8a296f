package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept is an exporter that keeps the last push.
type kept struct {
	err  error
	last metricdata.ResourceMetrics
}

func (k *kept) Temporality(kind metric.InstrumentKind) metricdata.Temporality {
	return metric.DefaultTemporalitySelector(kind)
}
func (k *kept) Aggregation(kind metric.InstrumentKind) metric.Aggregation {
	return metric.DefaultAggregationSelector(kind)
}
func (k *kept) Export(_ context.Context, rm *metricdata.ResourceMetrics) error {
	k.last = *rm
	return k.err
}
func (k *kept) ForceFlush(context.Context) error { return nil }
func (k *kept) Shutdown(context.Context) error   { return nil }

// find returns a metric's points by their attributes.
func (k *kept) find(t *testing.T, name string) map[string]metricdata.HistogramDataPoint[float64] {
	t.Helper()
	for _, sm := range k.last.ScopeMetrics {
		for _, m := range sm.Metrics {
			h, ok := m.Data.(metricdata.Histogram[float64])
			if m.Name != name || !ok {
				continue
			}
			points := map[string]metricdata.HistogramDataPoint[float64]{}
			for _, p := range h.DataPoints {
				var text []string
				for _, kv := range p.Attributes.ToSlice() {
					text = append(text, strings.TrimPrefix(string(kv.Key), "gen_ai.")+"="+kv.Value.AsString())
				}
				points[strings.Join(text, " ")] = p
			}
			return points
		}
	}
	t.Fatalf("%s was not pushed", name)
	return nil
}

func pushed(t *testing.T, k *kept, m *Metrics, count func()) *Push {
	t.Helper()
	p := m.Push(PushOptions{Export: k, Resource: resource.Empty(), Every: time.Hour, Log: slog.New(slog.DiscardHandler),
		Name: func(op wire.Op, _ wire.Dialect, t *call.Target) (string, string) {
			if t == nil {
				return op.String(), namespace
			}
			name, _, _ := strings.Cut(t.Name, "/")
			return op.String(), name
		}})
	count()
	p.Close()
	return p
}

func TestGenAIMetrics(t *testing.T) {
	k, m := &kept{}, New()
	a, b := &call.Target{Name: "openai/gpt-4o", Model: "gpt-4o"}, &call.Target{Name: "demo/echo", Model: "echo"}
	pushed(t, k, m, func() {
		r := &call.Record{DurationUS: 2_000_000, TTFTUS: 500_000, Op: wire.OpChat, Stream: true, Target: b.Name, Status: 200,
			Attempts: []call.Attempt{{Target: a, Class: wire.ClassOverloaded, Duration: 50 * time.Millisecond}, {Target: a, Lost: true}, {Target: b, Start: 100 * time.Millisecond, Duration: 400 * time.Millisecond}},
			Usage:    wire.Usage{Input: 10, CacheRead: 5, Output: 16}}
		m.Request(r, call.TraceID{})
		m.Generated(r, b)
		m.Generated(&call.Record{DurationUS: 1000, Op: wire.OpChat, Status: 403, Class: wire.ClassPolicy}, nil)
	})
	f := func(name, attrs string, count uint64, sum float64, bounds int, bucket int) {
		t.Helper()
		p, ok := k.find(t, name)[attrs]
		if !ok {
			t.Errorf("%s{%s} is missing: %v", name, attrs, k.find(t, name))
			return
		}
		if p.Count != count || math.Abs(p.Sum-sum) > 1e-9 || len(p.Bounds) != bounds || p.BucketCounts[bucket] != count || len(p.BucketCounts) != bounds+1 {
			t.Errorf("%s{%s} is %+v", name, attrs, p)
		}
	}
	const echo, gpt = "operation.name=chat provider.name=demo request.model=echo", "operation.name=chat provider.name=openai request.model=gpt-4o"
	f("gen_ai.client.token.usage", echo+" token.type=input", 1, 15, 14, 2)
	f("gen_ai.client.token.usage", echo+" token.type=output", 1, 16, 14, 2)
	f("gen_ai.client.operation.duration", "error.type=overloaded "+gpt, 1, .05, 14, 3)
	f("gen_ai.client.operation.duration", echo, 1, 1.9, 14, 8) // until the end of its answer
	f("gen_ai.client.operation.time_to_first_chunk", echo, 1, .5, 14, 6)
	f("gen_ai.server.request.duration", echo, 1, 2, 14, 8)
	f("gen_ai.server.request.duration", "error.type=policy operation.name=chat provider.name=signalbox", 1, .001, 14, 0)
	f("gen_ai.server.time_to_first_token", echo, 1, .5, 16, 9)
	f("gen_ai.server.time_per_output_token", echo, 1, .1, 13, 4)

	for _, sm := range k.last.ScopeMetrics { // and those of /metrics
		for _, one := range sm.Metrics {
			if one.Name == "signalbox_requests_total" {
				return
			}
		}
	}
	t.Error("the gateway's own families were not pushed")
}

func TestPushThatFailsIsCounted(t *testing.T) {
	k := &kept{err: errors.New("connection refused")}
	m := New()
	pushed(t, k, m, func() {})
	if ok, failed := m.Pushes(); ok != 0 || failed != 1 {
		t.Errorf("%d and %d; want one that failed", ok, failed)
	}
	var none *Push
	none.Close()
}

func TestKindsAreBounded(t *testing.T) {
	k, m := &kept{}, New()
	pushed(t, k, m, func() {
		for i := range maxSeries + 50 {
			m.Generated(&call.Record{Op: wire.OpChat, DurationUS: 1}, &call.Target{Name: "openai/" + strings.Repeat("x", i)})
		}
	})
	if n := len(k.find(t, "gen_ai.server.request.duration")); n > maxSeries+1 {
		t.Errorf("%d series", n)
	}
}

func BenchmarkGenerated(b *testing.B) {
	m := New()
	p := m.Push(PushOptions{Export: &kept{}, Resource: resource.Empty(), Every: time.Hour, Log: slog.New(slog.DiscardHandler),
		Name: func(op wire.Op, _ wire.Dialect, t *call.Target) (string, string) { return op.String(), "demo" }})
	defer p.Close()
	r, to := sample(), &call.Target{Name: "demo/echo", Model: "echo"}
	b.ReportAllocs()
	for b.Loop() {
		m.Generated(r, to)
	}
}
