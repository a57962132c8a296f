package wasm

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

type (
	U = wasmtest.U
	S = wasmtest.S
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const at = 1024 // where guests take records

// guest is a module whose entry runs code on (ptr, len) and answers an i64;
// imports come first, more is added after.
func guest(code []any, imports func(m *wasmtest.Module), more ...func(m *wasmtest.Module)) []byte {
	m := &wasmtest.Module{}
	if imports != nil {
		imports(m)
	}
	m.Memory(1)
	m.Func("sb_abi", "", "i", "", 0x41, S(abi.Version))
	m.Func("sb_buf", "i", "I", "", 0x42, S(at<<32|4096))
	m.Func("entry", "ii", "I", "i", code...)
	for _, add := range more {
		add(m)
	}
	return m.Bytes()
}

// echo answers the record itself.
var echo = []any{0x20, 0, 0xad, 0x42, 32, 0x86, 0x20, 1, 0xad, 0x84}

func newRuntime(t testing.TB) *Runtime {
	t.Helper()
	rt, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	return rt
}

func module(code []byte, log *slog.Logger) Module {
	return Module{Name: "m", Code: code, Entry: "entry", Params: 2, State: NewState(log), Config: []byte("config")}
}

func load(t testing.TB, rt *Runtime, code []byte) (*Slot, *Version) {
	t.Helper()
	v, err := rt.Load(module(code, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	s := &Slot{}
	s.Swap(v)
	t.Cleanup(v.Close)
	return s, v
}

// ask runs one call with record.
func ask(s *Slot, record string) (string, error) {
	in, err := s.Acquire()
	if err != nil {
		return "", err
	}
	b, err := in.Buffer(len(record))
	var answer []byte
	if err == nil {
		copy(b, record)
		answer, err = in.Call(len(record))
	}
	out := string(answer)
	in.Release(err)
	return out, err
}

func TestCall(t *testing.T) {
	s, v := load(t, newRuntime(t), guest(echo, nil))
	for range 3 {
		if got, err := ask(s, "hello"); got != "hello" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if v.Instances() != 1 || !strings.HasPrefix(v.Label, "m@") || len(v.Label) != 14 {
		t.Errorf("%d instances of %s", v.Instances(), v.Label)
	}
	if _, err := ask(s, strings.Repeat("x", 5000)); !errors.Is(err, ErrBadAnswer) {
		t.Errorf("record larger than the guest's buffer: %v", err)
	}
	if (&Slot{}).Current() != nil {
		t.Error("empty slot has a version")
	}
}

// TestPoolIsCapped holds as many instances as there may be: another caller
// waits until one comes back, or until the version is swapped away.
func TestPoolIsCapped(t *testing.T) {
	rt := newRuntime(t)
	s, v := load(t, rt, guest(echo, nil))
	var held []*Instance
	for range v.most {
		in, err := s.Acquire()
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, in)
	}
	got := make(chan *Version)
	wait := func() {
		in, err := s.Acquire()
		if err != nil {
			t.Error(err)
		}
		got <- in.Version()
		in.Release(nil)
	}
	go wait()
	held[0].Release(errors.New("torn")) // makes room for a new one
	if <-got != v || v.Instances() > v.most {
		t.Errorf("%d instances; want %d at most", v.Instances(), v.most)
	}
	held[0], _ = s.Acquire()
	go wait()
	_, next := load(t, rt, guest(echo, nil, func(m *wasmtest.Module) { m.Data(0, "other") }))
	s.Swap(next)
	if <-got != next {
		t.Error("waiting caller did not get the next version")
	}
	v.Close()
	for _, in := range held {
		select {
		case <-v.Drained():
			t.Fatal("drained while calls run")
		default:
		}
		in.Release(nil)
	}
	<-v.Drained()
	if v.Instances() != 0 {
		t.Errorf("%d instances after draining", v.Instances())
	}
	s.Swap(nil)
	if in, err := s.Acquire(); in != nil || err != nil {
		t.Errorf("empty slot gives %v, %v", in, err)
	}
}

// TestSwapBack retires a version and uses it again.
func TestSwapBack(t *testing.T) {
	rt := newRuntime(t)
	s, first := load(t, rt, guest(echo, nil))
	_, second := load(t, rt, guest(echo, nil, func(m *wasmtest.Module) { m.Data(0, "other") }))
	if old := s.Swap(second); old != first || first.Instances() != 0 {
		t.Fatalf("retired version has %d instances", first.Instances())
	}
	if old := s.Swap(first); old != second {
		t.Fatal("second version was not in use")
	}
	if got, err := ask(s, "x"); got != "x" || err != nil || first.Instances() != 1 {
		t.Errorf("got %q, %v from the version swapped back", got, err)
	}
}

// TestCloseWaits closes a runtime while a call runs: its memory must stay.
func TestCloseWaits(t *testing.T) {
	rt, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, v := load(t, rt, guest(echo, nil))
	in, err := s.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	s.Swap(nil)
	v.Close()
	closed := make(chan error)
	go func() { closed <- rt.Close() }()
	for range 1000 {
		if _, err := in.Buffer(100); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Call(100); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-closed:
		t.Fatal("closed while a call runs")
	default:
	}
	in.Release(nil)
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestSharedByMany calls one version from many goroutines.
func TestSharedByMany(t *testing.T) {
	s, v := load(t, newRuntime(t), guest(echo, nil))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			want := strings.Repeat(string(rune('a'+i)), 100)
			for range 200 {
				if got, err := ask(s, want); got != want || err != nil {
					t.Errorf("got %q, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := v.Instances(); n > v.most {
		t.Errorf("%d instances; want %d at most", n, v.most)
	}
}

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
	m := module(guest(code, imports), slog.New(slog.NewTextHandler(&out, nil)))
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

func TestMemoryLimit(t *testing.T) {
	big := guest(echo, nil)
	m := &wasmtest.Module{}
	m.Memory(257)
	if _, err := newRuntime(t).Load(module(m.Bytes(), nil)); !errors.Is(err, ErrRefused) {
		t.Errorf("257 pages: got %v; want ErrRefused", err)
	}
	large := append(big, make([]byte, MaxModule)...)
	if _, err := newRuntime(t).Load(module(large, nil)); !errors.Is(err, ErrRefused) {
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
		v, err := newRuntime(t).Load(module(wasm, nil))
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
	_, err := newRuntime(t).Load(module(m.Bytes(), nil))
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

// BenchmarkAcquire is what the pool costs.
func BenchmarkAcquire(b *testing.B) {
	s, _ := load(b, newRuntime(b), guest(echo, nil))
	for b.Loop() {
		in, err := s.Acquire()
		if err != nil {
			b.Fatal(err)
		}
		in.Release(nil)
	}
}

// BenchmarkCall is an empty call, fuel and pool included.
func BenchmarkCall(b *testing.B) {
	s, _ := load(b, newRuntime(b), guest([]any{0x42, 0}, nil))
	for b.Loop() {
		in, _ := s.Acquire()
		_, err := in.Call(0)
		in.Release(err)
	}
}

// BenchmarkInstance makes and closes an instance, as after each fault.
func BenchmarkInstance(b *testing.B) {
	_, v := load(b, newRuntime(b), guest(echo, nil))
	for b.Loop() {
		in, err := newInstance(v, nil)
		if err != nil {
			b.Fatal(err)
		}
		in.close()
	}
}
