package wire

// readResponsesRequest reads a request to POST /v1/responses. Shapes:
// https://developers.openai.com/api/reference/resources/responses, openai-go v3.98.
func readResponsesRequest(body []byte) (*request, *Error) {
	r := newReader(body)
	q := &request{names: &responsesNames}
	for m, ok := r.object(); ok && r.key(m); {
		name := string(r.Name())
		if read := responsesMembers[name]; read != nil {
			read(&r, q)
		} else if !r.idle() {
			q.drop(name)
		}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	if len(q.messages) == 0 && len(q.system) == 0 {
		e := Errorf(400, "missing_field", "input: must be a text or hold at least one item")
		e.Param = "input"
		return nil, e
	}
	if n := q.params[topLogprobsParam]; n.value != nil && !isIdle(n.value) && q.params[logprobsParam].value == nil {
		q.give(logprobsParam, n.asked, []byte("true"))
	}
	q.keepAllowed()
	return q, nil
}

var responsesNames = paramNames{
	maxTokens:   "max_output_tokens",
	temperature: "temperature", topP: "top_p", topK: "top_k", stop: "stop", tier: "service_tier",
	effort: "reasoning.effort", thinking: "input.reasoning",
	content: "input.content", document: "input.content.input_file", audio: "input.content.input_audio",
	toolError: "input", detail: "input.content.detail",
	toolChoice: "tool_choice", strict: "tools.strict", cache: "prompt_cache_breakpoint",
	user: "user", serial: "parallel_tool_calls",
}

// responsesMembers reads the members of a request.
var responsesMembers = map[string]func(*reader, *request){
	"model":               func(r *reader, _ *request) { r.raw() },
	"stream":              func(r *reader, q *request) { q.stream = r.flag() },
	"stream_options":      func(r *reader, _ *request) { r.skipObject() }, // padding against eavesdroppers
	"input":               (*reader).responsesInput,
	"instructions":        (*reader).responsesInstructions,
	"max_output_tokens":   func(r *reader, q *request) { q.maxTokens = r.whole() },
	"temperature":         func(r *reader, q *request) { q.temperature = r.number() },
	"top_p":               func(r *reader, q *request) { q.topP = r.number() },
	"tools":               (*reader).responsesTools,
	"tool_choice":         (*reader).responsesToolChoice,
	"parallel_tool_calls": func(r *reader, q *request) { q.serial = r.Kind() == 'f'; r.flag() },
	"reasoning":           (*reader).responsesReasoning,
	"text":                (*reader).responsesText,
	"include":             (*reader).responsesInclude,
	"truncation":          (*reader).responsesTruncation,
	"safety_identifier":   (*reader).openAIUser,
	"user":                (*reader).openAIUser,
	"service_tier":        (*reader).openAITier,

	"top_logprobs":           func(r *reader, q *request) { q.give(topLogprobsParam, "top_logprobs", r.number()) },
	"metadata":               func(r *reader, q *request) { q.give(metadataParam, "metadata", r.skipObject()) },
	"prompt_cache_key":       func(r *reader, q *request) { q.give(cacheKeyParam, "prompt_cache_key", r.quoted()) },
	"prompt_cache_retention": func(r *reader, q *request) { q.give(cacheRetentionParam, "prompt_cache_retention", r.quoted()) },

	"store": func(r *reader, q *request) { // another API's store would not serve previous_response_id
		if r.flag() {
			q.drop("store")
		}
	},
	"background":           refuseStateful("send it without, and wait for the answer or stream it"),
	"previous_response_id": refuseStateful("send the earlier items in input"),
	"conversation":         refuseStateful("send the conversation's items in input"),
	"prompt":               refuseStateful("send the prompt's text in instructions and input"),
}

// refuseStateful reads a member that needs what only OpenAI's servers keep.
func refuseStateful(remedy string) func(*reader, *request) {
	return func(r *reader, _ *request) {
		if !r.idle() {
			r.fault("unsupported_parameter", "needs what OpenAI's servers keep, and this model is served by another API: %s", remedy)
		}
	}
}

func (r *reader) responsesInstructions(q *request) {
	if r.Kind() != '[' {
		if s := r.raw(); s != nil {
			q.system = append([]part{{kind: textPart, text: s}}, q.system...)
		}
		return
	}
	inner := request{names: q.names} // a list of items: their texts come first, whatever their roles
	r.responsesItems(&inner)
	parts := inner.system
	for _, m := range inner.messages {
		parts = append(parts, m.parts...)
	}
	q.system = append(parts, q.system...)
	for _, name := range inner.dropped {
		q.drop(name)
	}
}

func (r *reader) responsesInput(q *request) {
	if r.Kind() == '"' {
		q.messages = append(q.messages, message{userRole, []part{{kind: textPart, text: r.raw()}}})
		return
	}
	r.responsesItems(q)
}

func (r *reader) responsesItems(q *request) {
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		r.responsesItem(q)
	}
}

// responsesItem is an item of any type: the union of their members.
type responsesItem struct {
	typ, role  string
	id, callID raw
	name       raw
	arguments  []byte
	content    []part // of a message, of a call's output; of raw reasoning
	summary    raw
	encrypted  raw
	said       bool
}

func (r *reader) responsesItem(q *request) {
	var it responsesItem
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			it.typ = r.word()
		case "role":
			it.role = r.word()
		case "id":
			it.id = r.raw()
		case "call_id":
			it.callID = r.raw()
		case "name":
			it.name = r.raw()
		case "arguments":
			it.arguments = r.openAIArguments()
		case "content", "output":
			it.said = r.Kind() != 'n'
			it.content = append(it.content, r.responsesContent(q)...)
		case "summary":
			it.summary = r.responsesSummary()
		case "encrypted_content":
			it.encrypted = r.raw()
		default: // status, phase, and the members of items that are told apart below
			r.Skip()
		}
	}
	if ok {
		r.path = r.path[:m]
		r.responsesPlace(q, &it)
	}
}

// responsesPlace puts an item where the canonical form has it.
func (r *reader) responsesPlace(q *request, it *responsesItem) {
	switch it.typ {
	case "message", "":
		r.responsesMessage(q, it)
	case "function_call":
		r.need(it.callID, "call_id")
		r.need(it.name, "name")
		if it.arguments == nil {
			it.arguments = []byte("{}")
		}
		q.say(part{kind: toolCallPart, id: it.callID, name: it.name, json: it.arguments})
	case "function_call_output":
		r.need(it.callID, "call_id")
		q.hear(part{kind: toolResultPart, id: it.callID, parts: it.content})
	case "reasoning":
		if p := it.reasoning(); p.kind != noPart {
			q.say(p)
		}
	case "item_reference", "compaction":
		r.fault("unsupported_value", "is of the type %q, which only OpenAI's servers can read, and this model is served by another API: send the items themselves", it.typ)
	case "custom_tool_call", "custom_tool_call_output":
		r.fault("unsupported_value", "is of the type %q, which has no form in this model's API: declare the tool as a function", it.typ)
	default: // calls of tools that OpenAI runs
		q.drop("input." + it.typ)
	}
}

func (r *reader) responsesMessage(q *request, it *responsesItem) {
	if !it.said {
		r.fault("missing_field", "must have content")
	}
	switch it.role {
	case "user":
		q.messages = append(q.messages, message{userRole, it.content})
	case "assistant":
		if n := len(q.messages) - 1; n >= 0 && q.messages[n].spoke() {
			q.messages = append(q.messages, message{role: assistantRole})
		}
		q.say(it.content...)
	case "system", "developer":
		if len(q.messages) == 0 {
			q.system = append(q.system, it.content...)
		} else {
			q.messages = append(q.messages, message{systemRole, it.content})
		}
	case "":
		r.fault("missing_field", "must have a role")
	default:
		r.fault("invalid_value", `has the role %q; want "system", "developer", "user" or "assistant"`, it.role)
	}
}

// say adds to what the assistant said: items that follow each other are one
// turn, as other dialects have it.
func (q *request) say(parts ...part) {
	if n := len(q.messages) - 1; n < 0 || q.messages[n].role != assistantRole {
		q.messages = append(q.messages, message{role: assistantRole})
	}
	m := &q.messages[len(q.messages)-1]
	m.parts = append(m.parts, parts...)
}

// hear adds the result of a call: results that follow each other are one turn.
func (q *request) hear(result part) {
	n := len(q.messages) - 1
	if n >= 0 && q.messages[n].role == userRole {
		if parts := q.messages[n].parts; len(parts) > 0 && parts[len(parts)-1].kind == toolResultPart {
			q.messages[n].parts = append(parts, result)
			return
		}
	}
	q.messages = append(q.messages, message{userRole, []part{result}})
}

// spoke reports whether m is an assistant's turn that a further message does
// not belong to: it holds a text and no calls.
func (m *message) spoke() bool {
	texts := false
	for i := range m.parts {
		if m.parts[i].kind == toolCallPart {
			return false
		}
		texts = texts || m.parts[i].kind == textPart || m.parts[i].kind == refusalPart
	}
	return m.role == assistantRole && texts
}
