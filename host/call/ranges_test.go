package call

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestRanges(t *testing.T) {
	f := func(list []string, addr string, want bool) {
		t.Helper()
		r, err := ParseRanges(list)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Contain(PlainAddr(netip.MustParseAddr(addr))); got != want {
			t.Errorf("%s in %q: got %v; want %v", addr, list, got, want)
		}
	}
	f(nil, "10.0.0.1", false)
	f([]string{"10.0.0.0/8"}, "10.0.0.0", true)
	f([]string{"10.0.0.0/8"}, "10.255.255.255", true)
	f([]string{"10.0.0.0/8"}, "::ffff:10.1.1.1", true)
	f([]string{"10.0.0.0/8"}, "::10.1.1.1", false)
	f([]string{"10.0.0.0/8", "10.1.0.0/16"}, "10.2.0.0", true)
	f([]string{"192.0.2.7"}, "192.0.2.8", false)
	f([]string{"::ffff:192.0.2.7"}, "192.0.2.7", true)
	f([]string{"fe80::/10"}, "fe80::1%eth0", true)
	f([]string{"::/0"}, "10.0.0.1", false)
	f([]string{"0.0.0.0/0", "::/0"}, "ff::1", true)

	bad := func(text string) {
		t.Helper()
		if _, err := ParseRanges([]string{text}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	bad("")
	bad("10.0.0.1/8")
	bad("10.0.0.0/33")
	bad("fe80::1%eth0")
	bad("::ffff:0.0.0.0/80")
	bad("example.com")
}

// TestRangesAgree compares with what net/netip says of each prefix.
func TestRangesAgree(t *testing.T) {
	addr := func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "v6") {
			return netip.AddrFrom16([16]byte{0x20, 15: byte(rapid.IntRange(0, 40).Draw(t, "low"))})
		}
		return netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 2).Draw(t, "mid")), byte(rapid.IntRange(0, 255).Draw(t, "low"))})
	}
	rapid.Check(t, func(t *rapid.T) {
		var texts []string
		var prefixes []netip.Prefix
		for range rapid.IntRange(0, 8).Draw(t, "n") {
			a := addr(t)
			p, err := a.Prefix(a.BitLen() - rapid.IntRange(0, 12).Draw(t, "free"))
			if err != nil {
				t.Fatal(err)
			}
			prefixes, texts = append(prefixes, p), append(texts, p.String())
		}
		r, err := ParseRanges(texts)
		if err != nil {
			t.Fatal(err)
		}
		a, want := addr(t), false
		for _, p := range prefixes {
			want = want || p.Contains(a)
		}
		if got := r.Contain(a); got != want {
			t.Fatalf("%s in %q: got %v; want %v", a, texts, got, want)
		}
	})
}
