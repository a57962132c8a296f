package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/otlp"
	"github.com/signalbox-ai/signalbox/host/telemetry"
	"github.com/signalbox-ai/signalbox/host/trace"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// openTraces begins to export spans, where there is somewhere to export them to.
func (h *Host) openTraces(ctx context.Context, cfg *config.Config, t *telling) error {
	c := &cfg.Telemetry.Traces
	if c.Endpoint == "" {
		return nil
	}
	res, err := h.resource(cfg)
	if err != nil {
		return err
	}
	export, err := otlp.Traces(ctx, otlp.Collector{Endpoint: c.Endpoint, Protocol: c.Protocol, Headers: revealed(c.Headers),
		Gzip: c.Compression == "gzip", CA: c.CA, Cert: c.Cert, Key: c.Key, Timeout: c.Timeout})
	if err != nil {
		return fmt.Errorf("cannot export to telemetry.traces.endpoint: %w", err)
	}
	t.tracer = trace.New(trace.Options{Export: export, Resource: res, Sample: c.Sample, Trust: c.Callers == "trust", CallerRate: c.CallersPerSecond,
		Errors: c.Errors, Slow: c.Slow, TailRate: c.TailPerSecond, Queue: c.Queue, Batch: c.Batch, Every: c.Every, Counts: &h.told.traces, Log: h.log})
	return nil
}

// openMetrics makes what metrics are pushed by, where there is somewhere to push
// them to.
func (h *Host) openMetrics(ctx context.Context, cfg *config.Config, t *telling) (err error) {
	c := &cfg.Telemetry.Metrics
	if c.Endpoint == "" {
		return nil
	}
	if t.resource, err = h.resource(cfg); err != nil {
		return err
	}
	t.metrics, err = otlp.Metrics(ctx, otlp.Collector{Endpoint: c.Endpoint, Protocol: c.Protocol, Headers: revealed(c.Headers),
		Gzip: c.Compression == "gzip", CA: c.CA, Cert: c.Cert, Key: c.Key, Timeout: c.Timeout})
	if err != nil {
		return fmt.Errorf("cannot export to telemetry.metrics.endpoint: %w", err)
	}
	return nil
}

// nameOf is how the GenAI conventions name a call and the service that t is at,
// nil: the gateway itself.
func nameOf(op wire.Op, d wire.Dialect, t *call.Target) (operation, service string) {
	if t == nil {
		return trace.Operation(op, d), "signalbox"
	}
	host, _ := trace.Server(t, op, d)
	return trace.Operation(op, d), trace.Provider(t, host)
}

func revealed(headers map[string]config.Secret) map[string]string {
	out := make(map[string]string, len(headers))
	for name, value := range headers {
		out[name] = value.Reveal()
	}
	return out
}

// resource says of what all exports are.
func (h *Host) resource(cfg *config.Config) (*resource.Resource, error) {
	t := &cfg.Telemetry
	node := h.store.Node()
	attrs := []attribute.KeyValue{attribute.String("service.name", t.ServiceName), attribute.String("service.version", h.opt.Version),
		attribute.String("service.instance.id", fmt.Sprint(node.Number))}
	for _, name := range slices.Sorted(maps.Keys(t.Resource)) {
		attrs = append(attrs, attribute.String(name, t.Resource[name]))
	}
	res, err := resource.Merge(resource.Default(), resource.NewSchemaless(attrs...))
	if err != nil {
		return nil, fmt.Errorf("cannot name what is exported: %w: check telemetry.resource", err)
	}
	return res, nil
}

// tracerOf is who decides on traces of requests by cfg: without an exporter they
// are passed on alone, where a provider is to be told of them.
func tracerOf(cfg *config.Config, t *telling) *trace.Tracer {
	if t != nil && t.tracer != nil {
		return t.tracer
	}
	for _, p := range cfg.Providers {
		if p.Propagate {
			return trace.New(trace.Options{Trust: cfg.Telemetry.Traces.Callers == "trust"})
		}
	}
	return nil
}

// follow gives an inner call its place in the trace of its parent, or in one of
// its own.
func (f *flight) follow() {
	t := f.gen.tracer
	if t == nil {
		return
	}
	if p := f.inner.Parent; p != nil && p.Trace.On() {
		f.Trace = p.Trace.Child()
		return
	}
	t.Begin(&f.Call)
}

// begin and end note when a stage of f ran, where somebody may want to know.
func (f *flight) begin(s trace.Stage) {
	if f.Trace.On() {
		f.steps[s].From = time.Since(f.Received)
	}
}

func (f *flight) end(s trace.Stage) {
	if f.Trace.On() {
		f.steps[s].To = time.Since(f.Received)
	}
}

// attend reads what f, if it is traced for sure, asks for, and what it is
// answered.
func (f *flight) attend() {
	if t := f.gen.tracer; t != nil && f.Trace.Sampled && t.Wants(&f.Trace, trace.Outcome{}) {
		f.span = t.Item()
		f.span.Said.Request(f.Body)
		f.Tap = f.span
	}
}

// traced exports what came of f, and returns under which trace that is to be
// found, 0: under none.
func (f *flight) traced(r *call.Record) call.TraceID {
	t := f.gen.tracer
	if t == nil || !t.Wants(&f.Trace, trace.Outcome{Failed: broke(f.Err), Took: micros(r.DurationUS), At: f.Received}) {
		return call.TraceID{}
	}
	it := f.span
	if it == nil { // so far nobody knew that it would be wanted
		it = t.Item()
		it.Said.Request(f.Body)
	}
	f.span, f.Tap = nil, nil
	it.Fill(&f.Call, r)
	it.Steps = f.steps
	if len(f.links) == 0 {
		it.Steps[trace.Filters] = trace.Step{}
	}
	if !t.Send(it) {
		return call.TraceID{}
	}
	return f.Trace.ID
}

// broke reports whether err is a failure of the gateway or of those it asks,
// rather than a refusal.
func broke(err *wire.Error) bool {
	return err != nil && err.Class != wire.ClassPolicy && (err.Status >= 500 || upstreams(err) && err.Status != 401)
}

// pushFamilies are the figures of metrics that are pushed.
func (h *Host) pushFamilies() []telemetry.Family {
	return []telemetry.Family{{Name: "metric_pushes_total", Help: "Pushes of all metrics to the collector by result.", Labels: []string{"result"}, Collect: func(emit telemetry.Emit) {
		if t := h.telling(); t != nil && t.metrics != nil {
			ok, failed := h.metrics.Pushes()
			emit(float64(ok), "ok")
			emit(float64(failed), "failed")
		}
	}}}
}

// traceFamilies are the figures of what is exported.
func (h *Host) traceFamilies() []telemetry.Family {
	one := func(name, help string, value func(trace.Stats) int64) telemetry.Family {
		return telemetry.Family{Name: name, Help: help, Collect: func(emit telemetry.Emit) {
			if t := h.telling(); t != nil && t.tracer != nil {
				emit(float64(value(t.tracer.Stats())))
			}
		}}
	}
	return []telemetry.Family{
		one("trace_requests_total", "Requests whose spans were exported.", func(s trace.Stats) int64 { return s.Sent }),
		one("trace_spans_total", "Spans that were exported.", func(s trace.Stats) int64 { return s.Spans }),
		one("trace_failed_total", "Requests whose spans could not be exported.", func(s trace.Stats) int64 { return s.Failed }),
		one("trace_dropped_total", "Requests whose spans found the queue full.", func(s trace.Stats) int64 { return s.Dropped }),
		one("trace_queue", "Requests whose spans wait to be exported.", func(s trace.Stats) int64 { return int64(s.Waiting) }),
	}
}
