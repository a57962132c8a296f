package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

func stopOfBedrock(reason []byte) stopReason {
	switch string(reason) {
	case "":
		return noStop
	case "max_tokens", "model_context_window_exceeded":
		return stopLength
	case "stop_sequence":
		return stopSequence
	case "tool_use":
		return stopTool
	case "guardrail_intervened", "content_filtered":
		return stopRefusal
	}
	return stopEnd // end_turn, malformed_model_output, malformed_tool_use
}

// readBedrockAnswer reads the answer of Converse.
func readBedrockAnswer(body []byte) (*answer, *Error) {
	r := lex.New(body)
	a := &answer{}
	found := false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "output":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				if string(r.Name()) == "message" {
					found = bedrockMessage(&r, a) || found
				}
			}
		case "stopReason":
			a.stop = stopOfBedrock(r.Text())
		case "usage":
			a.reported = bedrockUsage(&r, &a.usage)
		}
	}
	if !r.Done() || !found {
		return nil, badAnswer("answer is not Converse's, with a message that has content")
	}
	if a.stop == stopTool && !a.calls() { // the one call stood for an answer in JSON
		a.stop = stopEnd
	}
	return a, nil
}

// calls reports whether the answer calls a tool.
func (a *answer) calls() bool {
	for i := range a.parts {
		if a.parts[i].kind == toolCallPart {
			return true
		}
	}
	return false
}

func bedrockMessage(r *lex.Reader, a *answer) (found bool) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) != "content" {
			continue
		}
		found = r.Kind() == '['
		for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
			if p := bedrockBlock(r); p.kind != noPart {
				a.parts = append(a.parts, p)
			}
		}
	}
	return found
}

// bedrockBlock takes one content block: an object of one member, which says
// what it is.
func bedrockBlock(r *lex.Reader) (p part) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "text":
			if s, ok := r.Raw(); ok {
				p.kind, p.text = textPart, s
			}
		case "toolUse":
			p = bedrockCall(r)
		case "reasoningContent":
			p = bedrockThought(r)
		case "citationsContent":
			p = bedrockCited(r)
		}
	}
	return p
}

func bedrockCall(r *lex.Reader) part {
	p := part{kind: toolCallPart, json: []byte("{}")}
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "toolUseId":
			p.id, _ = r.Raw()
		case "name":
			p.name, _ = r.Raw()
		case "input":
			if r.Kind() == '{' {
				p.json = r.Skip()
			}
		}
	}
	if string(p.name) == formatTool {
		return part{kind: textPart, text: lex.AppendEscaped(nil, p.json)}
	}
	return p
}

func bedrockThought(r *lex.Reader) (p part) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "reasoningText":
			p.kind, p.seal.format = thinkingPart, sealAnthropic
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "text":
					p.text, _ = r.Raw()
				case "signature":
					p.seal.value, _ = r.Raw()
				}
			}
		case "redactedContent":
			p.kind, p.seal.format = sealedPart, sealAnthropic
			p.seal.value, _ = r.Raw()
		}
	}
	return p
}

// bedrockCited takes the text of a block with citations.
func bedrockCited(r *lex.Reader) (p part) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if string(r.Name()) != "content" {
			continue
		}
		for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				if s, ok := r.Raw(); ok && string(r.Name()) == "text" {
					p.kind = textPart
					p.text = append(p.text[:len(p.text):len(p.text)], s...)
				}
			}
		}
	}
	return p
}
