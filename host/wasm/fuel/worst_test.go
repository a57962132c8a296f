package fuel_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

type (
	U = wasmtest.U
	S = wasmtest.S
)

const budget = 1_000_000

// endless are guests that never end by themselves, each by another way of
// getting much for little. Their export is f.
var endless = []struct {
	name  string
	build func(m *wasmtest.Module)
}{
	{"empty loop", func(m *wasmtest.Module) { m.Func("f", "", "", "", loop()...) }},
	{"recursion", func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x10, 0) }},
	{"recursion with 200 locals", wideRecursion},
	{"recursion through a table", func(m *wasmtest.Module) {
		m.Func("f", "", "", "", 0x41, 0, 0x11, U(m.Type("", "")), 0)
		m.Table(0)
	}},
	{"exponential calls", exponential},
	{"long body of multiplications", func(m *wasmtest.Module) {
		m.Func("f", "", "", "I", loop(repeat(1000, 0x20, 0, 0x42, 3, 0x7e, 0x42, 7, 0x7c, 0x21, 0), 0x20, 0, 0x24, 0)...)
		m.Global(0x7e, 1, 0x42, 1, 0x0b)
	}},
	{"long body of divisions", func(m *wasmtest.Module) {
		m.Func("f", "", "", "I", loop(repeat(1000, 0x42, S(1<<62), 0x20, 0, 0x42, 3, 0x84, 0x80, 0x21, 0), 0x20, 0, 0x24, 0)...)
		m.Global(0x7e, 1, 0x42, 1, 0x0b)
	}},
	{"long body of cache misses", func(m *wasmtest.Module) { // each address follows from the load before
		m.Memory(256)
		m.Func("f", "", "", "i", loop(repeat(1000, 0x20, 0, 0x28, 2, 0, 0x20, 0, 0x6a, 0x41, S(1103515245), 0x6c,
			0x41, S(12345), 0x6a, 0x41, S(0xfffffc), 0x71, 0x21, 0))...)
	}},
	{"memory.grow by nothing", func(m *wasmtest.Module) {
		m.Memory(1)
		m.Func("f", "", "", "", loop(0x41, 0, 0x40, 0, 0x1a)...)
	}},
	{"memory.grow that fails", func(m *wasmtest.Module) {
		m.Memory(1)
		m.Func("f", "", "", "", loop(0x41, S(1<<20), 0x40, 0, 0x1a)...)
	}},
	{"memory.fill", func(m *wasmtest.Module) {
		m.Memory(256)
		m.Func("f", "", "", "", loop(0x41, 0, 0x41, 1, 0x41, S(1<<20), 0xfc, 11, 0)...)
	}},
	{"memory.copy", func(m *wasmtest.Module) {
		m.Memory(256)
		m.Func("f", "", "", "", loop(0x41, 1, 0x41, 0, 0x41, S(1<<20), 0xfc, 10, 0, 0)...)
	}},
	{"memory.copy of 15 bytes", func(m *wasmtest.Module) {
		m.Memory(1)
		m.Func("f", "", "", "", loop(0x41, 1, 0x41, 0, 0x41, 15, 0xfc, 10, 0, 0)...)
	}},
	{"table.grow and table.fill", func(m *wasmtest.Module) {
		m.Func("f", "", "", "", loop(0xd0, 0x70, 0x41, S(1000), 0xfc, 15, 0, 0x1a, 0x41, 0, 0xd0, 0x70, 0xfc, 16, 0, 0xfc, 17, 0)...)
		m.Table(0)
	}},
}

// loop repeats code for ever.
func loop(code ...any) []any {
	return append(append([]any{0x03, 0x40}, code...), 0x0c, 0, 0x0b)
}

func repeat(n int, code ...any) string { return strings.Repeat(string(wasmtest.Code(code...)), n) }

// wideRecursion keeps many values alive over a call, so that frames are large.
func wideRecursion(m *wasmtest.Module) {
	m.Global(0x7e, 1, 0x42, 1, 0x0b)
	var before, after []any
	for i := range 200 {
		before = append(before, 0x23, 0, 0x42, S(i), 0x7c, 0x21, U(i))
		after = append(after, 0x20, U(i), 0x24, 0)
	}
	m.Func("f", "", "", strings.Repeat("I", 200), append(append(before, 0x10, 0), after...)...)
}

// exponential has no loop: each of 40 functions calls the next one twice.
func exponential(m *wasmtest.Module) {
	m.Func("f", "", "", "", 0x10, 1, 0x10, 1)
	for i := 2; i < 40; i++ {
		m.Func("", "", "", "", 0x10, U(i), 0x10, U(i))
	}
	m.Func("", "", "", "")
}

// metered compiles and instantiates what build makes.
func metered(t testing.TB, rt wazero.Runtime, wasm []byte) api.Module {
	t.Helper()
	out, err := fuel.Inject(wasm, budget)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := rt.InstantiateWithConfig(context.Background(), out, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	return mod
}

func newRuntime(t testing.TB) wazero.Runtime {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(256))
	t.Cleanup(func() { _ = rt.Close(ctx) })
	return rt
}

// spend runs f with a full budget and returns what is left of it.
func spend(mod api.Module) (left int64, err error) {
	global := mod.ExportedGlobal(fuel.Global).(api.MutableGlobal)
	global.Set(budget)
	_, err = mod.ExportedFunction("f").Call(context.Background())
	return int64(global.Get()), err
}

func TestEndlessGuestsEnd(t *testing.T) {
	rt := newRuntime(t)
	for _, g := range endless {
		t.Run(g.name, func(t *testing.T) {
			m := &wasmtest.Module{}
			g.build(m)
			left, err := spend(metered(t, rt, m.Bytes()))
			if err == nil || left >= 0 {
				t.Fatalf("got error %v with %d units left; want a trap with none", err, left)
			}
		})
	}
}

// BenchmarkEndless measures how long a call can run at all: the time to spend
// a million units. Garbage collection of the process waits so long.
func BenchmarkEndless(b *testing.B) {
	rt := newRuntime(b)
	for _, g := range endless {
		b.Run(g.name, func(b *testing.B) {
			m := &wasmtest.Module{}
			g.build(m)
			for b.Loop() {
				b.StopTimer()
				mod := metered(b, rt, m.Bytes())
				b.StartTimer()
				_, _ = spend(mod)
				b.StopTimer()
				_ = mod.Close(context.Background())
				b.StartTimer()
			}
		})
	}
}
