package otlp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/trace/otlptest"
)

// exporters send something of each signal, and end.
var exporters = map[string]func(Collector) error{
	"traces": func(c Collector) error {
		e, err := Traces(context.Background(), c)
		if err != nil {
			return err
		}
		defer e.Shutdown(context.Background())
		return e.ExportSpans(context.Background(), tracetest.SpanStubs{{Name: "a"}}.Snapshots())
	},
	"metrics": func(c Collector) error {
		e, err := Metrics(context.Background(), c)
		if err != nil {
			return err
		}
		defer e.Shutdown(context.Background())
		sum := metricdata.Sum[int64]{DataPoints: []metricdata.DataPoint[int64]{{Value: 1}}, Temporality: metricdata.CumulativeTemporality}
		return e.Export(context.Background(), &metricdata.ResourceMetrics{Resource: resource.Empty(),
			ScopeMetrics: []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "m", Data: sum}}}}})
	},
}

// TestSignalsTravelAlike: both signals reach a collector by both protocols, as
// they are told and not as the environment has it, and leave nothing behind.
func TestSignalsTravelAlike(t *testing.T) {
	for name, value := range map[string]string{"HEADERS": "x-key=of-the-environment", "COMPRESSION": "gzip", "CERTIFICATE": "/nowhere", "PROTOCOL": "http/json", "ENDPOINT": "https://127.0.0.1:1", "TIMEOUT": "1"} {
		t.Setenv("OTEL_EXPORTER_OTLP_"+name, value)
	}
	for signal, export := range exporters {
		for _, protocol := range []string{GRPC, HTTP} {
			for _, gzip := range []bool{false, true} {
				c := otlptest.New(t)
				before := goleak.IgnoreCurrent()
				to := Collector{Endpoint: c.HTTP + "/v1/" + signal, Protocol: protocol, Headers: map[string]string{"x-key": "mine"}, Gzip: gzip, Timeout: time.Minute}
				if protocol == GRPC {
					to.Endpoint = c.GRPC
				}
				if err := export(to); err != nil {
					t.Errorf("%s by %s: %v", signal, protocol, err)
					continue
				}
				h := c.Headers()[0]
				encoding := h.Get("Content-Encoding") + h.Get("Grpc-Encoding")
				if h.Get("X-Key") != "mine" || strings.Contains(encoding, "gzip") != gzip && protocol == HTTP {
					t.Errorf("%s by %s: the collector was sent %v", signal, protocol, h)
				}
				leftovers(t, before)
			}
		}
	}
}

// TestSecretsStay: what a collector redirects to is not asked, as headers are
// the collector's alone.
func TestSecretsStay(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server was sent %v", r.Header)
	}))
	defer other.Close()
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	for signal, export := range exporters {
		err := export(Collector{Endpoint: srv.URL, Protocol: HTTP, Headers: map[string]string{"x-key": "mine"}, Timeout: time.Minute})
		if err == nil || !strings.Contains(err.Error(), "307") {
			t.Errorf("%s: %v", signal, err)
		}
	}
}

func TestCertificates(t *testing.T) {
	for signal, export := range exporters {
		for _, protocol := range []string{GRPC, HTTP} {
			for _, c := range []Collector{{CA: "/nowhere"}, {CA: "otlp.go"}, {Cert: "/nowhere", Key: "/nowhere"}} {
				c.Protocol, c.Endpoint = protocol, "https://127.0.0.1:1"
				if err := export(c); err == nil || !strings.Contains(err.Error(), "certificate") {
					t.Errorf("%s by %s with %+v: %v", signal, protocol, c, err)
				}
			}
		}
	}
}

// leftovers fails t where goroutines are left that were not there before.
func leftovers(t *testing.T, before goleak.Option) {
	t.Helper()
	var err error
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if err = goleak.Find(before); err == nil {
			return
		}
	}
	t.Error(err)
}
