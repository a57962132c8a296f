package fuel_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

// program writes random modules that are valid and end: loops count a local
// down and calls go to earlier functions only.
type program struct {
	*rand.Rand
	m     *wasmtest.Module
	sigs  []string // results of each function; parameters are always "iI"
	size  int      // instructions that may still be written
	loops int      // loops around the current place
}

// Locals of every function: parameters 0 (i) and 1 (I), then i, I, and one
// counter for each depth of loops.
const (
	locals   = "iIiiii"
	counters = 4
)

func newProgram(seed uint64) *wasmtest.Module {
	p := &program{Rand: rand.New(rand.NewPCG(seed, 1)), m: &wasmtest.Module{}}
	p.m.Memory(1)
	p.m.Global(0x7f, 1, 0x41, 3, 0x0b)
	for i := range 4 {
		results := []string{"i", "I", "", "iI"}[p.IntN(4)]
		name := ""
		if i == 3 {
			name = "f"
		}
		p.size, p.loops = 120, 0
		code := p.statements(0, results)
		for _, r := range results {
			code = append(code, p.value(r, 3)...)
		}
		p.m.Func(name, "iI", results, locals, code)
		p.sigs = append(p.sigs, results)
	}
	return p.m
}

// statements leaves the stack as it was. depth counts the blocks around it.
func (p *program) statements(depth int, results string) []byte {
	var out []byte
	for range 1 + p.IntN(5) {
		if p.size--; p.size > 0 {
			out = append(out, p.statement(depth, results)...)
		}
	}
	return out
}

func (p *program) statement(depth int, results string) []byte {
	code := wasmtest.Code
	switch p.IntN(13) {
	case 0, 1:
		return code(p.value('i', 3), 0x21, 2*p.IntN(2)) // local 0 or 2
	case 2:
		return code(p.value('I', 3), 0x21, 1+2*p.IntN(2)) // local 1 or 3
	case 3:
		return code(p.value('i', 2), 0x24, 0)
	case 4:
		return code(p.address(), p.value('I', 2), 0x37, 3, 0)
	case 5:
		return code(0x02, 0x40, p.statements(depth+1, results), 0x0b)
	case 6:
		return code(p.value('i', 2), 0x04, 0x40, p.statements(depth+1, results), 0x05, p.statements(depth+1, results), 0x0b)
	case 7:
		return p.loop(depth, results)
	case 8: // out of any of the blocks around, the function included when it has no results
		if label, ok := p.label(depth, results); ok {
			return code(p.value('i', 2), 0x0d, U(label))
		}
	case 9:
		return code(p.value('i', 2), 0x04, 0x40, p.returns(results), 0x0b)
	case 10: // memory.fill or memory.copy of up to 255 bytes
		n := code(p.value('i', 1), 0x41, S(255), 0x71)
		if p.IntN(2) == 0 {
			return code(p.address(), p.value('i', 1), n, 0xfc, 11, 0)
		}
		return code(p.address(), p.address(), n, 0xfc, 10, 0, 0)
	case 11: // a jump table: into the block, or past it
		return code(0x02, 0x40, 0x02, 0x40, p.value('i', 2), 0x0e, 2, 0, 1, 0, 0x0b, p.statements(depth+1, results), 0x0b)
	}
	return p.call()
}

// loop runs its body one to three times.
func (p *program) loop(depth int, results string) []byte {
	if p.loops == counters {
		return nil
	}
	counter := 4 + p.loops
	p.loops++
	body := p.statements(depth+1, results)
	p.loops--
	return wasmtest.Code(0x41, 1+p.IntN(3), 0x21, counter, 0x03, 0x40, body,
		0x20, counter, 0x41, 1, 0x6b, 0x22, counter, 0x41, 0, 0x4a, 0x0d, 0, 0x0b)
}

// label is a block to leave. Loops are told apart by nothing, so a branch may
// be backwards: only places outside of loops branch.
func (p *program) label(depth int, results string) (int, bool) {
	if p.loops > 0 {
		return 0, false
	}
	if results == "" {
		depth++
	}
	if depth == 0 {
		return 0, false
	}
	return p.IntN(depth), true
}

func (p *program) returns(results string) []byte {
	var out []byte
	for _, r := range results {
		out = append(out, p.value(r, 2)...)
	}
	return append(out, 0x0f)
}

// call calls an earlier function and drops what it answers.
func (p *program) call() []byte {
	if len(p.sigs) == 0 || p.loops > 1 {
		return nil
	}
	f := p.IntN(len(p.sigs))
	out := wasmtest.Code(p.value('i', 1), p.value('I', 1), 0x10, U(f))
	return append(out, bytes.Repeat([]byte{0x1a}, len(p.sigs[f]))...)
}

func (p *program) address() []byte {
	return wasmtest.Code(p.value('i', 1), 0x41, S(0xff00), 0x71)
}

// value is an expression of type i or I.
func (p *program) value(kind rune, depth int) []byte {
	code := wasmtest.Code
	if depth == 0 || p.IntN(3) == 0 {
		local := 2 * p.IntN(2)
		if kind == 'I' {
			local++
		}
		if p.IntN(2) == 0 {
			return code(0x20, local)
		}
		if kind == 'i' {
			return code(0x41, S(int32(p.Uint32())))
		}
		return code(0x42, S(p.Int64()))
	}
	if kind == 'i' {
		switch p.IntN(5) {
		case 0:
			return code(p.value('I', depth-1), 0xa7) // wrap
		case 1:
			return code(p.address(), 0x28, 2, 0)
		case 2:
			return code(0x23, 0)
		}
		return code(p.value('i', depth-1), p.value('i', depth-1), 0x6a+p.IntN(3)) // add, sub, mul
	}
	switch p.IntN(4) {
	case 0:
		return code(p.value('i', depth-1), 0xac+p.IntN(2)) // extend
	case 1:
		return code(p.value('I', depth-1), 0xc2) // extend8_s.. of i64
	}
	return code(p.value('I', depth-1), p.value('I', depth-1), 0x7c+p.IntN(3))
}

// outcome is all that a call leaves behind.
func outcome(t *testing.T, rt wazero.Runtime, wasm []byte) (string, []byte) {
	t.Helper()
	ctx := context.Background()
	mod, err := rt.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	defer mod.Close(ctx)
	if g, ok := mod.ExportedGlobal(fuel.Global).(api.MutableGlobal); ok {
		g.Set(1 << 60)
	}
	results, err := mod.ExportedFunction("f").Call(ctx, 12345, 1<<40)
	memory, _ := mod.Memory().Read(0, mod.Memory().Size())
	return fmt.Sprint(results, err != nil), slices.Clone(memory)
}

// TestRewrittenAgrees runs random programs as they are and metered.
func TestRewrittenAgrees(t *testing.T) {
	rt := newRuntime(t)
	for seed := range uint64(200) {
		m := newProgram(seed)
		plain, memory := outcome(t, rt, m.Bytes())
		got, gotMemory := outcome(t, rt, inject(t, m))
		if got != plain || !bytes.Equal(memory, gotMemory) {
			t.Fatalf("seed %d: metered answers %s, plain %s; memories equal: %v", seed, got, plain, bytes.Equal(memory, gotMemory))
		}
	}
}

// FuzzInject: no input panics, and what is rewritten is valid exactly when the
// original is. (So no module reaches, by being rewritten, what it may not.) Where
// its fuel is enough it answers as the original does.
func FuzzInject(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(newProgram(seed).Bytes())
	}
	for _, g := range endless {
		m := &wasmtest.Module{}
		g.build(m)
		if b := m.Bytes(); len(b) < 1<<14 {
			f.Add(b)
		}
	}
	for _, build := range refused {
		m := &wasmtest.Module{}
		build(m)
		if b := m.Bytes(); len(b) < 1<<12 {
			f.Add(b)
		}
	}
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(256).WithDebugInfoEnabled(false).WithCloseOnContextDone(true))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		out, err := fuel.Inject(wasm, budget, fuel.Plain)
		if err != nil {
			return
		}
		plain, errPlain := rt.CompileModule(ctx, wasm)
		if errPlain == nil {
			defer plain.Close(ctx)
		}
		metered, errMetered := rt.CompileModule(ctx, out)
		if errMetered == nil {
			defer metered.Close(ctx)
		}
		if (errPlain == nil) != (errMetered == nil) {
			t.Fatalf("plain: %v\nmetered: %v", errPlain, errMetered)
		}
		if errPlain == nil {
			agree(t, rt, plain, metered)
		}
	})
}

// agree calls all exports of both, unless the metered one runs out of
// something: then the original might not end.
func agree(t *testing.T, rt wazero.Runtime, plain, metered wazero.CompiledModule) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	m, err := rt.InstantiateModule(ctx, metered, config)
	if err != nil {
		return // it imports something, or traps
	}
	defer m.Close(ctx)
	p, err := rt.InstantiateModule(ctx, plain, config)
	if err != nil {
		t.Fatalf("metered starts, plain does not: %v", err)
	}
	defer p.Close(ctx)
	for _, name := range slices.Sorted(maps.Keys(plain.ExportedFunctions())) {
		params := make([]uint64, len(plain.ExportedFunctions()[name].ParamTypes()))
		for i := range params {
			params[i] = uint64(i) * 0x9e3779b9
		}
		m.ExportedGlobal(fuel.Global).(api.MutableGlobal).Set(budget / 50)
		got, errGot := m.ExportedFunction(name).Call(ctx, params...)
		if int64(m.ExportedGlobal(fuel.Global).Get()) < 0 || m.ExportedGlobal(fuel.StarvedGlobal).Get() != 0 {
			return
		}
		want, errWant := p.ExportedFunction(name).Call(ctx, params...)
		if (errGot == nil) != (errWant == nil) || !slices.Equal(got, want) {
			t.Fatalf("%s: metered answers %v, %v; plain %v, %v", name, got, errGot, want, errWant)
		}
		if len(plain.ExportedMemories()) > 0 && !bytes.Equal(memoryOf(m), memoryOf(p)) {
			t.Fatalf("%s leaves another memory when metered", name)
		}
		if errWant != nil {
			return // what is torn answers as it likes
		}
	}
}

func memoryOf(m api.Module) []byte {
	b, _ := m.Memory().Read(0, m.Memory().Size())
	return b
}
