package provider

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/internal/h1"
)

// client posts to the host of a lease's upstream: to a target, which is an
// escaped path with its query, if any.
type client interface {
	post(ctx context.Context, target string, header []h1.Field, body []byte) (reply, error)
	CloseIdleConnections()
}

// reply is an upstream's answer; reading it reads its body. It must be closed,
// and not be used then.
type reply interface {
	io.ReadCloser
	Status() int
	Header(name string) string
}

// upstream returns the client of a URL's host: one that is made for this, or
// net/http's where a proxy is in the way or the URL is an unusual one.
//
// It follows no redirect, because that would carry the credential away, and
// connects to no private address unless the operator listed it. Behind a proxy
// the proxy resolves names, so there the addresses are the proxy's business.
func upstream(rawURL string, hosts *egress.Hosts) client {
	u, err := url.Parse(rawURL)
	if err != nil {
		return throughProxy(rawURL, nil) // whose first request says what is wrong
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	switch {
	case proxy != nil:
		return throughProxy(rawURL, nil)
	case err != nil || !plain(u):
		return throughProxy(rawURL, guard(u.Hostname(), hosts))
	}
	return directClient{h1.New(u, guard(u.Hostname(), hosts))}
}

// plain reports whether u needs none of what net/http knows beyond HTTP: names
// that are not ASCII, zones of addresses, passwords.
func plain(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.Opaque == "" &&
		!strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '%' })
}

// dialGuard is a net.Dialer's look at an address before it connects.
type dialGuard = func(network, address string, c syscall.RawConn) error

// guard refuses private addresses of host that are not listed. It runs between
// resolution and connection, so no second look-up can slip another one in.
func guard(host string, hosts *egress.Hosts) dialGuard {
	allowed := hosts.AllowIP(host)
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !allowed(ap.Addr()) {
			return fmt.Errorf("address %s of %s is private; list it among the provider's hosts if it may be used", address, host)
		}
		return nil
	}
}

// directClient calls the upstream itself.
type directClient struct{ *h1.Client }

func (d directClient) post(ctx context.Context, target string, header []h1.Field, body []byte) (reply, error) {
	r, err := d.Post(ctx, target, header, body)
	if err != nil {
		return nil, err // not a reply that holds nil
	}
	return r, nil
}

// proxyClient calls the upstream by way of net/http, which knows about proxies.
type proxyClient struct {
	*http.Client
	base string // scheme and host
}

func throughProxy(rawURL string, control dialGuard) proxyClient {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: control}
	return proxyClient{base: baseOf(rawURL), Client: &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         func(ctx context.Context, _, addr string) (net.Conn, error) { return egress.Dial(ctx, dialer, addr) },
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     60 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second,
			DisableCompression:  true,
			ReadBufferSize:      16 << 10,
			WriteBufferSize:     16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (p proxyClient) post(ctx context.Context, target string, header []h1.Field, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header["User-Agent"] = nil // that of net/http says nothing
	for _, h := range header {
		req.Header.Set(h.Name, h.Value)
	}
	resp, err := p.Do(req)
	if err != nil {
		return nil, err
	}
	return proxyReply{resp.Body, resp}, nil
}

// proxyReply is net/http's answer as a reply.
type proxyReply struct {
	io.ReadCloser
	resp *http.Response
}

func (r proxyReply) Status() int               { return r.resp.StatusCode }
func (r proxyReply) Header(name string) string { return r.resp.Header.Get(name) }
