package fuel_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/signalbox-ai/signalbox/host/wasm/fuel"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

// refused builds modules that must not be rewritten, by what is wrong with them.
var refused = map[string]func(m *wasmtest.Module){
	"sets the injected fuel":     func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x42, 9, 0x24, 0) },
	"reads the injected fuel":    func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x23, 0, 0x1a) },
	"exports the injected fuel":  func(m *wasmtest.Module) { m.Export("f", 3, 0) },
	"uses a scratch local":       func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x20, 0, 0x40, 0, 0x1a) },
	"calls past its functions":   func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x10, 1) },
	"reserves the fuel's name":   func(m *wasmtest.Module) { m.Export("sb_fuel", 0, m.Func("", "", "", "")) },
	"reserves the flag's name":   func(m *wasmtest.Module) { m.Export("sb_starved", 0, m.Func("", "", "", "")) },
	"starts past its functions":  func(m *wasmtest.Module) { m.Func("f", "", "", ""); m.Start(1) },
	"too many locals":            func(m *wasmtest.Module) { m.Func("f", "", "", strings.Repeat("i", 10_001)) },
	"unknown instruction":        func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x27) },
	"atomic instruction":         func(m *wasmtest.Module) { m.Func("f", "", "", "", 0xfe, 3, 0) },
	"tail call":                  func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x12, 0) },
	"code after the end":         func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x0b) },
	"branch past the function":   func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x10, 0, 0x0c, 1) },
	"open block":                 func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x02, 0x40) },
	"cut instruction":            func(m *wasmtest.Module) { m.Func("f", "", "", "", 0x44) },
	"element past its functions": func(m *wasmtest.Module) { m.Table(m.Func("f", "", "", "") + 1) },
	"large table":                func(m *wasmtest.Module) { m.Table(make([]int, 1<<17+1)...); m.Func("f", "", "", "") },
}

func TestRefused(t *testing.T) {
	for name, build := range refused {
		t.Run(name, func(t *testing.T) {
			m := &wasmtest.Module{}
			build(m)
			if _, err := fuel.Inject(m.Bytes(), budget, fuel.Plain); !errors.Is(err, fuel.ErrRefused) {
				t.Fatalf("got %v; want ErrRefused", err)
			}
		})
	}
}

func TestRefusedBytes(t *testing.T) {
	f := func(name, wasm string) {
		t.Helper()
		if _, err := fuel.Inject([]byte(wasm), budget, fuel.Plain); !errors.Is(err, fuel.ErrRefused) {
			t.Errorf("%s: got %v; want ErrRefused", name, err)
		}
	}
	const header = "\x00asm\x01\x00\x00\x00"
	f("empty", "")
	f("component", "\x00asm\x0d\x00\x01\x00")
	f("cut section", header+"\x01\x05\x00")
	f("section twice", header+"\x01\x01\x00\x01\x01\x00")
	f("unknown section", header+"\x0d\x01\x00")
	f("vector larger than its section", header+"\x01\x02\xff\x01")
	f("number too long", header+"\x01\x06\x80\x80\x80\x80\x80\x00")
	f("data of more segments than bytes", header+"\x0b\x04\x86\x86\x86\x86\x07")
	f("names of more functions than bytes", header+"\x00\x0b\x04name\x01\x04\xff\xff\xff\x01")
	f("functions without code", header+"\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00")
	f("imported memory", header+"\x02\x08\x01\x01a\x01b\x02\x00\x01")
}

// call instantiates wasm, metered or not, and calls f.
func call(t *testing.T, rt wazero.Runtime, wasm []byte, params ...uint64) ([]uint64, api.Module) {
	t.Helper()
	mod, err := rt.InstantiateWithConfig(context.Background(), wasm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	results, err := mod.ExportedFunction("f").Call(context.Background(), params...)
	if err != nil {
		t.Fatal(err)
	}
	return results, mod
}

func inject(t *testing.T, m *wasmtest.Module) []byte {
	t.Helper()
	out, err := fuel.Inject(m.Bytes(), budget, fuel.Plain)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEveryExitRefunds goes through each way out of a function and checks that
// the deposit came back: the caller pays for two entries and no more.
func TestEveryExitRefunds(t *testing.T) {
	exits := map[string][]any{
		"end":                  {0x41, 7},
		"return":               {0x41, 7, 0x0f},
		"nested return":        {0x02, 0x40, 0x03, 0x40, 0x41, 7, 0x0f, 0x0b, 0x0b, 0x41, 8},
		"branch":               {0x41, 7, 0x0c, 0},
		"branch from a block":  {0x02, 0x40, 0x41, 7, 0x0c, 1, 0x0b, 0x41, 8},
		"conditional branch":   {0x41, 7, 0x41, 1, 0x0d, 0, 0x1a, 0x41, 8},
		"branch table":         {0x02, 0x40, 0x41, 7, 0x41, 0, 0x0e, 1, 1, 1, 0x0b, 0x41, 8},
		"return from an if":    {0x41, 1, 0x04, 0x40, 0x41, 7, 0x0f, 0x05, 0x0b, 0x41, 8},
		"return of two values": {0x41, 7, 0x41, 5, 0x0f},
	}
	rt := newRuntime(t)
	for name, code := range exits {
		t.Run(name, func(t *testing.T) {
			m := &wasmtest.Module{}
			leaf := m.Func("", "", "", "")
			results := "i"
			if name == "return of two values" {
				results = "ii"
			}
			m.Func("f", "", results, "", append([]any{0x10, U(leaf)}, code...)...)
			got, mod := call(t, rt, inject(t, m))
			if got[0] != 7 {
				t.Errorf("got %d; want 7", got[0])
			}
			spent := budget - int64(mod.ExportedGlobal(fuel.Global).Get())
			if spent < 16 || spent > 32 {
				t.Errorf("spent %d; want two entries and a little", spent)
			}
		})
	}
}

// TestRecursionIsShallow counts how deep a guest gets on one budget: frames
// hold a deposit, the more the larger they are.
func TestRecursionIsShallow(t *testing.T) {
	f := func(locals, deepest int) {
		t.Helper()
		m := &wasmtest.Module{}
		m.Global(0x7f, 1, 0x41, 0, 0x0b)
		m.Export("depth", 3, 0)
		m.Func("f", "", "", strings.Repeat("I", locals), 0x23, 0, 0x41, 1, 0x6a, 0x24, 0, 0x10, 0)
		mod := metered(t, newRuntime(t), m.Bytes())
		if _, err := spend(mod); err == nil {
			t.Fatal("endless recursion ended")
		}
		if n := int(mod.ExportedGlobal("depth").Get()); n > deepest || n < deepest/2 {
			t.Errorf("got %d frames deep with %d locals; want up to %d", n, locals, deepest)
		}
	}
	f(0, budget/64)
	f(100, budget/464)
	f(5000, budget/20_064)
}

// TestImportsPay calls the host in each way that a guest can.
func TestImportsPay(t *testing.T) {
	ways := map[string]func(m *wasmtest.Module, host int){
		"directly":         func(m *wasmtest.Module, host int) { m.Func("f", "", "", "", 0x10, U(host)) },
		"as an export":     func(m *wasmtest.Module, host int) { m.Export("f", 0, host) },
		"through a table":  viaTable,
		"by reference":     viaReference,
		"by expressions":   viaExpressions,
		"by start section": func(m *wasmtest.Module, host int) { m.Func("f", "", "", ""); m.Start(host) },
	}
	for name, build := range ways {
		t.Run(name, func(t *testing.T) {
			rt, calls := newRuntime(t), 0
			_, err := rt.NewHostModuleBuilder("sb").NewFunctionBuilder().WithFunc(func() { calls++ }).Export("h").Instantiate(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			m := &wasmtest.Module{}
			build(m, m.Import("sb", "h", "", ""))
			_, mod := call(t, rt, inject(t, m))
			if spent := budget - int64(mod.ExportedGlobal(fuel.Global).Get()); spent < 32 || calls != 1 {
				t.Errorf("spent %d in %d calls; want ≥ 32 in 1", spent, calls)
			}
		})
	}
}

func viaTable(m *wasmtest.Module, host int) {
	m.Func("f", "", "", "", 0x41, 0, 0x11, U(m.Type("", "")), 0)
	m.Table(host)
}

// viaReference puts ref.func of the import into a table and calls it there.
func viaReference(m *wasmtest.Module, host int) {
	m.Func("f", "", "", "", 0x41, 0, 0xd2, U(host), 0x26, 0, 0x41, 0, 0x11, U(m.Type("", "")), 0)
	m.Table(m.Func("", "", "", ""))
	m.Element(3, 0, 1, U(host)) // declared
}

// viaExpressions fills the table by a passive segment of expressions.
func viaExpressions(m *wasmtest.Module, host int) {
	m.Func("f", "", "", "", 0x41, 0, 0x41, 0, 0x41, 1, 0xfc, 12, 1, 0, 0x41, 0, 0x11, U(m.Type("", "")), 0)
	m.Table(m.Func("", "", "", ""))
	m.Element(5, 0x70, 1, 0xd2, U(host), 0x0b)
}

func TestStarvedFlag(t *testing.T) {
	f := func(pages int64, want uint64) {
		t.Helper()
		m := &wasmtest.Module{}
		m.Memory(1)
		m.Func("f", "", "i", "", 0x41, S(pages), 0x40, 0)
		_, mod := call(t, newRuntime(t), inject(t, m))
		if got := mod.ExportedGlobal(fuel.StarvedGlobal).Get(); got != want {
			t.Errorf("growing by %d pages leaves the flag at %d; want %d", pages, got, want)
		}
	}
	f(1, 0)
	f(255, 0)
	f(256, 1)
}

// TestTariffs: loads, of any width, cost more where there is more memory to
// miss the caches with; other code costs all the same.
func TestTariffs(t *testing.T) {
	rt := newRuntime(t)
	cost := func(tariff fuel.Tariff, code ...any) int64 {
		t.Helper()
		m := &wasmtest.Module{}
		m.Memory(1)
		m.Func("f", "", "", "", repeat(320, code...))
		mod := instance(t, rt, compiled(t, rt, m.Bytes(), tariff))
		left, err := spend(mod)
		if err != nil {
			t.Fatal(err)
		}
		return budget - left
	}
	f := func(what string, plain, goes, most int64, code ...any) {
		t.Helper()
		p, g, l := cost(fuel.Plain, code...), cost(fuel.Go, code...), cost(large, code...)
		if p != plain || g != goes || l != most {
			t.Errorf("320 of %s cost %d, of Go %d and in much memory %d; want %d, %d and %d", what, p, g, l, plain, goes, most)
		}
	}
	const rest = 8 + 20 + 1 // a function's entry, two instructions beside each, and the end
	f("i32.load", rest+3*320, rest+3*320, rest+24*320, 0x41, 0, 0x28, 2, 0, 0x1a)
	f("i64.load32_u", rest+3*320, rest+3*320, rest+24*320, 0x41, 0, 0x35, 2, 0, 0x1a)
	f("v128.load", rest+3*320, rest+3*320, rest+24*320, 0x41, 0, 0xfd, 0, 4, 0, 0x1a)
	f("v128.load64_zero", rest+3*320, rest+3*320, rest+24*320, 0x41, 0, 0xfd, U(93), 3, 0, 0x1a)
	f("i32.store", rest+20, rest+20, rest+160, 0x41, 0, 0x41, 0, 0x36, 2, 0)
	m := &wasmtest.Module{}
	m.Table(make([]int, 1<<14+1)...)
	m.Func("f", "", "", "")
	if _, err := fuel.Inject(m.Bytes(), budget, fuel.Plain); !errors.Is(err, fuel.ErrRefused) {
		t.Errorf("a table of Go's size: got %v; want ErrRefused", err)
	}
	if _, err := fuel.Inject(m.Bytes(), budget, fuel.Go); err != nil {
		t.Error(err)
	}
}

// TestShipped meters the module that is shipped and compiles it.
func TestShipped(t *testing.T) {
	wasm, err := os.ReadFile("../../../plugins/routes/priority/priority.wasm")
	if err != nil {
		t.Fatal(err)
	}
	out, err := fuel.Inject(wasm, budget, fuel.Plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newRuntime(t).CompileModule(context.Background(), out); err != nil {
		t.Fatal(err)
	}
	if len(out) > 3*len(wasm)/2 {
		t.Errorf("grew from %d to %d bytes", len(wasm), len(out))
	}
}
