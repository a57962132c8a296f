package abi

import "unsafe"

// What a filter is shown, and what it may answer, at most.
const (
	MaxWindow = 8 << 10  // bytes of text in a window
	MaxOutput = 16 << 10 // bytes in place of what a window's text was
	MaxState  = 256      // bytes that travel with a channel
)

// Window is the header of the record that sb_filter gets: a stretch of the text
// of one channel. A guest keeps nothing between calls: text that it does not
// consume is shown again, together with what has come since, and State goes
// from a channel's verdict to its next window. So any instance of any version
// may be given the next one.
type Window struct {
	Magic      uint32 // 0: MagicWindow
	Version    uint16 // 4: minor version of the writer
	HeaderSize uint16 // 6: of this struct as the writer knows it
	Total      uint32 // 8: bytes of the whole record
	Flags      uint32 // 12: Window…
	ID         uint64 // 16: of the request
	NowMS      uint64 // 24: Unix ms: when the window was made
	Rand       uint64 // 32: the window's one random number
	Model      Str    // 40: as the caller named it
	Tenant     Str    // 48: organisation, else team, else the key's public id
	Kind       uint32 // 56: Kind…: what is asked for
	Channel    uint32 // 60: Channel…: whose text it is
	Index      uint32 // 64: which message, or tool call, of the channel
	Choice     uint32 // 68: which of several answers
	Start      uint64 // 72: bytes of the channel before Text, as they came
	Text       Str    // 80: whole UTF-8 characters, at a multiple of 16 when the header is as here; ≤ MaxWindow
	State      Str    // 88: what the channel's verdict before said, ≤ MaxState
	Label      Str    // 96: the tool's name on the channels of tools, else empty
	Seen       uint32 // 104: bytes at the start of Text that an earlier window has shown
	Reserved   uint32 // 108: 0
}

// Flags of a window.
const (
	WindowFirst = 1 << iota // of its channel, message and choice
	WindowFinal             // nothing follows; Text may be empty
)

// Channels.
const (
	ChannelUnknown       = iota
	ChannelSystem        // prompt: instructions
	ChannelUser          // prompt: what users wrote
	ChannelAssistant     // prompt: earlier answers
	ChannelToolResult    // prompt: what tools said
	ChannelAnswer        // answer: its text
	ChannelReasoning     // answer: thinking that the caller sees
	ChannelToolArguments // answer: JSON, in pieces
)

// Verdict is the header of what sb_filter answers. Output, State and Reason lie
// behind it within the answered bytes.
type Verdict struct {
	Magic      uint32 // 0: MagicVerdict
	Version    uint16 // 4: minor version of the writer
	HeaderSize uint16 // 6: of this struct as the writer knows it
	Action     uint32 // 8: Action…
	Consumed   uint32 // 12: bytes from Text's start that the action settles, whole characters
	Output     Str    // 16: what goes in their place: ActionReplace alone, UTF-8, ≤ MaxOutput
	State      Str    // 24: for the channel's next window, ≤ MaxState
	Reason     Str    // 32: for the decision log
	Code       uint32 // 40: the module's own, for metrics and error texts
	Findings   uint32 // 44: how much was found in what is settled, for metrics
}

// Actions. There is none for 0: a verdict that was forgotten lets nothing pass.
// All but ActionBlock and ActionMore consume something where there is text, and
// all of it in the final window.
const (
	ActionPass     = 1 + iota // the consumed bytes go on
	ActionReplace             // Output goes on in their place
	ActionBlock               // the request, or what is left of the answer, ends; consumes nothing
	ActionMore                // shows too little yet; consumes nothing, not for final or full windows
	ActionEscalate            // the consumed bytes are held until the operator's guard has judged them; without one they are blocked
)

// Sizes of the records' parts.
const (
	WindowSize  = int(unsafe.Sizeof(Window{}))
	VerdictSize = int(unsafe.Sizeof(Verdict{}))
)

// The sizes are part of the ABI: a change does not compile.
var (
	_ = [1]struct{}{}[WindowSize-112]
	_ = [1]struct{}{}[VerdictSize-48]
)
