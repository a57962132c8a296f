package wire

import (
	"bytes"
	"encoding/base64"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// anthropicMessages writes a conversation: turns of one role that follow each
// other become one message, since tool results must open the user's turn.
type anthropicMessages struct {
	q    *request
	role role // of the message that is open
}

// conversation appends `,"system":[…],"messages":[…]`.
func (w *anthropicMessages) conversation(dst []byte) []byte {
	system := w.q.system
	for i := range w.q.messages {
		if m := &w.q.messages[i]; m.role == systemRole {
			system = append(system, m.parts...)
		}
	}
	from := len(dst)
	dst = append(dst, `,"system":[`...)
	mark := len(dst)
	if dst = w.list(dst, system); len(dst) == mark {
		dst = dst[:from]
	} else {
		dst = append(dst, ']')
	}
	dst = append(dst, `,"messages":[`...)
	for i := range w.q.messages {
		if m := &w.q.messages[i]; m.role != systemRole {
			dst = w.turn(dst, m.role, m.parts)
		}
	}
	if w.role == noRole { // the API wants a message: a lone system prompt is one
		dst = dst[:from]
		dst = w.turn(append(dst, `,"messages":[`...), userRole, system)
	}
	if w.role != noRole {
		dst = append(dst, "]}"...)
	}
	return append(dst, ']')
}

func (w *anthropicMessages) turn(dst []byte, as role, parts []part) []byte {
	for i := range parts {
		mark := len(dst)
		switch {
		case w.role == as:
			dst = append(dst, ',')
		case w.role != noRole:
			dst = append(dst, `]},`...)
			fallthrough
		default:
			name := "user"
			if as == assistantRole {
				name = "assistant"
			}
			dst = append(append(append(dst, `{"role":"`...), name...), `","content":[`...)
		}
		var ok bool
		if dst, ok = w.block(dst, &parts[i]); ok {
			w.role = as
		} else {
			dst = dst[:mark]
		}
	}
	return dst
}

// list appends blocks, separated by commas.
func (w *anthropicMessages) list(dst []byte, parts []part) []byte {
	n := 0
	for i := range parts {
		mark := len(dst)
		if n > 0 {
			dst = append(dst, ',')
		}
		var ok bool
		if dst, ok = w.block(dst, &parts[i]); ok {
			n++
		} else {
			dst = dst[:mark]
		}
	}
	return dst
}

// block appends one content block; ok is false when the part has none, and
// what was appended is void.
func (w *anthropicMessages) block(dst []byte, p *part) (out []byte, ok bool) {
	ok = true
	switch p.kind {
	case textPart, refusalPart:
		if blank(p.text) { // refused by the API
			return dst, false
		}
		dst = append(dst, `{"type":"text"`...)
		dst = appendRawMember(dst, "text", p.text)
	case imagePart:
		dst = append(dst, `{"type":"image","source":`...)
		dst = appendAnthropicSource(dst, p)
	case filePart:
		dst, ok = w.document(dst, p)
	case audioPart:
		w.q.drop(w.q.names.audio)
		return dst, false
	case toolCallPart:
		dst = append(dst, `{"type":"tool_use"`...)
		dst = appendToolID(dst, "id", p.id)
		dst = appendRawMember(dst, "name", p.name)
		dst = appendJSON(dst, "input", p.json)
	case toolResultPart:
		dst = append(dst, `{"type":"tool_result"`...)
		dst = appendToolID(dst, "tool_use_id", p.id)
		dst = append(dst, `,"content":[`...)
		dst = append(w.list(dst, p.parts), ']')
		if p.failed {
			dst = append(dst, `,"is_error":true`...)
		}
	case thinkingPart, sealedPart:
		dst, ok = w.thinking(dst, p)
	}
	dst = appendJSON(dst, "cache_control", p.cache)
	return append(dst, '}'), ok
}

// appendToolID appends the id of a tool call in the characters that the API
// takes, [a-zA-Z0-9_-]; a call and its result come out alike.
func appendToolID(dst []byte, name string, id raw) []byte {
	return appendPlainID(appendName(dst, name), id)
}

func appendPlainID(dst []byte, id raw) []byte {
	dst = append(dst, '"')
	for _, c := range id {
		if c|0x20 < 'a' && (c < '0' || c > '9') && c != '-' || c|0x20 > 'z' || c == '\\' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func (w *anthropicMessages) thinking(dst []byte, p *part) (out []byte, ok bool) {
	switch {
	case !p.seal.anthropic(): // the API takes back only what it has signed
		w.q.drop(w.q.names.thinking)
		return dst, false
	case p.kind == sealedPart:
		dst = append(dst, `{"type":"redacted_thinking"`...)
		return appendRawMember(dst, "data", p.seal.value), true
	}
	dst = append(dst, `{"type":"thinking"`...)
	dst = appendRawMember(dst, "thinking", p.text)
	return appendRawMember(dst, "signature", p.seal.value), true
}

func appendAnthropicSource(dst []byte, p *part) []byte {
	if p.url != nil {
		dst = append(dst, `{"type":"url"`...)
		dst = appendRawMember(dst, "url", p.url)
		return append(dst, '}')
	}
	dst = append(dst, `{"type":"base64"`...)
	dst = appendRawMember(dst, "media_type", p.mime)
	dst = appendRawMember(dst, "data", p.data)
	return append(dst, '}')
}

// document appends a document: a PDF as it is, text decoded; ok is false for
// what the API has no form for.
func (w *anthropicMessages) document(dst []byte, p *part) (out []byte, ok bool) {
	dst = append(dst, `{"type":"document","source":`...)
	switch mime := lex.Unescape(nil, p.mime); {
	case p.url != nil:
		dst = appendAnthropicSource(dst, p)
		ok = true
	case p.text != nil:
		dst = append(dst, `{"type":"text","media_type":"text/plain"`...)
		dst = append(appendRawMember(dst, "data", p.text), '}')
		ok = true
	case bytes.Equal(mime, []byte("application/pdf")):
		dst = appendAnthropicSource(dst, p)
		ok = true
	case bytes.HasPrefix(mime, []byte("text/")):
		text, err := base64.StdEncoding.DecodeString(string(lex.Unescape(nil, p.data)))
		dst = append(dst, `{"type":"text","media_type":"text/plain","data":`...)
		dst = append(lex.AppendString(dst, text), '}')
		ok = err == nil
	}
	if !ok {
		w.q.drop(w.q.names.document)
	}
	if p.name != nil {
		dst = appendRawMember(dst, "title", p.name)
	}
	return dst, ok
}
