package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

func testdata(name string) string {
	return filepath.Join("..", "..", "..", "sdk", "abi", "testdata", name)
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(testdata(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden encodes into a buffer that earlier calls have used and compares the
// result with a vector that SDKs in any language are tested on.
func golden(t *testing.T, name string, size int, encode func(dst []byte)) {
	t.Helper()
	got := bytes.Repeat([]byte{0xee}, size)
	encode(got)
	if *update {
		if err := os.WriteFile(testdata(name), got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, name); !bytes.Equal(got, want) {
		t.Errorf("%s has changed: the ABI is not what guests were built for\ngot  %x\nwant %x", name, got, want)
	}
}

// someWindow has a distinct value in every field.
func someWindow() *Window {
	return &Window{Flags: abi.WindowFirst | abi.WindowFinal, ID: 123456789012345, NowMS: 1773489600000, Seed: 99, Model: "fast",
		Tenant: "acme", Kind: abi.KindChat, Channel: abi.ChannelToolArguments, Index: 2, Choice: 1, Start: 1 << 33,
		Text: []byte("write to a@example.org"), State: []byte("seen"), Label: "send_mail", Seen: 5}
}

func TestGoldenRecords(t *testing.T) {
	w := someWindow()
	golden(t, "window.sbw1", w.Size(), w.Encode)
	o := &Observation{Dropped: 3, NowMS: 1773489600000, Seed: 99, Outcomes: []Outcome{
		{ID: 123456789012345, EndMS: 1773489599000, Target: "openai/gpt-4o-mini", Model: "fast", Tenant: "acme", TTFTMS: 256.5,
			TotalMS: 1024.25, Cost: 1_500_000, InTokens: 1000, OutTokens: 200, Kind: abi.KindChat, Error: abi.ErrorServer, Attempt: 1,
			Flags: abi.OutcomeStream | abi.OutcomeHedge | abi.OutcomeLost},
		{ID: 1, Target: "demo/echo"}}}
	golden(t, "observation.sbo1", o.Size(), o.Encode)
	config := Config("priority", []byte(`{"sticky":true}`), "eu\nfast")
	golden(t, "config.sbc1", len(config), func(dst []byte) { copy(dst, config) })
}

// TestGoldenVerdicts reads what the schema's own test writes as guests do.
func TestGoldenVerdicts(t *testing.T) {
	w := &Window{Text: []byte("write to a@example.o")}
	f := func(name string, want Verdict, output, state, reason string) {
		t.Helper()
		got, err := ReadVerdict(read(t, name), w)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Action != want.Action || got.Consumed != want.Consumed || got.Code != want.Code || got.Findings != want.Findings ||
			string(got.Output) != output || string(got.State) != state || string(got.Reason) != reason {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	f("verdict_pass.sbv1", Verdict{Action: abi.ActionPass, Consumed: 12}, "", "s1", "")
	f("verdict_replace.sbv1", Verdict{Action: abi.ActionReplace, Consumed: 20, Code: 7, Findings: 1}, "write to [e-mail]", "s2", "address")
	f("verdict_block.sbv1", Verdict{Action: abi.ActionBlock, Code: 451, Findings: 2}, "", "", "secret")
	f("verdict_more.sbv1", Verdict{Action: abi.ActionMore}, "", "s3", "")
	f("verdict_escalate.sbv1", Verdict{Action: abi.ActionEscalate, Consumed: 20, Code: 9}, "", "s4", "in doubt")
}

// answer is a verdict as bytes: header, then output, state and reason.
func answer(action, consumed uint32, output, state, reason string) []byte {
	b := make([]byte, abi.VerdictSize)
	le := binary.LittleEndian
	le.PutUint32(b, abi.MagicVerdict)
	le.PutUint16(b[6:], uint16(abi.VerdictSize))
	le.PutUint32(b[8:], action)
	le.PutUint32(b[12:], consumed)
	for i, s := range []string{output, state, reason} {
		le.PutUint32(b[16+8*i:], uint32(len(b)))
		le.PutUint32(b[20+8*i:], uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

// with returns b with a 32-bit field replaced.
func with(b []byte, at int, v uint32) []byte {
	binary.LittleEndian.PutUint32(b[at:], v)
	return b
}

func TestBadVerdicts(t *testing.T) {
	open := &Window{Text: []byte("naïve text")} // the ï takes bytes 2 and 3
	final := &Window{Text: open.Text, Flags: abi.WindowFinal}
	full := &Window{Text: make([]byte, abi.MaxWindow)}
	long := strings.Repeat("x", abi.MaxOutput+1)
	f := func(what string, w *Window, b []byte) {
		t.Helper()
		if v, err := ReadVerdict(b, w); !errors.Is(err, wasm.ErrBadAnswer) || v.Action != 0 {
			t.Errorf("%s: got %+v, %v; want ErrBadAnswer", what, v, err)
		}
	}
	f("nothing", open, nil)
	f("half a header", open, answer(abi.ActionPass, 11, "", "", "")[:47])
	f("another magic", open, with(answer(abi.ActionPass, 11, "", "", ""), 0, abi.MagicPlan))
	f("short header", open, with(answer(abi.ActionPass, 11, "", "", ""), 4, 40<<16))
	f("forgotten action", open, answer(0, 11, "", "", ""))
	f("unknown action", open, answer(abi.ActionEscalate+1, 11, "", "", ""))
	f("more consumed than there is", open, answer(abi.ActionPass, 12, "", "", ""))
	f("nothing consumed", open, answer(abi.ActionPass, 0, "", "", ""))
	f("insertion without progress", open, answer(abi.ActionReplace, 0, "x", "", ""))
	f("escalation of nothing", open, answer(abi.ActionEscalate, 0, "", "", ""))
	f("end within a character", open, answer(abi.ActionPass, 3, "", "", ""))
	f("last window not settled", final, answer(abi.ActionPass, 10, "", "", ""))
	f("last window replaced in part", final, answer(abi.ActionReplace, 10, "x", "", ""))
	f("more of the last window", final, answer(abi.ActionMore, 0, "", "", ""))
	f("more of a full window", full, answer(abi.ActionMore, 0, "", "", ""))
	f("more that consumes", open, answer(abi.ActionMore, 2, "", "", ""))
	f("block that consumes", open, answer(abi.ActionBlock, 2, "", "", ""))
	f("block with output", open, answer(abi.ActionBlock, 0, "x", "", ""))
	f("pass with output", open, answer(abi.ActionPass, 11, "x", "", ""))
	f("output that is not UTF-8", open, answer(abi.ActionReplace, 11, "\xff", "", ""))
	f("too much output", open, answer(abi.ActionReplace, 11, long, "", ""))
	f("too much state", open, answer(abi.ActionPass, 11, "", long[:abi.MaxState+1], ""))
	f("output outside", open, with(answer(abi.ActionReplace, 11, "", "", ""), 20, 1))
	f("state outside", open, with(answer(abi.ActionPass, 11, "", "", ""), 24, 1<<31))
	f("reason outside", open, with(with(answer(abi.ActionPass, 11, "", "", ""), 32, 1<<32-1), 36, 1<<32-1))
}

func TestGoodVerdicts(t *testing.T) {
	open := &Window{Text: []byte("naïve text")}
	f := func(what string, w *Window, b []byte) {
		t.Helper()
		if _, err := ReadVerdict(b, w); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	f("deletion", open, answer(abi.ActionReplace, 11, "", "", ""))
	f("a character's end", open, answer(abi.ActionPass, 4, "", "", ""))
	f("empty last window", &Window{Flags: abi.WindowFinal}, answer(abi.ActionPass, 0, "", "", ""))
	f("appendix", &Window{Flags: abi.WindowFinal}, answer(abi.ActionReplace, 0, "(as said)", "", ""))
	f("block at the end", &Window{Text: open.Text, Flags: abi.WindowFinal}, answer(abi.ActionBlock, 0, "", "", ""))
	f("later minor version", open, with(append(answer(abi.ActionPass, 11, "", "", ""), make([]byte, 16)...), 4, 1|64<<16))
	v, err := ReadVerdict(answer(abi.ActionPass, 11, "", "", strings.Repeat("y", 500)), open)
	if err != nil || len(v.Reason) != abi.MaxReason {
		t.Errorf("long reason: got %d bytes, %v", len(v.Reason), err)
	}
}

// FuzzReadVerdict: whatever a guest answers, what is accepted keeps the rules.
func FuzzReadVerdict(f *testing.F) {
	for _, action := range []string{"pass", "replace", "block", "more", "escalate"} {
		f.Add(read(f, "verdict_"+action+".sbv1"), []byte("write to a@example.o"), false)
	}
	f.Add(answer(abi.ActionReplace, 2, "x", "y", "z"), []byte("aï"), true)
	f.Fuzz(func(t *testing.T, b, text []byte, final bool) {
		w := &Window{Text: text[:min(len(text), abi.MaxWindow)]}
		if final {
			w.Flags = abi.WindowFinal
		}
		v, err := ReadVerdict(b, w)
		if err != nil {
			return
		}
		settles := v.Action != abi.ActionBlock && v.Action != abi.ActionMore
		switch {
		case v.Action < abi.ActionPass || v.Action > abi.ActionEscalate,
			v.Consumed > len(w.Text), len(v.Output) > abi.MaxOutput, len(v.State) > abi.MaxState, len(v.Reason) > abi.MaxReason,
			settles && len(w.Text) > 0 && v.Consumed == 0,
			settles && final && v.Consumed != len(w.Text),
			!settles && v.Consumed > 0,
			v.Action != abi.ActionReplace && len(v.Output) > 0:
			t.Fatalf("accepted %+v for %d bytes", v, len(w.Text))
		}
	})
}

func TestTooMuchIsABug(t *testing.T) {
	f := func(what string, encode func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s was encoded", what)
			}
		}()
		encode()
	}
	f("long text", func() { w := Window{Text: make([]byte, abi.MaxWindow+1)}; w.Encode(make([]byte, w.Size())) })
	f("long state", func() { w := Window{State: make([]byte, abi.MaxState+1)}; w.Encode(make([]byte, w.Size())) })
	f("many outcomes", func() {
		o := Observation{Outcomes: make([]Outcome, abi.MaxOutcomes+1)}
		o.Encode(make([]byte, o.Size()))
	})
}

// BenchmarkWindow is what the host adds to a filter's call: a window of 100
// bytes encoded, its verdict read.
func BenchmarkWindow(b *testing.B) {
	w := someWindow()
	w.Text = bytes.Repeat([]byte("x"), 100)
	dst := make([]byte, w.Size())
	said := answer(abi.ActionPass, 100, "", "state", "")
	b.ReportAllocs()
	for b.Loop() {
		w.Encode(dst)
		if _, err := ReadVerdict(said, w); err != nil {
			b.Fatal(err)
		}
	}
}
