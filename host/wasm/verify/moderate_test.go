package verify

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/module"
)

// TestModerate: of a Go guest that allocates a map and some slices for 8
// targets, the collector takes the fuel of no more than one call in 100,000:
// over twenty thousand calls, or a million with -long. A smaller heap is no
// help: collections become more, and dearer.
func TestModerate(t *testing.T) {
	calls := quickCalls
	if *long {
		calls = longCalls
	}
	rt, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{o: Options{Kind: module.Route, Name: "moderate"}, code: wasmtest.BuildGo(t, root+"host/route/testdata/moderate"), runtime: rt,
		state: wasm.NewState(slog.New(slog.DiscardHandler)), inputs: requests(plain), report: &Report{}}
	defer k.close()
	if _, err := k.abi(); err != nil {
		t.Fatal(err)
	}
	inputs, _ := k.usable()
	starved, n, worst := 0, 0, int64(0)
	for n < calls {
		for i := range inputs {
			if inputs[i].targets != 8 {
				continue
			}
			n++
			o := k.ask(inputs[i].record)
			if errors.Is(o.err, wasm.ErrFuel) {
				starved++
				continue
			}
			if o.err != nil {
				t.Fatal(o.err)
			}
			worst = max(worst, o.fuel)
		}
	}
	if starved > n/100_000 {
		t.Errorf("%d of %d calls ran out of fuel", starved, n)
	}
	t.Logf("%d of %d calls ran out of fuel, the dearest other spent %d", starved, n, worst)
}
