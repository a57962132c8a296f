package wire

import (
	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

func responsesCodec() *codec {
	return &codec{
		dialect:     OpenAIResponses,
		readRequest: readResponsesRequest, writeRequest: appendResponsesRequest,
		readAnswer: readResponsesAnswer, writeAnswer: appendResponsesAnswer,
		newReader: func() eventReader { return &responsesEvents{} },
		newWriter: func(s *stamp) deltaWriter { return &responsesStream{stamp: s} },
	}
}

// responseHead is what a response object says beside its output.
type responseHead struct {
	id     raw
	status []byte // "" where a service leaves it out
	reason []byte // why it is incomplete
	failed []byte // its error, nil: none
	output bool   // it has one
}

// member takes one member, other than output and usage.
func (h *responseHead) member(r *lex.Reader) {
	switch string(r.Name()) {
	case "id":
		h.id, _ = r.Raw()
	case "status":
		h.status = r.Text()
	case "incomplete_details":
		for ok := r.Object() && r.Key(); ok; ok = r.Key() {
			if string(r.Name()) == "reason" {
				h.reason = r.Text()
			}
		}
	case "error":
		if r.Kind() != 'n' {
			h.failed = r.Skip()
		}
	}
}

// stop is why the answer ended; calls says whether it called tools.
func (h *responseHead) stop(calls bool) stopReason {
	switch {
	case string(h.status) == "incomplete" && string(h.reason) == "content_filter":
		return stopRefusal
	case string(h.status) == "incomplete":
		return stopLength
	case calls:
		return stopTool
	}
	return stopEnd
}

// failure is the error of a response that failed or was cancelled, nil if it did not.
func (h *responseHead) failure() *Error {
	if h.failed == nil && string(h.status) != "failed" && string(h.status) != "cancelled" {
		return nil
	}
	return streamError(append(append([]byte(`{"error":`), h.failed...), '}'))
}

// readResponsesAnswer reads a response object.
func readResponsesAnswer(body []byte) (*answer, *Error) {
	r := lex.New(body)
	a := &answer{}
	var h responseHead
	calls := false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "output":
			h.output = r.Kind() == '['
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				it := readOutputItem(&r)
				calls = calls || it.typ == "function_call"
				a.parts = it.appendParts(a.parts)
			}
		case "usage":
			a.reported = openAIUsage(&r, &a.usage)
		default:
			h.member(&r)
		}
	}
	if !r.Done() || !h.output {
		return nil, badAnswer("answer is not a response with output")
	}
	if err := h.failure(); err != nil {
		return nil, err
	}
	a.id, a.stop = h.id, h.stop(calls)
	return a, nil
}

// readOutputItem takes one item. Fields of other types count as absent.
func readOutputItem(r *lex.Reader) (it responsesItem) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type":
			it.typ = string(r.Text())
		case "id":
			it.id, _ = r.Raw()
		case "call_id":
			it.callID, _ = r.Raw()
		case "name":
			it.name, _ = r.Raw()
		case "arguments":
			it.arguments = argumentsOf(r)
		case "content":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				if p := readOutputPart(r); p.kind != noPart {
					it.content = append(it.content, p)
				}
			}
		case "summary":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				p := readOutputPart(r)
				it.summary = joinSummary(it.summary, p.text)
			}
		case "encrypted_content":
			it.encrypted, _ = r.Raw()
		}
	}
	return it
}

// readOutputPart takes a part of a message, of a summary or of raw reasoning.
func readOutputPart(r *lex.Reader) (p part) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type":
			switch string(r.Text()) {
			case "output_text", "text", "reasoning_text", "summary_text":
				p.kind = textPart
			case "refusal":
				p.kind = refusalPart
			}
		case "text", "refusal":
			p.text, _ = r.Raw()
		case "logprobs":
			p.logprobs = readLogprobs(r)
		}
	}
	return p
}

// readLogprobs takes an array of them, nil for an empty one.
func readLogprobs(r *lex.Reader) []byte {
	if r.Kind() != '[' {
		r.Skip()
		return nil
	}
	if list := r.Skip(); len(list) > 2 {
		return compact(list)
	}
	return nil
}

// appendParts appends what the item is in the canonical form; calls of tools
// that the upstream ran itself are nothing.
func (it *responsesItem) appendParts(parts []part) []part {
	switch it.typ {
	case "message":
		for _, p := range it.content {
			if len(p.text) > 0 {
				parts = append(parts, p)
			}
		}
	case "function_call":
		p := part{kind: toolCallPart, id: it.callID, name: it.name, json: it.arguments}
		if len(p.id) == 0 {
			p.id = it.id
		}
		if p.json == nil {
			p.json = []byte("{}")
		}
		parts = append(parts, p)
	case "reasoning":
		if p := it.reasoning(); p.kind != noPart {
			parts = append(parts, p)
		}
	}
	return parts
}
