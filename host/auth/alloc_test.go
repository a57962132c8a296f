//go:build !race

package auth

import (
	"net/netip"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestNoAllocations(t *testing.T) {
	now := time.Now()
	k := newKeys(t, entry(t, "a"))
	f := func(token string) {
		t.Helper()
		raw := []byte(token)
		if n := testing.AllocsPerRun(1000, func() { _, _ = k.Authenticate(raw, now) }); n != 0 {
			t.Errorf("Authenticate(%q) allocates %v times; want 0", token, n)
		}
	}
	f("token-a")
	f("token-unknown")
	f("")

}

func TestPermitDoesNotAllocate(t *testing.T) {
	c := call.Call{Op: wire.OpChat, Remote: netip.MustParseAddr("10.0.0.1"), Principal: scoped(t, call.Scope{
		From: []string{"10.0.0.0/8", "192.0.2.0/24"}, Operations: []string{"chat"}, Models: []string{"a", "open*"}})}
	if n := testing.AllocsPerRun(1000, func() {
		if Permit(&c) != nil || PermitModel(c.Principal, "openai/gpt-4o") != nil {
			t.Error("refused")
		}
	}); n != 0 {
		t.Errorf("Permit allocates %v times; want 0", n)
	}
}
