package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// geminiContents writes a conversation: turns of one role that follow each
// other become one content, since the responses to a turn's calls must all
// stand in the next content.
type geminiContents struct {
	q     *request
	g     gemini
	role  role       // of the content that is open
	names []openName // of the calls so far
	calls int        // in the content that is open
}

// unsigned is the signature of a call that Gemini has not made. Newer models
// refuse a step whose first call has none; this one is documented for histories
// of other models: https://ai.google.dev/gemini-api/docs/thought-signatures.
const unsigned = "skip_thought_signature_validator"

// conversation appends `"contents":[…],"systemInstruction":{…}`.
func (w *geminiContents) conversation(dst []byte) []byte {
	system := w.q.system
	for i := range w.q.messages {
		if m := &w.q.messages[i]; m.role == systemRole {
			system = append(system, m.parts...)
		}
	}
	dst = append(dst, `"contents":[`...)
	for i := range w.q.messages {
		if m := &w.q.messages[i]; m.role != systemRole {
			dst = w.turn(dst, m.role, m.parts)
		}
	}
	if w.role == noRole { // the API wants a content: a lone system prompt is one
		dst, system = w.turn(dst, userRole, system), nil
	}
	if w.role != noRole {
		dst = append(dst, "]}"...)
	}
	dst = append(dst, ']')
	mark := len(dst)
	dst = append(dst, `,"systemInstruction":{"parts":[`...)
	from := len(dst)
	for i := range system {
		p := &system[i]
		w.cached(p)
		switch {
		case p.kind != textPart:
			w.q.drop(w.q.names.content)
		case len(p.text) > 0:
			if len(dst) > from {
				dst = append(dst, ',')
			}
			dst = append(appendRaw(append(dst, `{"text":`...), p.text), '}')
		}
	}
	if len(dst) == from {
		return dst[:mark]
	}
	return append(dst, "]}"...)
}

func (w *geminiContents) cached(p *part) {
	if p.cache != nil {
		w.q.drop(w.q.names.cache)
	}
}

func (w *geminiContents) turn(dst []byte, as role, parts []part) []byte {
	t := geminiTurn{parts: parts}
	for i := range parts {
		if p := &parts[i]; p.kind == textPart && len(p.text) > 0 {
			t.lastText = p
		}
	}
	var later []part // media of function responses, for models that take none there
	for i := range parts {
		p := &parts[i]
		dst = w.add(dst, as, p, &t)
		if p.kind == toolResultPart && !w.g.mediaResult {
			for _, inner := range p.parts {
				if media(inner.kind) && !spoken(&inner) {
					later = append(later, inner)
				}
			}
		}
	}
	for i := range later {
		dst = w.add(dst, as, &later[i], &t)
	}
	return dst
}

// geminiTurn is what a part must know of the others of its message.
type geminiTurn struct {
	parts    []part
	lastText *part
}

// seal finds the signature of a call, by its id, or of the last text; nil: none.
func (t *geminiTurn) seal(p *part) raw {
	if p.kind != toolCallPart && p != t.lastText {
		return nil
	}
	for i := range t.parts {
		s := &t.parts[i]
		if s.kind == sealedPart && bytes.Equal(s.seal.format, sealGemini) && bytes.Equal(s.seal.id, p.id) {
			return s.seal.value
		}
	}
	return nil
}

// placed reports whether a signature goes with another part of its message.
func (t *geminiTurn) placed(s seal) bool {
	if len(s.id) == 0 {
		return t.lastText != nil
	}
	for i := range t.parts {
		if p := &t.parts[i]; p.kind == toolCallPart && bytes.Equal(p.id, s.id) {
			return true
		}
	}
	return false
}

// add appends one part, in the content that is open if it is of that role.
func (w *geminiContents) add(dst []byte, as role, p *part, t *geminiTurn) []byte {
	mark := len(dst)
	switch {
	case w.role == as:
		dst = append(dst, ',')
	case w.role != noRole:
		dst = append(dst, "]},"...)
		fallthrough
	default:
		name := "user"
		if as == assistantRole {
			name = "model"
		}
		dst = append(append(append(dst, `{"role":"`...), name...), `","parts":[`...)
		w.calls = 0
	}
	dst, ok := w.part(append(dst, '{'), p, t)
	if !ok {
		return dst[:mark]
	}
	w.role = as
	w.cached(p)
	return append(dst, '}')
}

// part appends the members of one part; ok is false when there is no form for
// it, and what was appended is void.
func (w *geminiContents) part(dst []byte, p *part, t *geminiTurn) (out []byte, ok bool) {
	switch p.kind {
	case textPart, refusalPart:
		if len(p.text) == 0 {
			return dst, false // refused by the API
		}
		dst = append(dst, `"text":`...)
		dst = appendRaw(dst, p.text)
	case imagePart, audioPart, filePart:
		return w.media(dst, p)
	case toolCallPart:
		w.names = append(w.names, openName{p.name, p.id})
		dst = append(dst, `"functionCall":{"id":`...)
		dst = appendRaw(dst, p.id)
		dst = appendRawMember(dst, "name", p.name)
		dst = append(appendJSON(dst, "args", p.json), '}')
		if w.calls++; w.calls == 1 && w.g.thinks == geminiLevel && t.seal(p) == nil {
			return appendRawMember(dst, "thoughtSignature", raw(unsigned)), true
		}
	case toolResultPart:
		return w.response(dst, p), true
	case thinkingPart, sealedPart:
		return w.thinking(dst, p, t)
	}
	if s := t.seal(p); s != nil {
		dst = appendRawMember(dst, "thoughtSignature", s)
	}
	return dst, true
}

// thinking appends reasoning of Gemini's own; that of others means nothing to it.
func (w *geminiContents) thinking(dst []byte, p *part, t *geminiTurn) (out []byte, ok bool) {
	if !bytes.Equal(p.seal.format, sealGemini) {
		w.q.drop(w.q.names.thinking)
		return dst, false
	}
	dst = append(dst, `"text":`...)
	dst = appendRaw(dst, p.text)
	if p.kind == sealedPart {
		if t.placed(p.seal) || len(p.seal.id) > 0 {
			return dst, false
		}
	} else {
		dst = append(dst, `,"thought":true`...)
	}
	if len(p.seal.value) > 0 {
		dst = appendRawMember(dst, "thoughtSignature", p.seal.value)
	}
	return dst, true
}

func media(k kind) bool { return k == imagePart || k == audioPart || k == filePart }

// spoken reports whether a document is text.
func spoken(p *part) bool { return p.text != nil || p.parts != nil }

// media appends bytes or where they are. Plain text is text.
func (w *geminiContents) media(dst []byte, p *part) (out []byte, ok bool) {
	switch {
	case p.text != nil:
		dst = append(dst, `"text":`...)
		return appendRaw(dst, p.text), len(p.text) > 0
	case p.parts != nil:
		dst = append(dst, `"text":"`...)
		dst = w.texts(dst, p.parts)
		return append(dst, '"'), true
	case p.url != nil:
		dst = append(dst, `"fileData":{`...)
		mime := p.mime
		if mime == nil {
			mime = mimeOfURL(p)
		}
		if mime != nil {
			dst = append(dst, `"mimeType":`...)
			dst = append(appendRaw(dst, mime), ',')
		}
		dst = append(dst, `"fileUri":`...)
		return append(appendRaw(dst, p.url), '}'), true
	case p.data != nil:
		dst = append(dst, `"inlineData":{"mimeType":`...)
		dst = appendRaw(dst, p.mime)
		dst = appendRawMember(dst, "data", p.data)
		return append(dst, '}'), true
	}
	w.q.drop(w.q.names.document)
	return dst, false
}

// extensions tell the type of remote media, which Vertex AI insists on.
var extensions = map[string]string{
	"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "heic": "image/heic",
	"heif": "image/heif", "pdf": "application/pdf", "txt": "text/plain", "mp3": "audio/mp3", "wav": "audio/wav",
}

func mimeOfURL(p *part) raw {
	path, _, _ := bytes.Cut(p.url, []byte("?"))
	path, _, _ = bytes.Cut(path, []byte("#"))
	if i := bytes.LastIndexByte(path, '.'); i >= 0 {
		if m, ok := extensions[string(bytes.ToLower(path[i+1:]))]; ok {
			return raw(m)
		}
	}
	if p.kind == filePart {
		return raw("application/pdf") // the one document that other dialects take by URL
	}
	return nil
}

// texts appends the texts of parts, separated by line breaks, and reports the rest.
func (w *geminiContents) texts(dst []byte, parts []part) []byte {
	n := 0
	for i := range parts {
		p := &parts[i]
		w.cached(p)
		switch {
		case p.kind == textPart || p.kind == refusalPart:
			if n++; n > 1 {
				dst = append(dst, `\n`...)
			}
			dst = append(dst, p.text...)
		case p.kind == filePart && p.text != nil:
			dst = w.texts(dst, []part{{kind: textPart, text: p.text}})
		case p.kind == filePart && p.parts != nil:
			dst = w.texts(dst, p.parts)
		case !media(p.kind):
			w.q.drop(w.q.names.content)
		}
	}
	return dst
}

// response appends a functionResponse. Its name is that of the call; a result
// that is a JSON object goes as it is, any other text as output or error.
func (w *geminiContents) response(dst []byte, p *part) []byte {
	dst = append(dst, `"functionResponse":{"id":`...)
	dst = appendRaw(dst, p.id)
	dst = appendRawMember(dst, "name", w.nameOf(p))
	text := w.texts(nil, p.parts)
	dst = appendName(dst, "response")
	object, ok := geminiObject(text)
	switch {
	case p.failed:
		dst = append(appendRaw(append(dst, `{"error":`...), text), '}')
	case ok:
		dst = append(dst, object...)
	default:
		dst = append(appendRaw(append(dst, `{"output":`...), text), '}')
	}
	if w.g.mediaResult {
		dst = w.responseMedia(dst, p)
	}
	return append(dst, '}')
}

func (w *geminiContents) nameOf(p *part) raw {
	for i := len(w.names) - 1; i >= 0; i-- {
		if bytes.Equal(w.names[i].id, p.id) {
			return w.names[i].name
		}
	}
	if len(p.name) > 0 {
		return p.name
	}
	return raw("unknown") // its call has been cut from the history
}

func (w *geminiContents) responseMedia(dst []byte, p *part) []byte {
	mark := len(dst)
	dst = append(dst, `,"parts":[`...)
	from := len(dst)
	for i := range p.parts {
		inner := &p.parts[i]
		if !media(inner.kind) || spoken(inner) {
			continue
		}
		at := len(dst)
		if at > from {
			dst = append(dst, ',')
		}
		var ok bool
		if dst, ok = w.media(append(dst, '{'), inner); !ok {
			dst = dst[:at]
			continue
		}
		dst = append(dst, '}')
	}
	if len(dst) == from {
		return dst[:mark]
	}
	return append(dst, ']')
}

// geminiArgs are the arguments of a call whose characters were streamed within
// a JSON string.
func geminiArgs(text []byte) []byte {
	args := lex.Unescape(nil, text)
	switch {
	case len(args) == 0:
		return []byte("{}")
	case isObject(args):
		return args
	}
	return append(lex.AppendString([]byte(`{"unparsed_arguments":`), args), '}')
}
