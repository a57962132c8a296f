package release

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/trust"
	"github.com/signalbox-ai/signalbox/host/trust/trusttest"
	"github.com/signalbox-ai/signalbox/host/wasm"
)

// TestOnlySigned asks for signatures after versions without one came into use.
func TestOnlySigned(t *testing.T) {
	h := newHouse(t)
	h.configure(picks(0), "")
	v := h.push(picks(1), "")
	h.must(h.Promote(t.Context(), "m", v.Label[2:], Act{Force: true}))
	h.is(1)
	signer, other := trusttest.New(), trusttest.New()
	h.trust(signer, other)
	manifest := func(code []byte) []byte {
		return fmt.Appendf(nil, `{"name":"m","kind":"route","abi":"sb/1","sha256":"%x"}`, sha256.Sum256(code))
	}
	source := func(code []byte, s *trusttest.Signer) wasm.Source {
		return wasm.Source{Code: code, Manifest: manifest(code), Signature: []byte(s.Sign(manifest(code)))}
	}
	seed := map[string]Seed{"m": {Source: source(picks(0), other)}}
	h.must(Version{}, h.commit(seed, ""))
	h.is(0)
	if s := h.story(); !strings.Contains(s, "is not signed, and plugins.require_signature is set") || h.state(v.Label) != Quarantined {
		t.Errorf("history:\n%s", s)
	}
	if _, err := h.Rollback(t.Context(), "m", v.Label[2:], admin); code(err) != "module_refused" {
		t.Errorf("back to it: %v", err)
	}
	if _, err := h.Push(t.Context(), "m", Upload{Source: wasm.Source{Code: picks(2)}}, admin); code(err) != "module_refused" {
		t.Errorf("a push without a signature: %v", err)
	}
	good, err := h.Push(t.Context(), "m", Upload{Source: source(picks(2), signer)}, admin)
	if err != nil {
		t.Fatal(err)
	}
	h.must(h.Promote(t.Context(), "m", good.Label[2:], Act{Force: true}))
	h.is(2)
	h.restartWith(seed)
	h.is(2)
	h.trust(other) // the key of what is in use is trusted no more
	h.must(Version{}, h.commit(seed, ""))
	h.is(0)
	if _, err := h.Promote(t.Context(), "m", good.Label[2:], Act{Force: true}); code(err) != "module_refused" || !strings.Contains(err.Error(), "any more") {
		t.Errorf("promoted on the word of a key that is trusted no more: %v", err)
	}
	again, err := h.Push(t.Context(), "m", Upload{Source: source(picks(2), other)}, admin)
	if err != nil || !again.Known || again.SignedBy == good.SignedBy {
		t.Errorf("signed anew: %+v, %v", again, err)
	}
	h.must(h.Promote(t.Context(), "m", good.Label[2:], Act{Force: true}))
	h.is(2)
}

// trust has only what these have signed run.
func (h *house) trust(signers ...*trusttest.Signer) {
	h.t.Helper()
	var keys []string
	for _, s := range signers {
		keys = append(keys, s.Key)
	}
	var err error
	if h.keys, err = trust.Parse(keys, true); err != nil {
		h.t.Fatal(err)
	}
}

// TestFullDisk: a step that cannot be kept does not count, and what has left its
// lane stays out, though that cannot be written down yet.
func TestFullDisk(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.configure(picks(0), "")
	bad, good := h.push(picks(-1), ""), h.push(picks(1), "")
	h.must(h.Canary(ctx, "m", bad.Label[2:], Split{Share: 1, Guard: lane.DefaultGuard}, Act{Force: true}))
	h.disk.full.Store(true)
	if _, err := h.Promote(ctx, "m", good.Label[2:], Act{Force: true}); !errors.Is(err, errFull) {
		t.Errorf("promoted on a full disk: %v", err)
	}
	h.is(0) // the canary fails, and the active version serves in its place
	for i := range 60 {
		h.serves(fmt.Sprint(i), i)
	}
	if s := h.router.Lanes("m"); s.Canary != "" {
		t.Fatalf("canary %s serves on", s.Canary)
	}
	if _, err := h.Push(ctx, "m", Upload{Source: wasm.Source{Code: picks(2)}}, admin); !errors.Is(err, errFull) {
		t.Errorf("pushed on a full disk: %v", err)
	}
	h.disk.full.Store(false)
	h.push(picks(2), "")
	if s := h.router.Lanes("m"); s.Canary != "" {
		t.Errorf("a push has brought back canary %s", s.Canary)
	}
	if state := h.state(bad.Label); state != RolledBack && state != Quarantined {
		t.Errorf("state %s\n%s", state, h.story())
	}
	h.restart(picks(0))
	if s := h.router.Lanes("m"); s.Canary != "" {
		t.Errorf("a restart has brought back canary %s", s.Canary)
	}
}
