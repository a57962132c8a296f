package policy

import (
	"fmt"
	"net/netip"
	"slices"
)

// zoneTable answers in which named networks an address lies. The address space
// is cut into the intervals between all borders, each with its names, so that
// a lookup is one binary search and its answer is shared.
type zoneTable struct {
	from  []netip.Addr // where an interval starts, ascending; IPv4 sorts before IPv6
	names []names      // sorted lists, the same length
}

var noNames = namesOf()

// firstIPv6 is where the IPv4 addresses end in netip's order.
var firstIPv6 = netip.IPv6Unspecified()

// newZoneTable reads zones as they stand in data: name → CIDRs or addresses.
func newZoneTable(raw any) (*zoneTable, error) {
	byName, ok := raw.(map[string]any)
	if raw != nil && !ok {
		return nil, fmt.Errorf("cannot read data.signalbox.zones: want an object of name: [CIDR, …], got %T", raw)
	}
	zones := map[string][]netip.Prefix{}
	borders := []netip.Addr{netip.IPv4Unspecified(), firstIPv6}
	for name, list := range byName {
		prefixes, err := parsePrefixes(name, list)
		if err != nil {
			return nil, err
		}
		zones[name] = prefixes
		for _, p := range prefixes {
			borders = append(borders, p.Addr())
			if end := after(p); end.IsValid() {
				borders = append(borders, end)
			}
		}
	}
	slices.SortFunc(borders, netip.Addr.Compare)
	t := &zoneTable{from: slices.Compact(borders)}
	for _, a := range t.from {
		t.names = append(t.names, namesOf(namesAt(zones, a)...))
	}
	return t, nil
}

// find returns the sorted names of the zones that hold a: none for an invalid address.
func (t *zoneTable) find(a netip.Addr) names {
	if !a.IsValid() {
		return noNames
	}
	i, found := slices.BinarySearchFunc(t.from, a, netip.Addr.Compare)
	if !found {
		i--
	}
	return t.names[i]
}

func parsePrefixes(name string, raw any) ([]netip.Prefix, error) {
	list, ok := raw.([]any)
	if !ok {
		return nil, fmt.Errorf("cannot read zone %q: want a list of CIDRs, got %T", name, raw)
	}
	out := make([]netip.Prefix, 0, len(list))
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("cannot read zone %q: want a CIDR as text, got %v", name, item)
		}
		p, err := parsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("cannot read zone %q: %w", name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// parsePrefix reads "10.0.0.0/8", or one address.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = plainAddr(a)
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, err
	}
	if p.Addr().Is4In6() {
		return p, fmt.Errorf("%q is an IPv4 network written as IPv6: write it as IPv4", text)
	}
	return p.Masked(), nil
}

// plainAddr is the one form under which an address is matched and shown.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// after is the first address behind p; invalid behind the last IPv6 address.
func after(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	next := last.Next()
	if !next.IsValid() && last.Is4() {
		return firstIPv6
	}
	return next
}

func namesAt(zones map[string][]netip.Prefix, a netip.Addr) []string {
	names := []string{}
	for name, prefixes := range zones {
		if slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
