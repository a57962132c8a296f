package wire

import "strings"

// readAnthropicRequest reads a request to POST /v1/messages. Shapes:
// https://platform.claude.com/docs/en/api/messages, anthropic-sdk-go v1.84.
func readAnthropicRequest(body []byte) (*request, *Error) {
	r := newReader(body)
	q := &request{names: &anthropicNames}
	limited := false
	for m, ok := r.object(); ok && r.key(m); {
		name := string(r.Name())
		if name == "max_tokens" {
			limited = true
		}
		if read := anthropicMembers[name]; read != nil {
			read(&r, q)
		} else if !r.idle() {
			q.drop(name)
		}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return q, anthropicMissing(q, limited)
}

var anthropicNames = paramNames{
	maxTokens:   "max_tokens",
	temperature: "temperature", topP: "top_p", topK: "top_k", stop: "stop_sequences", tier: "service_tier",
	effort: "output_config.effort", thinking: "messages.content.thinking",
	content: "messages.content", document: "messages.content.document", audio: "messages.content",
	toolError:  "messages.content.is_error",
	toolChoice: "tool_choice", strict: "tools.strict", cache: "cache_control",
	user: "metadata.user_id", serial: "tool_choice.disable_parallel_tool_use",
}

func anthropicMissing(q *request, limited bool) *Error {
	missing := func(name, remedy string) *Error {
		e := Errorf(400, "missing_field", "%s: %s", name, remedy)
		e.Param = name
		return e
	}
	switch {
	case !limited:
		return missing("max_tokens", "field required")
	case q.maxTokens == 0:
		return missing("max_tokens", "must be 1 or more: a cache cannot be filled ahead on this model")
	case len(q.messages) == 0:
		return missing("messages", "must hold at least one message")
	}
	return nil
}

// anthropicMembers reads the members of a request.
var anthropicMembers = map[string]func(*reader, *request){
	"model":          func(r *reader, _ *request) { r.raw() },
	"stream":         func(r *reader, q *request) { q.stream = r.flag() },
	"max_tokens":     func(r *reader, q *request) { q.maxTokens = r.whole() },
	"temperature":    func(r *reader, q *request) { q.temperature = r.number() },
	"top_p":          func(r *reader, q *request) { q.topP = r.number() },
	"top_k":          func(r *reader, q *request) { q.topK = r.number() },
	"stop_sequences": func(r *reader, q *request) { q.stop = r.raws() },
	"system":         func(r *reader, q *request) { q.system = r.anthropicContent(q) },
	"messages":       (*reader).anthropicMessages,
	"tools":          (*reader).anthropicTools,
	"tool_choice":    (*reader).anthropicToolChoice,
	"thinking":       (*reader).anthropicThinking,
	"output_config":  (*reader).anthropicOutputConfig,
	"output_format":  func(r *reader, q *request) { q.format = r.anthropicFormat("output_format") },
	"metadata":       (*reader).anthropicMetadata,
	"service_tier":   (*reader).anthropicTier,
}

// raws takes an array of strings.
func (r *reader) raws() (out []raw) {
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		if s := r.raw(); s != nil {
			out = append(out, s)
		}
	}
	return out
}

func (r *reader) anthropicMessages(q *request) {
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		msg := r.anthropicMessage(q)
		if msg.role == noRole {
			r.fault("invalid_value", `must have a role: "user" or "assistant"`)
		}
		q.messages = append(q.messages, msg)
	}
}

func (r *reader) anthropicMessage(q *request) (msg message) {
	said := false
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "role":
			switch w := r.word(); w {
			case "user":
				msg.role = userRole
			case "assistant":
				msg.role = assistantRole
			case "system":
				msg.role = systemRole
			default:
				r.fault("invalid_value", `is %q; want "user" or "assistant"`, w)
			}
		case "content":
			said = r.Kind() != 'n'
			msg.parts = r.anthropicContent(q)
		}
	}
	if ok && !said {
		r.path = r.path[:m]
		r.fault("missing_field", "must have content")
	}
	return msg
}

// anthropicContent takes content: a string or an array of blocks.
func (r *reader) anthropicContent(q *request) (parts []part) {
	if r.Kind() == '"' {
		return []part{{kind: textPart, text: r.raw()}}
	}
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		if p := r.anthropicBlock(q); p.kind != noPart {
			parts = append(parts, p)
		}
	}
	return parts
}

// anthropicBlock takes one content block of any type: the union of their
// members, told apart at the end, since type may come last.
func (r *reader) anthropicBlock(q *request) part {
	var p part
	var typ, sourceType string
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			typ = r.word()
		case "text", "thinking": // some writers give both, one of them empty
			if s := r.raw(); p.text == nil || len(s) > 0 {
				p.text = s
			}
		case "signature":
			p.seal = parseSeal(r.raw())
		case "data":
			p.data = r.raw()
		case "source":
			sourceType = r.anthropicSource(q, &p)
		case "id", "tool_use_id":
			p.id = r.raw()
		case "name", "title":
			p.name = r.raw()
		case "input":
			p.json = r.skipObject()
		case "content":
			p.parts = append(p.parts, r.anthropicContent(q)...)
		case "is_error":
			p.failed = r.flag()
		case "cache_control":
			p.cache = r.skipObject()
		case "citations", "context", "caller", "toolset_name", "transformations":
			if name := string(r.Name()); !r.idle() {
				q.drop("messages.content." + name)
			}
		default:
			r.Skip()
		}
	}
	if ok {
		r.path = r.path[:m]
		r.anthropicPart(q, &p, typ, sourceType)
	}
	return p
}

// anthropicPart decides what kind of part a block is.
func (r *reader) anthropicPart(q *request, p *part, typ, sourceType string) {
	switch typ {
	case "text":
		p.kind = textPart
		r.need(p.text, "text")
	case "thinking":
		p.kind = thinkingPart
	case "redacted_thinking":
		p.kind, p.seal = sealedPart, parseSeal(p.data)
	case "tool_use":
		p.kind = toolCallPart
		r.need(p.id, "id")
		r.need(p.name, "name")
		if p.json == nil {
			p.json = []byte("{}")
		}
	case "tool_result":
		p.kind = toolResultPart
		r.need(p.id, "tool_use_id")
	case "image", "document":
		p.kind = imagePart
		if typ == "document" {
			p.kind = filePart
		}
		if sourceType == "" {
			r.fault("missing_field", "must have a source")
		} else if p.data == nil && p.url == nil && p.text == nil && p.parts == nil {
			p.kind = noPart
			q.drop("messages.content." + typ + "." + sourceType)
		}
	case "":
		r.fault("missing_field", "must have a type")
	default:
		p.kind = noPart
		q.drop("messages.content." + typ)
	}
}

func (r *reader) need(s raw, name string) {
	if s == nil {
		r.fault("missing_field", "must have a member %q", name)
	}
}

// anthropicSource takes the source of an image or document and returns its type.
func (r *reader) anthropicSource(q *request, p *part) (typ string) {
	var text raw
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			typ = r.word()
		case "media_type":
			p.mime = r.raw()
		case "data":
			text = r.raw()
		case "url":
			p.url = r.raw()
		case "content":
			p.parts = r.anthropicContent(q)
		}
	}
	if typ == "text" {
		p.text = text
	} else {
		p.data = text
	}
	return typ
}

func (r *reader) anthropicTools(q *request) {
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		var t tool
		typ := "custom"
		tm, ok := r.object()
		for ok && r.key(tm) {
			switch name := string(r.Name()); name {
			case "type":
				if w := r.word(); w != "" {
					typ = w
				}
			case "name":
				t.name = r.raw()
			case "description":
				t.description = r.raw()
			case "input_schema":
				t.schema = r.skipObject()
			case "strict":
				t.strict = r.flag()
			case "cache_control":
				t.cache = r.skipObject()
			default:
				if !r.idle() && typ == "custom" {
					q.drop("tools." + name)
				}
			}
		}
		if !strings.EqualFold(typ, "custom") { // its schema is known to Anthropic's models alone
			q.drop("tools." + typ)
			continue
		}
		r.path = r.path[:tm]
		r.need(t.name, "name")
		q.tools = append(q.tools, t)
	}
}
