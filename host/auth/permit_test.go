package auth

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// certified is the end of a connection whose certificate bears one name.
type certified string

func (n certified) Certified(names []string) bool { return slices.Contains(names, string(n)) }

func scoped(t testing.TB, s call.Scope) *call.Principal {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return &call.Principal{KeyID: "k-1", KeyName: "ci", Scope: &s}
}

func TestPermit(t *testing.T) {
	f := func(s call.Scope, c *call.Call, want string) {
		t.Helper()
		c.Principal = scoped(t, s)
		err := Permit(c)
		if got := codeOf(err); got != want {
			t.Errorf("%+v, %+v: got %q; want %q", s, c.Op, got, want)
		}
	}
	from := func(a string) *call.Call { return &call.Call{Op: wire.OpChat, Remote: netip.MustParseAddr(a)} }
	f(call.Scope{}, &call.Call{Op: wire.OpChat}, "")
	f(call.Scope{From: []string{"10.0.0.0/8", "2001:db8::/32"}}, from("10.255.1.2"), "")
	f(call.Scope{From: []string{"10.0.0.0/8", "2001:db8::/32"}}, from("2001:db8::1"), "")
	f(call.Scope{From: []string{"10.0.0.0/8"}}, from("11.0.0.1"), "key_not_from_here")
	f(call.Scope{From: []string{"::ffff:10.0.0.0/104"}}, from("10.1.1.1"), "")
	f(call.Scope{From: []string{"10.0.0.0/8"}}, &call.Call{Op: wire.OpChat}, "key_not_from_here")
	f(call.Scope{From: []string{"0.0.0.0/0"}}, from("2001:db8::1"), "key_not_from_here")
	f(call.Scope{Operations: []string{"chat"}}, &call.Call{Op: wire.OpChat}, "")
	f(call.Scope{Operations: []string{"chat"}}, &call.Call{Op: wire.OpPass}, "key_not_for_operation")
	f(call.Scope{Operations: []string{"chat"}}, &call.Call{}, "")
	f(call.Scope{ReadOnly: true}, &call.Call{Op: wire.OpFiles, Method: "GET"}, "")
	f(call.Scope{ReadOnly: true}, &call.Call{Op: wire.OpFiles}, "key_not_for_operation")
	f(call.Scope{ReadOnly: true}, &call.Call{Op: wire.OpFiles, Method: "DELETE"}, "key_not_for_operation")
	f(call.Scope{Certificates: []string{"spiffe://corp/ci"}}, &call.Call{Op: wire.OpChat}, "key_not_from_here")
	f(call.Scope{Certificates: []string{"spiffe://corp/ci"}}, &call.Call{Op: wire.OpChat, Peer: certified("spiffe://corp/x")}, "key_not_from_here")
	f(call.Scope{Certificates: []string{"dns:x", "spiffe://corp/ci"}}, &call.Call{Op: wire.OpChat, Peer: certified("spiffe://corp/ci")}, "")
}

func TestPermitModel(t *testing.T) {
	f := func(models []string, name string, want string) {
		t.Helper()
		if got := codeOf(PermitModel(scoped(t, call.Scope{Models: models}), name)); got != want {
			t.Errorf("%q of %q: got %q; want %q", name, models, got, want)
		}
	}
	const no = "key_not_for_model"
	f(nil, "anything", "")
	f([]string{"fast"}, "fast", "")
	f([]string{"fast"}, "faster", no)
	f([]string{"fast"}, "FAST", no)
	f([]string{"openai/*"}, "openai/gpt-4o", "")
	f([]string{"openai/*"}, "openrouter/openai/gpt-4o", no)
	f([]string{"*/gpt-4o*"}, "openai/gpt-4o-mini", "")
	f([]string{"*/gpt-4o*"}, "gpt-4o", no)
	f([]string{"a*b*c"}, "axxbyybc", "")
	f([]string{"a*b*c"}, "axxcyyb", no)
	f([]string{"x", "*"}, "", "")
}

func codeOf(err *wire.Error) string {
	if err == nil {
		return ""
	}
	return err.Code
}

// BenchmarkPermit looks an address up among 64 ranges.
func BenchmarkPermit(b *testing.B) {
	var s call.Scope
	for i := range 64 {
		s.From = append(s.From, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(2 * i), 0, 0}), 16).String())
	}
	c := call.Call{Op: wire.OpChat, Principal: scoped(b, s), Remote: netip.MustParseAddr("10.64.3.4")}
	b.ReportAllocs()
	for b.Loop() {
		if Permit(&c) != nil {
			b.Fatal("refused")
		}
	}
}
