package provider

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
)

// Client is an HTTP client for handlers. It connects to the hosts that the
// operator allows and to no private address among theirs, and it follows no
// redirect, which would carry a credential away. It has no timeout of its own:
// requests are made with the Context of the Request that they serve. Keep one
// client for a configuration.
func (c Config) Client() *http.Client {
	hosts := c.Hosts
	if hosts == nil {
		hosts = &egress.Hosts{}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         func(ctx context.Context, network, addr string) (net.Conn, error) { return dial(ctx, hosts, addr) },
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     60 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func dial(ctx context.Context, hosts *egress.Hosts, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	scheme := "http"
	if port == "443" {
		scheme = "https"
	}
	if err := hosts.Check(&url.URL{Scheme: scheme, Host: addr}); err != nil {
		return nil, err
	}
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: guard(host, hosts)}
	return egress.Dial(ctx, d, addr)
}
