package call

import (
	"fmt"
	"net/netip"
	"slices"
)

// Ranges is a set of addresses: intervals that do not touch, ascending, so that
// a lookup is one binary search however many there are.
type Ranges struct{ list []interval }

type interval struct{ from, to netip.Addr } // both included

// ParseRanges reads addresses and CIDRs, IPv4 or IPv6. An IPv4 address counts
// however it is written.
func ParseRanges(texts []string) (r Ranges, err error) {
	for _, text := range texts {
		p, err := parsePrefix(text)
		if err != nil {
			return Ranges{}, err
		}
		r.list = append(r.list, interval{p.Addr(), last(p)})
	}
	slices.SortFunc(r.list, func(a, b interval) int { return a.from.Compare(b.from) })
	joined := r.list[:0]
	for _, i := range r.list {
		if n := len(joined) - 1; n >= 0 && i.from.Compare(joined[n].to) <= 0 {
			if joined[n].to.Less(i.to) {
				joined[n].to = i.to
			}
			continue
		}
		joined = append(joined, i)
	}
	r.list = joined
	return r, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	bad := fmt.Errorf("%q is not an address or CIDR: write it as 10.1.0.0/16, 192.0.2.7 or 2001:db8::/32", text)
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return p, bad
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return p, bad
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q has bits set beyond its length: write %s", text, p.Masked())
	}
	return p, nil
}

// last is the highest address of p.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Empty reports whether no address is in r.
func (r Ranges) Empty() bool { return len(r.list) == 0 }

// Contain reports whether a, which PlainAddr has normalised, is in r.
func (r Ranges) Contain(a netip.Addr) bool {
	lo, hi := 0, len(r.list)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); r.list[mid].to.Less(a) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(r.list) && a.IsValid() && !a.Less(r.list[lo].from)
}

// PlainAddr is a in the one form that addresses are compared in: IPv4 as such,
// and no zone.
func PlainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
