package route

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// tried loads code under trial in a router of its own.
func tried(t *testing.T, code []byte) *Trial {
	t.Helper()
	r, err := New(Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	trial, err := r.Trial("m", code, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		trial.Close()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return trial
}

// TestReplay records decisions of one instance that serves many, and repeats
// some in another process's place: the plans are the same to the byte.
func TestReplay(t *testing.T) {
	for name, code := range map[string][]byte{"rust": shipped(t), "go": guest(t, "priority"), "rotating": guest(t, "rotating")} {
		t.Run(name, func(t *testing.T) {
			h, trial := load(t, "m", code), tried(t, code)
			rng := rand.New(rand.NewPCG(21, 22))
			var r Recording
			turns := map[int64]bool{}
			for i := range 200 {
				c := someCall(rng, 1+i%64)
				c.Facts.In = scan.Text
				c.Received = noon.Add(time.Duration(rng.IntN(1e9)))
				h.Record(c, &r)
				if c.Plan.Route != trial.Module() || r.Module != trial.Module() {
					t.Fatalf("call %d was planned by %s and recorded of %q: %+v", i, c.Plan.Route, r.Module, h.Stats())
				}
				if i%20 != 0 {
					continue
				}
				got, err := trial.Replay(&r, 2)
				if err != nil || !got.Same || got.Plan.N != c.Plan.N ||
					!slices.Equal(got.Plan.Attempts[:got.Plan.N], c.Plan.Attempts[:c.Plan.N]) || string(got.Plan.Reason()) != string(c.Plan.Reason()) {
					t.Fatalf("call %d: got %+v, %v; want the recorded plan", i, got, err)
				}
				for _, call := range r.Calls {
					turns[call.Value] = true
				}
			}
			if name == "rotating" && len(turns) != 10 {
				t.Errorf("%d different counts in 10 recordings", len(turns))
			}
		})
	}
}

// TestReplayFindsOut repeats decisions that do not follow from what is recorded.
func TestReplayFindsOut(t *testing.T) {
	code := guest(t, "rotating")
	h, trial := load(t, "m", code), tried(t, code)
	c := someCall(rand.New(rand.NewPCG(1, 2)), 64)
	c.Facts.In = scan.Image
	var r Recording
	h.Record(c, &r)
	if got, err := trial.Replay(&r, 3); !errors.Is(err, wasm.ErrDiverged) {
		t.Errorf("order of a map: got %+v, %v; want ErrDiverged", got, err)
	}
	c.Facts.In = scan.Text
	h.Record(c, &r)
	if got, err := tried(t, shipped(t)).Replay(&r, 2); !errors.Is(err, wasm.ErrDiverged) {
		t.Errorf("a module that does not count: got %+v, %v; want ErrDiverged", got, err)
	}
	r.Record = r.Record[:100]
	if _, err := trial.Replay(&r, 2); err == nil || errors.Is(err, wasm.ErrDiverged) {
		t.Errorf("half a record: got %v", err)
	}
}

// TestReplayOnAnother repeats what one version decided on the next one.
func TestReplayOnAnother(t *testing.T) {
	h := load(t, "m", shipped(t))
	c := requestFor(1, "k", false)
	var r Recording
	h.Record(c, &r)
	f := func(what string, code []byte, same bool, attempts int, fault wasm.Fault) {
		t.Helper()
		got, err := tried(t, code).Replay(&r, 2)
		if wasm.FaultOf(err) != fault || err == nil && (got.Same != same || got.Plan.N != attempts) {
			t.Errorf("%s: got %+v, %v", what, got, err)
		}
	}
	f("the same", shipped(t), true, 8, wasm.NoFault)
	f("the same in Go", guest(t, "priority"), true, 8, wasm.NoFault)
	f("another order", fussy(nil, nil), false, 1, wasm.NoFault)
	h.Record(requestFor(1, "k", true), &r)
	f("declines", fussy([]any{0x42, 0, 0x0f}, nil), false, 0, wasm.NoFault)
	f("traps", fussy([]any{0x00}, nil), false, 0, wasm.FaultTrap)
	f("answers nonsense", fussy(answer(badPlan, 64), planBytes(8)), false, 0, wasm.FaultBadAnswer)

	h = load(t, "m", fussy([]any{0x00}, nil))
	if h.Record(requestFor(1, "k", true), &r); len(r.Answer) > 0 || r.Module != h.Stats().Version {
		t.Errorf("a fault was recorded as %q with %d bytes", r.Module, len(r.Answer))
	}
	f("a fault again", fussy([]any{0x00}, nil), false, 0, wasm.FaultTrap)
	if (*Handle)(nil).Record(c, &r); r.Module != "" || len(r.Record) > 0 || c.Plan.Route != "builtin" {
		t.Errorf("without a module %q was recorded", r.Module)
	}
	router, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer router.Close()
	if _, err := router.Trial("m", []byte("text"), nil); err == nil || !strings.Contains(err.Error(), "cannot try route") {
		t.Errorf("text was tried: %v", err)
	}
}
