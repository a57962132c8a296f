// Package filter is the Go guest SDK for filters: modules that look at the text
// of prompts and answers, a window at a time, and let it pass, replace parts of
// it or end the request. A filter is built for WebAssembly and loaded by the
// gateway while traffic flows:
//
//	func init() { filter.Handle(look) }
//	func main() {}
//	func look(w *filter.Window, v *filter.Verdict) { v.Pass(len(w.Text())) }
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o mine.wasm
//
// A filter keeps nothing between calls: text that it does not consume is shown
// again with what has come since, and State travels from a verdict to the
// channel's next window. A filter that panics, loops or answers nonsense blocks
// the request, unless the operator says otherwise.
package filter

import (
	"errors"
	"unicode/utf8"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/internal/guest"
)

// Window is a stretch of the text of one channel. It is valid during the call only.
type Window struct {
	*abi.Window // the facts; package abi documents them

	record []byte
	text   []byte
	short  abi.Window // used only for a host that knows a shorter one
}

// Text is what the window shows, whole UTF-8 characters.
func (w *Window) Text() []byte { return w.text }

// State is what the channel's verdict before left.
func (w *Window) State() []byte { return guest.Bytes(w.record, w.Window.State) }

// Label is the tool's name on the channels of tools.
func (w *Window) Label() string { return guest.Text(w.record, w.Window.Label) }

// Model is as the caller named it.
func (w *Window) Model() string { return guest.Text(w.record, w.Window.Model) }

// Tenant is whose request it is.
func (w *Window) Tenant() string { return guest.Text(w.record, w.Window.Tenant) }

// First reports whether nothing of the channel came before the window.
func (w *Window) First() bool { return w.Flags&abi.WindowFirst != 0 }

// Final reports whether nothing follows: all of the text has to be settled.
func (w *Window) Final() bool { return w.Flags&abi.WindowFinal != 0 }

// Waits reports whether a filter may ask for more of the text: not at the end,
// and not when the window can grow no more: the next character may not fit in.
func (w *Window) Waits() bool { return !w.Final() && len(w.text) <= abi.MaxWindow-utf8.UTFMax }

// Cut is the last end of a character at or before n: what may be consumed.
func (w *Window) Cut(n int) int {
	for n > 0 && n < len(w.text) && !utf8.RuneStart(w.text[n]) {
		n--
	}
	return min(n, len(w.text))
}

var errRecord = errors.New("record is not a window")

// Load reads a record, which must be aligned to 8 bytes and stay unchanged as
// long as w is used.
func (w *Window) Load(record []byte) error {
	if w.Window = guest.Head(record, abi.MagicWindow, &w.short); w.Window == nil {
		return errRecord
	}
	w.record = record
	w.text = guest.Bytes(record, w.Window.Text)
	return nil
}

// Verdict is the answer of a filter. One of Pass, Replace, Block, More and
// Escalate has to be called: a verdict that says nothing is an error.
type Verdict struct {
	Code     uint32 // the module's own, for metrics and error texts
	Findings uint32 // how much was found in what is settled, for metrics

	// The layout is that of the record, so that it needs no encoding: output,
	// state and reason follow the header.
	head   abi.Verdict
	tail   [abi.MaxOutput + abi.MaxState + abi.MaxReason]byte
	output int // bytes of tail
	state  int
	reason int
	saved  [abi.MaxState]byte
	said   [abi.MaxReason]byte
}

// Pass lets the first n bytes of the text go on.
func (v *Verdict) Pass(n int) { v.settle(abi.ActionPass, n) }

// Replace lets what has been written go on in place of the first n bytes.
func (v *Verdict) Replace(n int) { v.settle(abi.ActionReplace, n) }

// Block ends the request, or what is left of the answer.
func (v *Verdict) Block(code uint32, reason string) {
	v.settle(abi.ActionBlock, 0)
	v.Code = code
	v.Because(reason)
}

// More consumes nothing: the text is shown again when more of it has come. It
// is not for windows that do not wait.
func (v *Verdict) More() { v.settle(abi.ActionMore, 0) }

// Escalate holds the first n bytes until the operator's guard has judged them.
func (v *Verdict) Escalate(n int) { v.settle(abi.ActionEscalate, n) }

func (v *Verdict) settle(action uint32, n int) { v.head.Action, v.head.Consumed = action, uint32(n) }

// Write appends to the output that Replace lets go on. It reports whether there
// is room, which there is for twice the longest text.
func (v *Verdict) Write(b []byte) bool {
	if v.output+len(b) > abi.MaxOutput {
		return false
	}
	v.output += copy(v.tail[v.output:], b)
	return true
}

// WriteString is Write of a string.
func (v *Verdict) WriteString(s string) bool {
	return v.Write(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// Fill appends n times the byte c to the output, as Write does.
func (v *Verdict) Fill(c byte, n int) bool {
	if n < 0 || v.output+n > abi.MaxOutput {
		return false
	}
	for i := range v.tail[v.output:][:n] {
		v.tail[v.output+i] = c
	}
	v.output += n
	return true
}

// Room is where the output goes on, to be written to directly, which is the
// fastest; Wrote appends what has been written there.
func (v *Verdict) Room() []byte { return v.tail[v.output:abi.MaxOutput] }

// Wrote appends the first n bytes of Room to the output.
func (v *Verdict) Wrote(n int) { v.output += len(v.tail[v.output:abi.MaxOutput][:n]) }

// Written is how many bytes have been written.
func (v *Verdict) Written() int { return v.output }

// Save leaves up to 256 bytes to the channel's next window.
func (v *Verdict) Save(state []byte) { v.state = copy(v.saved[:], state) }

// Because says why; the decision log shows up to 128 bytes of it.
func (v *Verdict) Because(reason string) { v.reason = copy(v.said[:], reason) }

// Reset empties the verdict.
func (v *Verdict) Reset() {
	v.head = abi.Verdict{Magic: abi.MagicVerdict, Version: abi.Minor, HeaderSize: uint16(abi.VerdictSize)}
	v.Code, v.Findings, v.output, v.state, v.reason = 0, 0, 0, 0, 0
}

// Bytes returns the encoded verdict, which aliases v and holds nothing of
// earlier ones: the same verdict gives the same bytes.
func (v *Verdict) Bytes() []byte {
	v.head.Code, v.head.Findings = v.Code, v.Findings
	if v.head.Action != abi.ActionReplace {
		v.output = 0
	}
	n := v.output
	v.head.Output = abi.Str{Off: uint32(abi.VerdictSize), Len: uint32(n)}
	v.head.State = abi.Str{Off: uint32(abi.VerdictSize + n), Len: uint32(v.state)}
	n += copy(v.tail[n:], v.saved[:v.state])
	v.head.Reason = abi.Str{Off: uint32(abi.VerdictSize + n), Len: uint32(v.reason)}
	n += copy(v.tail[n:], v.said[:v.reason])
	return unsafe.Slice((*byte)(unsafe.Pointer(&v.head)), abi.VerdictSize+n)
}
