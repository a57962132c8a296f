// Package otlp makes exporters that speak OpenTelemetry's protocol to a
// collector, over gRPC or HTTP.
package otlp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/credentials"
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

// TLS is how an encrypted connection is made, nil: by the system's certificates.
func (c *Collector) TLS() (*tls.Config, error) {
	if c.CA == "" && c.Cert == "" {
		return nil, nil
	}
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

// Traces returns an exporter of spans to c. It does not wait for a connection.
func Traces(ctx context.Context, c Collector) (sdktrace.SpanExporter, error) {
	secure, err := c.TLS()
	if err != nil {
		return nil, err
	}
	if c.Protocol == GRPC {
		opts := []otlptracegrpc.Option{otlptracegrpc.WithEndpointURL(c.Endpoint), otlptracegrpc.WithHeaders(c.Headers), otlptracegrpc.WithTimeout(c.Timeout)}
		if c.Gzip {
			opts = append(opts, otlptracegrpc.WithCompressor("gzip"))
		}
		if secure != nil {
			opts = append(opts, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(secure)))
		}
		return otlptracegrpc.New(ctx, opts...)
	}
	gzip := otlptracehttp.NoCompression
	if c.Gzip {
		gzip = otlptracehttp.GzipCompression
	}
	opts := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(c.Endpoint), otlptracehttp.WithHeaders(c.Headers), otlptracehttp.WithTimeout(c.Timeout), otlptracehttp.WithCompression(gzip)}
	if secure != nil {
		opts = append(opts, otlptracehttp.WithTLSClientConfig(secure))
	}
	return otlptracehttp.New(ctx, opts...)
}

// Metrics returns an exporter of metrics to c. It does not wait for a connection.
func Metrics(ctx context.Context, c Collector) (metric.Exporter, error) {
	secure, err := c.TLS()
	if err != nil {
		return nil, err
	}
	if c.Protocol == GRPC {
		opts := []otlpmetricgrpc.Option{otlpmetricgrpc.WithEndpointURL(c.Endpoint), otlpmetricgrpc.WithHeaders(c.Headers), otlpmetricgrpc.WithTimeout(c.Timeout)}
		if c.Gzip {
			opts = append(opts, otlpmetricgrpc.WithCompressor("gzip"))
		}
		if secure != nil {
			opts = append(opts, otlpmetricgrpc.WithTLSCredentials(credentials.NewTLS(secure)))
		}
		return otlpmetricgrpc.New(ctx, opts...)
	}
	gzip := otlpmetrichttp.NoCompression
	if c.Gzip {
		gzip = otlpmetrichttp.GzipCompression
	}
	opts := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(c.Endpoint), otlpmetrichttp.WithHeaders(c.Headers), otlpmetrichttp.WithTimeout(c.Timeout), otlpmetrichttp.WithCompression(gzip)}
	if secure != nil {
		opts = append(opts, otlpmetrichttp.WithTLSClientConfig(secure))
	}
	return otlpmetrichttp.New(ctx, opts...)
}
