package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

func bedrockCodec() *codec {
	return &codec{
		dialect:      BedrockConverse,
		writeRequest: appendBedrockRequest, readAnswer: readBedrockAnswer,
		newReader: func() eventReader { return &bedrockEvents{} },
	}
}

// formatTool is the tool by which a model without structured output is made to
// answer in JSON; its arguments are the answer.
const formatTool = "signalbox_json_answer"

// appendBedrockRequest appends q as the body of a request to POST
// /model/{modelId}/converse or …/converse-stream. Shapes:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
// aws-sdk-go-v2/service/bedrockruntime v1.63.
func appendBedrockRequest(dst []byte, q *request, model string) []byte {
	m := bedrockOf(model)
	format := q.bedrockFormat(&m)
	w := bedrockMessages{q: q, m: &m}
	dst = w.conversation(append(dst, '{'))
	var extra []byte // members of additionalModelRequestFields
	extra, thinks, effort := q.bedrockThinking(extra, &m)
	dst, extra = q.bedrockInference(dst, extra, &m, thinks)
	dst = q.bedrockTools(dst, &m)
	if len(extra) > 0 {
		dst = append(dst, `,"additionalModelRequestFields":{`...)
		dst = append(append(dst, extra[1:]...), '}')
	}
	dst = appendBedrockOutput(dst, format, effort)
	switch q.tier {
	case standardTier:
		dst = append(dst, `,"serviceTier":{"type":"default"}`...)
	case flexTier:
		dst = append(dst, `,"serviceTier":{"type":"flex"}`...)
	case priorityTier:
		dst = append(dst, `,"serviceTier":{"type":"priority"}`...)
	}
	if q.serial && len(q.tools) > 0 {
		q.drop(q.names.serial)
	}
	if q.user != nil {
		q.drop(q.names.user)
	}
	return append(dst, '}')
}

// bedrockFormat returns the format that the model takes as such. Where it takes
// none, a tool stands for it.
func (q *request) bedrockFormat(m *bedrock) *outputFormat {
	f := q.format
	switch {
	case f == nil:
		return nil
	case m.format == nativeFormat && f.schema != nil:
		return f
	case m.format == noFormat || m.format == nativeFormat:
		q.drop(f.asked)
		return nil
	}
	q.tools = append(q.tools[:len(q.tools):len(q.tools)], tool{name: raw(formatTool),
		description: raw("Give the final answer: this is the only way to give it."), schema: f.schema})
	if len(q.tools) == 1 {
		q.choice = toolChoice{mode: chooseOne, name: raw(formatTool)}
	} else if q.choice.mode == chooseDefault || q.choice.mode == chooseAuto {
		q.choice = toolChoice{mode: chooseAny}
	}
	return nil
}

func appendBedrockOutput(dst []byte, f *outputFormat, effort string) []byte {
	if f == nil && effort == "" {
		return dst
	}
	dst = append(dst, `,"outputConfig":{`...)
	if effort != "" {
		dst = append(append(append(dst, `"effort":"`...), effort...), '"')
	}
	if f != nil {
		if effort != "" {
			dst = append(dst, ',')
		}
		dst = append(dst, `"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":`...)
		dst = lex.AppendString(dst, f.schema)
		dst = appendRawMember(dst, "name", f.name)
		dst = append(dst, "}}}"...)
	}
	return append(dst, '}')
}

// bedrockInference appends inferenceConfig, and what it has no place for to extra.
func (q *request) bedrockInference(dst, extra []byte, m *bedrock, thinks bool) (out, more []byte) {
	temperature, topP, topK := q.temperature, q.topP, q.topK
	if m.isClaude {
		temperature, topP, topK = q.claudeSampling(m.claude, thinks)
	}
	from := len(dst)
	dst = append(dst, `,"inferenceConfig":{`...)
	mark := len(dst)
	if q.maxTokens > 0 {
		dst = appendInt(append(dst, `,"maxTokens":`...), q.maxTokens)
	}
	dst = appendJSON(dst, "temperature", temperature)
	dst = appendJSON(dst, "topP", topP)
	dst = q.bedrockStops(dst, m)
	if len(dst) == mark {
		dst = dst[:from]
	} else {
		dst = append(append(dst[:mark], dst[mark+1:]...), '}') // without the first comma
	}
	switch {
	case topK == nil:
	case m.topK == "topK": // Nova
		extra = append(append(append(extra, `,"inferenceConfig":{"topK":`...), topK...), '}')
	case m.topK != "":
		extra = appendJSON(extra, m.topK, topK)
	default:
		q.drop(q.names.topK)
	}
	return dst, extra
}

func (q *request) bedrockStops(dst []byte, m *bedrock) []byte {
	n := 0
	for _, s := range q.stop {
		if len(s) == 0 || m.isClaude && blank(s) { // refused by the API
			q.drop(q.names.stop)
			continue
		}
		if n++; n == 1 {
			dst = append(dst, `,"stopSequences":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendRaw(dst, s)
	}
	if n > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// bedrockThinking appends to extra what asks the model to reason; effort is
// for outputConfig.
func (q *request) bedrockThinking(extra []byte, m *bedrock) (out []byte, thinks bool, effort string) {
	t := &q.thinking
	switch m.thinks {
	case claudeBedrockThinking:
		if t.set() && !t.off && q.maxTokens == 0 {
			q.maxTokens = m.claude.maxOutput
		}
		return q.claudeThinking(extra, m.claude)
	case novaThinking:
		switch {
		case !t.set():
		case t.off:
			extra = append(extra, `,"reasoningConfig":{"type":"disabled"}`...)
		default:
			extra = append(extra, `,"reasoningConfig":{"type":"enabled","maxReasoningEffort":"`...)
			extra = append(append(extra, q.plainEffort()...), `"}`...)
		}
	case effortThinking:
		if t.set() && !t.off {
			extra = append(append(append(extra, `,"reasoning_effort":"`...), q.plainEffort()...), '"')
		}
	default:
		if t.set() && !t.off {
			q.drop(t.asked)
		}
	}
	return extra, false, ""
}

// plainEffort is how much to reason in the three words that most models know.
func (q *request) plainEffort() string {
	switch t := &q.thinking; {
	case t.effort == "minimal" || t.effort == "low", t.effort == "" && t.budget > 0 && t.budget <= 2048:
		return "low"
	case t.effort == "medium", t.effort == "" && t.budget > 0 && t.budget <= 8192, t.effort == "" && t.budget == 0:
		return "medium"
	}
	return "high"
}

// bedrockTools appends toolConfig. The API wants it as soon as the conversation
// has calls in it, so tools that are not offered any more are told by name.
func (q *request) bedrockTools(dst []byte, m *bedrock) []byte {
	called := q.calledTools()
	if q.choice.mode == chooseNone && len(called) > 0 && len(q.tools) > 0 {
		q.drop(q.names.toolChoice) // there is no form for it
	}
	tools := q.tools
	switch {
	case q.choice.mode == chooseNone && len(called) == 0:
		return dst
	case len(tools) == 0:
		if q.choice.mode == chooseAny || q.choice.mode == chooseOne {
			q.drop(q.names.toolChoice)
		}
		tools = called
	}
	if len(tools) == 0 {
		return dst
	}
	dst = append(dst, `,"toolConfig":{"tools":[`...)
	for i := range tools {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = q.bedrockTool(dst, &tools[i], m)
	}
	dst = append(dst, ']')
	if len(q.tools) > 0 {
		switch q.choice.mode {
		case chooseAuto:
			dst = append(dst, `,"toolChoice":{"auto":{}}`...)
		case chooseAny:
			dst = append(dst, `,"toolChoice":{"any":{}}`...)
		case chooseOne:
			dst = append(dst, `,"toolChoice":{"tool":{"name":`...)
			dst = append(appendRaw(dst, q.choice.name), "}}"...)
		}
	}
	return append(dst, '}')
}

func (q *request) bedrockTool(dst []byte, t *tool, m *bedrock) []byte {
	dst = append(dst, `{"toolSpec":{"name":`...)
	dst = appendRaw(dst, t.name)
	if len(t.description) > 0 {
		dst = appendRawMember(dst, "description", t.description)
	}
	dst = append(dst, `,"inputSchema":{"json":`...)
	dst = append(appendObjectSchema(dst, t.schema), '}')
	if t.strict && m.strict {
		dst = append(dst, `,"strict":true`...)
	} else if t.strict {
		q.drop(q.names.strict)
	}
	dst = append(dst, "}}"...)
	return q.cachePoint(dst, t.cache, m, m.tools)
}

// cachePoint appends a mark after what is worth caching.
func (q *request) cachePoint(dst, cache []byte, m *bedrock, here bool) []byte {
	switch {
	case cache == nil:
		return dst
	case !m.caches || !here:
		q.drop(q.names.cache)
		return dst
	case m.hour && bytes.Contains(cache, []byte(`"1h"`)):
		return append(dst, `,{"cachePoint":{"type":"default","ttl":"1h"}}`...)
	}
	return append(dst, `,{"cachePoint":{"type":"default"}}`...)
}

// calledTools are the tools that the conversation has calls of.
func (q *request) calledTools() (out []tool) {
	for i := range q.messages {
		for _, p := range q.messages[i].parts {
			known := p.kind != toolCallPart
			for _, t := range out {
				known = known || bytes.Equal(t.name, p.name)
			}
			if !known {
				out = append(out, tool{name: p.name})
			}
		}
	}
	return out
}
