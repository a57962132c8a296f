package e2e_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/signalbox-ai/signalbox/bench/proc"
	"github.com/signalbox-ai/signalbox/host/trace/otlptest"
)

// tracing is a configuration that exports to c by protocol.
func tracing(url string, c *otlptest.Collector, protocol string) string {
	endpoint := c.HTTP + "/v1/traces"
	if protocol == "grpc" {
		endpoint = c.GRPC
	}
	text := strings.Replace(config(url, "100"), "credentials: [{name: main", "propagate: true, credentials: [{name: main", 1)
	return text + fmt.Sprintf(`
telemetry:
  service_name: front
  resource: {deployment.environment.name: test}
  traces: {endpoint: %q, protocol: %s, headers: {x-collector-key: "${env:COLLECTOR_KEY}"}, every: 20ms}
`, endpoint, protocol)
}

const collectorKey = "collector-key-72b1"

// named are the spans of one trace by name.
func named(spans []otlptest.Span, trace string) map[string]otlptest.Span {
	out := map[string]otlptest.Span{}
	for _, s := range spans {
		if fmt.Sprintf("%x", s.TraceId) == trace {
			out[s.Name] = s
		}
	}
	return out
}

// TestTraces: a request is one trace, which goes on from its caller's and on to
// the upstream, over both protocols.
func TestTraces(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			up, c := newUpstream(t), otlptest.New(t)
			g := &gateway{t: t, dir: t.TempDir(), env: []string{"COLLECTOR_KEY=" + collectorKey}}
			g.config = g.dir + "/signalbox.yaml"
			g.write(tracing(up.URL, c, protocol))
			g.start()
			t.Cleanup(g.stop)

			const caller, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
			header := http.Header{"Traceparent": {"00-" + caller + "-" + span + "-01"}, "Tracestate": {"vendor=1"}, "Baggage": {"secret=of-the-caller"}}
			_, told := g.told(header, request("fast", "hi", true))
			if id := told.Get("X-Signalbox-Trace-Id"); id != caller {
				t.Errorf("the caller was told of trace %q", id)
			}
			c.Until(t, "the spans of a stream", func() bool { return len(named(c.Spans(), caller)) >= 4 })
			spans := named(c.Spans(), caller)
			root, attempt := spans["chat fast"], spans["chat m"]
			if root.Span == nil || attempt.Span == nil || spans["policy"].Span == nil || spans["route"].Span == nil {
				t.Fatalf("the spans are %v", spans)
			}
			if root.Kind != tracepb.Span_SPAN_KIND_SERVER || fmt.Sprintf("%x", root.ParentSpanId) != span || root.Resource["service.name"] != "front" || root.Resource["deployment.environment.name"] != "test" || root.TraceState != "vendor=1" {
				t.Errorf("the request's span: %+v of %v", root.Span, root.Resource)
			}
			for _, s := range spans {
				if s.Name != root.Name && string(s.ParentSpanId) != string(root.SpanId) {
					t.Errorf("%s is no child of the request", s.Name)
				}
			}
			want := map[string]any{"gen_ai.operation.name": "chat", "gen_ai.provider.name": "up", "gen_ai.request.model": "m", "gen_ai.response.model": "m",
				"gen_ai.usage.output_tokens": int64(answerTokens), "gen_ai.request.stream": true, "gen_ai.request.max_tokens": int64(answerTokens),
				"signalbox.credential": "main", "http.response.status_code": int64(200), "server.address": "127.0.0.1"}
			for key, v := range want {
				if attempt.Attrs[key] != v {
					t.Errorf("the attempt's %s is %v; want %v", key, attempt.Attrs[key], v)
				}
			}
			if attempt.Kind != tracepb.Span_SPAN_KIND_CLIENT || root.Attrs["signalbox.team"] != "core" || root.Attrs["signalbox.cost.usd"] != 0.001 {
				t.Errorf("the attempt is %v, the request %v", attempt.Span, root.Attrs)
			}
			seen := up.seen()
			if got := seen.Get("Traceparent"); got != fmt.Sprintf("00-%s-%x-01", caller, attempt.SpanId) || seen.Get("Tracestate") != "vendor=1" || seen.Get("Baggage") != "" {
				t.Errorf("the upstream was told %q, %q, %q", got, seen.Get("Tracestate"), seen.Get("Baggage"))
			}
			for _, h := range c.Headers() {
				if h.Get("X-Collector-Key") != collectorKey {
					t.Errorf("the collector was shown %v", h)
				}
			}
		})
	}
}

// TestPushedMetrics: figures of the conventions and of the gateway itself reach
// a collector over both protocols.
func TestPushedMetrics(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			up, c := newUpstream(t), otlptest.New(t)
			endpoint := c.HTTP + "/v1/metrics"
			if protocol == "grpc" {
				endpoint = c.GRPC
			}
			g := newGateway(t, config(up.URL, "100")+fmt.Sprintf("telemetry: {metrics: {endpoint: %q, protocol: %s, every: 100ms}}\n", endpoint, protocol))
			g.told(nil, request("fast", "hi", true))
			c.Until(t, "the usage of a request", func() bool { m, _ := c.Metric("gen_ai.client.token.usage"); return m != nil })
			m, res := c.Metric("gen_ai.client.token.usage")
			p := m.GetHistogram().DataPoints[0]
			want := map[string]any{"gen_ai.operation.name": "chat", "gen_ai.provider.name": "up", "gen_ai.request.model": "m", "gen_ai.token.type": "output"}
			if got := otlptest.Attributes(p.Attributes); !maps.Equal(got, want) || p.GetSum() != answerTokens || m.Unit != "{token}" || res["service.name"] != "signalbox" {
				t.Errorf("%v of %v: %v", got, res, p)
			}
			if m, _ := c.Metric("signalbox_requests_total"); m.GetSum() == nil {
				t.Errorf("the gateway's own: %v", m)
			}
		})
	}
}

// TestStandardVariables: without an endpoint of its own the gateway heeds what
// the environment says to any OpenTelemetry SDK.
func TestStandardVariables(t *testing.T) {
	up, c := newUpstream(t), otlptest.New(t)
	g := &gateway{t: t, dir: t.TempDir(), env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.HTTP, "OTEL_EXPORTER_OTLP_HEADERS=x-collector-key=" + collectorKey,
		"OTEL_SERVICE_NAME=edge", "OTEL_RESOURCE_ATTRIBUTES=service.namespace=ai", "OTEL_BSP_SCHEDULE_DELAY=20", "OTEL_METRICS_EXPORTER=none"}}
	g.config = g.dir + "/signalbox.yaml"
	g.write(config(up.URL, "100"))
	g.start()
	t.Cleanup(g.stop)
	_, told := g.told(nil, request("fast", "hi", false))
	trace := told.Get("X-Signalbox-Trace-Id")
	c.Until(t, "a trace", func() bool { return len(named(c.Spans(), trace)) > 0 })
	root := named(c.Spans(), trace)["chat fast"]
	if root.Resource["service.name"] != "edge" || root.Resource["service.namespace"] != "ai" || c.Headers()[0].Get("X-Collector-Key") != collectorKey {
		t.Errorf("%v of %v", root.Span, root.Resource)
	}
}

// TestTelemetryChanges: what is told of requests is turned on, sent elsewhere and
// turned off while they run, and each is told of as it was when it began.
func TestTelemetryChanges(t *testing.T) {
	up, a, b := newUpstream(t), otlptest.New(t), otlptest.New(t)
	plain := config(up.URL, "100")
	g := newGateway(t, plain)
	log := filepath.Join(t.TempDir(), "access.log")
	change := func(telemetry string) {
		t.Helper()
		g.write(plain + telemetry)
		g.must("POST", "/admin/reload", "")
	}
	to := func(c *otlptest.Collector) string {
		return fmt.Sprintf("telemetry: {traces: {endpoint: %q, every: 20ms}, metrics: {endpoint: %q, every: 100ms}, access_log: {path: %q}}\n", c.HTTP+"/v1/traces", c.HTTP+"/v1/metrics", log)
	}
	root := func(c *otlptest.Collector, told http.Header) func() bool {
		return func() bool { return named(c.Spans(), told.Get("X-Signalbox-Trace-Id"))["chat fast"].Span != nil }
	}
	if _, told := g.told(nil, request("fast", "hi", false)); told.Get("X-Signalbox-Trace-Id") != "" {
		t.Error("it is traced though nobody asked for that")
	}
	change(to(a))
	req, err := http.NewRequest("POST", g.data+"/v1/chat/completions", strings.NewReader(request("fast", "endless", true)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+callerKey)
	stream, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	a.Until(t, "metrics", func() bool { m, _ := a.Metric("signalbox_requests_total"); return m != nil })
	change(to(b))
	_, told := g.told(nil, request("fast", "hi", false))
	b.Until(t, "the trace of a request", root(b, told))
	b.Until(t, "metrics", func() bool { m, _ := b.Metric("gen_ai.server.request.duration"); return m != nil })
	if stream.Header.Get("X-Signalbox-Trace-Id") == "" || root(a, stream.Header)() || root(a, told)() {
		t.Error("the first collector has what it should not have")
	}
	change("")
	if _, told := g.told(nil, request("fast", "hi", false)); told.Get("X-Signalbox-Trace-Id") != "" {
		t.Error("it is traced though that was turned off")
	}
	if err := stream.Body.Close(); err != nil {
		t.Error(err)
	}
	a.Until(t, "the trace of the stream", root(a, stream.Header))
	accessLines(t, log, 2)
}

// TestCollectorAway: requests do not feel that there is no collector, or one
// that takes connections and never answers.
func TestCollectorAway(t *testing.T) {
	up := newUpstream(t)
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	g := newGateway(t, config(up.URL, "100")+fmt.Sprintf("telemetry: {traces: {endpoint: %q, queue: 2, batch: 1}, metrics: {endpoint: %q, every: 100ms, timeout: 100ms}}\n",
		"http://"+deaf.Addr().String()+"/v1/traces", "http://"+freeAddr(t)+"/v1/metrics"))
	for range 20 {
		g.told(nil, request("fast", "hi", false))
	}
	for _, want := range []string{`signalbox_trace_dropped_total 1[5-9]`, `signalbox_metric_pushes_total{result="failed"} [1-9][0-9]*`, `signalbox_requests_total{.*outcome="ok".*} 20`} {
		eventually(t, want+" is shown", func() bool { return regexp.MustCompile("(?m)^" + want + "$").MatchString(g.metrics()) })
	}
}

// freeAddr is where nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := proc.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
