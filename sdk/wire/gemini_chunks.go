package wire

import (
	"bytes"
	"slices"
)

// geminiChunks writes a stream as chunks that are each a whole
// GenerateContentResponse. The dialect has no form for a part of a function
// call: calls are held until they are whole.
type geminiChunks struct {
	stamp *stamp
	tail  []byte // of every chunk: modelVersion and responseId
	calls []heldCall
	seals []heldSeal
	stops []geminiStop
	held  int // bytes
}

// heldCall is a function call that is being streamed.
type heldCall struct {
	choice, tool   int
	id, name, args []byte
}

// heldSeal is a signature of Gemini's own whose call has not come yet.
type heldSeal struct{ id, value []byte }

func newGeminiChunks(s *stamp) *geminiChunks { return &geminiChunks{stamp: s} }

// maxHeld bounds the bytes that wait.
const maxHeld = 8 << 20

// geminiSteps writes one delta each.
var geminiSteps = [...]func(*geminiChunks, []byte, *delta, *Usage) []byte{
	deltaStart:    (*geminiChunks).start,
	deltaText:     (*geminiChunks).text,
	deltaRefusal:  (*geminiChunks).text,
	deltaThinking: (*geminiChunks).thinking,
	deltaSeal:     (*geminiChunks).seal,
	deltaSealed:   (*geminiChunks).sealed,
	deltaTool:     (*geminiChunks).tool,
	deltaToolArgs: (*geminiChunks).toolArgs,
	deltaToolEnd:  (*geminiChunks).toolEnd,
	deltaStop:     (*geminiChunks).stop,
	deltaEnd:      (*geminiChunks).end,
}

func (w *geminiChunks) write(dst []byte, d *delta, u *Usage) ([]byte, *Error) {
	switch {
	case w.tail == nil && d.kind != deltaStart:
		return dst, badAnswer("stream does not begin with its first event")
	case w.tail != nil && d.kind == deltaStart:
		return dst, badAnswer("stream begins twice")
	case d.kind == deltaEnd && len(w.stops) == 0:
		return dst, badAnswer("stream ended without a reason to stop: the answer is incomplete")
	case w.held > maxHeld:
		return dst, badAnswer("stream has larger tool calls than can be held")
	case len(w.calls) > maxCalls || len(w.seals) > maxCalls:
		return dst, badAnswer("stream has too many tool calls that do not end, or signatures of calls that do not come")
	}
	return geminiSteps[d.kind](w, dst, d, u), nil
}

func (w *geminiChunks) start(dst []byte, d *delta, _ *Usage) []byte {
	w.tail = append(appendGeminiTail(nil, d.id, w.stamp), "}\n\n"...)
	return dst // the first chunk has content
}

// open begins a chunk of one candidate, up to its part.
func (w *geminiChunks) open(dst []byte) []byte {
	return append(dst, `data: {"candidates":[{"content":{"parts":[{`...)
}

func (w *geminiChunks) close(dst []byte, choice int) []byte {
	dst = append(dst, `}],"role":"model"},"index":`...)
	dst = append(appendInt(dst, int64(choice)), "}]"...)
	return append(dst, w.tail...)
}

func (w *geminiChunks) text(dst []byte, d *delta, _ *Usage) []byte {
	dst = append(w.open(dst), `"text":`...)
	dst = appendRaw(dst, d.text)
	if len(d.logprobs) <= len("[]") {
		return w.close(dst, d.choice)
	}
	dst = append(dst, `}],"role":"model"}`...)
	dst = append(appendGeminiLogprobs(dst, d.logprobs), `,"index":`...)
	dst = append(appendInt(dst, int64(d.choice)), "}]"...)
	return append(dst, w.tail...)
}

func (w *geminiChunks) thinking(dst []byte, d *delta, _ *Usage) []byte {
	dst = append(w.open(dst), `"text":`...)
	dst = append(appendRaw(dst, d.text), `,"thought":true`...)
	return w.close(dst, d.choice)
}

func (w *geminiChunks) seal(dst []byte, d *delta, _ *Usage) []byte {
	return w.signature(dst, d, openMark, true)
}

func (w *geminiChunks) signature(dst []byte, d *delta, mark string, thought bool) []byte {
	dst = append(w.open(dst), `"text":""`...)
	if thought {
		dst = append(dst, `,"thought":true`...)
	}
	dst = append(dst, `,"thoughtSignature":"`...)
	dst = append(appendGeminiSignature(dst, d.seal, mark), '"')
	return w.close(dst, d.choice)
}

func (w *geminiChunks) sealed(dst []byte, d *delta, _ *Usage) []byte {
	own := bytes.Equal(d.seal.format, sealGemini)
	if own && len(d.seal.id) > 0 {
		w.held += len(d.seal.id) + len(d.seal.value)
		w.seals = append(w.seals, heldSeal{bytes.Clone(d.seal.id), bytes.Clone(d.seal.value)})
		return dst
	}
	return w.signature(dst, d, sealedMark, !own)
}

func (w *geminiChunks) tool(dst []byte, d *delta, _ *Usage) []byte {
	w.held += len(d.id) + len(d.name)
	w.calls = append(w.calls, heldCall{choice: d.choice, tool: d.tool, id: bytes.Clone(d.id), name: bytes.Clone(d.name)})
	return dst
}

func (w *geminiChunks) toolArgs(dst []byte, d *delta, _ *Usage) []byte {
	w.held += len(d.text)
	for i := len(w.calls) - 1; i >= 0; i-- {
		if c := &w.calls[i]; c.tool == d.tool && c.choice == d.choice {
			c.args = append(c.args, d.text...)
			break
		}
	}
	return dst
}

func (w *geminiChunks) toolEnd(dst []byte, d *delta, _ *Usage) []byte {
	for i := range w.calls {
		if c := &w.calls[i]; c.tool == d.tool && c.choice == d.choice {
			dst = w.call(dst, c)
			w.calls = append(w.calls[:i], w.calls[i+1:]...)
			break
		}
	}
	return dst
}

// call writes a whole call.
func (w *geminiChunks) call(dst []byte, c *heldCall) []byte {
	w.held -= len(c.args) + len(c.id) + len(c.name)
	dst = append(w.open(dst), `"functionCall":{"id":`...)
	dst = appendRaw(dst, c.id)
	dst = appendRawMember(dst, "name", c.name)
	dst = append(appendJSON(dst, "args", geminiArgs(c.args)), '}')
	for i, s := range w.seals {
		if bytes.Equal(s.id, c.id) {
			dst = appendRawMember(dst, "thoughtSignature", s.value)
			w.held -= len(s.id) + len(s.value)
			w.seals = slices.Delete(w.seals, i, i+1)
			break
		}
	}
	return w.close(dst, c.choice)
}

func (w *geminiChunks) stop(dst []byte, d *delta, _ *Usage) []byte {
	rest := w.calls[:0]
	for i := range w.calls {
		if c := w.calls[i]; c.choice == d.choice {
			dst = w.call(dst, &c)
		} else {
			rest = append(rest, c)
		}
	}
	w.calls = rest
	for i := range w.stops {
		if w.stops[i].index == d.choice {
			w.stops[i].stop = d.stop
			return dst
		}
	}
	w.stops = append(w.stops, geminiStop{index: d.choice, stop: d.stop})
	return dst
}

// end writes the last chunk: why each candidate stopped, and the usage.
func (w *geminiChunks) end(dst []byte, _ *delta, u *Usage) []byte {
	dst = append(dst, `data: {"candidates":[`...)
	for i, c := range w.stops {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"`...)
		dst = append(append(dst, geminiFinish[c.stop]...), `","index":`...)
		dst = append(appendInt(dst, int64(c.index)), '}')
	}
	dst = append(dst, `],"usageMetadata":`...)
	dst = appendGeminiUsage(dst, u)
	return append(dst, w.tail...)
}
