package wire

import (
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

func cohereCodec() *codec {
	return &codec{
		dialect:      CohereChat,
		writeRequest: appendCohereRequest, readAnswer: readCohereAnswer,
		newReader: func() eventReader { return &cohereEvents{} },
	}
}

// cohereThinks reports whether a model reasons: the older ones do not, and
// refuse to be asked. Source: https://docs.cohere.com/docs/reasoning and
// /docs/models, as of November 2026.
func cohereThinks(model string) bool {
	if strings.Contains(model, "reasoning") || strings.Contains(model, "-plus") && !strings.Contains(model, "command-r") {
		return true
	}
	for _, old := range [...]string{"command-r", "command-a-03", "command-a-vision", "command-a-translate", "command-light", "command-nightly", "c4ai-", "aya-"} {
		if strings.Contains(model, old) {
			return false
		}
	}
	return model != "command" && model != "command-a"
}

// appendCohereRequest appends q as the body of a request to POST /v2/chat.
// Shapes: https://docs.cohere.com/reference/chat, cohere-go v2.15.
func appendCohereRequest(dst []byte, q *request, model string) []byte {
	w := cohereMessages{q: q, thinks: cohereThinks(model)}
	dst = append(dst, `{"model":`...)
	dst = lex.AppendString(dst, model)
	dst = append(w.conversation(append(dst, `,"messages":[`...)), ']')
	dst = w.documents(dst)
	if q.maxTokens > 0 {
		dst = appendInt(append(dst, `,"max_tokens":`...), q.maxTokens)
	}
	dst = q.cohereSampling(dst)
	dst = q.cohereTools(dst)
	dst = q.cohereThinking(dst, w.thinks)
	if f := q.format; f != nil {
		dst = append(dst, `,"response_format":{"type":"json_object"`...)
		dst = append(appendJSON(dst, "json_schema", f.schema), '}')
	}
	if q.user != nil {
		q.drop(q.names.user)
	}
	if q.tier != noTier && q.tier != autoTier {
		q.drop(q.names.tier)
	}
	if q.stream {
		dst = append(dst, `,"stream":true`...)
	} else {
		dst = append(dst, `,"stream":false`...)
	}
	return append(dst, '}')
}

// cohereMaxStops is the most stop sequences that the API takes.
const cohereMaxStops = 5

func (q *request) cohereSampling(dst []byte) []byte {
	dst = appendJSON(dst, "temperature", q.temperature)
	switch {
	case above(q.topP, 0.99): // its range ends there
		dst = append(dst, `,"p":0.99`...)
	default:
		dst = appendJSON(dst, "p", q.topP)
	}
	dst = appendJSON(dst, "k", q.topK)
	dst = q.appendParam(dst, "seed", seedParam)
	dst = q.coherePenalty(dst, "frequency_penalty", frequencyPenaltyParam)
	dst = q.coherePenalty(dst, "presence_penalty", presencePenaltyParam)
	stops := q.stop
	if len(stops) > cohereMaxStops {
		q.drop(q.names.stop)
		stops = stops[:cohereMaxStops]
	}
	for i, s := range stops {
		if i == 0 {
			dst = append(dst, `,"stop_sequences":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendRaw(dst, s)
	}
	if len(stops) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// coherePenalty appends a penalty within the API's range, 0 to 1; what lies
// outside of it is reported as dropped.
func (q *request) coherePenalty(dst []byte, name string, p param) []byte {
	f, err := strconv.ParseFloat(string(q.params[p].value), 64)
	if err != nil || f < 0 || f > 1 {
		return dst
	}
	return q.appendParam(dst, name, p)
}

func (q *request) cohereTools(dst []byte) []byte {
	if q.serial && len(q.tools) > 0 {
		q.drop(q.names.serial)
	}
	tools, mode := q.tools, q.choice.mode
	if mode == chooseOne { // the one tool that there is, is the one that must be called
		mode = chooseAny
		tools = q.named(q.choice.name)
	}
	if len(tools) == 0 {
		if mode == chooseAny {
			q.drop(q.names.toolChoice)
		}
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	strict := 0
	for i := range tools {
		t := &tools[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"type":"function","function":{"name":`...)
		dst = appendRaw(dst, t.name)
		if len(t.description) > 0 {
			dst = appendRawMember(dst, "description", t.description)
		}
		dst = append(dst, `,"parameters":`...)
		dst = append(appendObjectSchema(dst, t.schema), "}}"...)
		if t.strict {
			strict++
		}
		if t.cache != nil {
			q.drop(q.names.cache)
		}
	}
	dst = append(dst, ']')
	switch {
	case strict == len(tools):
		dst = append(dst, `,"strict_tools":true`...)
	case strict > 0: // all are, or none
		q.drop(q.names.strict)
	}
	switch mode {
	case chooseAny:
		dst = append(dst, `,"tool_choice":"REQUIRED"`...)
	case chooseNone:
		dst = append(dst, `,"tool_choice":"NONE"`...)
	}
	return dst
}

// named are the tools of a name: one, or none.
func (q *request) named(name raw) []tool {
	for i := range q.tools {
		if string(q.tools[i].name) == string(name) {
			return q.tools[i : i+1]
		}
	}
	return nil
}

// cohereThinking appends thinking. An effort is a share of max_tokens, or, where
// none are given, left to the model.
func (q *request) cohereThinking(dst []byte, thinks bool) []byte {
	t := &q.thinking
	switch {
	case !t.set():
		return dst
	case !thinks:
		if !t.off {
			q.drop(t.asked)
		}
		return dst
	case t.off:
		return append(dst, `,"thinking":{"type":"disabled"}`...)
	}
	dst = append(dst, `,"thinking":{"type":"enabled"`...)
	budget := t.budget
	if budget == 0 && q.maxTokens > 0 {
		budget = q.maxTokens * budgetShare[t.effort] / 100
	}
	if budget > 0 {
		dst = appendInt(append(dst, `,"token_budget":`...), budget)
	}
	return append(dst, '}')
}
