package wire

import (
	"bytes"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// readGeminiRequest reads a request to …:generateContent. The method tells of
// streaming and the URL of the model; a gateway may add both as members.
func readGeminiRequest(body []byte) (*request, *Error) {
	r := newReader(body)
	q := &request{names: &geminiNames}
	g := geminiRequest{reader: &r, q: q}
	for m, ok := r.object(); ok && r.key(m); {
		name := camel(r.Name())
		if read := geminiMembers[name]; read != nil {
			read(&g)
		} else if !r.idle() { // safetySettings and what is yet to come
			q.drop(name)
		}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	if len(q.messages) == 0 {
		e := Errorf(400, "missing_field", "contents: must hold at least one content")
		e.Param = "contents"
		return nil, e
	}
	g.choose()
	return q, q.err
}

var geminiNames = paramNames{
	temperature: "generationConfig.temperature", topP: "generationConfig.topP", topK: "generationConfig.topK",
	stop: "generationConfig.stopSequences", tier: "serviceTier",
	effort: "generationConfig.thinkingConfig.thinkingLevel", thinking: "contents.parts.thoughtSignature",
	content: "contents.parts", document: "contents.parts.inlineData", audio: "contents.parts.inlineData",
	toolError:  "contents.parts.functionResponse",
	toolChoice: "toolConfig.functionCallingConfig", strict: "toolConfig.functionCallingConfig.mode",
	maxTokens: "generationConfig.maxOutputTokens",
}

// geminiRequest is the state of reading one request.
type geminiRequest struct {
	*reader
	q       *request
	calls   []openName // made so far and not answered
	made    int        // ids
	allowed []raw      // allowedFunctionNames
	checked bool       // the mode is VALIDATED
}

// openName is a function call that waits for its response.
type openName struct{ name, id raw }

// geminiMembers reads the members of a request.
var geminiMembers = map[string]func(*geminiRequest){
	"model":             func(g *geminiRequest) { g.raw() },
	"stream":            func(g *geminiRequest) { g.q.stream = g.flag() },
	"contents":          func(g *geminiRequest) { g.each(g.content) },
	"systemInstruction": (*geminiRequest).system,
	"tools":             func(g *geminiRequest) { g.each(g.tool) },
	"toolConfig":        (*geminiRequest).toolConfig,
	"generationConfig":  (*geminiRequest).generationConfig,
	"serviceTier":       (*geminiRequest).tier,
	"labels":            func(g *geminiRequest) { g.q.give(metadataParam, "labels", g.skipObject()) },
	"store":             func(g *geminiRequest) { g.q.give(storeParam, "store", g.boolean()) },
	"cachedContent": func(g *geminiRequest) {
		if !g.idle() { // a part of the prompt that is not here
			g.q.refuse("cachedContent", "unsupported_value", "cachedContent names content that only Gemini holds: send the content itself, or route to a Gemini model")
		}
	},
}

func (g *geminiRequest) tier() {
	switch strings.ToLower(g.word()) {
	case "", "unspecified", "service_tier_unspecified":
	case "standard":
		g.q.tier = standardTier
	case "flex":
		g.q.tier = flexTier
	case "priority":
		g.q.tier = priorityTier
	default:
		g.q.drop("serviceTier")
	}
}

func (g *geminiRequest) system() {
	m, ok := g.object()
	for ok && g.key(m) {
		if camel(g.Name()) == "parts" {
			g.q.system = append(g.q.system, g.parts(nil)...)
		} else {
			g.Skip() // a role says nothing here
		}
	}
}

// each takes the elements of a list; one may stand by itself.
func (g *geminiRequest) each(element func()) {
	if g.Kind() == '{' {
		element()
		return
	}
	m, ok := g.array()
	for i := 0; ok && g.elem(m, i); i++ {
		element()
	}
}

func (g *geminiRequest) content() {
	msg := message{role: userRole}
	m, ok := g.object()
	for ok && g.key(m) {
		switch camel(g.Name()) {
		case "role":
			switch w := g.word(); strings.ToLower(w) {
			case "model":
				msg.role = assistantRole
			case "user", "function", "":
			default:
				g.fault("invalid_value", `is %q; want "user" or "model"`, w)
			}
		case "parts":
			msg.parts = g.parts(msg.parts)
		default:
			g.Skip()
		}
	}
	g.q.messages = append(g.q.messages, msg)
}

func (g *geminiRequest) parts(parts []part) []part {
	g.each(func() { parts = g.part(parts) })
	return parts
}

// geminiPart is one part as it is written: members of one of them are set.
type geminiPart struct {
	kind            kind // by the member that has its data
	p               part
	signature       raw
	thought, spoken bool // a text was given
	maker           raw  // the seal's format of thoughts without a signature
}

// part takes one part; a signature may make it two.
func (g *geminiRequest) part(parts []part) []part {
	var gp geminiPart
	known := false
	m, ok := g.object()
	for ok && g.key(m) {
		name := camel(g.Name())
		switch name {
		case "text":
			gp.p.text = g.raw()
			gp.spoken = gp.p.text != nil
		case "thought":
			gp.thought = g.flag()
		case "thoughtSignature":
			gp.signature = unURL(g.raw())
		case "inlineData", "fileData":
			gp.kind = g.media(&gp.p, name)
		case "functionCall":
			gp.kind = toolCallPart
			g.call(&gp.p)
		case "functionResponse":
			gp.kind = toolResultPart
			g.response(&gp.p)
		default:
			if !g.idle() {
				g.q.drop("contents.parts." + name)
			}
		}
		known = true
	}
	if !ok {
		return parts
	}
	g.path = g.path[:m]
	if !known {
		g.fault("missing_field", "must have text, inlineData, fileData, functionCall or functionResponse")
	}
	return gp.append(parts)
}

// append appends what a part says in the canonical form. A signature of a call
// goes before it and has its id, one of a text goes after it and has none.
func (gp *geminiPart) append(parts []part) []part {
	s, sealed := seal{format: gp.maker}, false
	if len(gp.signature) > 0 {
		s, sealed = parseGeminiSignature(gp.signature)
	}
	switch {
	case gp.kind == toolCallPart:
		if s.value != nil {
			s.id = gp.p.id
			parts = append(parts, part{kind: sealedPart, seal: s})
		}
		gp.p.kind = toolCallPart
		return append(parts, gp.p)
	case gp.kind != noPart:
		gp.p.kind = gp.kind
		parts = append(parts, gp.p)
	case gp.thought && !sealed:
		if len(gp.p.text) > 0 || s.value != nil {
			parts = append(parts, part{kind: thinkingPart, text: gp.p.text, seal: s})
		}
		return parts
	case gp.spoken && (len(gp.p.text) > 0 || s.value == nil):
		parts = append(parts, part{kind: textPart, text: gp.p.text})
	}
	if s.value != nil {
		parts = append(parts, part{kind: sealedPart, seal: s})
	}
	return parts
}

// media takes inlineData or fileData and returns the kind of part that it is.
func (g *geminiRequest) media(p *part, name string) kind {
	var uri raw
	m, ok := g.object()
	for ok && g.key(m) {
		switch camel(g.Name()) {
		case "mimeType":
			p.mime = g.raw()
		case "data":
			p.data = unURL(g.raw())
		case "fileUri":
			uri = g.raw()
		case "displayName":
			p.name = g.raw()
		default:
			g.Skip()
		}
	}
	if !ok {
		return noPart
	}
	g.path = g.path[:m]
	if name == "inlineData" {
		g.need(p.mime, "mimeType")
		g.need(p.data, "data")
	} else {
		g.need(uri, "fileUri")
		p.url = uri
		if p.mime == nil {
			p.mime = mimeOfURL(&part{url: uri})
		}
	}
	k := kindOfMime(p.mime)
	if p.url != nil && p.mime == nil {
		k = imagePart // what is most often sent by its address alone
	}
	switch {
	case p.url != nil && (k == audioPart || !bytes.HasPrefix(uri, []byte("http")) || bytes.Contains(uri, []byte("generativelanguage.googleapis.com"))),
		bytes.HasPrefix(p.mime, []byte("video/")):
		g.q.drop("contents.parts." + name) // bytes that are not here, or that no other dialect has a form for
		return noPart
	}
	return k
}

func kindOfMime(mime raw) kind {
	switch {
	case bytes.HasPrefix(mime, []byte("image/")):
		return imagePart
	case bytes.HasPrefix(mime, []byte("audio/")):
		return audioPart
	}
	return filePart
}

// unURL turns base64 in its alphabet for URLs, which the API takes too, into
// the plain one.
func unURL(data raw) raw {
	if !bytes.ContainsAny(data, "-_") {
		return data
	}
	out := bytes.Clone(data)
	for i, c := range out {
		switch c {
		case '-':
			out[i] = '+'
		case '_':
			out[i] = '/'
		}
	}
	return out
}

func (g *geminiRequest) call(p *part) {
	p.json = []byte("{}")
	m, ok := g.object()
	for ok && g.key(m) {
		switch camel(g.Name()) {
		case "id":
			p.id = g.raw()
		case "name":
			p.name = g.raw()
		case "args":
			if args := g.skipObject(); args != nil {
				p.json = args
			}
		default:
			g.Skip()
		}
	}
	g.path = g.path[:m]
	g.need(p.name, "name")
	if len(p.id) == 0 {
		g.made++
		p.id = appendInt(raw("call_"), int64(g.made))
	}
	if len(g.calls) <= maxAskedCalls { // of more the request is refused
		g.calls = append(g.calls, openName{p.name, p.id})
	}
}

// response takes a functionResponse. One without an id answers the first call
// of its name that waits.
func (g *geminiRequest) response(p *part) {
	var object []byte
	m, ok := g.object()
	for ok && g.key(m) {
		switch camel(g.Name()) {
		case "id":
			p.id = g.raw()
		case "name":
			p.name = g.raw()
		case "response":
			object = g.skipObject()
		case "parts":
			p.parts = g.parts(p.parts)
		default:
			g.Skip()
		}
	}
	g.path = g.path[:m]
	g.need(p.name, "name")
	for i, c := range g.calls {
		if len(p.id) == 0 && bytes.Equal(c.name, p.name) || len(p.id) > 0 && bytes.Equal(c.id, p.id) {
			p.id = c.id
			g.calls = append(g.calls[:i], g.calls[i+1:]...)
			break
		}
	}
	if len(p.id) == 0 {
		g.made++
		p.id = appendInt(raw("call_"), int64(g.made))
	}
	text, failed := geminiOutput(object)
	p.failed = failed
	if text != nil {
		p.parts = append([]part{{kind: textPart, text: text}}, p.parts...)
	}
}

// geminiOutput is the text of a function's response: that of output, result or
// error where the object has nothing else, else the object.
func geminiOutput(object []byte) (text raw, failed bool) {
	if object == nil {
		return nil, false
	}
	r := lex.New(object)
	members, word := 0, false
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		members++
		name := string(r.Name())
		word = name == "output" || name == "result" || name == "error"
		failed = name == "error"
		if r.Kind() == '"' {
			text, _ = r.Raw()
		} else {
			text = lex.AppendEscaped(nil, compact(r.Skip()))
		}
	}
	switch {
	case members == 0:
		return nil, false
	case members == 1 && word:
		return text, failed
	}
	return lex.AppendEscaped(nil, compact(object)), false
}
