// Package otlp makes exporters that speak OpenTelemetry's protocol to a
// collector, over gRPC or HTTP.
package otlp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
)

// The protocols by which OTLP travels.
const (
	GRPC = "grpc"
	HTTP = "http/protobuf"
)

// Collector is where OTLP goes to.
type Collector struct {
	// Endpoint is an address: http:// is unencrypted. Of HTTP it is the whole
	// one, its path included.
	Endpoint  string
	Protocol  string
	Headers   map[string]string // not nil, so that nothing of the environment's is sent
	Gzip      bool
	CA        string // file of certificates to trust, "": the system's
	Cert, Key string // files of the certificate to show, "": none
	Timeout   time.Duration
}

// TLS is how an encrypted connection is made.
func (c *Collector) TLS() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("cannot read the collector's certificates: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot read the collector's certificates %q: there is none in PEM form", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("cannot read the certificate for the collector: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// link is a way to a collector. All of it is said, as exporters heed the
// environment in what they are not told.
type link struct {
	creds  credentials.TransportCredentials // over gRPC
	calls  grpc.DialOption
	client *http.Client // over HTTP
}

func (c *Collector) link() (*link, error) {
	secure, err := c.TLS()
	if err != nil {
		return nil, err
	}
	l := &link{creds: credentials.NewTLS(secure)}
	if strings.HasPrefix(strings.ToLower(c.Endpoint), "http:") {
		l.creds = insecure.NewCredentials()
	}
	compressor := encoding.Identity
	if c.Gzip {
		compressor = gzip.Name
	}
	l.calls = grpc.WithDefaultCallOptions(grpc.UseCompressor(compressor))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = secure
	l.client = &http.Client{Transport: transport, Timeout: c.Timeout, CheckRedirect: stay}
	return l, nil
}

// stay keeps headers, in which there are secrets, from whom a collector names.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// of are the options that exporters of all kinds have, each under its own type.
func of[O any](c *Collector, url func(string) O, headers func(map[string]string) O, timeout func(time.Duration) O, more ...O) []O {
	return append([]O{url(c.Endpoint), headers(c.Headers), timeout(c.Timeout)}, more...)
}

// Traces returns an exporter of spans to c. It does not wait for a connection.
func Traces(ctx context.Context, c Collector) (sdktrace.SpanExporter, error) {
	l, err := c.link()
	if err != nil {
		return nil, err
	}
	if c.Protocol == GRPC {
		return otlptracegrpc.New(ctx, of(&c, otlptracegrpc.WithEndpointURL, otlptracegrpc.WithHeaders, otlptracegrpc.WithTimeout,
			otlptracegrpc.WithTLSCredentials(l.creds), otlptracegrpc.WithDialOption(l.calls))...)
	}
	gzip := otlptracehttp.NoCompression
	if c.Gzip {
		gzip = otlptracehttp.GzipCompression
	}
	e, err := otlptracehttp.New(ctx, of(&c, otlptracehttp.WithEndpointURL, otlptracehttp.WithHeaders, otlptracehttp.WithTimeout, otlptracehttp.WithHTTPClient(l.client),
		otlptracehttp.WithTLSClientConfig(nil), otlptracehttp.WithCompression(gzip), otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf))...)
	if err != nil {
		return nil, err
	}
	return &spans{e, l}, nil
}

// Metrics returns an exporter of metrics to c. It does not wait for a connection.
func Metrics(ctx context.Context, c Collector) (metric.Exporter, error) {
	l, err := c.link()
	if err != nil {
		return nil, err
	}
	if c.Protocol == GRPC {
		return otlpmetricgrpc.New(ctx, of(&c, otlpmetricgrpc.WithEndpointURL, otlpmetricgrpc.WithHeaders, otlpmetricgrpc.WithTimeout,
			otlpmetricgrpc.WithTLSCredentials(l.creds), otlpmetricgrpc.WithDialOption(l.calls))...)
	}
	gzip := otlpmetrichttp.NoCompression
	if c.Gzip {
		gzip = otlpmetrichttp.GzipCompression
	}
	e, err := otlpmetrichttp.New(ctx, of(&c, otlpmetrichttp.WithEndpointURL, otlpmetrichttp.WithHeaders, otlpmetrichttp.WithTimeout, otlpmetrichttp.WithHTTPClient(l.client),
		otlpmetrichttp.WithTLSClientConfig(nil), otlpmetrichttp.WithCompression(gzip))...)
	if err != nil {
		return nil, err
	}
	return &metrics{e, l}, nil
}

// spans and metrics are exporters over HTTP that leave no connection behind.
type (
	spans struct {
		sdktrace.SpanExporter
		link *link
	}
	metrics struct {
		metric.Exporter
		link *link
	}
)

// Shutdown implements sdktrace.SpanExporter.
func (e *spans) Shutdown(ctx context.Context) error {
	defer e.link.client.CloseIdleConnections()
	return e.SpanExporter.Shutdown(ctx)
}

// Shutdown implements metric.Exporter.
func (e *metrics) Shutdown(ctx context.Context) error {
	defer e.link.client.CloseIdleConnections()
	return e.Exporter.Shutdown(ctx)
}
