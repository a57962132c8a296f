package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// geminiEvents reads the chunks of a streamed answer. The dialect has no event
// that ends a stream: it is whole when the upstream closes it after a finish
// reason, and chunks after that (usage, citations) may still come.
type geminiEvents struct {
	started bool
	stops   []geminiStop // by candidate
	calls   int
	buf     []byte // arguments of the chunk at hand
}

// geminiStop is how a candidate ended.
type geminiStop struct {
	index  int
	stop   stopReason
	called bool // functions
	spoke  bool
}

// maxCandidates bounds the candidates of an answer.
const maxCandidates = 64

func (e *geminiEvents) read(event string, data []byte, out []delta, u *Usage) ([]delta, bool, *Error) {
	if len(data) == 0 {
		return out, false, nil
	}
	e.buf = e.buf[:0]
	var blocked raw
	from, known, failed := len(out), false, event == "error"
	if !e.started {
		out = append(out, delta{kind: deltaStart})
	}
	r, ids := lex.New(data), callIDs{from: data}
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "responseId":
			if id, _ := r.Raw(); !e.started {
				out[from].id = id
			}
		case "candidates":
			for ok := r.Array() && r.Elem(); ok && len(e.stops) <= maxCandidates; ok = r.Elem() {
				out = e.candidate(&r, out, &ids)
			}
		case "promptFeedback":
			blocked = geminiBlocked(&r)
		case "usageMetadata":
			known = geminiUsage(&r, u) || known
		case "error":
			failed = failed || r.Kind() != 'n'
		}
	}
	switch {
	case failed:
		return out[:from], known, streamError(data)
	case len(e.stops) > maxCandidates:
		return out[:from], known, badAnswer("answer has too many candidates")
	case !r.Done():
		return out[:from], known, badAnswer("stream has an event that is not a JSON object of an answer")
	}
	e.started = true
	if blocked != nil && len(e.stops) == 0 {
		e.at(0).stop = stopRefusal
		out = append(out, delta{kind: deltaRefusal, text: blocked})
	}
	return out, known, nil
}

// at is the state of a candidate.
func (e *geminiEvents) at(index int) *geminiStop {
	for i := range e.stops {
		if e.stops[i].index == index {
			return &e.stops[i]
		}
	}
	e.stops = append(e.stops, geminiStop{index: index})
	return &e.stops[len(e.stops)-1]
}

// candidate appends the deltas of one candidate; its index may come last.
func (e *geminiEvents) candidate(r *lex.Reader, out []delta, ids *callIDs) []delta {
	var reason, logprobs []byte
	var message raw
	index, from := int64(0), len(out)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "index":
			index, _ = r.Int()
		case "content":
			out = e.content(r, out, ids)
		case "finishReason":
			reason = r.Text()
		case "finishMessage":
			message, _ = r.Raw()
		case "logprobsResult":
			logprobs = geminiLogprobs(r)
		}
	}
	c := e.at(int(min(max(index, 0), maxCount)))
	for i := range out[from:] {
		d := &out[from+i]
		d.choice = c.index
		switch d.kind {
		case deltaTool:
			c.called, c.spoke = true, true
		case deltaText:
			c.spoke = true
			d.logprobs, logprobs = logprobs, nil
		}
	}
	stop, plain := stopOfGemini(reason)
	if stop != noStop {
		c.stop = stop
	}
	if !plain && (!c.spoke || len(message) > 0) {
		out = append(out, delta{kind: deltaRefusal, choice: c.index, text: explain("The model stopped: ", reason, message)})
	}
	return out
}

func (e *geminiEvents) content(r *lex.Reader, out []delta, ids *callIDs) []delta {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) != "parts" {
			continue
		}
		for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
			gp := geminiAnswerPart(r)
			out = e.part(&gp, out, ids)
		}
	}
	return out
}

// part appends the deltas of one part: calls come whole, and a signature goes
// where geminiPart.append has it.
func (e *geminiEvents) part(gp *geminiPart, out []delta, ids *callIDs) []delta {
	var s seal
	sealed := false
	if len(gp.signature) > 0 {
		s, sealed = parseGeminiSignature(gp.signature)
	}
	switch {
	case gp.kind == toolCallPart:
		return e.call(gp, s, out, ids)
	case gp.kind == imagePart:
		out = append(out, delta{kind: deltaText, text: geminiMedia(&gp.p)})
	case gp.thought && !sealed:
		if len(gp.p.text) > 0 {
			out = append(out, delta{kind: deltaThinking, text: gp.p.text, seal: seal{format: sealGemini}})
		}
		if s.value != nil {
			out = append(out, delta{kind: deltaSeal, seal: s})
		}
		return out
	case len(gp.p.text) > 0:
		out = append(out, delta{kind: deltaText, text: gp.p.text})
	}
	if s.value != nil {
		out = append(out, delta{kind: deltaSealed, seal: s})
	}
	return out
}

func (e *geminiEvents) call(gp *geminiPart, s seal, out []delta, ids *callIDs) []delta {
	n := e.calls
	e.calls++
	id := gp.p.id
	if len(id) == 0 {
		id = ids.id(n)
	}
	if s.value != nil {
		s.id = id
		out = append(out, delta{kind: deltaSealed, seal: s})
	}
	out = append(out, delta{kind: deltaTool, tool: n, id: id, name: gp.p.name})
	if len(gp.p.json) > len("{}") {
		from := len(e.buf)
		e.buf = lex.AppendEscaped(e.buf, gp.p.json)
		out = append(out, delta{kind: deltaToolArgs, tool: n, text: e.buf[from:]})
	}
	return append(out, delta{kind: deltaToolEnd, tool: n})
}

// finish implements finisher.
func (e *geminiEvents) finish(out []delta) []delta {
	if len(e.stops) == 0 {
		return out
	}
	for _, c := range e.stops {
		if c.stop == noStop {
			return out // cut short
		}
	}
	for _, c := range e.stops {
		if c.stop == stopEnd && c.called {
			c.stop = stopTool
		}
		out = append(out, delta{kind: deltaStop, choice: c.index, stop: c.stop})
	}
	return append(out, delta{kind: deltaEnd})
}
