package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/host/wasm/record"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

var (
	le            = binary.LittleEndian
	windowLayout  abi.Window
	requestLayout abi.Request
)

// newerWindow is a window as a later minor version would write it: its header
// has a tail that nobody knows yet.
func newerWindow(w *record.Window) []byte {
	const more = 32
	b := encoded(w)
	out := append(bytes.Clone(b[:abi.WindowSize]), bytes.Repeat([]byte{0xa5}, more)...)
	out = append(out, b[abi.WindowSize:]...)
	le.PutUint16(out[unsafe.Offsetof(windowLayout.Version):], abi.Minor+1)
	le.PutUint16(out[unsafe.Offsetof(windowLayout.HeaderSize):], uint16(abi.WindowSize+more))
	le.PutUint32(out[unsafe.Offsetof(windowLayout.Total):], uint32(len(out)))
	for _, at := range windowTexts {
		le.PutUint32(out[at:], le.Uint32(out[at:])+more)
	}
	return out
}

// windowTexts are where a window refers to texts.
var windowTexts = []uintptr{unsafe.Offsetof(windowLayout.Model), unsafe.Offsetof(windowLayout.Tenant),
	unsafe.Offsetof(windowLayout.Text), unsafe.Offsetof(windowLayout.State), unsafe.Offsetof(windowLayout.Label)}

func byNumber(f form) map[int]input {
	all := map[int]input{}
	for _, in := range requests(f) {
		all[in.number] = in
	}
	return all
}

// grease compares what is answered to records of several minor versions.
func (k *kit) grease() (string, error) {
	inputs, outcomes := k.usable()
	if len(inputs) == 0 {
		return "", errNothing
	}
	later, older := byNumber(newer), byNumber(oldest)
	for i, in := range inputs {
		rec := later[in.number].record
		if in.window != nil {
			rec = newerWindow(in.window)
		}
		o := k.ask(rec)
		if err := k.same(&outcomes[i], &o); err != nil {
			return "", fmt.Errorf("%s, of a later minor version: %w", in.name, err)
		}
		if in.window != nil {
			continue
		}
		o = k.ask(older[in.number].record)
		if err := firstOf(o.err, func() error { return in.judge(o.answer()) }); err != nil {
			return "", fmt.Errorf("%s, of the oldest minor version: %w", in.name, err)
		}
	}
	return "", nil
}

// garbage asks with what no host sends. A trap or a bad answer is all right:
// the host sees both.
func (k *kit) garbage() (string, error) {
	inputs, outcomes := k.usable()
	if len(inputs) == 0 {
		return "", errNothing
	}
	rng := rand.New(rand.NewPCG(3, 5))
	count := map[string]int{}
	for n := range k.o.rounds(4000) {
		what, rec := mangled(rng, inputs[n%len(inputs)].record)
		o := k.ask(rec)
		switch {
		case errors.Is(o.err, wasm.ErrFuel):
			return "", fmt.Errorf("%s of %s, round %d: it spends all its fuel", what, inputs[n%len(inputs)].name, n)
		case o.err != nil:
			count["failed"]++
		case len(o.answer()) == 0:
			count["declined"]++
		default:
			count["answered"]++
		}
	}
	for i, in := range inputs {
		o := k.ask(in.record)
		if err := k.same(&outcomes[i], &o); err != nil {
			return "", fmt.Errorf("%s, after garbage: %w", in.name, err)
		}
	}
	return fmt.Sprintf("%d declined, %d answered, %d failed as the host can see", count["declined"], count["answered"], count["failed"]), nil
}

// mangled breaks a record in one of several ways.
func mangled(rng *rand.Rand, rec []byte) (what string, out []byte) {
	out = bytes.Clone(rec)
	switch rng.IntN(5) {
	case 0:
		return "a piece", out[:rng.IntN(len(out))]
	case 1:
		for i := range out {
			out[i] = byte(rng.Uint32())
		}
		return "noise in the size", out
	case 2: // sizes, counts, offsets: what a reader follows
		at := 4 + 4*rng.IntN(min(len(out), abi.RequestSize)/4-1)
		le.PutUint32(out[at:], []uint32{0, 1, 0x7fffffff, math.MaxUint32, uint32(len(out)), uint32(len(out) - 1), rng.Uint32()}[rng.IntN(7)])
		return fmt.Sprintf("another number at offset %d", at), out
	case 3:
		for range 1 + rng.IntN(8) {
			out[rng.IntN(len(out))] = byte(rng.Uint32())
		}
		return "some other bytes", out
	}
	for _, at := range []uintptr{unsafe.Offsetof(requestLayout.Targets), unsafe.Offsetof(requestLayout.TargetOff), unsafe.Offsetof(requestLayout.TargetSize)} {
		le.PutUint32(out[at:], rng.Uint32()>>rng.IntN(32))
	}
	return "other counts and strides", out
}

// closed shows a filter what is not a window.
func (k *kit) closed() (string, error) {
	broken := map[string]func(b []byte) []byte{
		"a window with another magic":               func(b []byte) []byte { b[3] = '9'; return b },
		"half a header":                             func(b []byte) []byte { return b[:abi.WindowSize/2] },
		"nothing at all":                            func(b []byte) []byte { return b[:0] },
		"a window whose text lies outside":          func(b []byte) []byte { return setText(b, 1<<20, 20) },
		"a window whose text ends outside":          func(b []byte) []byte { return setText(b, uint32(abi.WindowSize), 1<<20) },
		"a window that is larger than what is here": func(b []byte) []byte { return b[:abi.WindowSize+4] },
	}
	for what, spoil := range broken {
		w := newWindow("Write to ada@example.org.", abi.ChannelAnswer, abi.WindowFirst|abi.WindowFinal)
		o := k.ask(spoil(encoded(w)))
		if o.err != nil || len(o.answer()) == 0 {
			continue
		}
		if v, err := record.ReadVerdict(o.answer(), w); err == nil && v.Action != abi.ActionBlock {
			return "", fmt.Errorf("%s: it answers action %d for %d bytes", what, v.Action, v.Consumed)
		}
	}
	return "", nil
}

func setText(b []byte, at, length uint32) []byte {
	le.PutUint32(b[unsafe.Offsetof(windowLayout.Text):], at)
	le.PutUint32(b[unsafe.Offsetof(windowLayout.Text)+4:], length)
	return b
}
