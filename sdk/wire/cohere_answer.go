package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

func stopOfCohere(reason []byte) stopReason {
	switch string(reason) {
	case "":
		return noStop
	case "MAX_TOKENS":
		return stopLength
	case "STOP_SEQUENCE":
		return stopSequence
	case "TOOL_CALL":
		return stopTool
	case "ERROR_TOXIC":
		return stopRefusal
	}
	return stopEnd // COMPLETE
}

// cohereBroke reports whether an answer ended by a fault, and is not whole.
func cohereBroke(reason []byte) bool {
	return string(reason) == "ERROR" || string(reason) == "TIMEOUT" || string(reason) == "ERROR_LIMIT"
}

// readCohereAnswer reads the answer of v2/chat.
func readCohereAnswer(body []byte) (*answer, *Error) {
	r := lex.New(body)
	a := &answer{}
	found := false
	var reason []byte
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "id":
			a.id, _ = r.Raw()
		case "message":
			found = r.Kind() == '{'
			cohereMessage(&r, a, body)
		case "finish_reason":
			reason = r.Text()
		case "usage":
			a.reported = cohereUsage(&r, &a.usage)
		}
	}
	switch {
	case !r.Done() || !found:
		return nil, badAnswer("answer is not a chat's, with a message")
	case cohereBroke(reason):
		return nil, cohereBroken(nil)
	}
	a.stop = stopOfCohere(reason)
	return a, nil
}

// cohereMessage reads the message: its plan, then its content, then its calls.
func cohereMessage(r *lex.Reader, a *answer, body []byte) {
	ids := callIDs{from: body}
	var plan raw
	var content, calls []part
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "tool_plan":
			plan, _ = r.Raw()
		case "content":
			if r.Kind() == '"' {
				text, _ := r.Raw()
				content = append(content, part{kind: textPart, text: text})
				continue
			}
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				if p := cohereContent(r); len(p.text) > 0 {
					content = append(content, p)
				}
			}
		case "tool_calls":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				calls = append(calls, openAICall(r, &ids, len(calls)))
			}
		}
	}
	if len(plan) > 0 {
		a.parts = append(a.parts, part{kind: thinkingPart, text: plan})
	}
	a.parts = append(append(a.parts, content...), calls...)
}

// cohereContent takes one piece of content, whose member says what it is.
func cohereContent(r *lex.Reader) (p part) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "text":
			if s, ok := r.Raw(); ok && len(s) > 0 {
				p.kind, p.text = textPart, s
			}
		case "thinking":
			if s, ok := r.Raw(); ok && len(s) > 0 {
				p.kind, p.text = thinkingPart, s
			}
		}
	}
	return p
}

// cohereBroken is the error of an answer that a fault of the service ended.
func cohereBroken(said raw) *Error {
	e := badAnswer("answer ended by a fault of the service")
	e.Class = ClassServer
	if len(said) > 0 {
		e.Message += ": " + string(lex.Unescape(nil, said))
	}
	return e
}
