package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// appendResponsesRequest appends q as the body of a request to POST
// /v1/responses. Shapes: https://developers.openai.com/api/reference/resources/responses,
// openai-go v3.98. Nothing is stored unless the caller asks for it, so
// reasoning goes both ways in encrypted form.
func appendResponsesRequest(dst []byte, q *request, model string) []byte {
	m := openAIModelOf(model)
	dst = append(dst, `{"model":`...)
	dst = lex.AppendString(dst, model)
	w := responsesItems{dst: dst, q: q}
	w.conversation()
	dst = w.dst
	if q.maxTokens > 0 {
		dst = appendName(dst, "max_output_tokens")
		dst = appendInt(dst, max(q.maxTokens, minOutput))
		if q.maxTokens < minOutput {
			q.drop(q.names.maxTokens)
		}
	}
	dst = appendOpenAINumbers(dst, q, m)
	if len(q.stop) > 0 {
		q.drop(q.names.stop)
	}
	dst = appendResponsesTools(dst, q)
	dst = appendResponsesReasoning(dst, q, m)
	dst = appendResponsesText(dst, q)
	if q.user != nil {
		dst = appendName(dst, "user")
		dst = appendOpenAIUser(dst, q.user)
	}
	dst = appendOpenAITier(dst, q)
	dst = q.appendParam(dst, "metadata", metadataParam)
	dst = q.appendParam(dst, "top_logprobs", topLogprobsParam)
	dst = q.appendParam(dst, "prompt_cache_key", cacheKeyParam)
	dst = q.appendParam(dst, "prompt_cache_retention", cacheRetentionParam)
	if store := q.take(storeParam); string(store) == "true" {
		dst = append(dst, `,"store":true`...)
	} else {
		dst = append(dst, `,"store":false`...)
	}
	if q.stream {
		dst = append(dst, `,"stream":true`...)
	}
	return append(dst, '}')
}

// minOutput is the least max_output_tokens that the API takes.
const minOutput = 16

func appendResponsesTools(dst []byte, q *request) []byte {
	if len(q.tools) == 0 {
		if q.choice.mode == chooseAny || q.choice.mode == chooseOne {
			q.drop(q.names.toolChoice)
		}
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	for i := range q.tools {
		t := &q.tools[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"type":"function","name":`...)
		dst = appendRaw(dst, t.name)
		if t.description != nil {
			dst = appendRawMember(dst, "description", t.description)
		}
		dst = append(dst, `,"parameters":`...)
		dst = appendObjectSchema(dst, t.schema)
		strict := t.strict && strictSchema(t.schema)
		if t.strict && !strict {
			q.drop(q.names.strict)
		}
		if strict { // which is what the API would do if nothing were said
			dst = append(dst, `,"strict":true}`...)
		} else {
			dst = append(dst, `,"strict":false}`...)
		}
		if t.cache != nil {
			q.drop(q.names.cache)
		}
	}
	dst = append(dst, ']')
	switch q.choice.mode {
	case chooseAuto:
		dst = append(dst, `,"tool_choice":"auto"`...)
	case chooseAny:
		dst = append(dst, `,"tool_choice":"required"`...)
	case chooseNone:
		dst = append(dst, `,"tool_choice":"none"`...)
	case chooseOne:
		dst = append(dst, `,"tool_choice":{"type":"function","name":`...)
		dst = append(appendRaw(dst, q.choice.name), '}')
	}
	if q.serial {
		dst = append(dst, `,"parallel_tool_calls":false`...)
	}
	return dst
}

// appendResponsesReasoning appends reasoning, and include for what the answer
// must hold: reasoning that can be sent back, where the model reasons, and logprobs.
func appendResponsesReasoning(dst []byte, q *request, m openAIModel) []byte {
	t := &q.thinking
	effort := openAIEffort(q, m)
	summary := t.show == shown && !m.noEffort
	if effort != "" || summary {
		dst = append(dst, `,"reasoning":{`...)
		if effort != "" {
			dst = append(append(append(dst, `"effort":"`...), effort...), '"')
		}
		if summary {
			if effort != "" {
				dst = append(dst, ',')
			}
			dst = append(dst, `"summary":"auto"`...)
		}
		dst = append(dst, '}')
	}
	sealed := m.fixed || effort != "" || summary
	logprobs := string(q.take(logprobsParam)) == "true"
	switch {
	case sealed && logprobs:
		dst = append(dst, `,"include":["reasoning.encrypted_content","message.output_text.logprobs"]`...)
	case sealed:
		dst = append(dst, `,"include":["reasoning.encrypted_content"]`...)
	case logprobs:
		dst = append(dst, `,"include":["message.output_text.logprobs"]`...)
	}
	return dst
}

func appendResponsesText(dst []byte, q *request) []byte {
	f, verbosity := q.format, q.take(verbosityParam)
	if f == nil && verbosity == nil {
		return dst
	}
	dst = append(dst, `,"text":{`...)
	switch {
	case f == nil:
	case f.schema == nil:
		dst = append(dst, `"format":{"type":"json_object"}`...)
	default:
		dst = append(dst, `"format":{"type":"json_schema","name":`...)
		dst = appendRaw(dst, f.named())
		dst = appendJSON(dst, "schema", f.schema)
		if strictSchema(f.schema) {
			dst = append(dst, `,"strict":true}`...)
		} else { // it is sent, but not enforced
			q.drop(f.asked)
			dst = append(dst, `,"strict":false}`...)
		}
	}
	if verbosity != nil {
		if f != nil {
			dst = append(dst, ',')
		}
		dst = append(append(dst, `"verbosity":`...), verbosity...)
	}
	return append(dst, '}')
}

// named is the name of a schema; those of other dialects have none.
func (f *outputFormat) named() raw {
	if len(f.name) == 0 {
		return raw("output")
	}
	return f.name
}
