package provider

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
)

// upstream returns the client of a lease. It is net/http's: a bridged request
// is dominated by the translation, and this client knows about proxies,
// cancelling, trailers and streams that end early.
//
// It follows no redirect, because that would carry the credential away, and
// connects to no private address unless the operator listed it. Behind a proxy
// the proxy resolves names, so there the addresses are the proxy's business.
func upstream(rawURL string, hosts *egress.Hosts) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     60 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  true,
		ReadBufferSize:      16 << 10,
		WriteBufferSize:     16 << 10,
	}
	if u, err := url.Parse(rawURL); err == nil && !proxied(u) {
		allowed := hosts.AllowIP(u.Hostname())
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !allowed(ap.Addr()) {
				return fmt.Errorf("address %s of %s is private; list it among the provider's hosts if it may be used", address, u.Hostname())
			}
			return nil
		}
	}
	t.DialContext = dialer.DialContext
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func proxied(u *url.URL) bool {
	p, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return err == nil && p != nil
}

// call sends a translated request to the lease's upstream.
func (b *bridge) call(r *Request, body []byte) (*http.Response, error) {
	ctx := r.Context()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.lease.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header["User-Agent"] = nil // that of net/http says nothing
	credential := string(r.Credential())
	for _, h := range b.lease.Headers {
		value := h.Prefix + h.Suffix
		if h.Credential {
			value = h.Prefix + credential + h.Suffix
		}
		if !h.Credential || credential != "" {
			req.Header.Set(h.Name, value)
		}
	}
	for _, name := range b.lease.PassHeaders {
		if v := r.Header(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	resp, err := b.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, err
	}
	return resp, nil
}
