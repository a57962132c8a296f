package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// appendAnthropicRequest appends q as the body of a request to POST /v1/messages.
func appendAnthropicRequest(dst []byte, q *request, model string) []byte {
	c := claudeOf(model)
	if q.maxTokens == 0 {
		q.maxTokens = c.maxOutput
	}
	dst = append(dst, `{"model":`...)
	dst = lex.AppendString(dst, model)
	dst = append(dst, `,"max_tokens":`...)
	dst = appendInt(dst, q.maxTokens)
	w := anthropicMessages{q: q}
	dst = w.conversation(dst)
	dst = appendAnthropicTools(dst, q, c)
	dst, thinks := appendClaudeThinking(dst, q, c)
	dst = appendClaudeSampling(dst, q, c, thinks)
	stops := 0
	for _, s := range q.stop {
		if blank(s) { // refused by the API
			q.drop(q.names.stop)
			continue
		}
		if stops++; stops == 1 {
			dst = append(dst, `,"stop_sequences":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendRaw(dst, s)
	}
	if stops > 0 {
		dst = append(dst, ']')
	}
	if q.user != nil {
		dst = append(dst, `,"metadata":{"user_id":`...)
		dst = append(appendRaw(dst, q.user), '}')
	}
	switch q.tier {
	case autoTier:
		dst = append(dst, `,"service_tier":"auto"`...)
	case standardTier:
		dst = append(dst, `,"service_tier":"standard_only"`...)
	case flexTier, priorityTier:
		q.drop(q.names.tier)
	}
	if q.stream {
		dst = append(dst, `,"stream":true`...)
	}
	return append(dst, '}')
}

func appendAnthropicTools(dst []byte, q *request, c claude) []byte {
	if len(q.tools) == 0 {
		if q.choice.mode == chooseAny || q.choice.mode == chooseOne {
			q.drop(q.names.toolChoice)
		}
		return dst
	}
	for i := range q.tools {
		t := &q.tools[i]
		if i == 0 {
			dst = append(dst, `,"tools":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = appendRaw(dst, t.name)
		if t.description != nil {
			dst = appendRawMember(dst, "description", t.description)
		}
		dst = append(dst, `,"input_schema":`...)
		dst = appendObjectSchema(dst, t.schema)
		if t.strict && c.structured {
			dst = append(dst, `,"strict":true`...)
		} else if t.strict {
			q.drop(q.names.strict)
		}
		dst = appendJSON(dst, "cache_control", t.cache)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	mode := q.choice.mode
	if mode == chooseDefault && q.serial {
		mode = chooseAuto
	}
	if mode == chooseDefault {
		return dst
	}
	dst = append(dst, `,"tool_choice":{"type":"`...)
	dst = append(dst, [...]string{chooseAuto: "auto", chooseAny: "any", chooseOne: "tool", chooseNone: "none"}[mode]...)
	dst = append(dst, '"')
	if mode == chooseOne {
		dst = appendRawMember(dst, "name", q.choice.name)
	}
	if q.serial && mode != chooseNone {
		dst = append(dst, `,"disable_parallel_tool_use":true`...)
	}
	return append(dst, '}')
}

// appendObjectSchema appends schema, which must say that it is an object's.
func appendObjectSchema(dst, schema []byte) []byte {
	if schema == nil {
		return append(dst, `{"type":"object","properties":{}}`...)
	}
	r := lex.New(schema)
	members := 0
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if members++; string(r.Name()) == "type" {
			return append(dst, schema...)
		}
	}
	dst = append(dst, `{"type":"object"`...)
	if members > 0 {
		dst = append(dst, ',')
	}
	return append(dst, schema[1:]...)
}

// appendClaudeSampling appends temperature, top_p and top_k as far as the
// model takes them.
func appendClaudeSampling(dst []byte, q *request, c claude, thinks bool) []byte {
	temperature, topP, topK := q.claudeSampling(c, thinks)
	dst = appendJSON(dst, "temperature", temperature)
	dst = appendJSON(dst, "top_p", topP)
	return appendJSON(dst, "top_k", topK)
}

// claudeSampling returns what the model takes of the three, nil for what it
// does not: thinking rules them out, newer generations do altogether.
func (q *request) claudeSampling(c claude, thinks bool) (temperature, topP, topK []byte) {
	free := c.sampling && !thinks
	temperature, topP, topK = q.temperature, q.topP, q.topK
	if above(temperature, 1) {
		q.drop(q.names.temperature)
		temperature = []byte("1")
	}
	both := c.both || temperature == nil
	if temperature != nil && !free {
		if !isOne(temperature) {
			q.drop(q.names.temperature)
		}
		temperature = nil
	}
	if topP != nil && (!free || !both) {
		if !isOne(topP) {
			q.drop(q.names.topP)
		}
		topP = nil
	}
	if topK != nil && !free {
		q.drop(q.names.topK)
		topK = nil
	}
	return temperature, topP, topK
}
