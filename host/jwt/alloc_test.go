//go:build !race

package jwt

import (
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestNoAllocations(t *testing.T) {
	l := newLogin(t, key(ecKey, "e"))
	v := verifier(t, Options{Issuers: []Issuer{l.issuer()}})
	token := []byte(sign(t, jose.ES256, key(ecKey, "e"), l.with(nil), nil))
	if n := testing.AllocsPerRun(1000, func() { _, _ = v.Verify(token, "", noon) }); n != 0 {
		t.Errorf("a token that is remembered takes %v allocations; want 0", n)
	}
}
