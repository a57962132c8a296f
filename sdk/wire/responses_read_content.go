package wire

import "bytes"

// responsesContent takes content: a string or an array of parts.
func (r *reader) responsesContent(q *request) (parts []part) {
	if r.Kind() == '"' {
		return []part{{kind: textPart, text: r.raw()}}
	}
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		if p := r.responsesPart(q); p.kind != noPart {
			parts = append(parts, p)
		}
	}
	return parts
}

// responsesPart takes one content part of any type.
func (r *reader) responsesPart(q *request) (p part) {
	var typ string
	byID := false
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			typ = r.word()
		case "text", "refusal":
			p.text = r.raw()
		case "image_url":
			r.openAIImage(q, &p)
		case "detail":
			r.detail(q, &p)
		case "file_data":
			r.responsesFile(&p)
		case "file_url":
			p.url = r.raw()
		case "filename":
			p.name = r.raw()
		case "file_id":
			byID = r.raw() != nil
		case "input_audio":
			r.openAIAudio(&p)
		case "prompt_cache_breakpoint":
			if !r.idle() {
				p.cache = []byte(`{"type":"ephemeral"}`)
			}
		default: // annotations, logprobs: they say nothing to the model
			r.Skip()
		}
	}
	if !ok {
		return part{}
	}
	r.path = r.path[:m]
	if byID && p.url == nil && p.data == nil { // known to OpenAI's servers alone
		q.drop("input.content." + typ + ".file_id")
		return part{}
	}
	r.responsesKind(q, &p, typ)
	return p
}

// responsesKind decides what kind of part p is.
func (r *reader) responsesKind(q *request, p *part, typ string) {
	switch typ {
	case "input_text", "output_text", "text", "reasoning_text", "summary_text":
		p.kind = textPart
		r.need(p.text, "text")
	case "refusal":
		p.kind = refusalPart
		r.need(p.text, "refusal")
	case "input_image":
		p.kind = imagePart
		if p.url == nil && p.data == nil {
			r.fault("missing_field", "must have an image_url")
		}
	case "input_file":
		p.kind = filePart
		if p.url == nil && p.data == nil {
			r.fault("missing_field", "must have file_data or a file_url")
		}
	case "input_audio":
		p.kind = audioPart
		if len(p.data) == 0 || len(p.mime) == 0 {
			r.fault("missing_field", "must have input_audio with data and format")
		}
	case "":
		r.fault("missing_field", "must have a type")
	default:
		q.drop("input.content." + typ)
	}
}

// responsesFile takes a file's bytes: a data URL, or base64 of a PDF.
func (r *reader) responsesFile(p *part) {
	switch s := r.raw(); {
	case s == nil:
	case isDataURL(s):
		r.openAIURL(p, s)
	default:
		p.mime, p.data = raw("application/pdf"), s
	}
}

// responsesSummary takes a summary of reasoning: its parts become one text.
func (r *reader) responsesSummary() (text raw) {
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		for pm, ok := r.object(); ok && r.key(pm); {
			if string(r.Name()) == "text" {
				text = joinSummary(text, r.raw())
			} else {
				r.Skip()
			}
		}
	}
	return text
}

// joinSummary adds a part to a summary; the first is not copied.
func joinSummary(text, next raw) raw {
	switch {
	case len(next) == 0:
		return text
	case text == nil:
		return next
	}
	out := make(raw, 0, len(text)+len(next)+4)
	return append(append(append(out, text...), `\n\n`...), next...)
}

// reasoning is a reasoning item as a part.
func (it *responsesItem) reasoning() part {
	p := part{kind: thinkingPart, text: it.summary, seal: parseResponsesSeal(it.id, it.encrypted)}
	if p.text == nil {
		for i := range it.content { // open models show what they think
			p.text = append(p.text, it.content[i].text...)
		}
	}
	switch {
	case len(p.text) > 0:
	case len(p.seal.value) > 0:
		p.kind = sealedPart
	default:
		p.kind = noPart
	}
	return p
}

// parseResponsesSeal reads what a reasoning item carries in encrypted_content.
func parseResponsesSeal(id, encrypted raw) seal {
	switch {
	case len(encrypted) == 0:
		return seal{}
	case bytes.HasPrefix(encrypted, []byte(sealMark)):
		return parseSeal(encrypted)
	}
	return seal{format: sealResponses, id: id, value: encrypted}
}

// appendResponsesSeal appends s as the value of encrypted_content.
func appendResponsesSeal(dst []byte, s seal) []byte {
	switch {
	case bytes.Equal(s.format, sealResponses):
		return append(dst, s.value...)
	case bytes.Equal(s.format, sealAnthropic):
		s.format = formatAnthropic
	}
	return appendSeal(dst, s)
}
