package record

import (
	"unicode/utf8"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Verdict is what a filter said; package abi documents the fields. The bytes
// are views of what it was read from.
type Verdict struct {
	Action   uint32
	Consumed int
	Output   []byte
	State    []byte
	Reason   []byte // ≤ abi.MaxReason
	Code     uint32
	Findings uint32
}

// ReadVerdict reads what a filter answered to w. Whatever the ABI does not
// allow is an error that answers errors.Is(err, wasm.ErrBadAnswer): the filter
// has failed, and nothing of the verdict counts.
func ReadVerdict(b []byte, w *Window) (Verdict, error) {
	if len(b) < abi.VerdictSize || le.Uint32(b[unsafe.Offsetof(verdict.Magic):]) != abi.MagicVerdict {
		return Verdict{}, wasm.BadAnswer("%d bytes do not begin with a verdict", len(b))
	}
	if header := le.Uint16(b[unsafe.Offsetof(verdict.HeaderSize):]); int(header) < abi.VerdictSize {
		return Verdict{}, wasm.BadAnswer("verdict's header of %d bytes", header)
	}
	v := Verdict{
		Action:   le.Uint32(b[unsafe.Offsetof(verdict.Action):]),
		Code:     le.Uint32(b[unsafe.Offsetof(verdict.Code):]),
		Findings: le.Uint32(b[unsafe.Offsetof(verdict.Findings):]),
	}
	consumed := le.Uint32(b[unsafe.Offsetof(verdict.Consumed):])
	if uint64(consumed) > uint64(len(w.Text)) {
		return Verdict{}, wasm.BadAnswer("%d bytes consumed of %d", consumed, len(w.Text))
	}
	v.Consumed = int(consumed)
	var err error
	if v.Output, err = part(b, "output", unsafe.Offsetof(verdict.Output), abi.MaxOutput); err != nil {
		return Verdict{}, err
	}
	if v.State, err = part(b, "state", unsafe.Offsetof(verdict.State), abi.MaxState); err != nil {
		return Verdict{}, err
	}
	if v.Reason, err = part(b, "reason", unsafe.Offsetof(verdict.Reason), len(b)); err != nil {
		return Verdict{}, err
	}
	v.Reason = v.Reason[:min(len(v.Reason), abi.MaxReason)]
	if err := v.check(w); err != nil {
		return Verdict{}, err
	}
	return v, nil
}

// part reads the string that the header refers to at an offset.
func part(b []byte, name string, at uintptr, most int) ([]byte, error) {
	s, ok := text(b, b[at:])
	if !ok || len(s) > most {
		return nil, wasm.BadAnswer("verdict's %s lies outside of it or has more than %d bytes", name, most)
	}
	return s, nil
}

// check finds what does not fit together.
func (v *Verdict) check(w *Window) error {
	if len(v.Output) > 0 && v.Action != abi.ActionReplace {
		return wasm.BadAnswer("action %d together with %d bytes of output", v.Action, len(v.Output))
	}
	switch v.Action {
	case abi.ActionPass, abi.ActionReplace, abi.ActionEscalate:
		return v.checkConsumed(w)
	case abi.ActionMore:
		if w.Final() || len(w.Text) >= abi.MaxWindow {
			return wasm.BadAnswer("more text is asked for, but the window of %d bytes is the last or full", len(w.Text))
		}
		fallthrough
	case abi.ActionBlock:
		if v.Consumed > 0 {
			return wasm.BadAnswer("action %d consumes %d bytes", v.Action, v.Consumed)
		}
		return nil
	}
	return wasm.BadAnswer("action %d does not exist", v.Action)
}

// checkConsumed looks at an action that settles text.
func (v *Verdict) checkConsumed(w *Window) error {
	left := w.Text[v.Consumed:]
	switch {
	case len(left) > 0 && w.Final():
		return wasm.BadAnswer("%d bytes of the last window are left over", len(left))
	case len(left) > 0 && v.Consumed == 0:
		return wasm.BadAnswer("action %d consumes nothing of %d bytes", v.Action, len(left))
	case len(left) > 0 && !utf8.RuneStart(left[0]):
		return wasm.BadAnswer("the %d bytes consumed end within a character", v.Consumed)
	case !utf8.Valid(v.Output):
		return wasm.BadAnswer("output of %d bytes is not UTF-8", len(v.Output))
	}
	return nil
}
