package config

import (
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Telemetry says what the gateway tells of itself and of requests, beside the
// figures at /metrics.
type Telemetry struct {
	ServiceName string            `koanf:"service_name"`
	Resource    map[string]string `koanf:"resource"` // attributes of all that is exported
	Traces      Traces            `koanf:"traces"`
	Metrics     OTLPMetrics       `koanf:"metrics"`
	AccessLog   AccessLog         `koanf:"access_log"`
	Content     ContentLog        `koanf:"content"`
}

// Traces says which spans go to which collector.
type Traces struct {
	// Endpoint is the collector's address; "": that of the environment, if it
	// names one, else none.
	Endpoint    string            `koanf:"endpoint"`
	Protocol    string            `koanf:"protocol"` // http/protobuf (default), grpc
	Headers     map[string]Secret `koanf:"headers"`
	Compression string            `koanf:"compression"` // none, gzip
	CA          string            `koanf:"ca"`          // file of certificates to trust, "": the system's
	Cert        string            `koanf:"cert"`        // file of the certificate to show
	Key         string            `koanf:"key"`         // file of its key
	Timeout     time.Duration     `koanf:"timeout"`

	Sample float64 `koanf:"sample"` // share of requests that no caller has decided on
	// Callers says what a caller's traceparent means: trust (its trace goes on,
	// and its decision holds), ignore.
	Callers          string        `koanf:"callers"`
	CallersPerSecond int           `koanf:"callers_per_second"` // sampled because their callers say so, at most
	Errors           bool          `koanf:"errors"`             // keep what has failed though it was not sampled
	Slow             time.Duration `koanf:"slow"`               // keep what took as long, 0: do not
	TailPerSecond    int           `koanf:"tail_per_second"`    // of both, at most
	Queue            int           `koanf:"queue"`              // requests that wait to be exported
	Batch            int           `koanf:"batch"`              // requests in one export
	Every            time.Duration `koanf:"every"`
}

// OTLPMetrics says where metrics are pushed to.
type OTLPMetrics struct {
	Endpoint    string            `koanf:"endpoint"`
	Protocol    string            `koanf:"protocol"`
	Headers     map[string]Secret `koanf:"headers"`
	Compression string            `koanf:"compression"`
	CA          string            `koanf:"ca"`
	Cert        string            `koanf:"cert"`
	Key         string            `koanf:"key"`
	Timeout     time.Duration     `koanf:"timeout"`
	Every       time.Duration     `koanf:"every"`
}

// AccessLog is a line of JSON for each request.
type AccessLog struct {
	Path   string        `koanf:"path"`   // "": none, "-": standard output
	Sample float64       `koanf:"sample"` // share of what was answered; the rest is all logged
	Fields []string      `koanf:"fields"` // none: all
	Buffer int           `koanf:"buffer"` // requests that wait to be written
	Max    Size          `koanf:"max"`    // bytes after which the file is put aside; 0: it is not
	Keep   int           `koanf:"keep"`   // older files, 0: all
	Age    time.Duration `koanf:"age"`    // after which older files are removed, 0: never
}

// ContentLog is a line of JSON with the texts of each request and answer. What
// policy says of a request's log bounds it.
type ContentLog struct {
	Path     string            `koanf:"path"`     // "": none
	Models   []string          `koanf:"models"`   // patterns; none: all
	Teams    []string          `koanf:"teams"`    // patterns; none: all
	Keys     []string          `koanf:"keys"`     // patterns of names; none: all
	MaxBody  Size              `koanf:"max_body"` // of a request, and of its answer; what is larger is left out
	Redact   []string          `koanf:"redact"`   // what is replaced
	Patterns map[string]string `koanf:"patterns"` // regular expressions of more of it, by name
	Buffer   int               `koanf:"buffer"`
	Max      Size              `koanf:"max"`
	Keep     int               `koanf:"keep"`
	Age      time.Duration     `koanf:"age"`
}

const (
	otlpGRPC = "grpc"
	otlpHTTP = "http/protobuf"
)

// headerName is one that may be set towards a collector.
var headerName = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]+$`)

func (c *Config) checkTelemetry(p *problems) {
	t := &c.Telemetry
	checkCollector(p, "telemetry.traces", collector{t.Traces.Endpoint, t.Traces.Protocol, t.Traces.Compression, t.Traces.Cert, t.Traces.Key, t.Traces.Headers, t.Traces.Timeout})
	checkCollector(p, "telemetry.metrics", collector{t.Metrics.Endpoint, t.Metrics.Protocol, t.Metrics.Compression, t.Metrics.Cert, t.Metrics.Key, t.Metrics.Headers, t.Metrics.Timeout})
	if !(t.Traces.Sample >= 0 && t.Traces.Sample <= 1) {
		p.addf("telemetry.traces.sample", "is %v: give 0 to 1", t.Traces.Sample)
	}
	if s := t.Traces.Callers; s != "trust" && s != "ignore" {
		p.addf("telemetry.traces.callers", "is %q: give trust or ignore", s)
	}
	c.checkAccessLog(p)
	c.checkContent(p)
	between(p, "telemetry.traces.callers_per_second", t.Traces.CallersPerSecond, 0, 1_000_000)
	between(p, "telemetry.traces.tail_per_second", t.Traces.TailPerSecond, 0, 1_000_000)
	between(p, "telemetry.traces.queue", t.Traces.Queue, 1, 1<<20)
	between(p, "telemetry.traces.batch", t.Traces.Batch, 1, 1<<16)
	if t.Traces.Every < 10*time.Millisecond {
		p.addf("telemetry.traces.every", "is %s: give at least 10ms", t.Traces.Every)
	}
	if t.Metrics.Every < 100*time.Millisecond {
		p.addf("telemetry.metrics.every", "is %s: give at least 100ms", t.Metrics.Every)
	}
}

func (c *Config) checkAccessLog(p *problems) {
	l := &c.Telemetry.AccessLog
	if !(l.Sample >= 0 && l.Sample <= 1) {
		p.addf("telemetry.access_log.sample", "is %v: give 0 to 1", l.Sample)
	}
	between(p, "telemetry.access_log.buffer", l.Buffer, 1, 1<<20)
	checkRotation(p, "telemetry.access_log", l.Max, l.Keep)
}

func (c *Config) checkContent(p *problems) {
	l := &c.Telemetry.Content
	if l.Path == "-" {
		p.addf("telemetry.content.path", "is standard output, where other logs go: name a file")
	}
	for name, list := range map[string][]string{"models": l.Models, "teams": l.Teams, "keys": l.Keys} {
		checkPatterns(p, "telemetry.content."+name, list)
	}
	if l.MaxBody < 1<<10 || l.MaxBody > 16<<20 {
		p.addf("telemetry.content.max_body", "is %d bytes: give 1KiB to 16MiB", l.MaxBody)
	}
	between(p, "telemetry.content.buffer", l.Buffer, 1, 1<<16)
	checkRotation(p, "telemetry.content", l.Max, l.Keep)
}

func checkRotation(p *problems, path string, most Size, keep int) {
	if most != 0 && most < 4<<10 {
		p.addf(path+".max", "is %d bytes: give at least 4KiB, or 0 for no bound", most)
	}
	between(p, path+".keep", keep, 0, 10_000)
}

func between(p *problems, path string, n, least, most int) {
	if n < least || n > most {
		p.addf(path, "is %d: give %d to %d", n, least, most)
	}
}

// collector is what both kinds of exports say of where they go.
type collector struct {
	endpoint, protocol, compression, cert, key string
	headers                                    map[string]Secret
	timeout                                    time.Duration
}

func checkCollector(p *problems, path string, c collector) {
	if c.endpoint != "" {
		if u, err := url.Parse(c.endpoint); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" {
			p.addf(path+".endpoint", "is no address: write it as http://127.0.0.1:4318/v1/traces, or http://127.0.0.1:4317 for grpc; credentials go into headers")
		}
	}
	if c.protocol != otlpGRPC && c.protocol != otlpHTTP {
		p.addf(path+".protocol", "is %q: give %s or %s", c.protocol, otlpHTTP, otlpGRPC)
	}
	if c.compression != "none" && c.compression != "gzip" {
		p.addf(path+".compression", "is %q: give none or gzip", c.compression)
	}
	if (c.cert == "") != (c.key == "") {
		p.addf(path+".cert", "cert and key come together: give both or none")
	}
	for _, name := range sortedKeys(c.headers) {
		if !headerName.MatchString(name) || strings.ContainsAny(c.headers[name].Reveal(), "\r\n\x00") {
			p.addf(join(path+".headers", name), "cannot be sent as a header")
		}
	}
	if c.timeout < 100*time.Millisecond {
		p.addf(path+".timeout", "is %s: give at least 100ms", c.timeout)
	}
}

// fill takes what the configuration leaves to the standard variables: it names
// no endpoint of its own.
func (t *Telemetry) fill(env map[string]string, p *problems) {
	if strings.EqualFold(env["OTEL_SDK_DISABLED"], "true") {
		return
	}
	e := otelEnv{env, p}
	if t.Traces.Endpoint == "" && e.exports("TRACES") {
		tr := &t.Traces
		e.collector("TRACES", "v1/traces", &tr.Endpoint, &tr.Protocol, &tr.Headers, &tr.Compression, &tr.Timeout, [3]*string{&tr.CA, &tr.Cert, &tr.Key})
		e.sampler(tr)
		e.millis("OTEL_BSP_SCHEDULE_DELAY", &tr.Every)
		e.number("OTEL_BSP_MAX_QUEUE_SIZE", &tr.Queue)
		e.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &tr.Batch)
	}
	if t.Metrics.Endpoint == "" && e.exports("METRICS") {
		m := &t.Metrics
		e.collector("METRICS", "v1/metrics", &m.Endpoint, &m.Protocol, &m.Headers, &m.Compression, &m.Timeout, [3]*string{&m.CA, &m.Cert, &m.Key})
		e.millis("OTEL_METRIC_EXPORT_INTERVAL", &m.Every)
	}
	e.resource(t)
}
