package server

import (
	"bytes"
	"net"
	"net/netip"
	"unsafe"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Proxies are those that say truly whom a request comes from.
type Proxies struct {
	Trusted call.Ranges
	// Forwarded: they say it in a Forwarded header, not in X-Forwarded-For. One of
	// the two alone is looked at: a proxy that writes one passes the other on as
	// its client has sent it.
	Forwarded bool
}

// remote is the address that a request comes from: the connection's, unless
// that is a trusted proxy's, which says whose requests it passes on.
func (p *Proxies) remote(ctx *fasthttp.RequestCtx) netip.Addr {
	a, ok := ctx.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	peer := call.PlainAddr(a.AddrPort().Addr())
	if !p.Trusted.Contain(peer) {
		return peer
	}
	name := fasthttp.HeaderXForwardedFor
	if p.Forwarded {
		name = fasthttp.HeaderForwarded
	}
	return p.client(peer, ctx.Request.Header.PeekAll(name))
}

// client follows the hops that lines tell of from the last one back, as long as
// trusted proxies have written them. The address that an untrusted one has, or
// nobody has written legibly, is where it ends: what stands before it is what
// anybody may have sent.
func (p *Proxies) client(peer netip.Addr, lines [][]byte) netip.Addr {
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var hop []byte
			rest, hop, more = cutLast(rest, p.Forwarded)
			a, ok := node(hop, p.Forwarded)
			if !ok {
				return peer
			}
			if peer = a; !p.Trusted.Contain(a) {
				return a
			}
		}
	}
	return peer
}

// cutLast cuts the last element off a list. It reads from the end, so that no
// quote that a client has opened can swallow what proxies have appended.
func cutLast(list []byte, quoted bool) (before, last []byte, more bool) {
	within := false
	for i := len(list) - 1; i >= 0; i-- {
		switch c := list[i]; {
		case quoted && c == '"' && !escaped(list, i):
			within = !within
		case c == ',' && !within:
			return list[:i], list[i+1:], true
		}
	}
	return nil, list, false
}

// escaped reports whether a backslash takes the meaning of the byte at i away.
func escaped(list []byte, i int) bool {
	n := 0
	for i--; i >= 0 && list[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// node is the address that a hop tells of.
func node(hop []byte, forwarded bool) (netip.Addr, bool) {
	if hop = bytes.TrimSpace(hop); !forwarded {
		return address(hop)
	}
	var found []byte
	for rest, more := hop, true; more; {
		var pair []byte
		rest, pair, more = cutPair(rest)
		name, value, ok := bytes.Cut(bytes.TrimSpace(pair), []byte("="))
		if !ok || !bytes.EqualFold(name, []byte("for")) {
			continue
		}
		if found != nil {
			return netip.Addr{}, false
		}
		if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		found = value
	}
	return address(found)
}

// cutPair cuts the last pair off an element of Forwarded.
func cutPair(element []byte) (before, pair []byte, more bool) {
	within := false
	for i := len(element) - 1; i >= 0; i-- {
		switch c := element[i]; {
		case c == '"' && !escaped(element, i):
			within = !within
		case c == ';' && !within:
			return element[:i], element[i+1:], true
		}
	}
	return nil, element, false
}

// address reads an address, with a port or without.
func address(text []byte) (netip.Addr, bool) {
	if len(text) == 0 || len(text) > 64 {
		return netip.Addr{}, false
	}
	if text[0] == '[' {
		end := bytes.IndexByte(text, ']')
		if end < 0 || end < len(text)-1 && text[end+1] != ':' {
			return netip.Addr{}, false
		}
		text = text[1:end]
	} else if i := bytes.IndexByte(text, ':'); i >= 0 && i == bytes.LastIndexByte(text, ':') {
		text = text[:i] // an IPv6 address has more colons
	}
	if len(text) == 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(unsafe.String(&text[0], len(text))) // which keeps it in errors alone
	return call.PlainAddr(a), err == nil
}
