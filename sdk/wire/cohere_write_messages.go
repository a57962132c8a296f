package wire

import (
	"encoding/base64"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// cohereMessages writes messages one after another.
type cohereMessages struct {
	q      *request
	thinks bool // the model takes its thinking back
	n      int
	docs   []part // found on the way: they have a place of their own
}

func (w *cohereMessages) conversation(dst []byte) []byte {
	if len(w.q.system) > 0 {
		dst = w.plain(dst, "system", w.q.system)
	}
	for i := range w.q.messages {
		switch m := &w.q.messages[i]; m.role {
		case systemRole:
			dst = w.plain(dst, "system", m.parts)
		case assistantRole:
			dst = w.assistant(dst, m.parts)
		default:
			dst = w.user(dst, m.parts)
		}
	}
	return dst
}

func (w *cohereMessages) open(dst []byte, role string) []byte {
	if w.n++; w.n > 1 {
		dst = append(dst, ',')
	}
	return append(append(append(dst, `{"role":"`...), role...), '"')
}

// plain writes a message of text alone.
func (w *cohereMessages) plain(dst []byte, role string, parts []part) []byte {
	dst = append(w.open(dst, role), `,"content":"`...)
	return append(w.text(dst, parts, `\n\n`), `"}`...)
}

// text appends the texts of parts and reports the others.
func (w *cohereMessages) text(dst []byte, parts []part, between string) []byte {
	n := 0
	for i := range parts {
		p := &parts[i]
		w.cached(p)
		if p.kind != textPart && p.kind != refusalPart {
			w.q.drop(w.q.names.content)
			continue
		}
		if n++; n > 1 {
			dst = append(dst, between...)
		}
		dst = append(dst, p.text...)
	}
	return dst
}

func (w *cohereMessages) cached(p *part) {
	if p.cache != nil {
		w.q.drop(w.q.names.cache)
	}
}

// user writes the results of tools as messages of their own, then the rest.
func (w *cohereMessages) user(dst []byte, parts []part) []byte {
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
			if inner.kind == imagePart || inner.kind == filePart {
				rest = append(rest, inner)
			} else {
				texts = append(texts, inner)
			}
		}
		dst = appendRawMember(w.open(dst, "tool"), "tool_call_id", p.id)
		dst = append(dst, `,"content":"`...)
		dst = append(w.text(dst, texts, `\n`), `"}`...)
	}
	if len(rest) == 0 {
		return dst
	}
	mark, n := len(dst), w.n
	dst = w.open(dst, "user")
	if len(rest) == 1 && rest[0].kind == textPart {
		w.cached(&rest[0])
		return append(appendRawMember(dst, "content", rest[0].text), '}')
	}
	dst = append(dst, `,"content":[`...)
	from := len(dst)
	if dst = w.parts(dst, rest); len(dst) == from {
		w.n = n
		return dst[:mark]
	}
	return append(dst, "]}"...)
}

func (w *cohereMessages) parts(dst []byte, parts []part) []byte {
	for i := range parts {
		p := &parts[i]
		w.cached(p)
		from := len(dst)
		if dst[from-1] != '[' {
			dst = append(dst, ',')
		}
		switch p.kind {
		case textPart, refusalPart:
			dst = append(appendRawMember(append(dst, `{"type":"text"`...), "text", p.text), '}')
		case imagePart:
			dst = append(dst, `{"type":"image_url","image_url":{"url":"`...)
			dst = append(appendOpenAIURL(dst, p), '"')
			if p.detail != nil {
				dst = appendRawMember(dst, "detail", p.detail)
				w.q.take(detailParam)
			}
			dst = append(dst, "}}"...)
		case filePart:
			dst = dst[:from]
			w.document(p)
		case audioPart:
			dst = dst[:from]
			w.q.drop(w.q.names.audio)
		default:
			dst = dst[:from]
			w.q.drop(w.q.names.content)
		}
	}
	return dst
}

// document puts a document with text aside; the API takes no others.
func (w *cohereMessages) document(p *part) {
	d := part{name: p.name, text: p.text}
	switch {
	case p.parts != nil:
		d.text = w.text(nil, p.parts, `\n`)
	case p.text == nil && strings.HasPrefix(string(p.mime), "text/"):
		text, err := base64.StdEncoding.DecodeString(string(lex.Unescape(nil, p.data)))
		if err == nil {
			d.text = lex.AppendEscaped(nil, text)
		}
	}
	if len(d.text) == 0 {
		w.q.drop(w.q.names.document)
		return
	}
	w.docs = append(w.docs, d)
}

// documents appends `,"documents":[…]`, nothing when there are none.
func (w *cohereMessages) documents(dst []byte) []byte {
	for i := range w.docs {
		if i == 0 {
			dst = append(dst, `,"documents":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"data":{"text":`...)
		dst = appendRaw(dst, w.docs[i].text)
		if w.docs[i].name != nil {
			dst = appendRawMember(dst, "title", w.docs[i].name)
		}
		dst = append(dst, "}}"...)
	}
	if len(w.docs) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// assistant writes a turn of the model. What it thought goes back to models
// that think; what others planned before calling tools is their tool_plan.
func (w *cohereMessages) assistant(dst []byte, parts []part) []byte {
	var texts, calls []part
	var thought raw
	for _, p := range parts {
		switch {
		case p.kind == toolCallPart:
			w.cached(&p)
			calls = append(calls, p)
		case p.kind != thinkingPart && p.kind != sealedPart:
			texts = append(texts, p)
		case p.kind == thinkingPart && p.seal.format == nil:
			thought = append(thought, p.text...)
		default: // sealed for another maker's models
			w.q.drop(w.q.names.thinking)
		}
	}
	dst = w.open(dst, "assistant")
	switch {
	case len(thought) == 0:
	case w.thinks:
		dst = append(dst, `,"content":[{"type":"thinking","thinking":`...)
		dst = append(appendRaw(dst, thought), '}')
		if len(texts) > 0 {
			dst = append(dst, `,{"type":"text","text":"`...)
			dst = append(w.text(dst, texts, ""), `"}`...)
		}
		dst = append(dst, ']')
		texts = nil
	case len(calls) > 0:
		dst = appendRawMember(dst, "tool_plan", thought)
	default:
		w.q.drop(w.q.names.thinking)
	}
	if len(texts) > 0 || len(calls) == 0 && (len(thought) == 0 || !w.thinks) {
		dst = append(dst, `,"content":"`...)
		dst = append(w.text(dst, texts, ""), '"')
	}
	return append(appendToolCalls(dst, calls), '}')
}
