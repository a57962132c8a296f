//go:build !race

package cache

import (
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var usual = []byte(`{"model":"fast","temperature":0.2,"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"How can I reset my password?"}],"stream":true}`)

func TestLookupsDoNotAllocate(t *testing.T) {
	k, m, a, c := NewKeyer([]byte("secret")), newMemory(1<<20, 1<<10), &Asked{Scope: "us", Op: wire.OpChat}, &Canon{}
	buf := make([]byte, 0, 1<<10)
	key := k.KeyOf("exact", a)
	m.put(&Entry{Key: key, Expires: 10})
	if n := testing.AllocsPerRun(100, func() {
		a.Body, _ = c.Append(buf, usual, nil)
		key = k.KeyOf("exact", a)
		_ = m.get(&key, 1, 0)
	}); n != 0 {
		t.Errorf("a lookup allocates %v times; want 0", n)
	}
}

func BenchmarkKeyOf(b *testing.B) {
	k, a, c := NewKeyer([]byte("secret")), &Asked{Scope: "us", Op: wire.OpChat, Targets: []string{"demo/echo", "0123456789"}}, &Canon{}
	buf := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		a.Body, _ = c.Append(buf, usual, nil)
		_ = k.KeyOf("exact", a)
	}
}
