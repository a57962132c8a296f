package config

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// otelEnv reads OpenTelemetry's standard variables.
type otelEnv struct {
	env map[string]string
	p   *problems
}

// of returns what the signal's own variable says, or the one for all.
func (e otelEnv) of(signal, name string) (variable, value string) {
	own := "OTEL_EXPORTER_OTLP_" + signal + "_" + name
	if v := e.env[own]; v != "" {
		return own, v
	}
	all := "OTEL_EXPORTER_OTLP_" + name
	return all, e.env[all]
}

// exports reports whether the environment names a collector for the signal.
func (e otelEnv) exports(signal string) bool {
	if kind := e.env["OTEL_"+signal+"_EXPORTER"]; kind != "" && kind != "otlp" {
		return false
	}
	_, endpoint := e.of(signal, "ENDPOINT")
	return endpoint != ""
}

func (e otelEnv) collector(signal, path string, endpoint, protocol *string, headers *map[string]Secret, compression *string, timeout *time.Duration, files [3]*string) {
	if _, v := e.of(signal, "PROTOCOL"); v != "" {
		*protocol = v
	}
	name, at := e.of(signal, "ENDPOINT")
	if *protocol == otlpHTTP && !strings.Contains(name, signal) { // the one for all is the folder of each
		at = strings.TrimSuffix(at, "/") + "/" + path
	}
	*endpoint = at
	if name, v := e.of(signal, "HEADERS"); v != "" {
		*headers = map[string]Secret{}
		for k, v := range e.pairs(name, v) {
			(*headers)[k] = Secret(v)
		}
	}
	if _, v := e.of(signal, "COMPRESSION"); v != "" {
		*compression = v
	}
	if name, v := e.of(signal, "TIMEOUT"); v != "" {
		e.duration(name, v, timeout)
	}
	for i, name := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"} {
		if _, v := e.of(signal, name); v != "" {
			*files[i] = v
		}
	}
}

// pairs reads a=b,c=d with values as in URLs.
func (e otelEnv) pairs(name, list string) map[string]string {
	out := map[string]string{}
	for _, pair := range strings.Split(list, ",") {
		key, value, ok := strings.Cut(pair, "=")
		text, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); !ok || key == "" || err != nil {
			e.p.addf(name, "is no list of pairs: write it as name=value,name=value")
			continue
		}
		out[key] = text
	}
	return out
}

// sampler reads which requests are traced.
func (e otelEnv) sampler(t *Traces) {
	kind := strings.TrimPrefix(e.env["OTEL_TRACES_SAMPLER"], "parentbased_")
	if kind != "" && kind == e.env["OTEL_TRACES_SAMPLER"] {
		t.Callers = "ignore" // it asks nobody
	}
	switch kind {
	case "always_on":
		t.Sample = 1
	case "always_off":
		t.Sample = 0
	case "traceidratio":
		t.Sample = 1
		if arg := e.env["OTEL_TRACES_SAMPLER_ARG"]; arg != "" {
			n, err := strconv.ParseFloat(arg, 64)
			if err != nil {
				e.p.addf("OTEL_TRACES_SAMPLER_ARG", "is %q: give a number from 0 to 1", arg)
			}
			t.Sample = n
		}
	case "":
	default:
		e.p.addf("OTEL_TRACES_SAMPLER", "is %q: give always_on, always_off or traceidratio, each also with parentbased_ before it", e.env["OTEL_TRACES_SAMPLER"])
	}
}

// resource adds what the configuration does not say of the service.
func (e otelEnv) resource(t *Telemetry) {
	attrs := map[string]string{}
	if list := e.env["OTEL_RESOURCE_ATTRIBUTES"]; list != "" {
		attrs = e.pairs("OTEL_RESOURCE_ATTRIBUTES", list)
	}
	if name := e.env["OTEL_SERVICE_NAME"]; name != "" {
		attrs["service.name"] = name
	}
	if name := attrs["service.name"]; name != "" && t.ServiceName == defaultService {
		t.ServiceName = name
	}
	delete(attrs, "service.name")
	for k, v := range t.Resource {
		attrs[k] = v
	}
	t.Resource = attrs
}

// defaultService is what the gateway calls itself where nobody says otherwise.
const defaultService = "signalbox"

func (e otelEnv) millis(name string, dst *time.Duration) {
	if v := e.env[name]; v != "" {
		e.duration(name, v, dst)
	}
}

func (e otelEnv) duration(name, value string, dst *time.Duration) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		e.p.addf(name, "is %q: give milliseconds", value)
		return
	}
	*dst = time.Duration(n) * time.Millisecond
}

func (e otelEnv) number(name string, dst *int) {
	v := e.env[name]
	if v == "" {
		return
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		e.p.addf(name, "is %q: give a whole number", v)
		return
	}
	*dst = n
}
