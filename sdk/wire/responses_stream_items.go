package wire

import (
	"bytes"
	"slices"
)

// maxLogprobs bounds the logprobs that are kept for the end of a message.
const maxLogprobs = 8 << 20

func (w *responsesStream) text(dst []byte, d *delta, _ *Usage) []byte {
	k := textPart
	if d.kind == deltaRefusal {
		k = refusalPart
	}
	dst = w.ensureMessage(dst, k)
	n := w.open - 1
	it := &w.list[n]
	it.text = append(it.text, d.text...)
	if k == refusalPart {
		dst = append(w.within(dst, "response.refusal.delta", n), `,"delta":"`...)
		return append(append(dst, d.text...), "\"}\n\n"...)
	}
	it.keepLogprobs(d.logprobs)
	dst = append(w.within(dst, "response.output_text.delta", n), `,"delta":"`...)
	dst = append(append(dst, d.text...), `","logprobs":`...)
	return append(appendLogprobs(dst, d.logprobs), eventEnd...)
}

func (it *streamItem) keepLogprobs(array []byte) {
	if len(array) <= 2 || len(it.logprobs)+len(array) > maxLogprobs {
		return
	}
	if it.logprobs != nil {
		it.logprobs = append(it.logprobs, ',')
	}
	it.logprobs = append(it.logprobs, array[1:len(array)-1]...)
}

// ensureMessage opens a message with a part of kind k unless they are open.
func (w *responsesStream) ensureMessage(dst []byte, k kind) []byte {
	if w.open == 0 || w.list[w.open-1].kind != textPart {
		dst = w.close(dst, "completed")
		dst = w.add(dst, streamItem{kind: textPart}, "msg_", func(dst []byte) []byte {
			return append(dst, `,"type":"message","status":"in_progress","role":"assistant","content":[]`...)
		})
		w.open = len(w.list)
	}
	n := w.open - 1
	it := &w.list[n]
	if it.part == k {
		return dst
	}
	dst = w.endPart(dst, n)
	it.part = k
	it.parts++
	dst = append(w.within(dst, "response.content_part.added", n), `,"part":`...)
	return append(appendOutputPart(dst, k, nil, nil), eventEnd...)
}

// endPart ends the part at hand of message n, if any.
func (w *responsesStream) endPart(dst []byte, n int) []byte {
	it := &w.list[n]
	var logprobs []byte
	switch it.part {
	case noPart:
		return dst
	case refusalPart:
		dst = append(w.within(dst, "response.refusal.done", n), `,"refusal":`...)
		dst = appendRaw(dst, it.text)
	default:
		if it.logprobs != nil {
			logprobs = append(append([]byte{'['}, it.logprobs...), ']')
		}
		dst = append(w.within(dst, "response.output_text.done", n), `,"text":`...)
		dst = append(appendRaw(dst, it.text), `,"logprobs":`...)
		dst = appendLogprobs(dst, logprobs)
	}
	dst = append(dst, eventEnd...)
	if len(it.finished) > 0 {
		it.finished = append(it.finished, ',')
	}
	from := len(it.finished)
	it.finished = appendOutputPart(it.finished, it.part, it.text, logprobs)
	dst = append(w.within(dst, "response.content_part.done", n), `,"part":`...)
	dst = append(append(dst, it.finished[from:]...), eventEnd...)
	it.text, it.logprobs, it.part = nil, nil, noPart
	return dst
}

func (w *responsesStream) endMessage(dst []byte, n int) []byte {
	dst = w.endPart(dst, n)
	item := w.items.messageHead([]byte{'{'}, w.items.status)
	item = append(item, w.list[n].finished...)
	w.list[n].finished = nil
	return w.end1(dst, n, append(item, "]}"...))
}

func (w *responsesStream) thinking(dst []byte, d *delta, _ *Usage) []byte {
	dst = w.ensureReasoning(dst, d.seal)
	n := w.open - 1
	it := &w.list[n]
	if it.parts == 0 {
		it.parts = 1
		dst = w.summarized(dst, "response.reasoning_summary_part.added", n)
		dst = append(dst, `,"part":{"type":"summary_text","text":""}}`+"\n\n"...)
	}
	it.text = append(it.text, d.text...)
	dst = append(w.summarized(dst, "response.reasoning_summary_text.delta", n), `,"delta":"`...)
	return append(append(dst, d.text...), "\"}\n\n"...)
}

func (w *responsesStream) ensureReasoning(dst []byte, s seal) []byte {
	if w.open > 0 && w.list[w.open-1].kind == thinkingPart {
		return dst
	}
	dst = w.close(dst, "completed")
	it := streamItem{kind: thinkingPart, seal: seal{format: bytes.Clone(s.format), id: bytes.Clone(s.id)}}
	if len(s.id) > 0 && bytes.Equal(s.format, sealResponses) {
		it.id = it.seal.id
	}
	dst = w.add(dst, it, "rs_", func(dst []byte) []byte {
		return append(dst, `,"type":"reasoning","summary":[]`...)
	})
	w.open = len(w.list)
	return dst
}

func (w *responsesStream) sealing(dst []byte, d *delta, _ *Usage) []byte {
	dst = w.ensureReasoning(dst, d.seal)
	w.list[w.open-1].seal = seal{format: bytes.Clone(d.seal.format), id: bytes.Clone(d.seal.id), value: bytes.Clone(d.seal.value)}
	return w.close(dst, "completed")
}

func (w *responsesStream) sealed(dst []byte, d *delta, u *Usage) []byte {
	return w.sealing(w.close(dst, "completed"), d, u)
}

func (w *responsesStream) endReasoning(dst []byte, n int) []byte {
	it := &w.list[n]
	if it.parts > 0 {
		dst = append(w.summarized(dst, "response.reasoning_summary_text.done", n), `,"text":`...)
		dst = append(appendRaw(dst, it.text), eventEnd...)
		dst = append(w.summarized(dst, "response.reasoning_summary_part.done", n), `,"part":{"type":"summary_text","text":`...)
		dst = append(appendRaw(dst, it.text), "}}\n\n"...)
	}
	p := part{kind: thinkingPart, text: it.text, seal: it.seal}
	return w.end1(dst, n, w.items.reasoning(nil, &p))
}

// callOf is the place in calls of the open call with a number, -1 if there is
// none. The latest is most often the one that is asked for.
func (w *responsesStream) callOf(tool int) int {
	i := len(w.calls) - 1
	for i >= 0 && w.calls[i].tool != tool {
		i--
	}
	return i
}

func (w *responsesStream) tool(dst []byte, d *delta, _ *Usage) []byte {
	dst = w.close(dst, "completed")
	w.calls = append(w.calls, openItem{tool: d.tool, n: len(w.list)})
	it := streamItem{kind: toolCallPart, call: bytes.Clone(d.id), name: bytes.Clone(d.name)}
	return w.add(dst, it, "fc_", func(dst []byte) []byte {
		dst = append(dst, `,"type":"function_call","status":"in_progress"`...)
		dst = appendRawMember(dst, "call_id", it.call)
		dst = appendRawMember(dst, "name", it.name)
		return append(dst, `,"arguments":""`...)
	})
}

func (w *responsesStream) toolArgs(dst []byte, d *delta, _ *Usage) []byte {
	i := w.callOf(d.tool)
	if i < 0 { // white space after its end
		return dst
	}
	n := w.calls[i].n
	it := &w.list[n]
	it.text = append(it.text, d.text...)
	it.json.read(d.text)
	dst = append(w.of(dst, "response.function_call_arguments.delta", n), `,"delta":"`...)
	return append(append(dst, d.text...), "\"}\n\n"...)
}

func (w *responsesStream) toolEnd(dst []byte, d *delta, _ *Usage) []byte {
	i := w.callOf(d.tool)
	if i < 0 {
		return dst
	}
	n := w.calls[i].n
	w.calls = slices.Delete(w.calls, i, i+1)
	return w.endCall(dst, n, "completed")
}

// endCall ends a call that is taken from calls.
func (w *responsesStream) endCall(dst []byte, n int, status string) []byte {
	it := &w.list[n]
	if len(it.text) == 0 { // clients parse them
		it.text = []byte("{}")
	}
	dst = append(w.of(dst, "response.function_call_arguments.done", n), `,"arguments":`...)
	dst = append(appendRaw(dst, it.text), eventEnd...)
	w.items.n, w.items.status = n, status
	return w.end1(dst, n, w.items.call(nil, it.call, it.name, it.text))
}
