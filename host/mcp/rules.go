package mcp

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// rules keep pages in browsers out: neither one that a caller happens to look
// at, nor one whose name was made to stand for the gateway's address, speaks to
// tools.
type rules struct{ now atomic.Pointer[ruleSet] }

type ruleSet struct{ hosts, origins []string }

func (r *rules) set(hosts, origins []string) { r.now.Store(&ruleSet{hosts, origins}) }

// check refuses a request by its headers Host and Origin.
func (r *rules) check(host, origin string, remote netip.Addr) *wire.Error {
	set := r.now.Load()
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	switch {
	case len(set.hosts) > 0:
		if !slices.Contains(set.hosts, name) && !slices.Contains(set.hosts, strings.ToLower(host)) {
			return wire.Errorf(403, "host_not_allowed", "tools are not served under the name %q: the operator can list it under mcp.hosts", clip(name, maxName))
		}
	case remote.IsLoopback() && !local(name): // whoever is on this machine calls it by a name of its own
		return wire.Errorf(403, "host_not_allowed", "tools are not served to this machine under the name %q: call it localhost, or have the operator list the name under mcp.hosts", clip(name, maxName))
	}
	if origin == "" || slices.Contains(set.origins, strings.ToLower(origin)) {
		return nil
	}
	return wire.Errorf(403, "origin_not_allowed", "pages of %q may not call tools: the operator can list it under mcp.origins", clip(origin, maxName))
}

func local(name string) bool {
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || err == nil && ip.Unmap().IsLoopback()
}
