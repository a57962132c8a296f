package config

import (
	"strings"
	"testing"
	"time"
)

// telemetryText is a configuration with those members of telemetry.
func telemetryText(members string) string {
	return "providers: {demo: {adapter: demo}}\ntelemetry: {" + members + "}\n"
}

func TestTelemetryIsChecked(t *testing.T) {
	f := func(members string, want ...string) {
		t.Helper()
		_, err := loadText(telemetryText(members))
		if err == nil {
			t.Fatalf("%s is taken", members)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v; want %q", members, err, w)
			}
		}
	}
	f(`traces: {endpoint: "127.0.0.1:4318"}`, "telemetry.traces.endpoint", "http://127.0.0.1:4318/v1/traces")
	f(`traces: {endpoint: "http://u:p@collector/v1/traces"}`, "telemetry.traces.endpoint", "headers")
	f(`traces: {endpoint: "http://collector/v1/traces?key=k"}`, "telemetry.traces.endpoint", "headers")
	f(`metrics: {endpoint: "ftp://collector"}`, "telemetry.metrics.endpoint")
	f(`traces: {protocol: http/json}`, "telemetry.traces.protocol", "grpc")
	f(`traces: {compression: zstd}`, "telemetry.traces.compression", "gzip")
	f(`traces: {cert: /a}`, "telemetry.traces.cert", "together")
	f(`traces: {headers: {"a b": x}}`, "telemetry.traces.headers")
	f(`traces: {headers: {a: "x\r\nb: y"}}`, "telemetry.traces.headers.a")
	f(`traces: {timeout: 1ms}`, "telemetry.traces.timeout", "100ms")
	f(`traces: {sample: 1.5}`, "telemetry.traces.sample", "0 to 1")
	f(`traces: {sample: .nan}`, "telemetry.traces.sample")
	f(`traces: {callers: ask}`, "telemetry.traces.callers", "trust or ignore")
	f(`traces: {callers_per_second: -1}`, "telemetry.traces.callers_per_second")
	f(`traces: {queue: 0}`, "telemetry.traces.queue")
	f(`traces: {batch: 0}`, "telemetry.traces.batch")
	f(`traces: {every: 1ms}`, "telemetry.traces.every", "10ms")
	f(`metrics: {every: 10ms}`, "telemetry.metrics.every", "100ms")
	f(`access_log: {sample: -1}`, "telemetry.access_log.sample")
	f(`access_log: {buffer: 0}`, "telemetry.access_log.buffer")
	f(`access_log: {max: 1}`, "telemetry.access_log.max", "4KiB")
	f(`access_log: {keep: -1}`, "telemetry.access_log.keep")
	f(`content: {path: "-"}`, "telemetry.content.path", "name a file")
	f(`content: {max_body: 1}`, "telemetry.content.max_body", "1KiB to 16MiB")
	f(`content: {models: ["["]}`, "telemetry.content.models")
	f(`content: {pth: x}`, "telemetry.content", "path")
}

// TestTelemetryIsOff unless somebody names where it is to go.
func TestTelemetryIsOff(t *testing.T) {
	c := mustLoad(t, telemetryText(""))
	if tl := c.Telemetry; tl.Traces.Endpoint != "" || tl.Metrics.Endpoint != "" || tl.AccessLog.Path != "" || tl.Content.Path != "" || tl.ServiceName != "signalbox" {
		t.Errorf("got %+v", tl)
	}
}

func TestStandardVariablesOfTelemetry(t *testing.T) {
	f := func(members string, check func(*Telemetry) bool, env ...string) {
		t.Helper()
		c, err := loadText(telemetryText(members), env...)
		if err != nil {
			t.Errorf("%q: %v", env, err)
		} else if !check(&c.Telemetry) {
			t.Errorf("%q: got %+v", env, c.Telemetry)
		}
	}
	const all = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318/"
	f("", func(t *Telemetry) bool {
		return t.Traces.Endpoint == "http://c:4318/v1/traces" && t.Metrics.Endpoint == "http://c:4318/v1/metrics"
	}, all)
	f("", func(t *Telemetry) bool {
		return t.Traces.Endpoint == "http://c:4317" && t.Traces.Protocol == "grpc" && t.Metrics.Endpoint == ""
	}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4317", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc")
	f(`traces: {endpoint: "http://own/v1/traces", sample: 0.5}`, func(t *Telemetry) bool { // the configuration's own holds
		return t.Traces.Endpoint == "http://own/v1/traces" && t.Traces.Sample == .5 && t.Metrics.Endpoint == "http://c:4318/v1/metrics"
	}, all, "OTEL_TRACES_SAMPLER=always_off")
	f("", func(t *Telemetry) bool { return t.Traces.Endpoint == "" && t.Metrics.Endpoint == "" }, all, "OTEL_SDK_DISABLED=TRUE")
	f("", func(t *Telemetry) bool { return t.Traces.Endpoint == "" && t.Metrics.Endpoint != "" }, all, "OTEL_TRACES_EXPORTER=none")
	f("", func(t *Telemetry) bool {
		return t.Traces.Headers["a"].Reveal() == "b c" && t.Traces.Compression == "none" && t.Traces.Timeout == 3*time.Second &&
			t.Traces.CA == "/ca" && t.Traces.Cert == "/cert" && t.Traces.Key == "/key"
	}, all, "OTEL_EXPORTER_OTLP_HEADERS=a=b%20c", "OTEL_EXPORTER_OTLP_COMPRESSION=none", "OTEL_EXPORTER_OTLP_TIMEOUT=3000",
		"OTEL_EXPORTER_OTLP_CERTIFICATE=/ca", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=/cert", "OTEL_EXPORTER_OTLP_CLIENT_KEY=/key")
	f("", func(t *Telemetry) bool { return t.Traces.Sample == .25 && t.Traces.Callers == "trust" }, all, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25")
	f("", func(t *Telemetry) bool { return t.Traces.Sample == 0 && t.Traces.Callers == "ignore" }, all, "OTEL_TRACES_SAMPLER=always_off")
	f("", func(t *Telemetry) bool {
		return t.Traces.Queue == 7 && t.Traces.Batch == 3 && t.Traces.Every == 20*time.Millisecond
	}, all,
		"OTEL_BSP_MAX_QUEUE_SIZE=7", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=3", "OTEL_BSP_SCHEDULE_DELAY=20")
	f(`resource: {b: own}`, func(t *Telemetry) bool {
		return t.ServiceName == "edge" && len(t.Resource) == 2 && t.Resource["a"] == "1" && t.Resource["b"] == "own"
	}, "OTEL_SERVICE_NAME=edge", "OTEL_RESOURCE_ATTRIBUTES=a=1,b=2,service.name=other")
	f(`service_name: own`, func(t *Telemetry) bool { return t.ServiceName == "own" }, "OTEL_SERVICE_NAME=edge")
}

func TestStandardVariablesAreChecked(t *testing.T) {
	f := func(want string, env ...string) {
		t.Helper()
		if _, err := loadText(telemetryText(""), append(env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318")...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", env, err, want)
		}
	}
	f("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER=sometimes")
	f("OTEL_TRACES_SAMPLER_ARG", "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=half")
	f("telemetry.traces.sample", "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=2")
	f("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS=nothing")
	f("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT=10s")
	f("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_QUEUE_SIZE=many")
	f("OTEL_RESOURCE_ATTRIBUTES", "OTEL_RESOURCE_ATTRIBUTES=a")
}
