package wasm

import (
	"errors"
	"log/slog"
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

func described(code []byte, log *slog.Logger) Module {
	return Module{Name: "m", Code: code, Entry: "entry", Params: 2, State: NewState(log), Config: []byte("config")}
}

func load(t testing.TB, rt *Runtime, code []byte) (*Slot, *Version) {
	t.Helper()
	v, err := rt.Load(described(code, slog.New(slog.DiscardHandler)))
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
