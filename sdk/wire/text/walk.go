package text

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// walker goes through one body.
type walker struct {
	r      lex.Reader
	out    []Part
	at     Part // what a string that is due would be
	answer bool
	stream bool // the body is an event
	depth  int
}

// maxPeek is how deep objects are looked at before they are walked, for what
// stands behind what it changes: each level costs a pass of its own.
const maxPeek = 8

// traits is what an object says of itself in any of its members.
type traits struct {
	typ   []byte
	text  bool // one of its types is text: which counts, parsers do not agree on
	name  []byte
	role  []byte
	index int32 // -1: it says none
	think bool  // Gemini: thought is true
	ended bool  // it says why the answer ends
}

// peek reads the traits of the object that is due, without taking it.
func (w *walker) peek() (t traits) {
	t.index = -1
	if w.depth > maxPeek {
		return t
	}
	r := w.r
	for ok := r.Kind() == '{' && r.Object() && r.Key(); ok; ok = r.Key() {
		var buf [longest]byte
		name := r.Name()
		if len(name) > longest {
			continue
		}
		switch string(canonical(buf[:0], name)) {
		case "type":
			t.typ = r.Text()
			t.text = t.text || string(t.typ) == "text"
		case "name":
			t.name = r.Text()
		case "role":
			t.role = r.Text()
		case "index":
			t.index = number(&r)
		case "thought":
			t.think = r.Bool()
		case "finishreason":
			t.ended = r.Kind() == '"' && len(r.Text()) > 0
		case "function", "custom":
			if r.Kind() == '{' {
				if inner := (&walker{r: r, depth: maxPeek}).peek(); inner.name != nil {
					t.name = inner.name
				}
			}
		}
	}
	return t
}

// number takes an index; what is none, or too large, is -1.
func number(r *lex.Reader) int32 {
	n, ok := r.Int()
	if !ok || n < 0 || n > 1<<30 {
		return -1
	}
	return int32(n)
}

// keep appends the span from from to to as a part of kind.
func (w *walker) keep(kind Kind, from, to int) {
	p := w.at
	p.Kind, p.From, p.To = kind, from, to
	w.out = append(w.out, p)
}

// end appends what an event ends.
func (w *walker) end(p Part) {
	p.Kind = KindEnd
	w.out = append(w.out, p)
}

// text takes a string that is due.
func (w *walker) text() {
	if raw, ok := w.r.Raw(); ok && len(raw) > 0 {
		to := w.r.Pos() - 1
		w.keep(KindText, to-len(raw), to)
	}
}

// whole takes any value as a part of kind.
func (w *walker) whole(kind Kind) {
	if raw := w.r.Skip(); len(raw) > 0 && raw[0] != 'n' { // null has nothing
		to := w.r.Pos()
		w.keep(kind, to-len(raw), to)
	}
}

// value takes all strings of a value that is due.
func (w *walker) value() {
	switch w.r.Kind() {
	case '"':
		w.text()
	case '[':
		for ok := w.r.Array() && w.r.Elem(); ok; ok = w.r.Elem() {
			w.value()
		}
	case '{':
		w.object()
	default:
		w.r.Skip()
	}
}

// object takes the strings of an object: a message, a part of one, or anything.
func (w *walker) object() {
	t := w.peek()
	saved := w.at
	w.typed(&t)
	w.depth++
	for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
		at := w.at
		w.member(classify(w.r.Name()), &t)
		w.at = at
	}
	w.depth--
	w.at = saved
}

// typed sets whose text an object holds by what it calls itself.
func (w *walker) typed(t *traits) {
	switch {
	case t.think, bytes.HasPrefix(t.typ, []byte("reasoning")), string(t.typ) == "thinking", string(t.typ) == "summary_text":
		w.reasoning(w.at.Track)
	case bytes.HasSuffix(t.typ, []byte("tool_result")), bytes.HasSuffix(t.typ, []byte("_output")):
		w.result()
	case string(t.typ) == "refusal":
		w.at.Track = trackRefusal
	}
	if w.isCall(t) {
		w.label(t.name)
	}
}

// label names the tool that what follows is about. Of a stream's arguments,
// later events do not tell it again.
func (w *walker) label(name []byte) {
	if w.at.Label = name; !w.stream {
		return
	}
	p := w.at
	p.Kind, p.Channel = KindLabel, ChannelToolArguments
	w.out = append(w.out, p)
}

// isCall reports whether an object with a name is a tool call or its result.
func (w *walker) isCall(t *traits) bool {
	return len(t.name) > 0 && (bytes.HasSuffix(t.typ, []byte("_call")) || bytes.HasSuffix(t.typ, []byte("tool_use")) ||
		w.at.Channel == ChannelToolResult || w.at.Channel == ChannelToolArguments)
}

func (w *walker) reasoning(track uint8) {
	if w.answer {
		w.at.Channel, w.at.Track = ChannelReasoning, track
	}
}

// arguments turns to the channel of a tool call's arguments.
func (w *walker) arguments() {
	w.at.Track = 0
	if w.answer {
		w.at.Channel = ChannelToolArguments
	}
}

func (w *walker) result() {
	if !w.answer {
		w.at.Channel = ChannelToolResult
	}
}

// member takes the value of a member of an object with traits t.
func (w *walker) member(m member, t *traits) {
	switch m {
	case mNone:
		w.r.Skip()
	case mMain:
		w.value()
	case mRefusal:
		w.at.Track = trackRefusal
		w.value()
	case mReasoning:
		w.reasoning(0)
		w.value()
	case mReasoningContent:
		w.reasoning(trackContent)
		w.value()
	case mDetails:
		w.details()
	case mArguments, mObject, mInput:
		w.arguments()
		w.args(m)
	case mCalls:
		w.calls()
	case mCall:
		w.call(w.peek(), trackCall)
	case mCode:
		w.at.Delta = false
		w.call(w.peek(), trackCall)
	case mResult:
		w.result()
		w.response()
	case mVoid:
		w.void()
	case mData:
		w.data(t)
	case mAudio:
		w.audio()
	case mSpoken:
		w.at.Track = trackOther
		w.value()
	default:
		w.other()
	}
}

// other takes what is not known by name, or has not the form that is known: each
// string is a text of its own.
func (w *walker) other() {
	w.at.Track, w.at.Delta = trackOther, false
	w.value()
}

// args takes arguments: text, or JSON as it stands.
func (w *walker) args(m member) {
	switch {
	case w.r.Kind() == '"':
		w.text()
	case m == mInput && w.r.Kind() == '[':
		w.value()
	case w.r.Kind() == '{' || w.r.Kind() == '[':
		w.json()
	default:
		w.r.Skip()
	}
}

// json takes a value that is text as it stands. It is always a text of its own.
func (w *walker) json() {
	w.at.Delta = false
	if raw := w.r.Skip(); len(raw) > 2 { // {} has nothing
		to := w.r.Pos()
		w.keep(KindJSON, to-len(raw), to)
	}
}

func (w *walker) void() {
	w.at.Track, w.at.Delta = trackOther, false
	if kind := w.r.Kind(); !w.answer || kind != '[' && kind != '{' {
		w.value()
		return
	}
	w.whole(KindVoid)
}

// data takes what may be a document's text, or a picture.
func (w *walker) data(t *traits) {
	if w.r.Kind() == '"' && !t.text {
		w.r.Skip()
		return
	}
	w.value()
}

func (w *walker) audio() {
	if w.r.Kind() != '{' {
		w.r.Skip()
		return
	}
	w.value()
}
