package wire

import (
	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

func anthropicCodec() *codec {
	return &codec{
		dialect:     AnthropicMessages,
		readRequest: readAnthropicRequest, writeRequest: appendAnthropicRequest,
		readAnswer: readAnthropicAnswer, writeAnswer: appendAnthropicAnswer,
		newReader: func() eventReader { return &anthropicEvents{} },
		newWriter: func(s *stamp) deltaWriter { return &anthropicBlocks{stamp: s} },
	}
}

func stopOfAnthropic(reason []byte) stopReason {
	switch string(reason) {
	case "":
		return noStop
	case "max_tokens", "model_context_window_exceeded":
		return stopLength
	case "stop_sequence":
		return stopSequence
	case "tool_use":
		return stopTool
	case "refusal":
		return stopRefusal
	}
	return stopEnd // end_turn, pause_turn
}

var anthropicStop = [...]string{noStop: "end_turn", stopEnd: "end_turn", stopLength: "max_tokens", stopSequence: "stop_sequence", stopTool: "tool_use", stopRefusal: "refusal"}

// readAnthropicAnswer reads a message.
func readAnthropicAnswer(body []byte) (*answer, *Error) {
	r := lex.New(body)
	a := &answer{}
	found := false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "id":
			a.id, _ = r.Raw()
		case "content":
			found = r.Kind() == '['
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				if p := anthropicAnswerBlock(&r); p.kind != noPart {
					a.parts = append(a.parts, p)
				}
			}
		case "stop_reason":
			a.stop = stopOfAnthropic(r.Text())
		case "stop_details":
			if s := anthropicExplanation(&r); len(s) > 0 {
				a.parts = append(a.parts, part{kind: refusalPart, text: s})
			}
		case "usage":
			a.reported = anthropicUsage(&r, &a.usage)
		}
	}
	if !r.Done() || !found {
		return nil, badAnswer("answer is not a message with content")
	}
	return a, nil
}

// anthropicExplanation takes stop_details, which say why an answer was refused.
func anthropicExplanation(r *lex.Reader) (s raw) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) == "explanation" {
			s, _ = r.Raw()
		}
	}
	return s
}

// anthropicAnswerBlock takes one content block of an answer, or of its start in a stream.
func anthropicAnswerBlock(r *lex.Reader) (p part) {
	var typ, data, signature []byte
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type":
			typ = r.Text()
		case "text", "thinking": // some writers give both, one of them empty
			if s, _ := r.Raw(); len(s) > 0 {
				p.text = s
			}
		case "signature":
			signature, _ = r.Raw()
		case "data":
			data, _ = r.Raw()
		case "id":
			p.id, _ = r.Raw()
		case "name":
			p.name, _ = r.Raw()
		case "input":
			p.json = r.Skip()
		}
	}
	switch string(typ) {
	case "text":
		p.kind = textPart
	case "thinking":
		p.kind, p.seal = thinkingPart, seal{format: sealAnthropic, value: signature}
	case "redacted_thinking":
		p.kind, p.seal = sealedPart, seal{format: sealAnthropic, value: data}
	case "tool_use":
		p.kind = toolCallPart
		if len(p.json) == 0 || p.json[0] != '{' {
			p.json = []byte("{}")
		}
	}
	return p
}

// appendAnthropicAnswer appends a as a message.
func appendAnthropicAnswer(dst []byte, a *answer, s *stamp) []byte {
	dst = appendAnthropicHead(dst, a.id, s)
	dst = append(dst, `,"content":[`...)
	for i := range a.parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch p := &a.parts[i]; p.kind {
		case toolCallPart:
			dst = append(dst, `{"type":"tool_use"`...)
			dst = appendRawMember(dst, "id", p.id)
			dst = appendRawMember(dst, "name", p.name)
			dst = appendJSON(dst, "input", p.json)
		case thinkingPart:
			dst = append(dst, `{"type":"thinking"`...)
			dst = appendRawMember(dst, "thinking", p.text)
			dst = append(dst, `,"signature":"`...)
			dst = append(appendSeal(dst, p.seal), '"')
		case sealedPart:
			dst = append(dst, `{"type":"redacted_thinking","data":"`...)
			dst = append(appendSeal(dst, p.seal), '"')
		default:
			dst = append(dst, `{"type":"text"`...)
			dst = appendRawMember(dst, "text", p.text)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `],"stop_reason":"`...)
	dst = append(dst, anthropicStop[a.stop]...)
	dst = append(dst, `","stop_sequence":null,"usage":`...)
	dst = appendAnthropicUsage(dst, &a.usage)
	return append(dst, '}')
}

// appendAnthropicHead appends a message's members up to its model.
func appendAnthropicHead(dst []byte, id raw, s *stamp) []byte {
	dst = append(dst, `{"id":`...)
	if len(id) == 0 {
		id = s.id("msg_")
	}
	dst = appendRaw(dst, id)
	dst = append(dst, `,"type":"message","role":"assistant","model":`...)
	return lex.AppendString(dst, s.model)
}

func appendAnthropicUsage(dst []byte, u *Usage) []byte {
	dst = append(dst, `{"input_tokens":`...) // of any kind: the API tells text from pictures by nothing
	dst = appendInt(dst, u.Prompt()-u.cacheRead()-u.CacheWrite5m-u.CacheWrite1h)
	dst = append(dst, `,"cache_creation_input_tokens":`...)
	dst = appendInt(dst, u.CacheWrite5m+u.CacheWrite1h)
	dst = append(dst, `,"cache_read_input_tokens":`...)
	dst = appendInt(dst, u.cacheRead())
	if u.CacheWrite1h > 0 {
		dst = append(dst, `,"cache_creation":{"ephemeral_5m_input_tokens":`...)
		dst = appendInt(dst, u.CacheWrite5m)
		dst = append(dst, `,"ephemeral_1h_input_tokens":`...)
		dst = append(appendInt(dst, u.CacheWrite1h), '}')
	}
	dst = append(dst, `,"output_tokens":`...)
	dst = appendInt(dst, u.Completion())
	if u.Reasoning > 0 {
		dst = append(dst, `,"output_tokens_details":{"thinking_tokens":`...)
		dst = append(appendInt(dst, u.Reasoning), '}')
	}
	return append(dst, '}')
}
