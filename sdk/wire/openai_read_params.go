package wire

import (
	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

func (r *reader) openAIStop(q *request) {
	if r.Kind() == '"' {
		q.stop = []raw{r.raw()}
		return
	}
	q.stop = r.raws()
}

func (r *reader) openAITools(q *request) {
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		t := tool{}
		typ := "function"
		tm, ok := r.object()
		for ok && r.key(tm) {
			switch string(r.Name()) {
			case "type":
				typ = r.word()
			case "function":
				r.openAIFunction(&t)
			case "cache_control":
				t.cache = r.skipObject()
			}
		}
		if typ != "function" {
			q.drop("tools." + typ)
			continue
		}
		r.path = r.path[:tm]
		if t.name == nil {
			r.fault("missing_field", "must have a function with a name")
		}
		q.tools = append(q.tools, t)
	}
}

func (r *reader) openAIFunction(t *tool) {
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "name":
			t.name = r.raw()
		case "description":
			t.description = r.raw()
		case "parameters":
			t.schema = r.skipObject()
		case "strict":
			t.strict = r.flag()
		case "cache_control":
			t.cache = r.skipObject()
		}
	}
}

func (r *reader) openAIToolChoice(q *request) {
	if r.Kind() == '"' {
		switch w := r.word(); w {
		case "auto":
			q.choice.mode = chooseAuto
		case "required":
			q.choice.mode = chooseAny
		case "none":
			q.choice.mode = chooseNone
		default:
			r.fault("invalid_value", `is %q; want "auto", "required", "none" or an object`, w)
		}
		return
	}
	var typ string
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			typ = r.word()
		case "function":
			for fm, ok := r.object(); ok && r.key(fm); {
				if string(r.Name()) == "name" {
					q.choice = toolChoice{chooseOne, r.raw()}
				}
			}
		}
	}
	if !ok {
		return
	}
	r.path = r.path[:m]
	if typ != "function" && typ != "" {
		q.choice = toolChoice{}
		q.drop("tool_choice." + typ)
	} else if q.choice.name == nil {
		r.fault("missing_field", "must have a function with a name")
	}
}

// openAIToolCalls takes the calls that an assistant's message made.
func (r *reader) openAIToolCalls(q *request) (calls []part) {
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		p := part{kind: toolCallPart}
		typ := "function"
		cm, ok := r.object()
		for ok && r.key(cm) {
			switch string(r.Name()) {
			case "id":
				p.id = r.raw()
			case "type":
				typ = r.word()
			case "function":
				for fm, ok := r.object(); ok && r.key(fm); {
					switch string(r.Name()) {
					case "name":
						p.name = r.raw()
					case "arguments":
						p.json = r.openAIArguments()
					}
				}
			}
		}
		if typ != "function" && typ != "" {
			q.drop("messages.tool_calls." + typ)
			continue
		}
		r.path = r.path[:cm]
		r.need(p.id, "id")
		if p.name == nil {
			r.fault("missing_field", "must have a function with a name")
		}
		if p.json == nil {
			p.json = []byte("{}")
		}
		calls = append(calls, p)
	}
	return calls
}

// openAIArguments takes arguments: a string that holds a JSON object.
func (r *reader) openAIArguments() []byte {
	text := r.word()
	if text == "" {
		return nil
	}
	if !isObject([]byte(text)) {
		r.fault("invalid_value", "is not a JSON object: this model's API takes arguments in no other form")
	}
	return []byte(text)
}

func isObject(b []byte) bool {
	r := lex.New(b)
	return r.Kind() == '{' && r.Done()
}

func (r *reader) openAIEffort(q *request, asked string) {
	t := &q.thinking
	switch w := r.word(); w {
	case "":
		return
	case "none":
		t.off = true
	case "minimal", "low", "medium", "high", "xhigh", "max":
		t.effort = w
	default:
		r.fault("invalid_value", `is %q; want "none", "minimal", "low", "medium", "high", "xhigh" or "max"`, w)
	}
	t.asked = asked
}

// openAIReasoning takes OpenRouter's reasoning object.
func (r *reader) openAIReasoning(q *request) {
	t := &q.thinking
	m, ok := r.object()
	for ok && r.key(m) {
		switch name := string(r.Name()); name {
		case "effort":
			r.openAIEffort(q, "reasoning")
		case "max_tokens":
			t.budget = r.whole()
		case "enabled":
			if r.Kind() == 'f' {
				t.off = true
			}
			t.on = r.flag()
		default:
			if !r.idle() {
				q.drop("reasoning." + name)
			}
		}
	}
	t.asked = "reasoning"
}

func (r *reader) openAIFormat(q *request) {
	f := &outputFormat{asked: "response_format"}
	var typ string
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			typ = r.word()
		case "json_schema":
			for jm, ok := r.object(); ok && r.key(jm); {
				switch string(r.Name()) {
				case "name":
					f.name = r.raw()
				case "schema":
					f.schema = r.skipObject()
				default: // description and strict: the schema is always enforced
					r.Skip()
				}
			}
		}
	}
	switch {
	case !ok || typ == "text":
	case typ == "json_schema":
		r.path = r.path[:m]
		if f.schema == nil {
			r.fault("missing_field", "must have a json_schema with a schema")
		}
		q.format = f
	case typ == "json_object":
		f.asked, f.schema = "response_format.json_object", nil
		q.format = f
	default:
		q.drop("response_format." + typ)
	}
}

// openAIUser takes user or, which replaces it, safety_identifier.
func (r *reader) openAIUser(q *request) {
	if string(r.Name()) == "user" && q.user != nil {
		r.raw()
		return
	}
	if s := r.raw(); s != nil {
		q.user = s
	}
}

func (r *reader) openAITier(q *request) {
	switch r.word() {
	case "", "auto":
	case "default":
		q.tier = standardTier
	case "flex":
		q.tier = flexTier
	case "priority":
		q.tier = priorityTier
	default:
		q.drop("service_tier")
	}
}

func (r *reader) openAIAnswers(q *request) {
	if n := r.whole(); n > 1 {
		q.give(answersParam, "n", appendInt(nil, n))
	}
}

func (r *reader) openAIFunctions(q *request) {
	name := string(r.Name())
	if r.Kind() == '"' && (name == "function_call") { // none or auto: the default
		r.Skip()
		return
	}
	if !r.idle() {
		r.fault("unsupported_parameter", "has no form in this model's API: use tools and tool_choice")
	}
}

func (r *reader) openAIModalities(q *request) {
	for _, m := range r.raws() {
		if string(m) != "text" {
			q.drop("modalities." + string(m))
		}
	}
}
