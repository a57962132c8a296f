package record

import (
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Window is what a filter is shown; package abi documents the fields. Text and
// State are not kept.
type Window struct {
	Flags   uint32
	ID      uint64
	NowMS   int64
	Seed    uint64
	Model   string
	Tenant  string
	Kind    uint32
	Channel uint32
	Index   uint32
	Choice  uint32
	Start   uint64
	Text    []byte // ≤ abi.MaxWindow
	State   []byte // ≤ abi.MaxState
	Label   string
	Seen    uint32
}

// Final reports whether nothing of the channel follows.
func (w *Window) Final() bool { return w.Flags&abi.WindowFinal != 0 }

// Size is the size of the encoded window.
func (w *Window) Size() int {
	return abi.WindowSize + len(w.Text) + len(w.State) + len(w.Model) + len(w.Tenant) + len(w.Label)
}

// Encode writes the record over dst, which has Size bytes. Every byte is
// written: dst holds what an earlier call left.
func (w *Window) Encode(dst []byte) {
	if len(w.Text) > abi.MaxWindow || len(w.State) > abi.MaxState {
		panic("BUG: window of more text or state than the ABI allows")
	}
	b := (*[abi.WindowSize]byte)(dst)
	head(dst, abi.MagicWindow, abi.WindowSize)
	le.PutUint32(b[unsafe.Offsetof(window.Flags):], w.Flags)
	le.PutUint64(b[unsafe.Offsetof(window.ID):], w.ID)
	le.PutUint64(b[unsafe.Offsetof(window.NowMS):], uint64(w.NowMS))
	le.PutUint64(b[unsafe.Offsetof(window.Rand):], w.Seed)
	le.PutUint32(b[unsafe.Offsetof(window.Kind):], w.Kind)
	le.PutUint32(b[unsafe.Offsetof(window.Channel):], w.Channel)
	le.PutUint32(b[unsafe.Offsetof(window.Index):], w.Index)
	le.PutUint32(b[unsafe.Offsetof(window.Choice):], w.Choice)
	le.PutUint64(b[unsafe.Offsetof(window.Start):], w.Start)
	le.PutUint32(b[unsafe.Offsetof(window.Seen):], w.Seen)
	le.PutUint32(b[unsafe.Offsetof(window.Reserved):], 0)
	s := Strings{Record: dst, At: abi.WindowSize}
	s.Put(b[unsafe.Offsetof(window.Text):], view(w.Text)) // first: a multiple of 16
	s.Put(b[unsafe.Offsetof(window.State):], view(w.State))
	s.Put(b[unsafe.Offsetof(window.Model):], w.Model)
	s.Put(b[unsafe.Offsetof(window.Tenant):], w.Tenant)
	s.Put(b[unsafe.Offsetof(window.Label):], w.Label)
}

// view is b as a string, without a copy: it must not outlive the call.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
