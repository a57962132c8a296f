package main

import "testing"

func TestIdentity(t *testing.T) {
	p := open(t, "../../docs/identity.md")
	p.play(t, 1)
	p.names(t, "key_expired", "key_revoked", "key_not_for_model", "key_not_for_operation", "key_not_from_here", "key_disabled",
		"token_invalid", "token_expired", "token_audience", "issuer_unavailable", "role_required", "too_many_attempts", "unknown_host")
}
