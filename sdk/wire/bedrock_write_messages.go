package wire

import (
	"bytes"
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// bedrockMessages writes a conversation: turns of one role that follow each
// other become one message, since roles must take turns.
type bedrockMessages struct {
	q     *request
	m     *bedrock
	role  role // of the message that is open
	names []string
}

// conversation appends `"messages":[…],"system":[…]`.
func (w *bedrockMessages) conversation(dst []byte) []byte {
	system := w.q.system
	for i := range w.q.messages {
		if m := &w.q.messages[i]; m.role == systemRole {
			system = append(system[:len(system):len(system)], m.parts...)
		}
	}
	dst = append(dst, `"messages":[`...)
	for i := range w.q.messages {
		if m := &w.q.messages[i]; m.role != systemRole {
			dst = w.turn(dst, m.role, m.parts)
		}
	}
	lone := w.role == noRole // the API wants a message: a lone system prompt is one
	if lone {
		dst = w.turn(dst, userRole, system)
	}
	if w.role != noRole {
		dst = append(dst, "]}"...)
	}
	dst = append(dst, ']')
	if lone || len(system) == 0 {
		return dst
	}
	from := len(dst)
	dst = append(dst, `,"system":[`...)
	mark := len(dst)
	if dst = w.list(dst, system); len(dst) == mark {
		return dst[:from]
	}
	return append(dst, ']')
}

func (w *bedrockMessages) turn(dst []byte, as role, parts []part) []byte {
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
func (w *bedrockMessages) list(dst []byte, parts []part) []byte {
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

// block appends one content block, and the cache point behind it; ok is false
// when the part has none, and what was appended is void.
func (w *bedrockMessages) block(dst []byte, p *part) (out []byte, ok bool) {
	ok = true
	switch p.kind {
	case textPart, refusalPart:
		if blank(p.text) { // refused by the API
			return dst, false
		}
		dst = append(dst, `{"text":`...)
		dst = append(appendRaw(dst, p.text), '}')
	case imagePart:
		dst, ok = w.image(dst, p)
	case filePart:
		dst, ok = w.document(dst, p)
	case audioPart:
		dst, ok = w.media(dst, "audio", strings.TrimPrefix(string(p.mime), "audio/"), p)
	case toolCallPart:
		dst = append(dst, `{"toolUse":{"toolUseId":`...)
		dst = appendBedrockID(dst, p.id)
		dst = appendRawMember(dst, "name", p.name)
		dst = appendJSON(dst, "input", p.json)
		dst = append(dst, "}}"...)
	case toolResultPart:
		dst = w.result(dst, p)
	case thinkingPart, sealedPart:
		dst, ok = w.thinking(dst, p)
	default:
		w.q.drop(w.q.names.content)
		ok = false
	}
	if ok {
		dst = w.q.cachePoint(dst, p.cache, w.m, true)
	}
	return dst, ok
}

// maxBedrockID bounds the id of a tool call.
const maxBedrockID = 64

// appendBedrockID appends the id of a tool call in the characters and the
// length that the API takes; a call and its result come out alike.
func appendBedrockID(dst []byte, id raw) []byte {
	from := len(dst)
	dst = appendPlainID(dst, id)
	if len(dst)-from-2 <= maxBedrockID {
		return dst
	}
	h := fnv.New128a()
	_, _ = h.Write(id)
	dst = hex.AppendEncode(dst[:from+1+maxBedrockID/2], h.Sum(nil))
	return append(dst, '"')
}

func (w *bedrockMessages) result(dst []byte, p *part) []byte {
	dst = append(dst, `{"toolResult":{"toolUseId":`...)
	dst = appendBedrockID(dst, p.id)
	dst = append(dst, `,"content":[`...)
	inner := p.parts
	for i := range inner { // a cache point has its place behind the result
		if inner[i].cache != nil {
			if p.cache == nil {
				p.cache = inner[i].cache
			}
			inner[i].cache = nil
		}
	}
	dst = append(w.list(dst, inner), ']')
	if p.failed {
		dst = append(dst, `,"status":"error"`...)
	}
	return append(dst, "}}"...)
}

func (w *bedrockMessages) thinking(dst []byte, p *part) (out []byte, ok bool) {
	switch {
	case !p.seal.anthropic(): // the API takes back only what it has signed
		w.q.drop(w.q.names.thinking)
		return dst, false
	case p.kind == sealedPart:
		dst = append(dst, `{"reasoningContent":{"redactedContent":`...)
		return append(appendRaw(dst, p.seal.value), "}}"...), true
	}
	dst = append(dst, `{"reasoningContent":{"reasoningText":{"text":`...)
	dst = appendRaw(dst, p.text)
	dst = appendRawMember(dst, "signature", p.seal.value)
	return append(dst, "}}}"...), true
}

// bedrockImages are the formats by the media type's second half.
var bedrockImages = map[string]string{"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"}

func (w *bedrockMessages) image(dst []byte, p *part) (out []byte, ok bool) {
	format := bedrockImages[strings.TrimPrefix(string(lex.Unescape(nil, p.mime)), "image/")]
	if p.data == nil && format == "" { // an object in S3 is told by its name
		name := string(p.url)
		format = bedrockImages[name[strings.LastIndexByte(name, '.')+1:]]
	}
	return w.media(dst, "image", format, p)
}

// media appends a block of bytes, or of an object in S3; other URLs are not
// fetched by the API.
func (w *bedrockMessages) media(dst []byte, kind, format string, p *part) (out []byte, ok bool) {
	stored := p.data == nil && bytes.HasPrefix(p.url, []byte("s3://"))
	if format == "" || p.data == nil && !stored {
		if kind == "audio" {
			w.q.drop(w.q.names.audio)
		} else {
			w.q.drop(w.q.names.content)
		}
		return dst, false
	}
	dst = append(append(dst, `{"`...), kind...)
	dst = append(append(append(dst, `":{"format":`...), lex.AppendString(nil, format)...), `,"source":`...)
	if stored {
		dst = append(appendRaw(append(dst, `{"s3Location":{"uri":`...), p.url), '}')
	} else {
		dst = appendRaw(append(dst, `{"bytes":`...), p.data)
	}
	return append(dst, "}}}"...), true
}

// bedrockDocuments are the formats by media type.
var bedrockDocuments = map[string]string{
	"application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/plain": "txt", "text/markdown": "md",
	"application/msword": "doc", "application/vnd.ms-excel": "xls",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":       "xlsx",
}

func (w *bedrockMessages) document(dst []byte, p *part) (out []byte, ok bool) {
	format := bedrockDocuments[string(lex.Unescape(nil, p.mime))]
	if p.text != nil || p.parts != nil {
		format = "txt"
	}
	stored := bytes.HasPrefix(p.url, []byte("s3://"))
	if format == "" || p.text == nil && p.parts == nil && p.data == nil && !stored {
		w.q.drop(w.q.names.document)
		return dst, false
	}
	dst = append(append(dst, `{"document":{"format":"`...), format...)
	dst = append(append(dst, `","name":"`...), w.documentName(p.name)...)
	dst = append(dst, `","source":{`...)
	switch {
	case p.text != nil:
		dst = appendRaw(append(dst, `"text":`...), p.text)
	case p.parts != nil:
		dst = append(w.list(append(dst, `"content":[`...), p.parts), ']')
	case p.data != nil:
		dst = appendRaw(append(dst, `"bytes":`...), p.data)
	default:
		dst = append(appendRaw(append(dst, `"s3Location":{"uri":`...), p.url), '}')
	}
	return append(dst, "}}}"...), true
}

// documentName is a name in the characters that the API takes, which no other
// document of the request has.
func (w *bedrockMessages) documentName(name raw) string {
	plain := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("()[]", c) {
			return c
		}
		return '-'
	}, string(lex.Unescape(nil, name)))
	if plain == "" {
		plain = "document"
	}
	plain = plain[:min(len(plain), 150)]
	for _, n := range w.names {
		if n == plain {
			plain += "-" + strconv.Itoa(len(w.names)+1)
			break
		}
	}
	w.names = append(w.names, plain)
	return plain
}
