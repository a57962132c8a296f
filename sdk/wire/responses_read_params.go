package wire

import "bytes"

func (r *reader) responsesTools(q *request) {
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		var t tool
		var typ string
		tm, ok := r.object()
		for ok && r.key(tm) {
			switch string(r.Name()) {
			case "type":
				typ = r.word()
			case "name":
				t.name = r.raw()
			case "description":
				t.description = r.raw()
			case "parameters":
				t.schema = r.responsesSchema()
			case "strict":
				t.strict = r.flag()
			default: // of tools that are refused below; defer_loading, output_schema
				r.Skip()
			}
		}
		r.path = r.path[:tm]
		switch typ {
		case "function":
			r.need(t.name, "name")
			q.tools = append(q.tools, t)
		case "":
			r.fault("missing_field", "must have a type")
		case "custom":
			r.fault("unsupported_tool", "is a custom tool, which has no form in this model's API: declare it as a function with one string")
		default: // without it the model would answer as if it had searched, run or read
			r.fault("unsupported_tool", "is of the type %q, which OpenAI runs itself, and this model is served by another API: leave it out, or declare a function", typ)
		}
	}
}

// responsesSchema takes parameters; other members of a tool have the name too.
func (r *reader) responsesSchema() []byte {
	if r.Kind() != '{' {
		r.Skip()
		return nil
	}
	return r.skipObject()
}

func (r *reader) responsesToolChoice(q *request) {
	if r.Kind() == '"' || r.Kind() == 'n' {
		r.choiceWord(q)
		return
	}
	var typ string
	var name raw
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			typ = r.word()
		case "name":
			name = r.raw()
		case "mode":
			r.choiceWord(q)
		case "tools":
			q.allowed = r.responsesAllowed()
		default:
			r.Skip()
		}
	}
	if !ok {
		return
	}
	r.path = r.path[:m]
	switch typ {
	case "function":
		r.need(name, "name")
		q.choice = toolChoice{chooseOne, name}
	case "allowed_tools":
		if q.allowed == nil {
			r.fault("missing_field", "must have tools")
		}
	default:
		r.fault("unsupported_value", "is of the type %q, which has no form in this model's API: choose a function", typ)
	}
}

// choiceWord takes a mode of tool_choice.
func (r *reader) choiceWord(q *request) {
	switch w := r.word(); w {
	case "":
	case "auto":
		q.choice.mode = chooseAuto
	case "required":
		q.choice.mode = chooseAny
	case "none":
		q.choice.mode = chooseNone
	default:
		r.fault("invalid_value", `is %q; want "auto", "required", "none" or an object`, w)
	}
}

// responsesAllowed takes the names of the functions that may be called.
func (r *reader) responsesAllowed() []raw {
	names := []raw{}
	m, ok := r.array()
	for i := 0; ok && r.elem(m, i); i++ {
		for tm, ok := r.object(); ok && r.key(tm); {
			if string(r.Name()) == "name" {
				names = append(names, r.raw())
			}
		}
	}
	return names
}

// keepAllowed takes the tools away that tool_choice does not allow.
func (q *request) keepAllowed() {
	if q.allowed == nil {
		return
	}
	kept := q.tools[:0]
	for _, t := range q.tools {
		for _, name := range q.allowed {
			if bytes.Equal(name, t.name) {
				kept = append(kept, t)
				break
			}
		}
	}
	q.tools = kept
}

func (r *reader) responsesReasoning(q *request) {
	t := &q.thinking
	m, ok := r.object()
	for ok && r.key(m) {
		switch name := string(r.Name()); name {
		case "effort":
			r.openAIEffort(q, "reasoning.effort")
		case "summary", "generate_summary":
			if w := r.word(); w != "" {
				t.show = shown
			}
		default:
			if !r.idle() {
				q.drop("reasoning." + name)
			}
		}
	}
}

func (r *reader) responsesText(q *request) {
	m, ok := r.object()
	for ok && r.key(m) {
		switch name := string(r.Name()); name {
		case "format":
			r.responsesFormat(q)
		case "verbosity":
			q.give(verbosityParam, "text.verbosity", r.quoted())
		default:
			if !r.idle() {
				q.drop("text." + name)
			}
		}
	}
}

func (r *reader) responsesFormat(q *request) {
	f := &outputFormat{asked: "text.format"}
	var typ string
	m, ok := r.object()
	for ok && r.key(m) {
		switch string(r.Name()) {
		case "type":
			typ = r.word()
		case "name":
			f.name = r.raw()
		case "schema":
			f.schema = r.skipObject()
		default: // description and strict: the schema is always enforced
			r.Skip()
		}
	}
	if !ok {
		return
	}
	r.path = r.path[:m]
	switch typ {
	case "text":
	case "json_object":
		f.asked, f.schema = "text.format.json_object", nil
		q.format = f
	case "json_schema":
		r.need(f.schema, "schema")
		r.need(f.name, "name")
		q.format = f
	case "":
		r.fault("missing_field", "must have a type")
	default:
		q.drop("text.format." + typ)
	}
}

func (r *reader) responsesInclude(q *request) {
	for _, s := range r.raws() {
		switch string(s) {
		case "reasoning.encrypted_content": // is always given
		case "message.output_text.logprobs":
			q.give(logprobsParam, "include.message.output_text.logprobs", []byte("true"))
		default:
			q.drop("include." + string(s))
		}
	}
}

func (r *reader) responsesTruncation(q *request) {
	if w := r.word(); w != "" && w != "disabled" {
		q.drop("truncation")
	}
}
