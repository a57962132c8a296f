package abi

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"unsafe"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// golden compares got with a vector that the host's tests read.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed: the host does not expect it so\ngot  %x\nwant %x", name, got, want)
	}
}

// bytesOf is a struct as it lies in memory, as a guest answers it.
func bytesOf[T any](v T) []byte {
	return bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v)))
}

// TestGoldenVerdicts writes one verdict of each action as guests do.
func TestGoldenVerdicts(t *testing.T) {
	f := func(name string, v Verdict, output, state, reason string) {
		t.Helper()
		v.Magic, v.Version, v.HeaderSize = MagicVerdict, Minor, uint16(VerdictSize)
		at := uint32(VerdictSize)
		put := func(to *Str, text string) {
			*to = Str{Off: at, Len: uint32(len(text))}
			at += uint32(len(text))
		}
		put(&v.Output, output)
		put(&v.State, state)
		put(&v.Reason, reason)
		golden(t, name, append(bytesOf(v), output+state+reason...))
	}
	f("verdict_pass.sbv1", Verdict{Action: ActionPass, Consumed: 12}, "", "s1", "")
	f("verdict_replace.sbv1", Verdict{Action: ActionReplace, Consumed: 20, Findings: 1, Code: 7}, "write to [e-mail]", "s2", "address")
	f("verdict_block.sbv1", Verdict{Action: ActionBlock, Findings: 2, Code: 451}, "", "", "secret")
	f("verdict_more.sbv1", Verdict{Action: ActionMore}, "", "s3", "")
	f("verdict_escalate.sbv1", Verdict{Action: ActionEscalate, Consumed: 20, Code: 9}, "", "s4", "in doubt")
}

// overlay lays a struct over a record that the host wrote.
func overlay[T any](t *testing.T, record []byte, at int) *T {
	t.Helper()
	var v T
	if at+int(unsafe.Sizeof(v)) > len(record) {
		t.Fatalf("record of %d bytes ends within the part at %d", len(record), at)
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v)), record[at:])
	return &v
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestGoldenWindow reads the window that the host's test pins.
func TestGoldenWindow(t *testing.T) {
	b := read(t, "window.sbw1")
	w := overlay[Window](t, b, 0)
	text := func(s Str) string { return string(b[s.Off : s.Off+s.Len]) }
	if text(w.Text) != "write to a@example.org" || text(w.State) != "seen" || text(w.Label) != "send_mail" ||
		text(w.Model) != "fast" || text(w.Tenant) != "acme" || w.Text.Off%16 != 0 {
		t.Errorf("got text %q, state %q, label %q, model %q, tenant %q", text(w.Text), text(w.State), text(w.Label), text(w.Model), text(w.Tenant))
	}
	want := Window{Magic: MagicWindow, Version: Minor, HeaderSize: 112, Total: uint32(len(b)), Flags: WindowFirst | WindowFinal, ID: 123456789012345,
		NowMS: 1773489600000, Rand: 99, Model: w.Model, Tenant: w.Tenant, Kind: KindChat, Channel: ChannelToolArguments,
		Index: 2, Choice: 1, Start: 1 << 33, Text: w.Text, State: w.State, Label: w.Label, Seen: 5}
	if *w != want {
		t.Errorf("got %+v\nwant %+v", *w, want)
	}
}

// TestGoldenObservation reads the observation that the host's test pins.
func TestGoldenObservation(t *testing.T) {
	b := read(t, "observation.sbo1")
	o := overlay[Observation](t, b, 0)
	want := Observation{Magic: MagicObservation, Version: Minor, HeaderSize: 56, Total: uint32(len(b)), Dropped: 3, NowMS: 1773489600000, Rand: 99,
		Outcomes: 2, OutcomeOff: 56, OutcomeSize: 88}
	if *o != want {
		t.Fatalf("got %+v\nwant %+v", *o, want)
	}
	first, second := overlay[Outcome](t, b, 56), overlay[Outcome](t, b, 56+88)
	text := func(s Str) string { return string(b[s.Off : s.Off+s.Len]) }
	if text(first.Target) != "openai/gpt-4o-mini" || text(first.Model) != "fast" || text(first.Tenant) != "acme" || text(second.Target) != "demo/echo" {
		t.Errorf("first went to %q as %q for %q, second to %q", text(first.Target), text(first.Model), text(first.Tenant), text(second.Target))
	}
	if want := (Outcome{ID: 123456789012345, EndMS: 1773489599000, Target: first.Target, Model: first.Model, Tenant: first.Tenant, TTFTMS: 256.5,
		TotalMS: 1024.25, Cost: 1_500_000, InTokens: 1000, OutTokens: 200, Kind: KindChat, Error: ErrorServer, Attempt: 1,
		Flags: OutcomeStream | OutcomeHedge | OutcomeLost}); *first != want {
		t.Errorf("got %+v\nwant %+v", *first, want)
	}
}
