package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// cohereEvents reads the events of a streamed chat.
type cohereEvents struct {
	calls int // tool calls begun; one ends before the next begins
}

// cohereEvent is what one event holds; it is gathered first, since members
// come in any order.
type cohereEvent struct {
	typ      []byte
	id       raw
	plan     raw
	text     raw
	thinking raw
	callID   raw
	name     raw
	args     raw
	fault    raw
	reason   []byte
	bare     raw // a message outside of any event: an error
}

func (e *cohereEvents) read(name string, data []byte, out []delta, u *Usage) ([]delta, bool, *Error) {
	if len(data) == 0 || string(data) == "[DONE]" {
		return out, false, nil
	}
	var ev cohereEvent
	known, ok := ev.gather(data, u)
	switch {
	case !ok:
		return out, known, badAnswer("stream has an event that is not JSON")
	case len(ev.typ) == 0 && ev.bare != nil:
		return out, known, streamError(data)
	case len(ev.typ) == 0:
		ev.typ = []byte(name)
	}
	switch string(ev.typ) {
	case "message-start":
		out = append(out, delta{kind: deltaStart, id: ev.id})
	case "content-start", "content-delta":
		out = appendPlain(out, deltaThinking, ev.thinking)
		out = appendPlain(out, deltaText, ev.text)
	case "tool-plan-delta":
		out = appendPlain(out, deltaThinking, ev.plan)
	case "tool-call-start":
		out = e.start(&ev, data, out)
	case "tool-call-delta":
		if len(ev.args) > 0 && e.calls > 0 {
			out = append(out, delta{kind: deltaToolArgs, tool: e.calls - 1, text: ev.args})
		}
	case "tool-call-end":
		if e.calls > 0 {
			out = append(out, delta{kind: deltaToolEnd, tool: e.calls - 1})
		}
	case "message-end":
		if cohereBroke(ev.reason) || len(ev.fault) > 0 {
			return out, known, cohereBroken(ev.fault)
		}
		if stop := stopOfCohere(ev.reason); stop != noStop {
			out = append(out, delta{kind: deltaStop, stop: stop})
		}
		out = append(out, delta{kind: deltaEnd})
	}
	return out, known, nil
}

// appendPlain appends a step of text, if there is any.
func appendPlain(out []delta, kind deltaKind, text raw) []delta {
	if len(text) == 0 {
		return out
	}
	return append(out, delta{kind: kind, text: text})
}

func (e *cohereEvents) start(ev *cohereEvent, data []byte, out []delta) []delta {
	id := ev.callID
	if len(id) == 0 {
		id = callID(data, e.calls)
	}
	out = append(out, delta{kind: deltaTool, tool: e.calls, id: id, name: ev.name})
	if len(ev.args) > 0 {
		out = append(out, delta{kind: deltaToolArgs, tool: e.calls, text: ev.args})
	}
	e.calls++
	return out
}

// gather reads an event; ok is false when it is not JSON.
func (ev *cohereEvent) gather(data []byte, u *Usage) (known, ok bool) {
	r := lex.New(data)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type":
			ev.typ = r.Text()
		case "id":
			ev.id, _ = r.Raw()
		case "message":
			ev.bare, _ = r.Raw()
		case "delta":
			known = ev.delta(&r, u) || known
		}
	}
	return known, r.Done()
}

func (ev *cohereEvent) delta(r *lex.Reader, u *Usage) (known bool) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "message":
			ev.message(r)
		case "finish_reason":
			ev.reason = r.Text()
		case "error":
			ev.fault, _ = r.Raw()
		case "usage":
			known = cohereUsage(r, u) || known
		}
	}
	return known
}

func (ev *cohereEvent) message(r *lex.Reader) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "tool_plan":
			ev.plan, _ = r.Raw()
		case "content":
			if p := cohereContent(r); p.kind == thinkingPart {
				ev.thinking = p.text
			} else {
				ev.text = p.text
			}
		case "tool_calls":
			ev.call(r)
		}
	}
}

func (ev *cohereEvent) call(r *lex.Reader) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "id":
			ev.callID, _ = r.Raw()
		case "function":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "name":
					ev.name, _ = r.Raw()
				case "arguments":
					ev.args, _ = r.Raw()
				}
			}
		}
	}
}
