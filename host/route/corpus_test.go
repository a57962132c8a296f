package route

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// someCall is a call with n candidates that differ in all that a module may look at.
func someCall(rng *rand.Rand, n int) *call.Call {
	c := &call.Call{ID: call.ID(rng.Int64()), Received: noon, Op: wire.OpChat,
		Model: &call.Model{Name: "fast"}, Principal: &call.Principal{KeyID: "k1", Org: "acme"},
		Facts: scan.Facts{Stream: rng.IntN(2) == 0, MaxTokens: rng.Int64N(4096), Size: rng.IntN(1 << 16)}}
	for i := range n {
		t := &call.Target{Name: fmt.Sprintf("openai/model-%d", i), Region: "eu", Weight: rng.Uint32N(5), Priority: rng.Uint32N(3),
			Price: &call.Price{Input: 150_000_000 + rng.Int64N(1e9), Output: 600_000_000, Context: 128_000}, State: call.NewTargetState()}
		if rng.IntN(4) == 0 {
			t.State.CooldownUntil.Store(noon.UnixMilli() + rng.Int64N(1000))
		}
		t.State.Observe(rng.IntN(5) == 0, time.Duration(rng.IntN(500))*time.Millisecond, 20*time.Millisecond)
		c.Candidates = append(c.Candidates, call.Candidate{Target: t})
	}
	return c
}

func shipped(t testing.TB) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("..", "..", "plugins", "routes", "priority", "priority.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// load returns a handle of a router that has only this module.
func load(t testing.TB, name string, code []byte) *Handle {
	t.Helper()
	r, err := New(Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := r.Load(name, name+".wasm", code, nil); err != nil {
		t.Fatal(err)
	}
	return r.Handle(name)
}

func guest(t testing.TB, name string) []byte {
	t.Helper()
	return wasmtest.BuildGo(t, filepath.Join("testdata", name))
}
