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

// client posts to the upstream of a lease.
type client interface {
	post(ctx context.Context, header []h1.Field, body []byte) (reply, error)
	CloseIdleConnections()
}

// reply is an upstream's answer; reading it reads its body. It must be closed,
// and not be used then.
type reply interface {
	io.ReadCloser
	Status() int
	Header(name string) string
}

// upstream returns the client of a lease: one that is made for this, or
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

func (d directClient) post(ctx context.Context, header []h1.Field, body []byte) (reply, error) {
	r, err := d.Post(ctx, header, body)
	if err != nil {
		return nil, err // not a reply that holds nil
	}
	return r, nil
}

// proxyClient calls the upstream by way of net/http, which knows about proxies.
type proxyClient struct {
	*http.Client
	url string
}

func throughProxy(rawURL string, control dialGuard) proxyClient {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: control}
	return proxyClient{url: rawURL, Client: &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialer.DialContext,
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

func (p proxyClient) post(ctx context.Context, header []h1.Field, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
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

// call sends a translated request to the lease's upstream.
func (b *bridge) call(r *Request, body []byte) (reply, error) {
	ctx := r.Context()
	resp, err := b.client.post(ctx, b.headers(r), body)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, err
	}
	return resp, nil
}

// headers are those of the lease, then what the caller may pass on: that
// replaces what the lease says (a version, a beta flag), but never a credential.
func (b *bridge) headers(r *Request) []h1.Field {
	list := append(make([]h1.Field, 0, 8), h1.Field{Name: "Content-Type", Value: "application/json"})
	credential := string(r.Credential())
	for _, h := range b.lease.Headers {
		switch {
		case !h.Credential:
			list = set(list, h.Name, h.Prefix+h.Suffix)
		case credential != "":
			list = set(list, h.Name, h.Prefix+credential+h.Suffix)
		}
	}
	for _, name := range b.lease.PassHeaders {
		if v := r.Header(name); v != "" && !b.lease.credentialIn(name) {
			list = set(list, name, v)
		}
	}
	return list
}

func (l *Lease) credentialIn(header string) bool {
	for _, h := range l.Headers {
		if h.Credential && strings.EqualFold(h.Name, header) {
			return true
		}
	}
	return false
}

// set adds a header or replaces the one of that name. What says where a
// request ends is the client's own.
func set(list []h1.Field, name, value string) []h1.Field {
	for _, own := range [...]string{"Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection"} {
		if strings.EqualFold(name, own) {
			return list
		}
	}
	for i := range list {
		if strings.EqualFold(list[i].Name, name) {
			list[i].Value = value
			return list
		}
	}
	return append(list, h1.Field{Name: name, Value: value})
}
