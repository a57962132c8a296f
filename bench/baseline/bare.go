// Package baseline holds what the gateway is measured against: nginx, and the
// least that a proxy written with the gateway's HTTP library can do.
package baseline

import (
	"bytes"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"
)

const maxConns = 20_000 // idle streams included

// Bare is a proxy that exchanges the credential and copies the rest.
type Bare struct {
	whole, stream *fasthttp.HostClient
	credential    string
	server        fasthttp.Server
}

// NewBare returns a proxy in front of upstream that shows credential there.
func NewBare(upstream, credential string) *Bare {
	b := &Bare{credential: "Bearer " + credential}
	b.whole = &fasthttp.HostClient{Addr: upstream, MaxConns: maxConns}
	b.stream = &fasthttp.HostClient{Addr: upstream, MaxConns: maxConns, StreamResponseBody: true}
	b.server = fasthttp.Server{Handler: b.serve, ReadBufferSize: 8 << 10}
	return b
}

// Serve answers connections from ln until it fails.
func (b *Bare) Serve(ln net.Listener) error {
	if err := b.server.Serve(ln); err != nil {
		return fmt.Errorf("cannot serve %s: %w", ln.Addr(), err)
	}
	return nil
}

var streamMark = []byte(`"stream":true`)

func (b *Bare) serve(ctx *fasthttp.RequestCtx) {
	h := &ctx.Request.Header
	h.DelAllCookies()
	h.Set(fasthttp.HeaderAuthorization, b.credential)
	client := b.whole
	if bytes.Contains(ctx.Request.Body(), streamMark) {
		client = b.stream
	}
	if err := client.Do(&ctx.Request, &ctx.Response); err != nil {
		ctx.Error(err.Error(), fasthttp.StatusBadGateway)
	}
}
