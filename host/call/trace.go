package call

import "math/rand/v2"

// Trace is a call's place in a distributed trace, by W3C Trace Context. The
// zero Trace is none.
type Trace struct {
	ID     TraceID
	Span   SpanID // the call's own
	Parent SpanID // of whoever asked, zero: nobody said
	// Remote: Parent is outside of this gateway.
	Remote  bool
	Sampled bool
	// State is the tracestate that came along, "": none did.
	State string
}

// TraceID and SpanID name a trace and a span in it; zero is none.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// On reports whether there is a trace.
func (t *Trace) On() bool { return t.ID != TraceID{} }

// NewTraceID makes a random one.
func NewTraceID() (id TraceID) {
	for id == (TraceID{}) {
		put(id[:8], rand.Uint64())
		put(id[8:], rand.Uint64())
	}
	return id
}

// NewSpanID makes a random one.
func NewSpanID() (id SpanID) {
	for id == (SpanID{}) {
		put(id[:], rand.Uint64())
	}
	return id
}

func put(dst []byte, n uint64) {
	for i := range 8 {
		dst[i] = byte(n >> (56 - 8*i))
	}
}

// Child is the place of a call that the one at t makes.
func (t *Trace) Child() Trace {
	if !t.On() {
		return Trace{}
	}
	return Trace{ID: t.ID, Span: NewSpanID(), Parent: t.Span, Sampled: t.Sampled, State: t.State}
}

const (
	parentLen = 55   // of a traceparent of version 00
	maxState  = 512  // bytes of a tracestate that must be passed on, by the specification
	sampled   = 0x01 // of the flags
	hexDigits = "0123456789abcdef"
)

// ParseTrace reads the traceparent and tracestate of a caller. ok is false where
// there is no valid traceparent: then there is no trace to go on with, whatever
// tracestate says.
func ParseTrace(parent, state []byte) (t Trace, ok bool) {
	if len(parent) < parentLen || parent[2] != '-' || parent[35] != '-' || parent[52] != '-' {
		return Trace{}, false
	}
	var version, flags [1]byte
	if !unhex(version[:], parent[:2]) || version[0] == 0xff ||
		len(parent) > parentLen && (version[0] == 0 || parent[parentLen] != '-') {
		return Trace{}, false
	}
	if !unhex(t.ID[:], parent[3:35]) || !unhex(t.Parent[:], parent[36:52]) || !unhex(flags[:], parent[53:55]) ||
		t.ID == (TraceID{}) || t.Parent == (SpanID{}) {
		return Trace{}, false
	}
	t.Remote, t.Sampled = true, flags[0]&sampled != 0
	if len(state) <= maxState && printableState(state) {
		t.State = string(state)
	}
	return t, true
}

// printableState reports whether s can stand in a header as it is.
func printableState(s []byte) bool {
	for _, c := range s {
		if (c < ' ' || c > '~') && c != '\t' {
			return false
		}
	}
	return true
}

// unhex reads lower-case digits alone, as the specification wants.
func unhex(dst, src []byte) bool {
	for i := range dst {
		hi, lo := nibble(src[2*i]), nibble(src[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

func appendHex(dst, src []byte) []byte {
	for _, b := range src {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}

// Append appends the id's text form.
func (id TraceID) Append(dst []byte) []byte { return appendHex(dst, id[:]) }

// String returns the text form.
func (id TraceID) String() string { return string(id.Append(make([]byte, 0, 2*len(id)))) }

// String returns the text form.
func (id SpanID) String() string { return string(appendHex(make([]byte, 0, 2*len(id)), id[:])) }

// AppendParent appends the traceparent of what span asks for.
func (t *Trace) AppendParent(dst []byte, span SpanID) []byte {
	dst = append(dst, "00-"...)
	dst = append(t.ID.Append(dst), '-')
	dst = appendHex(dst, span[:])
	if t.Sampled {
		return append(dst, "-01"...)
	}
	return append(dst, "-00"...)
}
