package wasm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

func TestMemoryLimit(t *testing.T) {
	big := guest(echo, nil)
	m := &wasmtest.Module{}
	m.Memory(33)
	if _, err := newRuntime(t).Load(described(m.Bytes(), nil)); !errors.Is(err, ErrRefused) {
		t.Errorf("33 pages: got %v; want ErrRefused", err)
	}
	large := append(big, make([]byte, MaxModule)...)
	if _, err := newRuntime(t).Load(described(large, nil)); !errors.Is(err, ErrRefused) {
		t.Errorf("%d bytes: got %v; want ErrRefused", len(large), err)
	}
}

// TestCache compiles once, and not where others may put code.
func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	for range 2 {
		rt, err := New(Options{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		s, v := load(t, rt, guest(echo, nil))
		if got, err := ask(s, "x"); got != "x" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		v.Close()
		<-v.Drained()
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("a folder that all may write to: got %v", err)
	}
}

func TestConfigure(t *testing.T) {
	configurable := func(code ...any) []byte {
		return guest(echo, nil, func(m *wasmtest.Module) { m.Func("sb_configure", "ii", "i", "", code...) })
	}
	f := func(what string, wasm []byte, ok bool) {
		t.Helper()
		v, err := newRuntime(t).Load(described(wasm, nil))
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %v", what, err)
		}
		if v != nil {
			v.Close()
		}
	}
	f("reads the record", configurable(0x20, 0, 0x2d, 0, 0, 0x41, S('c'), 0x47, 0x20, 1, 0x41, 6, 0x47, 0x72), true)
	f("refuses", configurable(0x41, 1), false)
	f("traps", configurable(0x00), false)
	f("loops", configurable(0x03, 0x40, 0x0c, 0, 0x0b, 0x00), false)
}

func TestAnotherMajorIsRefused(t *testing.T) {
	m := &wasmtest.Module{}
	m.Memory(1)
	m.Func("sb_abi", "", "i", "", 0x41, S((abi.Major+1)<<16))
	m.Func("sb_buf", "i", "I", "", 0x42, 0)
	m.Func("entry", "ii", "I", "", 0x42, 0)
	_, err := newRuntime(t).Load(described(m.Bytes(), nil))
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "sb/2") {
		t.Errorf("got %v", err)
	}
}

func TestFaults(t *testing.T) {
	for kind := NoFault + 1; kind < NumFaults; kind++ {
		if got := FaultOf(faultErrors[kind]); got != kind || kind.String() == "" {
			t.Errorf("%v is counted as %v", faultErrors[kind], got)
		}
	}
	if FaultOf(nil) != NoFault || FaultOf(errors.Join(ErrStart, ErrFuel)) != FaultStart || FaultOf(errors.New("other")) != FaultTrap {
		t.Error("faults are told apart wrongly")
	}
}
