package wire

import (
	"hash/fnv"
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

func openAIChatCodec() *codec {
	return &codec{
		dialect:     OpenAIChat,
		readRequest: readOpenAIRequest, writeRequest: appendOpenAIRequest,
		readAnswer: readOpenAIAnswer, writeAnswer: appendOpenAIAnswer,
		newReader: func() eventReader { return &openAIEvents{} },
		newWriter: func(s *stamp) deltaWriter { return newOpenAIChunks(s) },
		several:   true,
	}
}

func stopOfFinish(reason []byte) stopReason {
	switch string(reason) {
	case "length":
		return stopLength
	case "tool_calls", "function_call":
		return stopTool
	case "content_filter":
		return stopRefusal
	}
	return stopEnd
}

var finishOf = [...]string{noStop: "stop", stopEnd: "stop", stopLength: "length", stopSequence: "stop", stopTool: "tool_calls", stopRefusal: "content_filter"}

// readOpenAIAnswer reads a chat.completion.
func readOpenAIAnswer(body []byte) (*answer, *Error) {
	r := lex.New(body)
	a := &answer{}
	found := false // the first choice
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "id":
			a.id, _ = r.Raw()
		case "choices":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				switch {
				case r.Kind() != '{':
				case !found:
					openAIChoice(&r, a, body)
					found = true
				case len(a.others) < maxChoices-1:
					a.others = append(a.others, answer{})
					openAIChoice(&r, &a.others[len(a.others)-1], body)
				}
			}
		case "usage":
			a.reported = openAIUsage(&r, &a.usage)
		}
	}
	if !r.Done() || !found {
		return nil, badAnswer("answer is not a chat completion with a choice")
	}
	return a, nil
}

func openAIChoice(r *lex.Reader, a *answer, body []byte) {
	var logprobs []byte
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "finish_reason":
			a.stop = stopOfFinish(r.Text())
		case "message":
			openAIAnswerMessage(r, a, body)
		case "logprobs":
			logprobs = openAILogprobs(r)
		}
	}
	for i := range a.parts {
		switch p := &a.parts[i]; p.kind {
		case toolCallPart:
			if a.stop == stopEnd { // some services say "stop"
				a.stop = stopTool
			}
		case textPart:
			p.logprobs = logprobs
		}
	}
}

// openAILogprobs takes a choice's logprobs: those of its content.
func openAILogprobs(r *lex.Reader) (content []byte) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) == "content" {
			content = readLogprobs(r)
		}
	}
	return content
}

func openAIAnswerMessage(r *lex.Reader, a *answer, body []byte) {
	var plain, text, refusal raw
	var details, calls []part
	ids := callIDs{from: body}
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "content":
			text, _ = r.Raw()
		case "refusal":
			refusal, _ = r.Raw()
		case "reasoning_content", "reasoning":
			if s, ok := r.Raw(); ok {
				plain = s
			}
		case "reasoning_details":
			details = readDetails(r)
		case "tool_calls":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				calls = append(calls, openAICall(r, &ids, len(calls)))
			}
		}
	}
	a.parts = append(a.parts, openAIThinking(plain, details)...)
	if len(text) > 0 {
		a.parts = append(a.parts, part{kind: textPart, text: text})
	}
	if len(refusal) > 0 {
		a.parts = append(a.parts, part{kind: refusalPart, text: refusal})
	}
	a.parts = append(a.parts, calls...)
}

// openAICall reads a complete tool call. Arguments that are not an object (cut
// short by the token limit, or the model's mistake) are kept as text within one.
func openAICall(r *lex.Reader, ids *callIDs, n int) part {
	p := part{kind: toolCallPart, json: []byte("{}")}
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "id":
			p.id, _ = r.Raw()
		case "function":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "name":
					p.name, _ = r.Raw()
				case "arguments":
					p.json = argumentsOf(r)
				}
			}
		}
	}
	if len(p.id) == 0 {
		p.id = ids.id(n)
	}
	return p
}

func argumentsOf(r *lex.Reader) []byte {
	if r.Kind() == '{' { // some services forget to write it as a string
		return r.Skip()
	}
	text := r.Text()
	switch {
	case len(text) == 0:
		return []byte("{}")
	case isObject(text):
		return text
	}
	return append(lex.AppendString([]byte(`{"unparsed_arguments":`), text), '}')
}

// callID makes the id of the nth tool call of an answer that gives none: the
// same for the same bytes, another for others.
func callID(from []byte, n int) raw { return (&callIDs{from: from}).id(n) }

// callIDs makes the ids of several calls of one answer, whose bytes are summed
// up once.
type callIDs struct {
	from []byte
	sum  uint64
}

func (c *callIDs) id(n int) raw {
	if c.from != nil {
		h := fnv.New64a()
		_, _ = h.Write(c.from)
		c.sum, c.from = h.Sum64(), nil
	}
	return strconv.AppendInt(strconv.AppendUint([]byte("call_"), c.sum, 36), int64(n), 10)
}

// appendOpenAIAnswer appends a as a chat.completion.
func appendOpenAIAnswer(dst []byte, a *answer, s *stamp) []byte {
	if len(a.id) == 0 {
		a.id = s.id("chatcmpl-")
	}
	dst = append(dst, `{"id":`...)
	dst = appendRaw(dst, a.id)
	dst = append(dst, `,"object":"chat.completion","created":`...)
	dst = appendInt(dst, s.created)
	dst = append(dst, `,"model":`...)
	dst = lex.AppendString(dst, s.model)
	dst = append(dst, `,"choices":[`...)
	dst = appendOpenAIChoice(dst, a, 0)
	for i := range a.others {
		dst = appendOpenAIChoice(append(dst, ','), &a.others[i], i+1)
	}
	dst = append(dst, `],"usage":`...)
	dst = appendOpenAIUsage(dst, &a.usage)
	return append(dst, '}')
}

// appendOpenAIChoice appends one candidate of an answer.
func appendOpenAIChoice(dst []byte, a *answer, index int) []byte {
	dst = append(dst, `{"index":`...)
	dst = appendInt(dst, int64(index))
	dst = append(dst, `,"message":{"role":"assistant","content":`...)
	var calls, thought []part
	var logprobs []byte
	texts, from := 0, len(dst)
	dst = append(dst, '"')
	for i := range a.parts {
		switch p := &a.parts[i]; p.kind {
		case textPart:
			texts++
			dst = append(dst, p.text...)
			logprobs = joinLogprobs(logprobs, p.logprobs)
		case toolCallPart:
			calls = append(calls, *p)
		case thinkingPart, sealedPart:
			thought = append(thought, *p)
		}
	}
	if dst = append(dst, '"'); texts == 0 && (len(calls) > 0 || a.stop == stopRefusal) {
		dst = append(dst[:from], "null"...)
	}
	dst = appendOpenAIRefusal(dst, a)
	dst = appendOpenAIThought(dst, thought)
	dst = append(appendToolCalls(dst, calls), '}')
	if logprobs != nil {
		dst = appendChoiceLogprobs(dst, logprobs)
	} else {
		dst = append(dst, `,"logprobs":null`...)
	}
	dst = append(dst, `,"finish_reason":"`...)
	dst = append(dst, finishOf[a.stop]...)
	return append(dst, `"}`...)
}

// joinLogprobs joins two arrays; the first is not copied.
func joinLogprobs(a, b []byte) []byte {
	switch {
	case len(b) <= 2: // nil or []
		return a
	case a == nil:
		return b
	}
	out := append(make([]byte, 0, len(a)+len(b)), a[:len(a)-1]...)
	return append(append(out, ','), b[1:]...)
}

func appendOpenAIRefusal(dst []byte, a *answer) []byte {
	for i := range a.parts {
		if p := &a.parts[i]; p.kind == refusalPart {
			return appendRawMember(dst, "refusal", p.text)
		}
	}
	return append(dst, `,"refusal":null`...)
}

// appendOpenAIThought appends reasoning twice, as its readers are of two
// kinds: reasoning_content for showing, reasoning_details for sending it back.
func appendOpenAIThought(dst []byte, thought []part) []byte {
	mark := len(dst)
	dst = append(dst, `,"reasoning_content":"`...)
	from := len(dst)
	for i := range thought {
		dst = append(dst, thought[i].text...)
	}
	if len(dst) == from {
		dst = dst[:mark]
	} else {
		dst = append(dst, '"')
	}
	sealed := thought[:0:0]
	for _, p := range thought {
		if p.seal.format != nil { // else there is nothing to send back but the text
			sealed = append(sealed, p)
		}
	}
	return appendDetails(dst, sealed)
}

func appendOpenAIUsage(dst []byte, u *Usage) []byte {
	dst = append(dst, `{"prompt_tokens":`...)
	dst = appendInt(dst, u.Prompt())
	dst = append(dst, `,"completion_tokens":`...)
	dst = appendInt(dst, u.Completion())
	dst = append(dst, `,"total_tokens":`...)
	dst = appendInt(dst, u.Total())
	dst = append(dst, `,"prompt_tokens_details":{`...)
	dst = appendPromptDetails(dst, u)
	dst = append(dst, `},"completion_tokens_details":{`...)
	dst = appendCompletionDetails(dst, u)
	return append(dst, "}}"...)
}

// appendPromptDetails appends what lies inside the prompt, without a leading comma.
func appendPromptDetails(dst []byte, u *Usage) []byte {
	dst = append(dst, `"cached_tokens":`...)
	dst = appendInt(dst, u.cacheRead())
	dst = append(dst, `,"cache_write_tokens":`...)
	dst = appendInt(dst, u.CacheWrite5m+u.CacheWrite1h)
	dst = appendCount(dst, "audio_tokens", u.AudioInput+u.CacheReadAudio)
	dst = appendCount(dst, "image_tokens", u.ImageInput+u.CacheReadImage)
	if u.CacheReadAudio+u.CacheReadImage > 0 {
		dst = append(dst, `,"cached_tokens_details":{"audio_tokens":`...)
		dst = appendInt(dst, u.CacheReadAudio)
		dst = append(dst, `,"image_tokens":`...)
		dst = append(appendInt(dst, u.CacheReadImage), '}')
	}
	return dst
}

// appendCompletionDetails appends what lies inside the completion, likewise.
func appendCompletionDetails(dst []byte, u *Usage) []byte {
	dst = append(dst, `"reasoning_tokens":`...)
	dst = appendInt(dst, u.Reasoning)
	dst = appendCount(dst, "audio_tokens", u.AudioOutput)
	return appendCount(dst, "image_tokens", u.ImageOutput)
}

// appendCount appends `,"name":n`; nothing when n is 0.
func appendCount(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return appendInt(appendName(dst, name), n)
}

// cacheRead is what was read from a cache, of any kind.
func (u *Usage) cacheRead() int64 { return u.CacheRead + u.CacheReadAudio + u.CacheReadImage }
