package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// appendResponsesAnswer appends a as a response object.
func appendResponsesAnswer(dst []byte, a *answer, s *stamp) []byte {
	id := a.id
	if len(id) == 0 {
		id = s.id("resp_")
	}
	dst = appendResponseHead(dst, id, s)
	items := answerItems{id: id, status: itemStatus(a.stop)}
	dst = append(dst, `,"output":[`...)
	for i := 0; i < len(a.parts); i++ {
		if items.n > 0 {
			dst = append(dst, ',')
		}
		switch p := &a.parts[i]; p.kind {
		case toolCallPart:
			dst = items.call(dst, p.id, p.name, lex.AppendEscaped(nil, p.json))
		case thinkingPart, sealedPart:
			dst = items.reasoning(dst, p)
		default:
			from := i
			for i+1 < len(a.parts) && (a.parts[i+1].kind == textPart || a.parts[i+1].kind == refusalPart) {
				i++
			}
			dst = items.message(dst, a.parts[from:i+1])
		}
		items.n++
	}
	dst = append(dst, ']')
	return appendResponseTail(dst, a.stop, &a.usage, s)
}

// appendResponseHead appends a response's members that are the same in all of
// its states. The translation keeps nothing of the request, so members that
// repeat it have their defaults.
func appendResponseHead(dst []byte, id raw, s *stamp) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendRaw(dst, id)
	dst = append(dst, `,"object":"response","created_at":`...)
	dst = appendInt(dst, s.created)
	dst = append(dst, `,"model":`...)
	dst = lex.AppendString(dst, s.model)
	return append(dst, `,"background":false,"error":null,"instructions":null,"max_output_tokens":null,"metadata":{},`+
		`"parallel_tool_calls":true,"previous_response_id":null,"temperature":null,"text":{"format":{"type":"text"}},`+
		`"tool_choice":"auto","tools":[],"top_p":null,"truncation":"disabled"`...)
}

// appendResponseTail appends a response's members that say how it ended.
func appendResponseTail(dst []byte, stop stopReason, u *Usage, s *stamp) []byte {
	switch stop {
	case stopLength:
		dst = append(dst, `,"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}`...)
	case stopRefusal:
		dst = append(dst, `,"status":"incomplete","incomplete_details":{"reason":"content_filter"}`...)
	default:
		dst = append(dst, `,"status":"completed","incomplete_details":null,"completed_at":`...)
		dst = appendInt(dst, s.created)
	}
	dst = append(dst, `,"usage":`...)
	return append(appendResponsesUsage(dst, u), '}')
}

func appendResponsesUsage(dst []byte, u *Usage) []byte {
	dst = append(dst, `{"input_tokens":`...)
	dst = appendInt(dst, u.Prompt())
	dst = append(dst, `,"input_tokens_details":{`...)
	dst = appendPromptDetails(dst, u)
	dst = append(dst, `},"output_tokens":`...)
	dst = appendInt(dst, u.Completion())
	dst = append(dst, `,"output_tokens_details":{`...)
	dst = appendCompletionDetails(dst, u)
	dst = append(dst, `},"total_tokens":`...)
	dst = appendInt(dst, u.Total())
	return append(dst, '}')
}

func itemStatus(stop stopReason) string {
	if stop == stopLength || stop == stopRefusal {
		return "incomplete"
	}
	return "completed"
}

// answerItems writes the items of one answer; their ids are the answer's with
// their number.
type answerItems struct {
	id     raw
	n      int
	status string
}

// appendID appends `"id":"<prefix><answer>_<number>"`.
func (w *answerItems) appendID(dst []byte, prefix string) []byte {
	dst = append(dst, `"id":"`...)
	dst = w.appendItemID(dst, prefix)
	return append(dst, '"')
}

func (w *answerItems) appendItemID(dst []byte, prefix string) []byte {
	dst = append(dst, prefix...)
	id := w.id
	if _, after, ok := bytes.Cut(id, []byte("_")); ok {
		id = after
	}
	dst = append(append(dst, id...), '_')
	return appendInt(dst, int64(w.n))
}

func (w *answerItems) message(dst []byte, parts []part) []byte {
	dst = w.messageHead(append(dst, '{'), w.status)
	for i := range parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendOutputPart(dst, parts[i].kind, parts[i].text, parts[i].logprobs)
	}
	return append(dst, "]}"...)
}

// messageHead appends a message's members up to the parts of its content.
func (w *answerItems) messageHead(dst []byte, status string) []byte {
	dst = w.appendID(dst, "msg_")
	dst = append(dst, `,"type":"message","status":"`...)
	dst = append(dst, status...)
	return append(dst, `","role":"assistant","content":[`...)
}

// appendOutputPart appends a part of a message's content.
func appendOutputPart(dst []byte, k kind, text raw, logprobs []byte) []byte {
	if k == refusalPart {
		dst = append(dst, `{"type":"refusal"`...)
		dst = appendRawMember(dst, "refusal", text)
		return append(dst, '}')
	}
	dst = append(dst, `{"type":"output_text"`...)
	dst = appendRawMember(dst, "text", text)
	dst = append(dst, `,"annotations":[],"logprobs":`...)
	return append(appendLogprobs(dst, logprobs), '}')
}

func appendLogprobs(dst, logprobs []byte) []byte {
	if logprobs == nil {
		return append(dst, "[]"...)
	}
	return append(dst, logprobs...)
}

// call appends a function_call; arguments are the characters of a JSON string.
func (w *answerItems) call(dst []byte, id, name, arguments raw) []byte {
	dst = w.appendID(append(dst, '{'), "fc_")
	dst = append(dst, `,"type":"function_call","status":"`...)
	dst = append(dst, w.status...)
	dst = append(dst, '"')
	dst = appendRawMember(dst, "call_id", id)
	dst = appendRawMember(dst, "name", name)
	dst = appendRawMember(dst, "arguments", arguments)
	return append(dst, '}')
}

// reasoning appends a reasoning item: it goes back by its encrypted_content,
// which for reasoning of other makers is their seal.
func (w *answerItems) reasoning(dst []byte, p *part) []byte {
	dst = append(dst, `{"id":"`...)
	if len(p.seal.id) > 0 && bytes.Equal(p.seal.format, sealResponses) {
		dst = append(dst, p.seal.id...)
	} else {
		dst = w.appendItemID(dst, "rs_")
	}
	dst = append(dst, `","type":"reasoning","summary":[`...)
	if len(p.text) > 0 {
		dst = append(dst, `{"type":"summary_text"`...)
		dst = append(appendRawMember(dst, "text", p.text), '}')
	}
	dst = append(dst, `],"encrypted_content":`...)
	if len(p.seal.value) == 0 && (p.seal.format == nil || bytes.Equal(p.seal.format, sealResponses)) {
		return append(dst, "null}"...)
	}
	dst = append(dst, '"')
	dst = appendResponsesSeal(dst, p.seal)
	return append(dst, `"}`...)
}
