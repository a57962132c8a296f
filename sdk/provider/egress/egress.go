// Package egress decides where a provider's credential may be sent: the hosts
// that an operator listed, and among their addresses no private one unless it
// was listed too.
package egress

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Hosts is a parsed list of allowed hosts; immutable.
type Hosts struct {
	names []hostPort
	nets  []netip.Prefix
}

type hostPort struct{ host, port string } // port "": https on 443 only

// Parse reads entries of these forms:
//
//	api.openai.com        https on port 443
//	localhost:11434       http or https on that port
//	192.168.3.4:8080      that address and port
//	10.1.0.0/16, 10.1.2.3 private addresses that listed names may resolve to
func Parse(entries []string) (*Hosts, error) {
	h := &Hosts{}
	for _, entry := range entries {
		if err := h.add(entry); err != nil {
			return nil, fmt.Errorf("cannot read host %q: %w", entry, err)
		}
	}
	return h, nil
}

func (h *Hosts) add(entry string) error {
	entry = strings.TrimSpace(entry)
	if p, err := netip.ParsePrefix(entry); err == nil {
		h.nets = append(h.nets, p.Masked())
		return nil
	}
	if ip, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
		h.nets = append(h.nets, netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()))
		h.names = append(h.names, hostPort{host: ip.Unmap().String()})
		return nil
	}
	if strings.ContainsAny(entry, "/@?#* ") {
		return fmt.Errorf("want host, host:port, an address or a network, no URL and no pattern")
	}
	host, port := splitPort(entry)
	if host = normal(host); host == "" {
		return fmt.Errorf("the host is empty or not ASCII")
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	h.names = append(h.names, hostPort{host, port})
	return nil
}

// OfURL is the entry that allows exactly the host and port of a URL.
func OfURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return "", fmt.Errorf("cannot read URL %q: want https://host/path", raw)
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port(u), nil
}

// Check reports why u may not be connected to, nil if it may.
func (h *Hosts) Check(u *url.URL) error {
	host := normal(u.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("scheme %q is not http or https", u.Scheme)
	case u.User != nil:
		return fmt.Errorf("the URL holds a user name; credentials belong in the provider's credentials")
	case host == "":
		return fmt.Errorf("the host is empty or not ASCII")
	}
	p := port(u)
	for _, e := range h.names {
		if e.host == host && (e.port == p || e.port == "" && u.Scheme == "https" && p == "443") {
			return nil
		}
	}
	return fmt.Errorf("%s://%s:%s is not among the provider's hosts; add \"%s:%s\" to them if its credentials may go there",
		u.Scheme, host, p, host, p)
}

// AllowIP returns the guard for addresses that host resolves to: public ones,
// listed ones, and loopback for the name localhost. A host that is an address
// stands for itself alone.
func (h *Hosts) AllowIP(host string) func(netip.Addr) bool {
	host = normal(host)
	if literal, err := netip.ParseAddr(host); err == nil {
		return func(ip netip.Addr) bool { return ip.Unmap() == literal.Unmap() }
	}
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	return func(ip netip.Addr) bool {
		ip = ip.Unmap()
		return Public(ip) || h.listed(ip) || local && ip.IsLoopback()
	}
}

func (h *Hosts) listed(ip netip.Addr) bool {
	for _, n := range h.nets {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// special are the ranges of IPv4 that are not the public internet beyond those
// that netip names.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
}

var (
	global6 = netip.MustParsePrefix("2000::/3")
	tunnel6 = []netip.Prefix{netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2002::/16")} // Teredo, 6to4: hide an IPv4 address
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
)

// Public reports whether ip is an address of the public internet.
func Public(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return false
	}
	if ip.Is4() {
		return !within(special, ip)
	}
	if nat64.Contains(ip) {
		b := ip.As16()
		return Public(netip.AddrFrom4([4]byte(b[12:])))
	}
	return ip.Zone() == "" && global6.Contains(ip) && !within(tunnel6, ip)
}

func within(list []netip.Prefix, ip netip.Addr) bool {
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}

func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return strings.Trim(s, "[]"), ""
	}
	return strings.Trim(s[:i], "[]"), s[i+1:]
}

// normal is the form in which hosts are compared, "" if host is not one.
func normal(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, c := range []byte(host) {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return host
}
