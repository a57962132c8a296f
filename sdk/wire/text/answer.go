package text

import "github.com/signalbox-ai/signalbox/sdk/wire"

// top takes the texts of an answer, or of a chunk of one that has its form.
// Gemini's chunks come in an array when they are not events.
func (w *walker) top(d wire.Dialect) {
	switch w.r.Kind() {
	case '{':
	case '[':
		for ok := w.r.Array() && w.r.Elem(); ok; ok = w.r.Elem() {
			at := w.at
			w.top(d)
			w.at = at
		}
		return
	default:
		w.other()
		return
	}
	for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
		at := w.at
		w.answered(d)
		w.at = at
	}
}

// answered takes one member of an answer.
func (w *walker) answered(d wire.Dialect) {
	var buf [longest]byte
	name := w.r.Name()
	if len(name) > longest {
		w.at.Track, w.at.Delta = trackOther, false
		w.value()
		return
	}
	switch string(canonical(buf[:0], name)) {
	case "choices", "candidates":
		w.choices()
	case "content":
		w.blocks()
	case "output":
		w.items()
	case "data", "results", "segments":
		w.at.Track, w.at.Delta = trackOther, false
		w.value()
	case "text":
		if d == wire.OpenAIResponses {
			w.r.Skip() // the form that was asked for
		} else {
			w.value()
		}
	case "instructions", "tools", "toolchoice", "reasoning", "metadata", "truncation", "user", "prompt", "incompletedetails",
		"previousresponseid", "conversation", "safetyidentifier", "promptcachekey", "background", "task", "container", "size", "quality",
		"outputformat", "provider", "contextmanagement", "contentfilters", "moderation", "promptfilterresults", "meta", "promptcacheretention":
		w.r.Skip()
	default:
		w.member(classify(name), &traits{})
	}
}

// choices takes the answers of OpenAI's chat and completions, and of Gemini.
func (w *walker) choices() {
	at := w.at
	if w.r.Kind() != '[' {
		w.other()
		return
	}
	for n := int32(0); n == 0 && w.r.Array() && w.r.Elem() || n > 0 && w.r.Elem(); n++ {
		t := w.peek()
		w.at.Index = 0
		if w.at.Choice = n; t.index >= 0 {
			w.at.Choice = t.index
		}
		w.choice()
		if t.ended && at.Delta {
			w.end(Part{Index: -1, Choice: w.at.Choice})
		}
		w.at = at
	}
}

func (w *walker) choice() {
	if w.r.Kind() != '{' {
		w.other()
		return
	}
	saved := w.at
	w.depth++
	for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
		if is(w.r.Name(), "message") || is(w.r.Name(), "delta") {
			w.value()
		} else {
			w.member(classify(w.r.Name()), &traits{})
		}
		w.at = saved
	}
	w.depth--
}

// blocks takes Anthropic's content: each block has a number.
func (w *walker) blocks() {
	if w.r.Kind() != '[' {
		w.value()
		return
	}
	for n := int32(0); n == 0 && w.r.Array() && w.r.Elem() || n > 0 && w.r.Elem(); n++ {
		w.at.Index = n
		w.value()
	}
}

// items takes the output of a response.
func (w *walker) items() {
	if w.r.Kind() != '[' {
		w.value()
		return
	}
	for n := int32(0); n == 0 && w.r.Array() && w.r.Elem() || n > 0 && w.r.Elem(); n++ {
		w.item(n)
	}
}

// item takes item number n of a response: the parts of a message and of
// reasoning have numbers.
func (w *walker) item(n int32) {
	saved := w.at
	w.at.Index, w.at.Piece, w.at.Track = n, 0, 0
	if w.r.Kind() != '{' {
		w.other()
		w.at = saved
		return
	}
	t := w.peek()
	w.typed(&t)
	picture := string(t.typ) == "image_generation_call"
	w.depth++
	at := w.at
	for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
		switch m := classify(w.r.Name()); {
		case picture && is(w.r.Name(), "result"):
			w.r.Skip()
		case m == mMain && w.at.Channel == ChannelReasoning:
			w.at.Track = trackContent
			w.pieces()
		case m == mMain || m == mReasoning:
			w.pieces()
		default:
			w.member(m, &t)
		}
		w.at = at
	}
	w.depth--
	w.at = saved
}

// pieces takes an array whose elements are numbered.
func (w *walker) pieces() {
	if w.r.Kind() != '[' {
		w.value()
		return
	}
	for n := int32(0); n == 0 && w.r.Array() && w.r.Elem() || n > 0 && w.r.Elem(); n++ {
		w.at.Piece = n
		w.value()
	}
}
