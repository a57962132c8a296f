package control

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/plugins/rest"

	"github.com/signalbox-ai/signalbox/host/policy"
)

// Service is a server, and how it is spoken to.
type Service struct {
	URL     string
	Headers map[string]string
	Bearer  string
	CA      string // file of certificates to trust, "": the system's
	Cert    string // file of the certificate to show, with Key
	Key     string
	Timeout time.Duration // until an answer begins, 0: 10s
}

// answerLimit bounds how long an answer may take once it has begun: a server that
// never ends one would keep all newer bundles away.
const answerLimit = 2 * time.Minute

// maxReply bounds what a server says to a report.
const maxReply = 64 << 10

func doorName(service string) string { return "door-" + service }

// serviceConfig is OPA's configuration of s. What is secret stays with the door.
func serviceConfig(s Service, name string) map[string]any {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	return map[string]any{"url": s.URL, "response_header_timeout_seconds": max(1, int64(timeout/time.Second)),
		"credentials": map[string]any{"plugin": doorName(name)}}
}

// door is the way to a service: it adds the credentials, follows no redirect to
// another host, bounds what comes back, and keeps the bundles that do.
type door struct {
	service   Service
	most      int64
	patience  time.Duration   // from the beginning of an answer to its end
	transport *http.Transport // without a time limit until an answer begins
	mu        sync.Mutex
	limited   map[time.Duration]*http.Transport
	came      map[string][]byte // bundles by the path that was asked for
}

func newDoor(s Service, most int64) (*door, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("cannot read ca: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot read ca %q: there is no certificate in it", s.CA)
		}
	}
	if s.Cert != "" {
		if _, err := tls.LoadX509KeyPair(s.Cert, s.Key); err != nil {
			return nil, fmt.Errorf("cannot read cert: %w", err)
		}
		// Read again for each connexion, so that a renewed one is shown.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(s.Cert, s.Key)
			return &cert, err
		}
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = conf
	return &door{service: s, most: most, patience: answerLimit, transport: t, limited: map[time.Duration]*http.Transport{}, came: map[string][]byte{}}, nil
}

// NewClient returns a client for s, without OPA. Its answers are bounded by most.
func NewClient(s Service, most int64) (*http.Client, func(), error) {
	d, err := newDoor(s, most)
	if err != nil {
		return nil, nil, err
	}
	timeout := s.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	return d.client(timeout), d.close, nil
}

// NewClient implements rest.HTTPAuthPlugin. OPA asks for another client whenever
// a long poll needs another time limit.
func (d *door) NewClient(c rest.Config) (*http.Client, error) {
	return d.client(time.Duration(*c.ResponseHeaderTimeoutSeconds) * time.Second), nil
}

func (d *door) client(timeout time.Duration) *http.Client {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.limited[timeout]
	if t == nil {
		t = d.transport.Clone()
		t.ResponseHeaderTimeout = timeout
		d.limited[timeout] = t
	}
	return &http.Client{Transport: &guard{d, t}, CheckRedirect: sameHost}
}

// sameHost keeps credentials with whom they are for.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return fmt.Errorf("the service redirects to %s://%s: name that as its url if it is to be asked", req.URL.Scheme, req.URL.Host)
	}
	if len(via) >= 5 {
		return errors.New("the service redirects again and again")
	}
	return nil
}

// Prepare implements rest.HTTPAuthPlugin; the guard adds what is secret.
func (*door) Prepare(*http.Request) error { return nil }

// The rest of plugins.Plugin.

func (*door) Start(context.Context) error      { return nil }
func (*door) Stop(context.Context)             {}
func (*door) Reconfigure(context.Context, any) {}

var _ plugins.Plugin = (*door)(nil)

// take returns the bundle that came last for a path, once.
func (d *door) take(path string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.came[strings.Trim(path, "/")]
	delete(d.came, strings.Trim(path, "/"))
	return b
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.limited {
		t.CloseIdleConnections()
	}
}

// guard is a transport that reads answers whole, within bounds.
type guard struct {
	door *door
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	asked := req
	for asked.Response != nil { // redirected
		asked = asked.Response.Request
	}
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel() // the answer is read here
	req = req.Clone(ctx)
	for name, v := range g.door.service.Headers {
		req.Header.Set(name, v)
	}
	if g.door.service.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+g.door.service.Bearer)
	}
	if p := req.Header.Get("Prefer"); p != "" { // OPA would take deltas, the host takes whole bundles
		req.Header.Set("Prefer", strings.Replace(p, "modes=snapshot,delta", "modes=snapshot", 1))
	}
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	late := time.AfterFunc(g.door.patience, cancel)
	body, err := io.ReadAll(io.LimitReader(resp.Body, g.door.most+1))
	err = errors.Join(err, resp.Body.Close())
	if !late.Stop() && err != nil {
		err = fmt.Errorf("the answer did not end within %s: %w", g.door.patience, err)
	}
	if err == nil && int64(len(body)) > g.door.most {
		err = fmt.Errorf("the answer is larger than %d bytes", g.door.most)
	}
	if err == nil && resp.StatusCode == http.StatusOK && req.Method == http.MethodGet {
		if err = policy.Bounded(body); err == nil {
			g.door.keep(asked.URL.Path, body)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer of %s: %w", req.URL.Host, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

func (d *door) keep(path string, body []byte) {
	base := ""
	if _, rest, ok := strings.Cut(d.service.URL, "://"); ok {
		_, base, _ = strings.Cut(strings.TrimRight(rest, "/"), "/")
	}
	path = strings.Trim(strings.TrimPrefix(strings.Trim(path, "/"), base), "/")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.came[path] = body
}
