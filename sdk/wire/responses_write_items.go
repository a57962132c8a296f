package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// responsesItems writes a conversation as items.
type responsesItems struct {
	dst []byte
	q   *request
	n   int // items written
}

// conversation writes `,"instructions":…,"input":[…]`.
func (w *responsesItems) conversation() {
	if len(w.q.system) > 0 {
		w.dst = append(w.dst, `,"instructions":"`...)
		w.texts(w.q.system, `\n\n`)
		w.dst = append(w.dst, '"')
	}
	w.dst = append(w.dst, `,"input":[`...)
	for i := range w.q.messages {
		switch m := &w.q.messages[i]; m.role {
		case systemRole:
			w.plain("developer", m.parts)
		case assistantRole:
			w.assistant(m.parts)
		default:
			w.user(m.parts)
		}
	}
	w.dst = append(w.dst, ']')
}

// open begins an item with the given members.
func (w *responsesItems) open(members string) {
	if w.n++; w.n > 1 {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(append(w.dst, '{'), members...)
}

// plain writes a message of text alone.
func (w *responsesItems) plain(role string, parts []part) {
	w.open(`"type":"message","role":"`)
	w.dst = append(append(w.dst, role...), `","content":"`...)
	w.texts(parts, `\n\n`)
	w.dst = append(w.dst, `"}`...)
}

// texts writes the texts of parts and reports the others.
func (w *responsesItems) texts(parts []part, between string) {
	n := 0
	for i := range parts {
		p := &parts[i]
		w.cached(p)
		if p.kind != textPart && p.kind != refusalPart {
			w.q.drop(w.q.names.content)
			continue
		}
		if n++; n > 1 {
			w.dst = append(w.dst, between...)
		}
		w.dst = append(w.dst, p.text...)
	}
}

func (w *responsesItems) cached(p *part) {
	if p.cache != nil {
		w.q.drop(w.q.names.cache)
	}
}

// user writes the results of tools as items of their own, then the rest.
func (w *responsesItems) user(parts []part) {
	var rest []part
	for i := range parts {
		if p := &parts[i]; p.kind == toolResultPart {
			w.result(p)
		} else {
			rest = append(rest, *p)
		}
	}
	if len(rest) == 0 {
		return
	}
	w.open(`"type":"message","role":"user","content":`)
	w.content(rest)
	w.dst = append(w.dst, '}')
}

func (w *responsesItems) result(p *part) {
	w.cached(p)
	if p.failed {
		w.q.drop(w.q.names.toolError)
	}
	w.open(`"type":"function_call_output"`)
	w.dst = appendRawMember(w.dst, "call_id", p.id)
	w.dst = append(w.dst, `,"output":`...)
	w.content(p.parts)
	w.dst = append(w.dst, '}')
}

// content writes one text as it is, anything else as a list.
func (w *responsesItems) content(parts []part) {
	switch {
	case len(parts) == 0:
		w.dst = append(w.dst, `""`...)
		return
	case len(parts) == 1 && parts[0].kind == textPart:
		w.cached(&parts[0])
		w.dst = appendRaw(w.dst, parts[0].text)
		return
	}
	w.dst = append(w.dst, '[')
	n := 0
	for i := range parts {
		mark := len(w.dst)
		if n > 0 {
			w.dst = append(w.dst, ',')
		}
		w.cached(&parts[i])
		if w.part(&parts[i]) {
			n++
		} else {
			w.dst = w.dst[:mark]
		}
	}
	w.dst = append(w.dst, ']')
}

// part writes one content part; false if the API has no form for it.
func (w *responsesItems) part(p *part) bool {
	switch p.kind {
	case textPart, refusalPart:
		w.dst = append(w.dst, `{"type":"input_text"`...)
		w.dst = appendRawMember(w.dst, "text", p.text)
	case imagePart:
		w.dst = append(w.dst, `{"type":"input_image","image_url":"`...)
		w.dst = append(appendOpenAIURL(w.dst, p), '"')
		w.q.take(detailParam)
		if p.detail != nil {
			w.dst = appendRawMember(w.dst, "detail", p.detail)
		} else {
			w.dst = append(w.dst, `,"detail":"auto"`...)
		}
	case filePart:
		if !w.file(p) {
			w.q.drop(w.q.names.document)
			return false
		}
	case audioPart: // the API hears through /v1/realtime and chat alone
		w.q.drop(w.q.names.audio)
		return false
	default:
		w.q.drop(w.q.names.content)
		return false
	}
	w.dst = append(w.dst, '}')
	return true
}

func (w *responsesItems) file(p *part) bool {
	switch {
	case p.text != nil:
		w.dst = append(w.dst, `{"type":"input_text"`...)
		w.dst = appendRawMember(w.dst, "text", p.text)
	case p.parts != nil:
		w.dst = append(w.dst, `{"type":"input_text","text":"`...)
		w.texts(p.parts, `\n`)
		w.dst = append(w.dst, '"')
	case p.url != nil:
		w.dst = append(w.dst, `{"type":"input_file"`...)
		w.dst = appendRawMember(w.dst, "file_url", p.url)
	case p.data != nil:
		name := p.name
		if name == nil {
			name = raw("document.pdf")
		}
		w.dst = append(w.dst, `{"type":"input_file","filename":`...)
		w.dst = appendRaw(w.dst, name)
		w.dst = append(w.dst, `,"file_data":"`...)
		w.dst = append(appendOpenAIURL(w.dst, p), '"')
	default:
		return false
	}
	return true
}

// assistant writes what the assistant said, each piece an item, in their order.
func (w *responsesItems) assistant(parts []part) {
	for i := 0; i < len(parts); i++ {
		switch p := &parts[i]; p.kind {
		case toolCallPart:
			w.cached(p)
			w.open(`"type":"function_call"`)
			w.dst = appendRawMember(w.dst, "call_id", p.id)
			w.dst = appendRawMember(w.dst, "name", p.name)
			w.dst = append(w.dst, `,"arguments":`...)
			w.dst = append(lex.AppendString(w.dst, p.json), '}')
		case thinkingPart, sealedPart:
			w.reasoning(p)
		default:
			from := i
			for i+1 < len(parts) && (parts[i+1].kind == textPart || parts[i+1].kind == refusalPart) {
				i++
			}
			w.open(`"type":"message","role":"assistant","content":"`)
			w.texts(parts[from:i+1], "")
			w.dst = append(w.dst, `"}`...)
		}
	}
}

// reasoning hands reasoning back to the API that has sealed it.
func (w *responsesItems) reasoning(p *part) {
	if !bytes.Equal(p.seal.format, sealResponses) || len(p.seal.value) == 0 {
		w.q.drop(w.q.names.thinking)
		return
	}
	w.open(`"type":"reasoning"`)
	if len(p.seal.id) > 0 {
		w.dst = appendRawMember(w.dst, "id", p.seal.id)
	}
	w.dst = append(w.dst, `,"summary":[`...)
	if len(p.text) > 0 {
		w.dst = append(w.dst, `{"type":"summary_text"`...)
		w.dst = append(appendRawMember(w.dst, "text", p.text), '}')
	}
	w.dst = append(w.dst, ']')
	w.dst = appendRawMember(w.dst, "encrypted_content", p.seal.value)
	w.dst = append(w.dst, '}')
}
