package wasm

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

// tailCall is a module that fuel cannot be injected into, with code in its entry.
func tailCall(code []any) []byte {
	return guest(code, nil, func(m *wasmtest.Module) {
		f := m.Func("", "", "i", "", 0x41, 0)
		m.Func("", "", "i", "", 0x12, U(f)) // return_call
	})
}

// TestUnmetered: what cannot be metered is refused, or runs by the clock.
func TestUnmetered(t *testing.T) {
	if _, err := newRuntime(t).Load(described(tailCall(echo), slog.New(slog.DiscardHandler))); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "modules.allow_unmetered") {
		t.Errorf("got %v; want a refusal that says what would run it", err)
	}
	rt, err := New(Options{AllowUnmetered: true, GuardTime: time.Second / 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	s, v := load(t, rt, tailCall(echo))
	if got, err := ask(s, "hello"); got != "hello" || err != nil || v.Metered() {
		t.Errorf("got %q, %v; metered: %v", got, err, v.Metered())
	}
	s, _ = load(t, rt, tailCall([]any{0x03, 0x40, 0x0c, 0, 0x0b, 0x42, 0}))
	for range 2 { // the instance is thrown away, another serves
		if _, err := ask(s, "x"); !errors.Is(err, ErrFuel) {
			t.Errorf("an endless loop ends with %v", err)
		}
	}
	if _, err := rt.Load(described(append(tailCall(echo), 0x0b), slog.New(slog.DiscardHandler))); !errors.Is(err, ErrRefused) {
		t.Errorf("a broken module: got %v", err)
	}
	s, v = load(t, rt, guest(echo, nil))
	if got, err := ask(s, "hello"); got != "hello" || err != nil || !v.Metered() {
		t.Errorf("what can be metered: got %q, %v; metered: %v", got, err, v.Metered())
	}
}

// TestObserve: outcomes are told on fuel of their own, to those that want to know.
func TestObserve(t *testing.T) {
	imports := func(m *wasmtest.Module) { m.Import("sb", "counter_add", "iI", "I") }
	observer := guest(echo, imports, func(m *wasmtest.Module) {
		m.Func("sb_observe", "ii", "", "", 0x41, 3, 0x20, 1, 0xad, 0x10, 0, 0x1a) // counter_add(3, len)
	})
	observe := func(code []byte, want int64) {
		t.Helper()
		rt := newRuntime(t)
		d := described(code, slog.New(slog.DiscardHandler))
		v, err := rt.Load(d)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		s := &Slot{}
		s.Swap(v)
		in, err := s.Acquire()
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.Buffer(40)
		if err == nil {
			err = in.Observe(40)
		}
		in.Release(err)
		if got := d.State.Counter(3); err != nil || got != want || v.Observes() != (want > 0) {
			t.Errorf("got %d, %v; want %d", got, err, want)
		}
	}
	observe(observer, 40)
	observe(guest(echo, nil), 0)
}
