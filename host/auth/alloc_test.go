//go:build !race

package auth

import "testing"

func TestNoAllocations(t *testing.T) {
	k := newKeys(t, entry(t, "a"))
	f := func(token string) {
		t.Helper()
		raw := []byte(token)
		if n := testing.AllocsPerRun(1000, func() { _, _ = k.Authenticate(raw) }); n != 0 {
			t.Errorf("Authenticate(%q) allocates %v times; want 0", token, n)
		}
	}
	f("token-a")
	f("token-unknown")
	f("")
}
