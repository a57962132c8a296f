package fuel_test

import (
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

// spentOn runs a program on a tariff and returns what it spent.
func spentOn(t testing.TB, rt wazero.Runtime, wasm []byte, tariff fuel.Tariff) int64 {
	t.Helper()
	mod := instance(t, rt, compiled(t, rt, wasm, tariff))
	defer mod.Close(t.Context())
	global := mod.ExportedGlobal(fuel.Global).(api.MutableGlobal)
	global.Set(1 << 60)
	_, _ = mod.ExportedFunction("f").Call(t.Context(), 12345, 1<<40) // a trap has been paid for too
	return 1<<60 - int64(global.Get())
}

// TestNothingRunsUnpaid compares what random programs are charged with what
// they ran: charges lie ahead of what they are for, so they may be higher.
func TestNothingRunsUnpaid(t *testing.T) {
	rt := newRuntime(t)
	f := func(name string, m *wasmtest.Module) {
		t.Helper()
		for _, tariff := range []fuel.Tariff{fuel.Plain, fuel.Go, large} {
			ran := spentOn(t, rt, m.Bytes(), fuel.Weighed(tariff, true, true))
			for _, unmerged := range []bool{true, false} {
				if paid := spentOn(t, rt, m.Bytes(), fuel.Weighed(tariff, unmerged, false)); ran > paid {
					t.Errorf("%s: code of weight %d was run, %d paid for; unmerged: %v", name, ran, paid, unmerged)
				}
			}
		}
	}
	for seed := range uint64(60) {
		f("program", newProgram(seed))
	}
}

// TestBranchesPayForThemselves: a turn that leaves most of a loop's body out
// pays little, whatever stands there; a form that Go's compiler uses throughout.
func TestBranchesPayForThemselves(t *testing.T) {
	rt := newRuntime(t)
	f := func(what string, code ...any) {
		t.Helper()
		m := &wasmtest.Module{}
		m.Memory(1)
		m.Func("f", "iI", "", "i", code...)
		if spent := spentOn(t, rt, m.Bytes(), fuel.Plain); spent > 60*1000 {
			t.Errorf("%s: a thousand turns cost %d", what, spent)
		}
	}
	long := repeat(500, 0x41, 0, 0x28, 2, 0, 0x1a)
	turn := []any{0x20, 2, 0x41, 1, 0x6a, 0x22, 2, 0x41, S(1000), 0x48, 0x0d, 0}
	in := func(body ...any) []any {
		return append(append(append([]any{0x03, 0x40}, body...), turn...), 0x0b)
	}
	f("an arm not taken", in(0x41, 0, 0x04, 0x40, long, 0x0b)...)
	f("a block left at once", in(0x02, 0x40, 0x41, 1, 0x0d, 0, long, 0x0b)...)
	f("a jump table", in(0x02, 0x40, 0x02, 0x40, 0x02, 0x40, 0x41, 1, 0x0e, 2, 0, 2, 1, 0x0b, long, 0x0c, 1, 0x0b, long, 0x0b)...)
}
