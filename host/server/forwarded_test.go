package server

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/signalbox-ai/signalbox/host/call"
)

func proxies(t testing.TB, forwarded bool, trusted ...string) *Proxies {
	t.Helper()
	r, err := call.ParseRanges(trusted)
	if err != nil {
		t.Fatal(err)
	}
	return &Proxies{Trusted: r, Forwarded: forwarded}
}

func TestForwarded(t *testing.T) {
	peer := netip.MustParseAddr("10.0.0.1")
	of := func(p *Proxies, want string, lines ...string) {
		t.Helper()
		var raw [][]byte
		for _, l := range lines {
			raw = append(raw, []byte(l))
		}
		if got := p.client(peer, raw); got.String() != want {
			t.Errorf("%q: got %s; want %s", lines, got, want)
		}
	}
	x := proxies(t, false, "10.0.0.0/8", "2001:db8::/32")
	of(x, "10.0.0.1")
	of(x, "192.0.2.7", "192.0.2.7")
	of(x, "192.0.2.7", "6.6.6.6, 192.0.2.7")
	of(x, "192.0.2.7", "6.6.6.6, 192.0.2.7, 10.0.0.9")
	of(x, "192.0.2.7", "6.6.6.6", " 192.0.2.7 ,10.9.9.9", "2001:db8::1")
	of(x, "192.0.2.7", "192.0.2.7:4711")
	of(x, "192.0.2.7", "::ffff:192.0.2.7, [2001:db8::7]:80")
	of(x, "fe80::1", "fe80::1%eth0")
	of(x, "10.0.0.3", "10.0.0.3, 10.0.0.2")
	of(x, "10.0.0.2", "unknown, 10.0.0.2")
	of(x, "10.0.0.1", "6.6.6.6, ")
	of(x, "10.0.0.1", "6.6.6.6, garbage")
	of(x, "10.0.0.1", "6.6.6.6, [::1")
	of(x, "10.0.0.1", "6.6.6.6, []")
	of(x, "10.0.0.1", "6.6.6.6, :80")
	of(x, "10.0.0.1", strings.Repeat("1", 100))

	f := proxies(t, true, "10.0.0.0/8", "2001:db8::/32")
	of(f, "192.0.2.7", "for=192.0.2.7")
	of(f, "192.0.2.7", `For="192.0.2.7:80";proto=https;by=10.0.0.1`)
	of(f, "2001:dc8::1", `for=6.6.6.6, for="[2001:dc8::1]:4711", for=10.1.1.1`)
	of(f, "10.0.0.1", "for=_hidden")
	of(f, "10.0.0.1", "proto=https")
	of(f, "10.0.0.1", "for=6.6.6.6;for=10.0.0.9")
	of(f, "192.0.2.7", `for="6.6.6.6, for=192.0.2.7`)
	of(f, "192.0.2.7", `for=6.6.6.6, for=192.0.2.7;host="a, for=6.6.6.6"`)
	of(f, "192.0.2.7", `for=192.0.2.7;host="a\", for=6.6.6.6;x=\""`)
	of(f, "10.0.0.1", "192.0.2.7")
}

// TestSpoofing: whatever a client sends, what counts is the address that the
// first trusted proxy has seen it at.
func TestSpoofing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		forwarded := rapid.Bool().Draw(t, "forwarded")
		r, err := call.ParseRanges([]string{"10.0.0.0/8", "fd00::/8"})
		if err != nil {
			t.Fatal(err)
		}
		p := &Proxies{Trusted: r, Forwarded: forwarded}
		client := netip.AddrFrom4([4]byte{192, 0, byte(rapid.IntRange(0, 255).Draw(t, "c")), byte(rapid.IntRange(0, 255).Draw(t, "d"))})
		hop := func(a netip.Addr) string {
			switch {
			case !forwarded && a.Is6() && rapid.Bool().Draw(t, "port"):
				return "[" + a.String() + "]:99"
			case !forwarded:
				return a.String()
			case a.Is6():
				return `for="[` + a.String() + `]"`
			case rapid.Bool().Draw(t, "quoted"):
				return `proto=https;for="` + a.String() + `:80"`
			}
			return "for=" + a.String() + `;host="x\", for=10.0.0.9"`
		}
		sent := rapid.SliceOfN(rapid.StringMatching(`([0-9a-f.:, ;="\\\[\]]|for=|10\.0\.0\.1|6\.6\.6\.6, ){0,20}`), 0, 3).Draw(t, "sent")
		lines := make([][]byte, len(sent))
		for i, s := range sent {
			lines[i] = []byte(s)
		}
		seen := []netip.Addr{client}
		for range rapid.IntRange(0, 3).Draw(t, "hops") {
			seen = append(seen, rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::7")}).Draw(t, "proxy"))
		}
		for _, a := range seen { // each proxy appends whom it was called by
			if len(lines) > 0 && rapid.Bool().Draw(t, "same line") {
				lines[len(lines)-1] = append(append(lines[len(lines)-1], ", "...), hop(a)...)
				continue
			}
			lines = append(lines, []byte(hop(a)))
		}
		if got := p.client(netip.MustParseAddr("10.0.0.1"), lines); got != client {
			t.Fatalf("%q: got %s; want %s", lines, got, client)
		}
	})
}

func FuzzForwarded(f *testing.F) {
	f.Add("for=192.0.2.7, for=10.0.0.2", true)
	f.Add(`for="[::1]:4;, \""`, true)
	f.Add("192.0.2.7, 10.0.0.2", false)
	f.Fuzz(func(t *testing.T, line string, forwarded bool) {
		p := proxies(t, forwarded, "10.0.0.0/8")
		if a := p.client(netip.MustParseAddr("10.0.0.1"), [][]byte{[]byte(line)}); !a.IsValid() || a != call.PlainAddr(a) {
			t.Fatalf("%q: got %v", line, a)
		}
	})
}
