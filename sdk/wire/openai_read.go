package wire

// readOpenAIRequest reads a request to POST /v1/chat/completions. Shapes:
// https://platform.openai.com/docs/api-reference/chat, openai-go v3.98, and
// the members that OpenRouter adds: reasoning, reasoning_details, cache_control.
func readOpenAIRequest(body []byte) (*request, *Error) {
	r := newReader(body)
	q := &request{names: &openAINames}
	for m, ok := r.object(); ok && r.key(m); {
		name := string(r.Name())
		if read := openAIMembers[name]; read != nil {
			read(&r, q)
		} else if !r.idle() {
			q.drop(name)
		}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	if len(q.messages) == 0 && len(q.system) == 0 {
		e := Errorf(400, "missing_field", "messages: must hold at least one message")
		e.Param = "messages"
		return nil, e
	}
	return q, nil
}

var openAINames = paramNames{
	maxTokens:   "max_completion_tokens",
	temperature: "temperature", topP: "top_p", topK: "top_k", stop: "stop", tier: "service_tier",
	effort: "reasoning_effort", thinking: "messages.reasoning_content",
	content: "messages.content", document: "messages.content.file", audio: "messages.content.input_audio",
	toolError: "messages", detail: "messages.content.image_url.detail",
	toolChoice: "tool_choice", strict: "tools.function.strict", cache: "cache_control",
	user: "user", serial: "parallel_tool_calls",
}

// openAIMembers reads the members of a request.
var openAIMembers = map[string]func(*reader, *request){
	"model":                 func(r *reader, _ *request) { r.raw() },
	"stream":                func(r *reader, q *request) { q.stream = r.flag() },
	"stream_options":        func(r *reader, _ *request) { r.skipObject() }, // the stream's own matter
	"max_tokens":            func(r *reader, q *request) { q.maxTokens = max(q.maxTokens, r.whole()) },
	"max_completion_tokens": func(r *reader, q *request) { q.maxTokens = max(q.maxTokens, r.whole()) },
	"temperature":           func(r *reader, q *request) { q.temperature = r.number() },
	"top_p":                 func(r *reader, q *request) { q.topP = r.number() },
	"top_k":                 func(r *reader, q *request) { q.topK = r.number() },
	"stop":                  (*reader).openAIStop,
	"messages":              (*reader).openAIMessages,
	"tools":                 (*reader).openAITools,
	"tool_choice":           (*reader).openAIToolChoice,
	"parallel_tool_calls":   func(r *reader, q *request) { q.serial = r.Kind() == 'f'; r.flag() },
	"reasoning_effort":      func(r *reader, q *request) { r.openAIEffort(q, "reasoning_effort") },
	"reasoning":             (*reader).openAIReasoning,
	"thinking":              (*reader).anthropicThinking,
	"response_format":       (*reader).openAIFormat,
	"safety_identifier":     (*reader).openAIUser,
	"user":                  (*reader).openAIUser,
	"service_tier":          (*reader).openAITier,
	"n":                     (*reader).openAIAnswers,
	"functions":             (*reader).openAIFunctions,
	"function_call":         (*reader).openAIFunctions,
	"modalities":            (*reader).openAIModalities,

	"seed":                   func(r *reader, q *request) { q.give(seedParam, "seed", r.number()) },
	"frequency_penalty":      func(r *reader, q *request) { q.give(frequencyPenaltyParam, "frequency_penalty", r.number()) },
	"presence_penalty":       func(r *reader, q *request) { q.give(presencePenaltyParam, "presence_penalty", r.number()) },
	"logprobs":               func(r *reader, q *request) { q.give(logprobsParam, "logprobs", r.boolean()) },
	"top_logprobs":           func(r *reader, q *request) { q.give(topLogprobsParam, "top_logprobs", r.number()) },
	"metadata":               func(r *reader, q *request) { q.give(metadataParam, "metadata", r.skipObject()) },
	"verbosity":              func(r *reader, q *request) { q.give(verbosityParam, "verbosity", r.quoted()) },
	"prompt_cache_key":       func(r *reader, q *request) { q.give(cacheKeyParam, "prompt_cache_key", r.quoted()) },
	"prompt_cache_retention": func(r *reader, q *request) { q.give(cacheRetentionParam, "prompt_cache_retention", r.quoted()) },
	"store":                  func(r *reader, q *request) { q.give(storeParam, "store", r.boolean()) },
}

func (r *reader) openAIMessages(q *request) {
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		r.openAIMessage(q)
	}
}

// openAIMessage takes one message of any role: the union of their members.
func (r *reader) openAIMessage(q *request) {
	var role string
	var id, plain raw
	var parts, details, calls []part
	var cache []byte
	m, ok := r.object()
	for ok && r.key(m) {
		switch name := string(r.Name()); name {
		case "role":
			role = r.word()
		case "content":
			parts = append(r.openAIContent(q), parts...)
		case "refusal":
			if s := r.raw(); s != nil {
				parts = append(parts, part{kind: refusalPart, text: s})
			}
		case "tool_calls":
			calls = r.openAIToolCalls(q)
		case "tool_call_id":
			id = r.raw()
		case "reasoning_content", "reasoning":
			plain, _ = r.Raw()
		case "reasoning_details":
			details = readDetails(&r.Reader)
		case "cache_control":
			cache = r.skipObject()
		case "annotations", "prompt_cache_breakpoint": // they say nothing to the model
			r.Skip()
		default:
			if !r.idle() {
				q.drop("messages." + name)
			}
		}
	}
	if !ok {
		return
	}
	r.path = r.path[:m]
	if n := len(parts) - 1; n >= 0 && cache != nil {
		parts[n].cache = cache
	}
	r.openAIPlace(q, role, openAIThinking(plain, details), parts, calls, id)
}

// openAIThinking is the reasoning of an assistant's message: its sealed
// entries, or the plain text where there are none.
func openAIThinking(plain raw, details []part) []part {
	if len(details) == 0 && len(plain) > 0 {
		return []part{{kind: thinkingPart, text: plain}}
	}
	if len(details) == 1 && details[0].kind == thinkingPart && details[0].text == nil {
		details[0].text = plain
	}
	return details
}

// openAIPlace puts a message where the canonical form has it.
func (r *reader) openAIPlace(q *request, role string, thinking, parts, calls []part, id raw) {
	switch role {
	case "system", "developer":
		q.system = append(q.system, parts...)
	case "user":
		q.messages = append(q.messages, message{userRole, parts})
	case "assistant":
		q.messages = append(q.messages, message{assistantRole, append(append(thinking, parts...), calls...)})
	case "tool":
		r.need(id, "tool_call_id")
		result := part{kind: toolResultPart, id: id, parts: parts}
		if n := len(parts) - 1; n >= 0 {
			result.cache, parts[n].cache = parts[n].cache, nil
		}
		q.messages = append(q.messages, message{userRole, []part{result}})
	case "function":
		r.fault("unsupported_value", `has the role "function", which this model's API has no form for: use tools and the role "tool"`)
	case "":
		r.fault("missing_field", "must have a role")
	default:
		r.fault("invalid_value", `has the role %q; want "system", "developer", "user", "assistant" or "tool"`, role)
	}
}

// openAIContent takes content: a string or an array of parts.
func (r *reader) openAIContent(q *request) (parts []part) {
	if r.Kind() == '"' {
		return []part{{kind: textPart, text: r.raw()}}
	}
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		if p := r.openAIPart(q); p.kind != noPart {
			parts = append(parts, p)
		}
	}
	return parts
}

// openAIPart takes one content part of any type.
func (r *reader) openAIPart(q *request) (p part) {
	var typ, file string
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			typ = r.word()
		case "text", "refusal":
			p.text = r.raw()
		case "image_url":
			r.openAIImage(q, &p)
		case "file":
			file = r.openAIFile(&p)
		case "input_audio":
			r.openAIAudio(&p)
		case "cache_control":
			p.cache = r.skipObject()
		case "prompt_cache_breakpoint":
			if p.cache == nil && !r.idle() {
				p.cache = []byte(`{"type":"ephemeral"}`)
			}
		default:
			r.Skip()
		}
	}
	if !ok {
		return part{}
	}
	r.path = r.path[:m]
	if file != "" && typ == "file" {
		q.drop("messages.content." + file)
		return part{}
	}
	r.openAIKind(q, &p, typ)
	return p
}

// openAIKind decides what kind of part p is.
func (r *reader) openAIKind(q *request, p *part, typ string) {
	switch typ {
	case "text":
		p.kind = textPart
		r.need(p.text, "text")
	case "refusal":
		p.kind = refusalPart
		r.need(p.text, "refusal")
	case "image_url":
		p.kind = imagePart
		if p.url == nil && p.data == nil {
			r.fault("missing_field", "must have an image_url with a url")
		}
	case "file":
		p.kind = filePart
	case "input_audio":
		p.kind = audioPart
		if len(p.data) == 0 || len(p.mime) == 0 {
			r.fault("missing_field", "must have input_audio with data and format")
		}
	case "":
		r.fault("missing_field", "must have a type")
	default: // what is yet to come
		q.drop("messages.content." + typ)
	}
}

func (r *reader) openAIImage(q *request, p *part) {
	if r.Kind() == '"' { // some clients send the URL alone
		r.openAIURL(p, r.raw())
		return
	}
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "url":
			r.openAIURL(p, r.raw())
		case "detail":
			r.detail(q, p)
		}
	}
}

// detail takes how closely an image is to be looked at.
func (r *reader) detail(q *request, p *part) {
	if d := r.raw(); len(d) > 0 && string(d) != "auto" {
		p.detail = d
		q.give(detailParam, q.names.detail, d)
	}
}

// openAIURL sets where p's bytes are: within a data URL or at a remote one.
func (r *reader) openAIURL(p *part, url raw) {
	if !isDataURL(url) {
		p.url = url
		return
	}
	mime, data, ok := dataURL(url)
	if !ok || len(mime) == 0 || len(data) == 0 {
		r.fault("invalid_value", `is not a data URL that can be read: want "data:<type>;base64,<data>"`)
	}
	p.mime, p.data = mime, data
}

func (r *reader) openAIAudio(p *part) {
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "data":
			p.data = r.raw()
		case "format":
			if f := r.raw(); len(f) > 0 {
				p.mime = append(raw("audio/"), f...)
			}
		}
	}
}

// openAIFile takes a file; what is not "" names the member that cannot be carried.
func (r *reader) openAIFile(p *part) (lost string) {
	lost = "file"
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "file_data":
			if s := r.raw(); s != nil && !isDataURL(s) {
				p.mime, p.data, lost = raw("application/pdf"), s, ""
			} else if s != nil {
				r.openAIURL(p, s)
				lost = ""
			}
		case "filename":
			p.name = r.raw()
		case "file_id":
			if r.raw() != nil {
				lost = "file.file_id"
			}
		}
	}
	return lost
}
