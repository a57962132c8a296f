package fuel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

const root = "../../../"

// real is a module of some language's SDK, as it is or metered, in use.
type real struct {
	mod      api.Module
	at, room uint32
}

func newReal(t *testing.T, wasm []byte) *real {
	t.Helper()
	ctx := t.Context()
	rt := newRuntime(t)
	stubs(t, rt)
	wasi_snapshot_preview1.MustInstantiate(ctx, rt)
	mod, err := rt.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	r := &real{mod: mod}
	r.refuel()
	results, err := mod.ExportedFunction("sb_buf").Call(ctx, 32<<10)
	if err != nil {
		t.Fatal(err)
	}
	r.at, r.room = uint32(results[0]>>32), uint32(results[0])
	return r
}

func (r *real) refuel() {
	if g, ok := r.mod.ExportedGlobal(fuel.Global).(api.MutableGlobal); ok {
		g.Set(1 << 60)
	}
}

// ask calls the entry and returns its answer, a trap, or nothing.
func (r *real) ask(t *testing.T, entry string, record []byte) string {
	t.Helper()
	if uint32(len(record)) > r.room || !r.mod.Memory().Write(r.at, record) {
		t.Fatalf("%d bytes of room for %d", r.room, len(record))
	}
	r.refuel()
	results, err := r.mod.ExportedFunction(entry).Call(context.Background(), uint64(r.at), uint64(len(record)))
	if err != nil {
		return "a trap"
	}
	answer, _ := r.mod.Memory().Read(uint32(results[0]>>32), uint32(results[0]))
	return string(answer)
}

// TestLanguagesAgree runs what the SDKs of all languages made, as it is and
// metered, on ordinary and broken records.
func TestLanguagesAgree(t *testing.T) {
	modules := map[string][]byte{"Go": wasmtest.BuildGo(t, root+"examples/routes/cheapest")}
	for _, pattern := range []string{"plugins/*/*/*.wasm", "examples/*/*/*.wasm", "examples/*/*/*/*.wasm"} {
		files, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if modules[strings.TrimPrefix(file, root)], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, wasm := range modules {
		t.Run(name, func(t *testing.T) {
			tariff := fuel.Plain
			if name == "Go" {
				tariff = fuel.Go
			}
			metered, err := fuel.Inject(wasm, 1<<60, tariff)
			if err != nil {
				t.Fatal(err)
			}
			entry, records := "sb_route", requests(t)
			plain, paid := newReal(t, wasm), newReal(t, metered)
			if plain.mod.ExportedFunction(entry) == nil {
				entry, records = "sb_filter", windows(t)
			}
			for i, record := range records {
				a, b := plain.ask(t, entry, record), paid.ask(t, entry, record)
				if a != b {
					t.Fatalf("record %d: %x as it is, %x metered", i, a, b)
				}
				if a == "a trap" {
					plain, paid = newReal(t, wasm), newReal(t, metered)
				}
			}
		})
	}
}

func requests(t *testing.T) [][]byte { return spoiled(eightTargets(t)) }

// windows are the ABI's golden window, with other texts of the same length.
func windows(t *testing.T) [][]byte {
	golden, err := os.ReadFile(root + "sdk/abi/testdata/window.sbw1")
	if err != nil {
		t.Fatal(err)
	}
	return spoiled(golden)
}

// spoiled are a record and what some other bytes make of it.
func spoiled(record []byte) [][]byte {
	rng := rand.New(rand.NewPCG(9, 9))
	out := [][]byte{record}
	for i := range 60 {
		b := bytes.Clone(record)
		for range 1 + i/6 {
			at := 12 + rng.IntN(len(b)-16)
			binary.LittleEndian.PutUint32(b[at:], rng.Uint32()>>rng.IntN(32))
		}
		out = append(out, b)
	}
	return out
}
