package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// anthropicEvents reads the events of a streamed message.
type anthropicEvents struct {
	open  []openBlock
	calls int            // tool calls begun
	event anthropicEvent // at hand
}

// openBlock is a content block that is being streamed.
type openBlock struct {
	index int64
	kind  kind
	call  int // number of the tool call
}

// anthropicEvent is what one event holds; it is gathered first, since members
// come in any order.
type anthropicEvent struct {
	typ    []byte
	index  int64
	id     raw
	block  part // content_block_start
	change blockDelta
}

// blockDelta is the delta of content_block_delta and of message_delta.
type blockDelta struct {
	typ        []byte
	text       raw // text, thinking or partial_json
	signature  raw
	stopReason []byte
}

// anthropicSteps has the events that matter; ping and what is yet to come are passed over.
var anthropicSteps = map[string]func(*anthropicEvents, *anthropicEvent, []delta) []delta{
	"message_start":       (*anthropicEvents).messageStart,
	"content_block_start": (*anthropicEvents).blockStart,
	"content_block_delta": (*anthropicEvents).blockDelta,
	"content_block_stop":  (*anthropicEvents).blockStop,
	"message_delta":       (*anthropicEvents).messageDelta,
	"message_stop":        (*anthropicEvents).messageStop,
}

func (e *anthropicEvents) read(name string, data []byte, out []delta, u *Usage) ([]delta, bool, *Error) {
	if len(data) == 0 {
		return out, false, nil
	}
	ev := &e.event
	*ev = anthropicEvent{}
	known, ok := ev.gather(data, u)
	switch {
	case name == "error" || string(ev.typ) == "error":
		return out, known, streamError(data)
	case !ok:
		return out, known, badAnswer("stream has an event that is not JSON")
	}
	if step := anthropicSteps[string(ev.typ)]; step != nil {
		out = step(e, ev, out)
	}
	if len(e.open) > maxCalls {
		return out, known, badAnswer("stream has too many content blocks that do not end")
	}
	return out, known, nil
}

// gather reads an event; ok is false when it is not JSON.
func (ev *anthropicEvent) gather(data []byte, u *Usage) (known, ok bool) {
	r := lex.New(data)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type":
			ev.typ = r.Text()
		case "index":
			ev.index, _ = r.Int()
		case "message":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "id":
					ev.id, _ = r.Raw()
				case "usage":
					known = anthropicUsage(&r, u) || known
				}
			}
		case "content_block":
			ev.block = anthropicAnswerBlock(&r)
		case "delta":
			ev.change = readBlockDelta(&r)
		case "usage":
			known = anthropicUsage(&r, u) || known
		}
	}
	return known, r.Done()
}

func readBlockDelta(r *lex.Reader) (d blockDelta) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type":
			d.typ = r.Text()
		case "text", "thinking", "partial_json":
			d.text, _ = r.Raw()
		case "signature":
			d.signature, _ = r.Raw()
		case "stop_reason":
			d.stopReason = r.Text()
		}
	}
	return d
}

func (e *anthropicEvents) messageStart(ev *anthropicEvent, out []delta) []delta {
	return append(out, delta{kind: deltaStart, id: ev.id})
}

func (e *anthropicEvents) blockStart(ev *anthropicEvent, out []delta) []delta {
	b := openBlock{index: ev.index, kind: ev.block.kind}
	switch p := &ev.block; p.kind {
	case textPart:
		out = appendText(out, deltaText, p.text)
	case thinkingPart:
		out = appendText(out, deltaThinking, p.text)
	case sealedPart:
		out = append(out, delta{kind: deltaSealed, seal: p.seal})
	case toolCallPart:
		b.call = e.calls
		e.calls++
		out = append(out, delta{kind: deltaTool, tool: b.call, id: p.id, name: p.name})
		if string(p.json) != "{}" {
			out = append(out, delta{kind: deltaToolArgs, tool: b.call, text: lex.AppendEscaped(nil, p.json)})
		}
	}
	e.open = append(e.open, b)
	return out
}

func appendText(out []delta, kind deltaKind, text raw) []delta {
	if len(text) == 0 {
		return out
	}
	return append(out, delta{kind: kind, text: text, seal: seal{format: sealAnthropic}})
}

func (e *anthropicEvents) blockDelta(ev *anthropicEvent, out []delta) []delta {
	switch string(ev.change.typ) {
	case "text_delta":
		return appendText(out, deltaText, ev.change.text)
	case "thinking_delta":
		return appendText(out, deltaThinking, ev.change.text)
	case "signature_delta":
		return append(out, delta{kind: deltaSeal, seal: seal{format: sealAnthropic, value: ev.change.signature}})
	case "input_json_delta":
		for _, b := range e.open {
			if b.index == ev.index && b.kind == toolCallPart && len(ev.change.text) > 0 {
				return append(out, delta{kind: deltaToolArgs, tool: b.call, text: ev.change.text})
			}
		}
	}
	return out
}

func (e *anthropicEvents) blockStop(ev *anthropicEvent, out []delta) []delta {
	for i, b := range e.open {
		if b.index != ev.index {
			continue
		}
		e.open = append(e.open[:i], e.open[i+1:]...)
		if b.kind == toolCallPart {
			out = append(out, delta{kind: deltaToolEnd, tool: b.call})
		}
		break
	}
	return out
}

func (e *anthropicEvents) messageDelta(ev *anthropicEvent, out []delta) []delta {
	if stop := stopOfAnthropic(ev.change.stopReason); stop != noStop {
		out = append(out, delta{kind: deltaStop, stop: stop})
	}
	return out
}

func (e *anthropicEvents) messageStop(_ *anthropicEvent, out []delta) []delta {
	return append(out, delta{kind: deltaEnd})
}
