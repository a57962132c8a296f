package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// openAIMessages writes messages one after another.
type openAIMessages struct {
	dst []byte
	q   *request
	n   int
}

func appendOpenAIMessages(dst []byte, q *request) []byte {
	w := openAIMessages{dst: dst, q: q}
	if len(q.system) > 0 {
		w.plain("system", q.system)
	}
	for i := range q.messages {
		switch m := &q.messages[i]; m.role {
		case systemRole:
			w.plain("system", m.parts)
		case assistantRole:
			w.assistant(m.parts)
		default:
			w.user(m.parts)
		}
	}
	return w.dst
}

func (w *openAIMessages) open(role string) {
	if w.n++; w.n > 1 {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(w.dst, `{"role":"`...)
	w.dst = append(w.dst, role...)
	w.dst = append(w.dst, '"')
}

// plain writes a message of text alone.
func (w *openAIMessages) plain(role string, parts []part) {
	w.open(role)
	w.dst = append(w.dst, `,"content":"`...)
	w.text(parts, `\n\n`)
	w.dst = append(w.dst, `"}`...)
}

// text writes the texts of parts and reports the others.
func (w *openAIMessages) text(parts []part, between string) {
	n := 0
	for i := range parts {
		p := &parts[i]
		w.cached(p)
		switch p.kind {
		case textPart, refusalPart:
			if n++; n > 1 {
				w.dst = append(w.dst, between...)
			}
			w.dst = append(w.dst, p.text...)
		default:
			w.q.drop(w.q.names.content)
		}
	}
}

func (w *openAIMessages) cached(p *part) {
	if p.cache != nil {
		w.q.drop(w.q.names.cache)
	}
}

// user writes the results of tools as messages of their own, then the rest.
func (w *openAIMessages) user(parts []part) {
	var rest []part
	for i := range parts {
		p := &parts[i]
		if p.kind != toolResultPart {
			rest = append(rest, *p)
			continue
		}
		w.cached(p)
		if p.failed {
			w.q.drop(w.q.names.toolError)
		}
		var texts []part
		for _, inner := range p.parts { // a tool's message takes text alone
			if inner.kind == imagePart || inner.kind == filePart || inner.kind == audioPart {
				rest = append(rest, inner)
			} else {
				texts = append(texts, inner)
			}
		}
		w.open("tool")
		w.dst = appendRawMember(w.dst, "tool_call_id", p.id)
		w.dst = append(w.dst, `,"content":"`...)
		w.text(texts, `\n`)
		w.dst = append(w.dst, `"}`...)
	}
	if len(rest) == 0 {
		return
	}
	w.open("user")
	if len(rest) == 1 && rest[0].kind == textPart {
		w.cached(&rest[0])
		w.dst = appendRawMember(w.dst, "content", rest[0].text)
	} else {
		w.dst = append(w.dst, `,"content":[`...)
		w.parts(rest)
		w.dst = append(w.dst, ']')
	}
	w.dst = append(w.dst, '}')
}

func (w *openAIMessages) parts(parts []part) {
	for i := range parts {
		p := &parts[i]
		w.cached(p)
		from := len(w.dst)
		if from > 0 && w.dst[from-1] != '[' {
			w.dst = append(w.dst, ',')
		}
		switch p.kind {
		case textPart:
			w.dst = append(w.dst, `{"type":"text"`...)
			w.dst = appendRawMember(w.dst, "text", p.text)
			w.dst = append(w.dst, '}')
		case imagePart:
			w.dst = append(w.dst, `{"type":"image_url","image_url":{"url":"`...)
			w.dst = appendOpenAIURL(w.dst, p)
			w.dst = append(w.dst, '"')
			if p.detail != nil {
				w.q.take(detailParam)
				w.dst = appendRawMember(w.dst, "detail", p.detail)
			}
			w.dst = append(w.dst, "}}"...)
		case audioPart:
			format, ok := audioFormat(p.mime)
			if !ok {
				w.dst = w.dst[:from]
				w.q.drop(w.q.names.audio)
				continue
			}
			w.dst = append(w.dst, `{"type":"input_audio","input_audio":{"data":`...)
			w.dst = appendRaw(w.dst, p.data)
			w.dst = append(w.dst, `,"format":"`...)
			w.dst = append(append(w.dst, format...), `"}}`...)
		case filePart:
			if !w.file(p) {
				w.dst = w.dst[:from]
				w.q.drop(w.q.names.document)
			}
		default:
			w.dst = w.dst[:from]
			w.q.drop(w.q.names.content)
		}
	}
}

// audioFormat is OpenAI's word for a type of audio that it takes.
func audioFormat(mime raw) (format string, ok bool) {
	switch string(mime) {
	case "audio/wav", "audio/x-wav", "audio/wave":
		return "wav", true
	case "audio/mp3", "audio/mpeg":
		return "mp3", true
	}
	return "", false
}

func appendOpenAIURL(dst []byte, p *part) []byte {
	if p.url != nil {
		return append(dst, p.url...)
	}
	dst = append(dst, "data:"...)
	dst = append(dst, p.mime...)
	dst = append(dst, ";base64,"...)
	return append(dst, p.data...)
}

// file writes a document; false if OpenAI has no form for it (a URL).
func (w *openAIMessages) file(p *part) bool {
	switch {
	case p.text != nil:
		w.dst = append(w.dst, `{"type":"text"`...)
		w.dst = appendRawMember(w.dst, "text", p.text)
		w.dst = append(w.dst, '}')
	case p.parts != nil:
		w.dst = append(w.dst, `{"type":"text","text":"`...)
		w.text(p.parts, `\n`)
		w.dst = append(w.dst, `"}`...)
	case p.data != nil:
		name := p.name
		if name == nil {
			name = raw("document.pdf")
		}
		w.dst = append(w.dst, `{"type":"file","file":{"filename":`...)
		w.dst = appendRaw(w.dst, name)
		w.dst = append(w.dst, `,"file_data":"`...)
		w.dst = appendOpenAIURL(w.dst, p)
		w.dst = append(w.dst, `"}}`...)
	default:
		return false
	}
	return true
}

func (w *openAIMessages) assistant(parts []part) {
	w.open("assistant")
	var texts, calls, details []part
	var plain raw
	for _, p := range parts {
		switch {
		case p.kind == toolCallPart:
			w.cached(&p)
			calls = append(calls, p)
		case p.kind != thinkingPart && p.kind != sealedPart:
			texts = append(texts, p)
		case string(p.seal.format) == string(sealAnthropic): // sealed for Anthropic's models alone
			w.q.drop(w.q.names.thinking)
		case p.seal.format == nil:
			plain = append(plain, p.text...)
		default:
			details = append(details, p)
		}
	}
	if len(texts) == 0 && len(calls) > 0 {
		w.dst = append(w.dst, `,"content":null`...)
	} else {
		w.dst = append(w.dst, `,"content":"`...)
		w.text(texts, "")
		w.dst = append(w.dst, '"')
	}
	if plain != nil {
		w.dst = appendRawMember(w.dst, "reasoning_content", plain)
	}
	w.dst = appendDetails(w.dst, details)
	w.dst = appendToolCalls(w.dst, calls)
	w.dst = append(w.dst, '}')
}

// appendDetails appends `,"reasoning_details":[…]`, nothing when there are none.
func appendDetails(dst []byte, parts []part) []byte {
	for i := range parts {
		if i == 0 {
			dst = append(dst, `,"reasoning_details":[`...)
		} else {
			dst = append(dst, ',')
		}
		if p := &parts[i]; p.kind == sealedPart {
			dst = appendDetail(dst, "encrypted", nil, p.seal, i)
		} else {
			dst = appendDetail(dst, "text", p.text, p.seal, i)
		}
	}
	if len(parts) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// appendToolCalls appends `,"tool_calls":[…]`, nothing when there are none.
func appendToolCalls(dst []byte, calls []part) []byte {
	for i := range calls {
		if i == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = appendRaw(dst, calls[i].id)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = appendRaw(dst, calls[i].name)
		dst = append(dst, `,"arguments":`...)
		dst = lex.AppendString(dst, calls[i].json)
		dst = append(dst, "}}"...)
	}
	if len(calls) > 0 {
		dst = append(dst, ']')
	}
	return dst
}
