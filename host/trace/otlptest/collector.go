// Package otlptest is an OTLP receiver for tests, made of the protocol's own
// services: gRPC, and HTTP with protobuf, plain or gzipped.
package otlptest

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	metricsvc "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracesvc "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Collector receives on both protocols and keeps all that came.
type Collector struct {
	HTTP string // http://address, without a path
	GRPC string // the same of gRPC

	mu      sync.Mutex
	came    chan struct{} // closed and replaced with each export
	traces  []*tracepb.ResourceSpans
	metrics []*metricspb.ResourceMetrics
	headers []http.Header
	paths   []string
}

// New starts a collector that ends with t.
func New(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{came: make(chan struct{})}
	web := httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(web.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	tracesvc.RegisterTraceServiceServer(s, &traces{c: c})
	metricsvc.RegisterMetricsServiceServer(s, &metrics{c: c})
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }() // ends with Stop
	t.Cleanup(func() { s.Stop(); <-done })
	c.HTTP, c.GRPC = web.URL, "http://"+ln.Addr().String()
	return c
}

func (c *Collector) serve(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	if err == nil && r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "not protobuf", http.StatusUnsupportedMediaType)
		return
	}
	var in, out proto.Message
	var keep func()
	switch r.URL.Path {
	case "/v1/traces":
		req := &tracesvc.ExportTraceServiceRequest{}
		in, out, keep = req, &tracesvc.ExportTraceServiceResponse{}, func() { c.traces = append(c.traces, req.ResourceSpans...) }
	case "/v1/metrics":
		req := &metricsvc.ExportMetricsServiceRequest{}
		in, out, keep = req, &metricsvc.ExportMetricsServiceResponse{}, func() { c.metrics = append(c.metrics, req.ResourceMetrics...) }
	default:
		http.NotFound(w, r)
		return
	}
	if err == nil {
		err = proto.Unmarshal(raw, in)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.keep(r.Header, r.URL.Path, keep)
	answer, _ := proto.Marshal(out) // empty
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

func (c *Collector) keep(h http.Header, path string, add func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add()
	c.headers, c.paths = append(c.headers, h.Clone()), append(c.paths, path)
	close(c.came)
	c.came = make(chan struct{})
}

type traces struct {
	tracesvc.UnimplementedTraceServiceServer
	c *Collector
}

// Export implements the service of traces.
func (s *traces) Export(ctx context.Context, req *tracesvc.ExportTraceServiceRequest) (*tracesvc.ExportTraceServiceResponse, error) {
	s.c.keep(headersOf(ctx), "traces", func() { s.c.traces = append(s.c.traces, req.ResourceSpans...) })
	return &tracesvc.ExportTraceServiceResponse{}, nil
}

type metrics struct {
	metricsvc.UnimplementedMetricsServiceServer
	c *Collector
}

// Export implements the service of metrics.
func (s *metrics) Export(ctx context.Context, req *metricsvc.ExportMetricsServiceRequest) (*metricsvc.ExportMetricsServiceResponse, error) {
	s.c.keep(headersOf(ctx), "metrics", func() { s.c.metrics = append(s.c.metrics, req.ResourceMetrics...) })
	return &metricsvc.ExportMetricsServiceResponse{}, nil
}

func headersOf(ctx context.Context) http.Header {
	h := http.Header{}
	md, _ := metadata.FromIncomingContext(ctx)
	for name, values := range md {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	return h
}

// Headers are those of all exports so far.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]http.Header(nil), c.headers...)
}

// Until waits until ok says so, which is asked after each export; it fails t
// when that takes too long.
func (c *Collector) Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	for {
		c.mu.Lock()
		came := c.came
		c.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-came:
		case <-patience.C:
			t.Fatalf("the collector has waited in vain for %s; it has %d spans", what, len(c.Spans()))
		}
	}
}

// Span is one that came, with what it is of.
type Span struct {
	*tracepb.Span
	Resource map[string]any
	Attrs    map[string]any
}

// Spans are all that came.
func (c *Collector) Spans() (list []Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range c.traces {
		res := Attributes(rs.Resource.GetAttributes())
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				list = append(list, Span{s, res, Attributes(s.Attributes)})
			}
		}
	}
	return list
}

// Metric returns the last report of a metric and of its resource, nil: none came.
func (c *Collector) Metric(name string) (m *metricspb.Metric, resource map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rm := range c.metrics {
		for _, sm := range rm.ScopeMetrics {
			for _, one := range sm.Metrics {
				if one.Name == name {
					m, resource = one, Attributes(rm.Resource.GetAttributes())
				}
			}
		}
	}
	return m, resource
}

// Dump is all that came, as it was on the wire, but for compression.
func (c *Collector) Dump() (all []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range c.traces {
		all, _ = proto.MarshalOptions{}.MarshalAppend(all, rs) // it was read from there
	}
	for _, rm := range c.metrics {
		all, _ = proto.MarshalOptions{}.MarshalAppend(all, rm)
	}
	return all
}

// Attributes are pairs as Go has them: string, int64, float64, bool, []any.
func Attributes(list []*commonpb.KeyValue) map[string]any {
	out := map[string]any{}
	for _, kv := range list {
		out[kv.Key] = value(kv.Value)
	}
	return out
}

func value(v *commonpb.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return v.DoubleValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_ArrayValue:
		list := []any{}
		for _, e := range v.ArrayValue.Values {
			list = append(list, value(e))
		}
		return list
	}
	return nil
}
