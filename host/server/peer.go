package server

import (
	"crypto/x509"
	"slices"

	"github.com/valyala/fasthttp"
)

// peer is the caller's end of a connection.
type peer struct{ ctx *fasthttp.RequestCtx }

// Certified implements call.Peer.
func (p peer) Certified(names []string) bool {
	state := p.ctx.TLSConnectionState()
	if state == nil || len(state.VerifiedChains) == 0 {
		return false
	}
	return bears(state.VerifiedChains[0][0], names)
}

// Certified implements call.Peer.
func (in *incoming) Certified(names []string) bool { return peer{in.ctx}.Certified(names) }

// bears reports whether the certificate is for one of names: a URI, a host, an
// address of mail or network as its alternative names have them, or the common
// name of its subject, written CN=name.
func bears(c *x509.Certificate, names []string) bool {
	has := func(name string) bool { return slices.Contains(names, name) }
	for _, u := range c.URIs {
		if has(u.String()) {
			return true
		}
	}
	for _, ip := range c.IPAddresses {
		if has(ip.String()) {
			return true
		}
	}
	return slices.ContainsFunc(c.DNSNames, has) || slices.ContainsFunc(c.EmailAddresses, has) ||
		c.Subject.CommonName != "" && has("CN="+c.Subject.CommonName)
}
