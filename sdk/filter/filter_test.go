package filter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/internal/guest"
)

// aligned copies b to where a record may lie.
func aligned(b []byte) []byte {
	words := make([]uint64, len(b)/8+1)
	out := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(b))
	copy(out, b)
	return out
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "abi", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return aligned(b)
}

// TestGoldenWindow reads the window that the host's test pins.
func TestGoldenWindow(t *testing.T) {
	var w Window
	if err := w.Load(golden(t, "window.sbw1")); err != nil {
		t.Fatal(err)
	}
	if string(w.Text()) != "write to a@example.org" || string(w.State()) != "seen" || w.Label() != "send_mail" || w.Model() != "fast" || w.Tenant() != "acme" {
		t.Errorf("got text %q, state %q, label %q, model %q, tenant %q", w.Text(), w.State(), w.Label(), w.Model(), w.Tenant())
	}
	if !w.First() || !w.Final() || w.Waits() || w.ID != 123456789012345 || w.Channel != abi.ChannelToolArguments || w.Start != 1<<33 || w.Seen != 5 {
		t.Errorf("got %+v", w.Window)
	}
}

// TestGoldenVerdicts answers what the schema's test says that guests answer.
func TestGoldenVerdicts(t *testing.T) {
	f := func(name string, fill func(v *Verdict)) {
		t.Helper()
		var v Verdict
		for range 2 { // the second time over what the first has left
			v.Reset()
			fill(&v)
			if got, want := v.Bytes(), golden(t, name); !bytes.Equal(got, want) {
				t.Errorf("%s: got  %x\nwant %x", name, got, want)
			}
		}
	}
	f("verdict_pass.sbv1", func(v *Verdict) { v.Pass(12); v.Save([]byte("s1")); v.WriteString("not shown") })
	f("verdict_replace.sbv1", func(v *Verdict) {
		v.Save([]byte("s2"))
		v.Write([]byte("wri"))
		v.Wrote(copy(v.Room(), "te to "))
		v.Fill('[', 1)
		v.WriteString("e-mail]")
		v.Because("address")
		v.Replace(20)
		v.Findings, v.Code = 1, 7
	})
	f("verdict_block.sbv1", func(v *Verdict) { v.Block(451, "secret"); v.Findings = 2 })
	f("verdict_more.sbv1", func(v *Verdict) { v.More(); v.Save([]byte("s3")) })
	f("verdict_escalate.sbv1", func(v *Verdict) { v.Escalate(20); v.Code = 9; v.Because("in doubt"); v.Save([]byte("s4")) })
}

func TestLimits(t *testing.T) {
	var v Verdict
	v.Reset()
	half := make([]byte, abi.MaxOutput/2)
	first, second, third := v.Write(half), v.Write(half), v.WriteString("x")
	if !first || !second || third || v.Written() != abi.MaxOutput {
		t.Errorf("%d bytes were written", v.Written())
	}
	v.Save(half)
	v.Because(strings.Repeat("y", 500))
	v.Replace(1)
	if n := len(v.Bytes()); n != abi.VerdictSize+abi.MaxOutput+abi.MaxState+abi.MaxReason {
		t.Errorf("the longest verdict has %d bytes", n)
	}
}

func TestCut(t *testing.T) {
	w := Window{text: []byte("naïve")}
	for n, want := range []int{0, 1, 2, 2, 4, 5, 6, 6} {
		if got := w.Cut(n); got != want {
			t.Errorf("Cut(%d) is %d; want %d", n, got, want)
		}
	}
}

// TestShorterHost reads a window of a host that knows fewer fields.
func TestShorterHost(t *testing.T) {
	full := golden(t, "window.sbw1")
	const header = 96
	b := aligned(slices.Concat(full[:header], full[abi.WindowSize:]))
	binary.LittleEndian.PutUint16(b[6:], header)
	binary.LittleEndian.PutUint32(b[80:], header)
	w := Window{short: abi.Window{Seen: 7}} // left from before
	if err := w.Load(b); err != nil {
		t.Fatal(err)
	}
	if w.Seen != 0 || w.Label() != "" || string(w.Text()) != "write to a@example.org" {
		t.Errorf("got %+v with text %q", w.Window, w.Text())
	}
}

// TestRun looks and is configured as by the gateway's calls.
func TestRun(t *testing.T) {
	defer func() { look, guest.OnConfig = nil, nil }()
	record := golden(t, "window.sbw1")
	if Run(record) != nil || Configure(golden(t, "config.sbc1")) == nil {
		t.Error("a module without functions does something")
	}
	Handle(func(w *Window, v *Verdict) { v.Pass(len(w.Text())) })
	OnConfig(func(c Config) error {
		if c.Tag("eu") != 1 {
			return errors.New("no such tag")
		}
		return nil
	})
	if b := Run(record); len(b) != abi.VerdictSize || b[8] != abi.ActionPass || b[12] != 22 {
		t.Errorf("got verdict %x", b)
	}
	if Run(record[:50]) != nil || Run(golden(t, "request.sbr1")) != nil {
		t.Error("took what is not a window")
	}
	if err := Configure(golden(t, "config.sbc1")); err != nil {
		t.Error(err)
	}
	if Configure(record) == nil {
		t.Error("took what is not a configuration")
	}
}

func TestHost(t *testing.T) {
	Log(abi.LevelInfo, "hello")
	Metric(3, 0.5)
	if CounterAdd(2, 5) != 5 || CounterAdd(2, -1) != 4 || guest.Said.Lines[0] != "hello" || guest.Said.Metrics[3] != 0.5 {
		t.Errorf("the host was told %v", guest.Said.Lines)
	}
}

// FuzzLoad: no record makes the SDK read outside of it.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(golden(f, "window.sbw1")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var w Window
		if len(b) == 0 || w.Load(aligned(b)) != nil {
			return
		}
		_ = len(w.Text()) + len(w.State()) + len(w.Label()) + len(w.Model()) + len(w.Tenant()) + w.Cut(3)
	})
}

// TestWaits: a window that holds whole characters is full when the widest may
// not fit in any more.
func TestWaits(t *testing.T) {
	f := func(size int, flags uint32, want bool) {
		t.Helper()
		w := Window{Window: &abi.Window{Flags: flags}, text: make([]byte, size)}
		if got := w.Waits(); got != want {
			t.Errorf("%d bytes, flags %d: got %t; want %t", size, flags, got, want)
		}
	}
	f(0, 0, true)
	f(abi.MaxWindow-4, 0, true)
	f(abi.MaxWindow-3, 0, false)
	f(abi.MaxWindow, 0, false)
	f(10, abi.WindowFinal, false)
}
