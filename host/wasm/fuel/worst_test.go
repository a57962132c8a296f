package fuel_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

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
	{"chase of pointers", func(m *wasmtest.Module) { chase(m, fuel.Plain.Pages) }},
	{"stores all over memory", func(m *wasmtest.Module) { scatter(m, fuel.Plain.Pages) }},
	{"loads all over memory", func(m *wasmtest.Module) { gather(m, fuel.Plain.Pages) }},
	{"forks that nobody pays for apart", forks},
	{"calls all over the code", func(m *wasmtest.Module) { callsAllOver(m, fuel.Plain.Table) }},
	{"memory.grow by nothing", func(m *wasmtest.Module) {
		m.Memory(1)
		m.Func("f", "", "", "", loop(0x41, 0, 0x40, 0, 0x1a)...)
	}},
	{"memory.grow that fails", func(m *wasmtest.Module) {
		m.Memory(1)
		m.Func("f", "", "", "", loop(0x41, S(1<<20), 0x40, 0, 0x1a)...)
	}},
	{"memory.fill", func(m *wasmtest.Module) {
		m.Memory(int(fuel.Plain.Pages))
		m.Func("f", "", "", "", loop(0x41, 0, 0x41, 1, 0x41, S(1<<20), 0xfc, 11, 0)...)
	}},
	{"memory.copy", func(m *wasmtest.Module) {
		m.Memory(int(fuel.Plain.Pages))
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

// chase follows pointers through all of memory, nearly every one a miss of the
// caches that memory does not fit in.
func chase(m *wasmtest.Module, pages uint32) {
	const line = 64
	n := int(pages) << 16 / line
	m.Memory(int(pages))
	next := make([]byte, n*line)
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	for i, from := range order {
		binary.LittleEndian.PutUint32(next[from*line:], uint32(order[(i+1)%n]*line))
	}
	m.Data(0, string(next))
	m.Func("f", "", "", "i", loop(repeat(1000, 0x20, 0, 0x28, 2, 0, 0x21, 0))...)
}

// scatter stores to places all over memory, gather loads from such: none waits
// for the one before.
func scatter(m *wasmtest.Module, pages uint32) {
	m.Memory(int(pages))
	m.Func("f", "", "", "i", loop(repeat(1000, next(pages), 0x20, 0, 0x36, 2, 0))...)
}

func gather(m *wasmtest.Module, pages uint32) {
	m.Memory(int(pages))
	m.Func("f", "", "", "ii", loop(repeat(1000, next(pages), 0x28, 2, 0, 0x20, 1, 0x6a, 0x21, 1))...)
}

// next leaves the next random address on the stack and in local 0.
func next(pages uint32) []byte {
	return wasmtest.Code(0x20, 0, 0x41, S(1664525), 0x6c, 0x41, S(1013904223), 0x6a, 0x22, 0, 0x41, S(pages<<16-64), 0x71)
}

// forks is a loop of conditions, each with too little behind it to be cut off.
func forks(m *wasmtest.Module) {
	m.Func("f", "", "", "I", loop(repeat(500, 0x20, 0, 0x42, 3, 0x83, 0x50, 0x04, 0x40, 0x20, 0, 0x42, 3, 0x7e, 0x42, 1, 0x7c, 0x21, 0,
		0x05, 0x20, 0, 0x42, 5, 0x7e, 0x42, 1, 0x7c, 0x21, 0, 0x0b))...)
}

// callsAllOver calls all functions of a large table in a random order.
func callsAllOver(m *wasmtest.Module, table uint32) {
	sig := m.Type("i", "i")
	m.Func("f", "", "", "i", loop(repeat(200, 0x20, 0, 0x20, 0, 0x41, 3, 0x76, 0x41, S(table-1), 0x71, 0x11, U(sig), 0, 0x21, 0))...)
	functions := make([]int, table)
	for i := range functions {
		functions[i] = m.Func("", "i", "i", "", 0x20, 0, 0x41, S(1103515245), 0x6c, 0x41, S(12345), 0x6a)
	}
	m.Table(functions...)
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
	return instance(t, rt, compiled(t, rt, wasm, fuel.Plain))
}

func compiled(t testing.TB, rt wazero.Runtime, wasm []byte, tariff fuel.Tariff) wazero.CompiledModule {
	t.Helper()
	out, err := fuel.Inject(wasm, budget, tariff)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rt.CompileModule(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func instance(t testing.TB, rt wazero.Runtime, c wazero.CompiledModule) api.Module {
	t.Helper()
	mod, err := rt.InstantiateModule(context.Background(), c, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	return mod
}

func newRuntime(t testing.TB) wazero.Runtime { return newRuntimeOf(t, 256) }

func newRuntimeOf(t testing.TB, pages uint32) wazero.Runtime {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithMemoryLimitPages(pages))
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

// large is what a module may have that asks for as much as there is.
var large = fuel.Tariff{Pages: 1024, Table: 1 << 17}

// BenchmarkEndless measures how long a call can run at all: the processor's
// time to spend a million units. Garbage collection of the process waits so
// long. cpu-ms is the best of the runs: the others say how busy the machine is.
func BenchmarkEndless(b *testing.B) {
	for _, g := range endless {
		b.Run(g.name, func(b *testing.B) {
			m := &wasmtest.Module{}
			g.build(m)
			spendAll(b, m, fuel.Plain)
		})
	}
	for name, t := range map[string]fuel.Tariff{"of small modules": fuel.Small, "of Go": fuel.Go, "of large modules": large} {
		for _, g := range []struct {
			name  string
			build func(*wasmtest.Module, uint32)
			most  uint32
		}{{"chase of pointers", chase, t.Pages}, {"stores all over memory", scatter, t.Pages}, {"loads all over memory", gather, t.Pages},
			{"calls all over the code", callsAllOver, t.Table}} {
			b.Run(g.name+" on the tariff "+name, func(b *testing.B) {
				m := &wasmtest.Module{}
				g.build(m, g.most)
				spendAll(b, m, t)
			})
		}
	}
}

func spendAll(b *testing.B, m *wasmtest.Module, tariff fuel.Tariff) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rt := newRuntimeOf(b, tariff.Pages)
	c := compiled(b, rt, m.Bytes(), tariff)
	best := time.Hour
	for b.Loop() {
		b.StopTimer()
		mod := instance(b, rt, c)
		b.StartTimer()
		start := threadTime()
		_, _ = spend(mod)
		best = min(best, threadTime()-start)
		b.StopTimer()
		_ = mod.Close(context.Background())
		b.StartTimer()
	}
	b.ReportMetric(float64(best.Microseconds())/1000, "cpu-ms")
}

// threadTime is the processor's time that this thread has taken.
func threadTime() time.Duration {
	const threadClock = 3
	var now syscall.Timespec
	if _, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&now)), 0); err != 0 {
		panic(err)
	}
	return time.Duration(now.Nano())
}
