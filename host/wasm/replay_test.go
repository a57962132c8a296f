package wasm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
)

// moment is a record of 48 bytes: only time and seed are set.
func moment(nowMS int64, seed uint64) []byte {
	b := make([]byte, 48)
	binary.LittleEndian.PutUint64(b[24:], uint64(nowMS))
	binary.LittleEndian.PutUint64(b[32:], seed)
	return b
}

// record runs a call and keeps it.
func record(t *testing.T, s *Slot, input []byte) *Recording {
	t.Helper()
	in, err := s.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	b, err := in.Buffer(len(input))
	if err != nil {
		t.Fatal(err)
	}
	copy(b, input)
	r := &Recording{Record: bytes.Clone(input)}
	answer, err := in.Call(len(input))
	r.Keep(in, answer)
	in.Release(err)
	return r
}

// counting answers, at the record, what counter_add(id, delta) gives so often in turn.
func counting(times int, id uint32, delta int64) []byte {
	var code []any
	for i := range times {
		code = append(code, 0x20, 0, 0x41, S(int32(id)), 0x42, S(delta), 0x10, 0, 0x37, 3, U(8*(i%6)))
	}
	return guest(append(code, echo...), func(m *wasmtest.Module) { m.Import("sb", "counter_add", "iI", "I") })
}

// TestReplayFeedsHostCalls records a guest that counts: every call has another
// answer, and each recording gives its own again.
func TestReplayFeedsHostCalls(t *testing.T) {
	s, v := load(t, newRuntime(t), counting(3, 7, 5))
	var recordings []*Recording
	for i := range 4 {
		r := record(t, s, moment(1, 2))
		if want := []HostCall{{7, 5, int64(15*i + 5)}, {7, 5, int64(15*i + 10)}, {7, 5, int64(15*i + 15)}}; fmt.Sprint(r.Calls) != fmt.Sprint(want) {
			t.Fatalf("recorded %v; want %v", r.Calls, want)
		}
		recordings = append(recordings, r)
	}
	for i, r := range recordings {
		got, err := v.Replay(r, 3)
		if err != nil || !bytes.Equal(got, r.Answer) {
			t.Errorf("replay of call %d gives %x, %v; want %x", i, got, err, r.Answer)
		}
	}
	if n := v.module.State.Counter(7); n != 60 {
		t.Errorf("counter is %d after replays; want 60 as before", n)
	}
}

func TestReplayDiverges(t *testing.T) {
	rt := newRuntime(t)
	s, _ := load(t, rt, counting(2, 7, 5))
	counted := record(t, s, moment(1, 2))
	f := func(what string, code []byte, r *Recording) {
		t.Helper()
		_, v := load(t, rt, code)
		if _, err := v.Replay(r, 2); !errors.Is(err, ErrDiverged) {
			t.Errorf("%s: got %v; want ErrDiverged", what, err)
		}
	}
	f("another counter", counting(2, 8, 5), counted)
	f("another delta", counting(2, 7, 6), counted)
	f("more host calls", counting(3, 7, 5), counted)
	f("fewer host calls", counting(1, 7, 5), counted)
	plain := &Recording{Record: moment(1, 2)}
	global := func(m *wasmtest.Module) { m.Global(0x7f, 1, 0x41, 0, 0x0b) }
	step := []any{0x23, 0, 0x41, 1, 0x6a, 0x24, 0, 0x20, 0, 0x23, 0, 0x36, 2, 0}
	f("state in a global", guest(append(step, echo...), nil, global), plain)
	f("a trap on the second call", guest(append([]any{0x23, 0, 0x04, 0x40, 0x00, 0x0b}, append(step, echo...)...), nil, global), plain)
	f("state in memory", guest(append([]any{0x20, 0, 0x41, 0, 0x28, 2, 0, 0x36, 2, 0, 0x41, 0, 0x20, 0, 0x28, 2, 24, 0x36, 2, 0}, echo...), nil), plain)
}

// TestReplayRepeatsFaults: a call that failed fails again, in the same way.
func TestReplayRepeatsFaults(t *testing.T) {
	f := func(what string, want error, code ...any) {
		t.Helper()
		s, v := load(t, newRuntime(t), guest(code, nil))
		r := record(t, s, moment(1, 2))
		if _, err := v.Replay(r, 3); !errors.Is(err, want) || errors.Is(err, ErrDiverged) || len(r.Answer) > 0 {
			t.Errorf("%s: got %v with %d bytes recorded; want %v", what, err, len(r.Answer), want)
		}
	}
	f("trap", ErrTrap, 0x00)
	f("loop", ErrFuel, 0x03, 0x40, 0x0c, 0, 0x0b, 0x00)
	f("answer outside of memory", ErrBadAnswer, 0x42, S(0x7ffffff0<<32|64))
	f("answer that is too long", ErrBadAnswer, 0x42, S(MaxAnswer+1))
	s, v := load(t, newRuntime(t), guest([]any{0x42, 0}, nil))
	if got, err := v.Replay(record(t, s, moment(1, 2)), 3); got != nil || err != nil {
		t.Errorf("decline: got %x, %v", got, err)
	}
	v.Close()
	if _, err := v.Replay(&Recording{}, 1); err == nil {
		t.Error("a closed version was replayed")
	}
}

// TestReplayIsSilent: nothing outside of the instances changes.
func TestReplayIsSilent(t *testing.T) {
	var out bytes.Buffer
	imports := func(m *wasmtest.Module) {
		m.Import("sb", "log", "iii", "")
		m.Import("sb", "metric", "iF", "")
	}
	code := []any{0x41, 2, 0x20, 0, 0x20, 1, 0x10, 0, 0x41, 3, 0x44, "\x00\x00\x00\x00\x00\x00\xf8\x3f", 0x10, 1}
	m := described(guest(append(code, echo...), imports, func(m *wasmtest.Module) {
		m.Func("sb_configure", "ii", "i", "", 0x41, 2, 0x20, 0, 0x20, 1, 0x10, 0, 0x41, 0)
	}), slog.New(slog.NewTextHandler(&out, nil)))
	v, err := newRuntime(t).Load(m)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	out.Reset()
	if _, err := v.Replay(&Recording{Record: moment(1, 2)}, 2); err != nil || out.Len() > 0 || m.State.Metric(3) != 0 {
		t.Errorf("got %v; log %q, metric %v", err, out.String(), m.State.Metric(3))
	}
}

// TestCountingIsBounded: host calls are recorded, so there cannot be too many,
// and none where no recording would have them.
func TestCountingIsBounded(t *testing.T) {
	s, _ := load(t, newRuntime(t), counting(256, 1, 1))
	if r := record(t, s, moment(1, 2)); len(r.Calls) != 256 || len(r.Answer) == 0 {
		t.Errorf("%d host calls were recorded, answer %x", len(r.Calls), r.Answer)
	}
	s, _ = load(t, newRuntime(t), counting(257, 1, 1))
	if r := record(t, s, moment(1, 2)); len(r.Calls) != 256 || len(r.Answer) > 0 {
		t.Errorf("%d host calls were recorded, answer %x; want the call ended", len(r.Calls), r.Answer)
	}
	count := []any{0x41, 0, 0x42, 1, 0x10, 0, 0x1a}
	for name, add := range map[string]func(m *wasmtest.Module){
		"start":        func(m *wasmtest.Module) { m.Start(m.Func("", "", "", "", count...)) },
		"_initialize":  func(m *wasmtest.Module) { m.Func("_initialize", "", "", "", count...) },
		"sb_configure": func(m *wasmtest.Module) { m.Func("sb_configure", "ii", "i", "", append(count, 0x41, 0)...) },
	} {
		imports := func(m *wasmtest.Module) { m.Import("sb", "counter_add", "iI", "I") }
		_, err := newRuntime(t).Load(described(guest(echo, imports, add), slog.New(slog.DiscardHandler)))
		if err == nil || !strings.Contains(err.Error(), "counter_add outside of a call") {
			t.Errorf("counting in %s: got %v", name, err)
		}
	}
}

// TestNothingElseIsNondeterministic calls every import there is, with operands
// that reach memory, in two runtimes: what comes back, in results and in
// memory, is the same but for counters. Other imports do not exist, and core
// WebAssembly without threads has no other way to learn anything; that only
// NaN bits may differ, between processor families, docs/RATIONALE.md says.
func TestNothingElseIsNondeterministic(t *testing.T) {
	type host struct{ module, name, params, results string }
	hosts := []host{{"sb", "log", "iii", ""}, {"sb", "metric", "iF", ""}}
	for name, call := range wasi {
		if name != "proc_exit" { // not in the map: it ends the guest
			hosts = append(hosts, host{"wasi_snapshot_preview1", name, call.params, "i"})
		}
	}
	for _, h := range hosts {
		for _, operand := range []int{0, 1, 8, 2000} {
			var code []any
			for _, p := range h.params {
				switch p {
				case 'i':
					code = append(code, 0x41, S(operand))
				case 'I':
					code = append(code, 0x42, S(operand))
				case 'F':
					code = append(code, 0x44, "\x00\x00\x00\x00\x00\x00\xf8\x3f")
				}
			}
			if code = append(code, 0x10, 0); h.results != "" {
				code = append(code, 0x21, 2, 0x41, S(512), 0x20, 2, 0x36, 2, 0)
			}
			code = append(code, 0x42, S(4096)) // the first pages of memory
			wasm := guest(code, func(m *wasmtest.Module) { m.Import(h.module, h.name, h.params, h.results) })
			var answers [2]string
			for i := range answers {
				s, _ := load(t, newRuntime(t), wasm)
				got, err := ask(s, string(moment(7, 8)))
				answers[i] = fmt.Sprint(got, FaultOf(err))
			}
			if answers[0] != answers[1] {
				t.Errorf("%s(%d…) answers differently", h.name, operand)
			}
		}
	}
}

// BenchmarkReplay is one decision on one fresh instance, twice.
func BenchmarkReplay(b *testing.B) {
	_, v := load(b, newRuntime(b), guest(echo, nil))
	r := &Recording{Record: moment(1, 2)}
	for b.Loop() {
		if _, err := v.Replay(r, 1); err != nil {
			b.Fatal(err)
		}
	}
}
