//go:build !race

package server

import (
	"net/netip"
	"testing"
)

func TestForwardedAllocatesNothing(t *testing.T) {
	peer := netip.MustParseAddr("10.0.0.1")
	for _, forwarded := range []bool{true, false} {
		p := proxies(t, forwarded, "10.0.0.0/8")
		lines := [][]byte{[]byte("6.6.6.6"), []byte("192.0.2.7, 10.0.0.2, [fd00::1]:4")}
		if forwarded {
			lines[1] = []byte(`for=192.0.2.7;proto=https, for="10.0.0.2:80"`)
		}
		if n := testing.AllocsPerRun(100, func() { p.client(peer, lines) }); n != 0 {
			t.Errorf("forwarded %v: %v allocations; want 0", forwarded, n)
		}
	}
}
