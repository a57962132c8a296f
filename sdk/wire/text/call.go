package text

// details takes reasoning_details, each with a number of its own.
func (w *walker) details() {
	w.reasoning(trackDetails)
	if w.r.Kind() != '[' {
		w.value()
		return
	}
	for ok := w.r.Array() && w.r.Elem(); ok; ok = w.r.Elem() {
		if t := w.peek(); t.index >= 0 {
			w.at.Piece = t.index
		}
		if w.r.Kind() != '{' {
			w.value()
			continue
		}
		saved := w.at
		w.depth++
		for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
			if m := classify(w.r.Name()); m == mMain || m == mReasoning {
				w.value()
			} else if m != mNone && m != mData {
				w.at.Track, w.at.Delta = trackOther, false
				w.value()
			}
			w.at = saved
		}
		w.depth--
	}
}

// calls takes tool calls: those of streams say which they are.
func (w *walker) calls() {
	w.arguments()
	if w.r.Kind() != '[' {
		w.value()
		return
	}
	at := w.at
	for n := int32(0); n == 0 && w.r.Array() && w.r.Elem() || n > 0 && w.r.Elem(); n++ {
		t := w.peek()
		switch {
		case !w.answer: // the number is the message's
		case t.index >= 0:
			w.at.Index = t.index
		default:
			w.at.Index = n
		}
		w.call(t, 0)
		w.at = at
	}
}

// call takes one tool call: its arguments are all that is text of it.
func (w *walker) call(t traits, track uint8) {
	if w.r.Kind() != '{' {
		w.value()
		return
	}
	w.arguments()
	if w.answer {
		w.at.Track = track
	}
	if t.name != nil {
		w.label(t.name)
	}
	saved := w.at
	w.depth++
	for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
		name := w.r.Name()
		switch m := classify(name); m {
		case mArguments, mObject, mInput:
			w.args(m)
		case mCall, mCode:
			if is(name, "custom") {
				track = trackCustom
			}
			w.call(traits{}, track)
		case mNone:
		default:
			w.at.Track, w.at.Delta = trackOther, false
			w.value()
		}
		w.at = saved
	}
	w.depth--
}

// response takes what a function answered, in Gemini's form.
func (w *walker) response() {
	if w.r.Kind() != '{' {
		w.value()
		return
	}
	if t := w.peek(); t.name != nil {
		w.at.Label = t.name
	}
	for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
		switch {
		case is(w.r.Name(), "response") && w.r.Kind() == '{':
			at := w.at
			w.json()
			w.at = at
		case classify(w.r.Name()) != mNone:
			w.value()
		}
	}
}
