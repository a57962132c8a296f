package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	dialTimeout   = 10 * time.Second
	headTimeout   = 2 * time.Minute // longest wait for the head of an answer
	maxHeadBytes  = 64 << 10
	maxIdlePerWeb = 8
)

// web reaches a tool server by its URL. It follows no redirect and goes nowhere
// but where the operator said.
type web struct {
	spec *Spec
	next *http.Transport
}

func newWeb(spec *Spec) *web {
	w := &web{spec: spec}
	w.next = &http.Transport{DialContext: w.dial, ResponseHeaderTimeout: headTimeout, MaxResponseHeaderBytes: maxHeadBytes,
		TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: maxIdlePerWeb, ForceAttemptHTTP2: true}
	return w
}

// transport speaks with the server.
func (w *web) transport() sdk.Transport {
	client := &http.Client{Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &sdk.StreamableClientTransport{Endpoint: w.spec.URL, HTTPClient: client, MaxEventSize: w.spec.MaxMessage, MaxRetries: -1}
}

func (w *web) stop() { w.next.CloseIdleConnections() }

// dial connects to addr if the operator allows the address that its name stands
// for: what is checked is what is connected to.
func (w *web) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialTimeout, Control: w.guard(host)}
	return d.DialContext(ctx, network, addr)
}

// guard refuses addresses that host stands for but may not.
func (w *web) guard(host string) func(network, to string, _ syscall.RawConn) error {
	allowed := w.spec.Hosts.AllowIP(host)
	return func(_, to string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(to)
		if err != nil || !allowed(at.Addr()) {
			return fmt.Errorf("%s stands for %s, which is not a public address: list it in the server's hosts if it is meant", host, to)
		}
		return nil
	}
}

// RoundTrip implements http.RoundTripper: the server's own headers go along.
func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := w.spec.Hosts.Check(r.URL); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	for name, values := range w.spec.Headers {
		r.Header[name] = values
	}
	resp, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		resp.Body.Close()
		return nil, fmt.Errorf("the server redirects (%d), which is not followed: give the URL that it leads to", resp.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "text/event-stream" { // of those each event is bounded
		resp.Body = &bounded{ReadCloser: resp.Body, left: w.spec.MaxMessage}
	}
	return resp, nil
}

// bounded fails beyond so many bytes.
type bounded struct {
	io.ReadCloser
	left int
}

var errTooLong = errors.New("the server's answer is longer than mcp.max_result allows")

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return n, errTooLong
	}
	return n, err
}
