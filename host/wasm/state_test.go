package wasm

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

// TestHostFunctions calls log, counter_add and metric.
func TestHostFunctions(t *testing.T) {
	var out bytes.Buffer
	imports := func(m *wasmtest.Module) {
		m.Import("sb", "log", "iii", "")
		m.Import("sb", "counter_add", "iI", "I")
		m.Import("sb", "metric", "iF", "")
	}
	code := []any{0x41, 2, 0x20, 0, 0x20, 1, 0x10, 0, // log(warn, record)
		0x41, 3, 0x44, "\x00\x00\x00\x00\x00\x00\xf8\x3f", 0x10, 2, // metric(3, 1.5)
		0x41, 7, 0x42, 5, 0x10, 1, 0x50, 0x04, 0x7e, 0x42, 0, 0x05} // counter_add(7, 5)
	code = append(append(code, echo...), 0x0b)
	m := described(guest(code, imports), slog.New(slog.NewTextHandler(&out, nil)))
	rt := newRuntime(t)
	v, err := rt.Load(m)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	s := &Slot{}
	s.Swap(v)
	for range 100 {
		if _, err := ask(s, "careful"); err != nil {
			t.Fatal(err)
		}
	}
	if m.State.Counter(7) != 500 || m.State.Metric(3) != 1.5 {
		t.Errorf("counter is %d, metric %v", m.State.Counter(7), m.State.Metric(3))
	}
	if n := strings.Count(out.String(), "level=WARN msg=\"guest says\" message=careful"); n < logsPerSec || n > 90 {
		t.Errorf("%d messages were logged of 100; want about %d a second", n, logsPerSec)
	}
}

func TestHostFunctionsRefuse(t *testing.T) {
	imports := func(m *wasmtest.Module) {
		m.Import("sb", "log", "iii", "")
		m.Import("sb", "counter_add", "iI", "I")
		m.Import("wasi_snapshot_preview1", "fd_write", "iiii", "i")
		m.Import("wasi_snapshot_preview1", "random_get", "ii", "i")
		m.Import("wasi_snapshot_preview1", "proc_exit", "i", "")
	}
	f := func(what string, want error, code ...any) {
		t.Helper()
		s, v := load(t, newRuntime(t), guest(append(code, 0x42, 0), imports))
		if _, err := ask(s, "x"); !errors.Is(err, want) {
			t.Errorf("%s: got %v; want %v", what, err, want)
		}
		v.Close()
	}
	f("log outside of memory", ErrTrap, 0x41, 0, 0x41, 0x7f, 0x41, 10, 0x10, 0)
	f("counter that does not exist", ErrTrap, 0x41, S(64), 0x42, 1, 0x10, 1, 0x1a)
	f("write of vectors outside of memory", ErrTrap, 0x41, 1, 0x41, 0x7f, 0x41, 1, 0x41, 0, 0x10, 2, 0x1a)
	f("exit", ErrTrap, 0x41, 2, 0x10, 4)
	f("randomness without end", ErrFuel, 0x03, 0x40, 0x41, 0, 0x41, S(65536), 0x10, 3, 0x1a, 0x0c, 0, 0x0b)
	f("messages without end", ErrFuel, 0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, 0, 0x10, 0, 0x0c, 0, 0x0b)
	f("counting without end", ErrTrap, 0x03, 0x40, 0x41, 1, 0x42, 1, 0x10, 1, 0x1a, 0x0c, 0, 0x0b)
}

// TestTimeAndRandomnessFollowTheCall reads both on two instances.
func TestTimeAndRandomnessFollowTheCall(t *testing.T) {
	imports := func(m *wasmtest.Module) {
		m.Import("wasi_snapshot_preview1", "clock_time_get", "iIi", "i")
		m.Import("wasi_snapshot_preview1", "random_get", "ii", "i")
	}
	code := []any{0x41, 0, 0x42, 0, 0x20, 0, 0x10, 0, 0x1a} // clock_time_get(real, record)
	code = append(code, 0x41, 1, 0x42, 0, 0x20, 0, 0x41, 8, 0x6a, 0x10, 0, 0x1a)
	code = append(append(code, 0x20, 0, 0x41, 16, 0x6a, 0x41, 32, 0x10, 1, 0x1a), echo...)
	s, _ := load(t, newRuntime(t), guest(code, imports))
	answer := func(in *Instance, nowMS int64, seed uint64) string {
		t.Helper()
		record, err := in.Buffer(48)
		if err != nil {
			t.Fatal(err)
		}
		copy(record, moment(nowMS, seed))
		b, err := in.Call(48)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	one, _ := s.Acquire()
	two, _ := s.Acquire()
	defer one.Release(nil)
	defer two.Release(nil)
	first := answer(one, 1234, 5)
	if first != answer(two, 1234, 5) || first != answer(one, 1234, 5) {
		t.Error("the same call shows another time or randomness")
	}
	if first[:8] != "\x80\x58\x8d\x49\x00\x00\x00\x00" || first[8:16] != "\x80\x22\x28\x85\x00\x00\x00\x00" { // 1234 and 2234 ms in ns
		t.Errorf("clocks are %x", first[:16])
	}
	other := answer(two, 1234, 6)
	if first[16:] == other[16:] || first[:16] != other[:16] {
		t.Error("another seed must show in randomness alone")
	}
}

// TestStartCallsHost runs host functions while the module is being made.
func TestStartCallsHost(t *testing.T) {
	imports := func(m *wasmtest.Module) { m.Import("sb", "metric", "iF", "") }
	s, v := load(t, newRuntime(t), guest(echo, imports, func(m *wasmtest.Module) {
		m.Start(m.Func("", "", "", "", 0x41, 0, 0x44, "\x00\x00\x00\x00\x00\x00\xf8\x3f", 0x10, 0))
	}))
	if got, err := ask(s, "x"); got != "x" || err != nil || v.module.State.Metric(0) != 1.5 {
		t.Errorf("got %q, %v", got, err)
	}
}
