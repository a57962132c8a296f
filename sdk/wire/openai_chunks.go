package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// openAIChunks writes a stream as the chunks of a chat completion.
type openAIChunks struct {
	stamp   *stamp
	head    []byte // of every chunk, up to its choices
	choices []chunkChoice
	at      int // the choice at hand
}

// chunkChoice is one candidate of the answer.
type chunkChoice struct {
	begun   bool
	argued  int // number of the tool call that has had arguments, plus one
	thought int // index of the reasoning at hand
	stopped bool
}

// maxChoices bounds the candidates of an answer: the most that OpenAI gives.
const maxChoices = 128

func newOpenAIChunks(s *stamp) *openAIChunks { return &openAIChunks{stamp: s} }

// openAISteps writes one delta each, in the order of deltaKind.
var openAISteps = [...]func(*openAIChunks, []byte, *delta, *Usage) []byte{
	deltaStart:    (*openAIChunks).start,
	deltaText:     (*openAIChunks).text,
	deltaRefusal:  (*openAIChunks).refusal,
	deltaThinking: (*openAIChunks).thinking,
	deltaSeal:     (*openAIChunks).seal,
	deltaSealed:   (*openAIChunks).sealed,
	deltaTool:     (*openAIChunks).tool,
	deltaToolArgs: (*openAIChunks).toolArgs,
	deltaToolEnd:  (*openAIChunks).toolEnd,
	deltaStop:     (*openAIChunks).stop,
	deltaEnd:      (*openAIChunks).end,
}

func (w *openAIChunks) write(dst []byte, d *delta, u *Usage) ([]byte, *Error) {
	switch {
	case w.head == nil && d.kind != deltaStart:
		return dst, badAnswer("stream does not begin with its first event")
	case w.head != nil && d.kind == deltaStart:
		return dst, badAnswer("stream begins twice")
	case d.kind == deltaEnd && !w.stopped():
		return dst, badAnswer("stream ended without a reason to stop: the answer is incomplete")
	case d.choice < 0 || d.choice >= maxChoices:
		return dst, badAnswer("answer has too many candidates")
	}
	if d.kind != deltaStart && d.kind != deltaEnd {
		dst = w.choose(dst, d.choice)
	}
	return openAISteps[d.kind](w, dst, d, u), nil
}

// stopped reports whether every candidate has.
func (w *openAIChunks) stopped() bool {
	for i := range w.choices {
		if w.choices[i].begun && !w.choices[i].stopped {
			return false
		}
	}
	return w.choices[0].stopped
}

// choose turns to a candidate, and begins it.
func (w *openAIChunks) choose(dst []byte, choice int) []byte {
	for len(w.choices) <= choice {
		w.choices = append(w.choices, chunkChoice{})
	}
	if w.at = choice; w.choices[choice].begun {
		return dst
	}
	w.choices[choice].begun = true
	return w.close(append(w.open(dst), `"role":"assistant","content":""`...))
}

func (w *openAIChunks) open(dst []byte) []byte {
	dst = append(dst, w.head...)
	dst = append(dst, `[{"index":`...)
	dst = appendInt(dst, int64(w.at))
	return append(dst, `,"delta":{`...)
}

func (w *openAIChunks) close(dst []byte) []byte {
	return append(dst, "},\"finish_reason\":null}]}\n\n"...)
}

func (w *openAIChunks) start(dst []byte, d *delta, _ *Usage) []byte {
	id := d.id
	if len(id) == 0 {
		id = w.stamp.id("chatcmpl-")
	}
	h := appendRaw([]byte(`data: {"id":`), id)
	h = append(h, `,"object":"chat.completion.chunk","created":`...)
	h = appendInt(h, w.stamp.created)
	h = append(h, `,"model":`...)
	h = lex.AppendString(h, w.stamp.model)
	w.head = append(h, `,"choices":`...)
	return w.choose(dst, 0)
}

func (w *openAIChunks) text(dst []byte, d *delta, _ *Usage) []byte {
	dst = append(w.open(dst), `"content":`...)
	dst = appendRaw(dst, d.text)
	if len(d.logprobs) <= 2 { // nil or []
		return w.close(dst)
	}
	dst = appendChoiceLogprobs(append(dst, '}'), d.logprobs)
	return append(dst, ",\"finish_reason\":null}]}\n\n"...)
}

// appendChoiceLogprobs appends a choice's logprobs.
func appendChoiceLogprobs(dst, content []byte) []byte {
	dst = append(dst, `,"logprobs":{"content":`...)
	return append(append(dst, content...), `,"refusal":null}`...)
}

func (w *openAIChunks) refusal(dst []byte, d *delta, _ *Usage) []byte {
	dst = append(w.open(dst), `"refusal":`...)
	return w.close(appendRaw(dst, d.text))
}

// thinking writes reasoning twice, see appendOpenAIThought.
func (w *openAIChunks) thinking(dst []byte, d *delta, _ *Usage) []byte {
	dst = append(w.open(dst), `"reasoning_content":`...)
	dst = appendRaw(dst, d.text)
	if d.seal.format == nil { // plain: there is nothing to send back but the text
		return w.close(dst)
	}
	return w.detail(append(dst, ','), "text", d.text, d.seal)
}

func (w *openAIChunks) detail(dst []byte, typ string, text raw, s seal) []byte {
	dst = append(dst, `"reasoning_details":[`...)
	dst = appendDetail(dst, typ, text, s, w.choices[w.at].thought)
	return w.close(append(dst, ']'))
}

func (w *openAIChunks) seal(dst []byte, d *delta, _ *Usage) []byte {
	dst = w.detail(w.open(dst), "text", nil, d.seal)
	w.choices[w.at].thought++
	return dst
}

func (w *openAIChunks) sealed(dst []byte, d *delta, _ *Usage) []byte {
	dst = w.detail(w.open(dst), "encrypted", nil, d.seal)
	w.choices[w.at].thought++
	return dst
}

func (w *openAIChunks) tool(dst []byte, d *delta, _ *Usage) []byte {
	dst = append(w.open(dst), `"tool_calls":[{"index":`...)
	dst = appendInt(dst, int64(d.tool))
	dst = appendRawMember(dst, "id", d.id)
	dst = append(dst, `,"type":"function","function":{"name":`...)
	dst = appendRaw(dst, d.name)
	return w.close(append(dst, `,"arguments":""}}]`...))
}

func (w *openAIChunks) toolArgs(dst []byte, d *delta, _ *Usage) []byte {
	w.choices[w.at].argued = d.tool + 1
	dst = append(w.open(dst), `"tool_calls":[{"index":`...)
	dst = appendInt(dst, int64(d.tool))
	dst = append(dst, `,"function":{"arguments":`...)
	return w.close(append(appendRaw(dst, d.text), "}}]"...))
}

// toolEnd writes the arguments of a call that had none: clients parse them.
func (w *openAIChunks) toolEnd(dst []byte, d *delta, u *Usage) []byte {
	if w.choices[w.at].argued > d.tool {
		return dst
	}
	return w.toolArgs(dst, &delta{tool: d.tool, text: raw("{}")}, u)
}

func (w *openAIChunks) stop(dst []byte, d *delta, _ *Usage) []byte {
	w.choices[w.at].stopped = true
	dst = append(w.open(dst), `},"finish_reason":"`...)
	dst = append(dst, finishOf[d.stop]...)
	return append(dst, "\"}]}\n\n"...)
}

func (w *openAIChunks) end(dst []byte, _ *delta, u *Usage) []byte {
	if w.stamp.includeUsage {
		dst = append(dst, w.head...)
		dst = append(dst, `[],"usage":`...)
		dst = append(appendOpenAIUsage(dst, u), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}
