package wire

import (
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// appendGeminiRequest appends q as the body of a request to …:generateContent
// or :streamGenerateContent; the model and the wish for a stream are in the URL.
func appendGeminiRequest(dst []byte, q *request, model string) []byte {
	g := geminiOf(model)
	w := geminiContents{q: q, g: g}
	dst = append(dst, '{')
	dst = w.conversation(dst)
	dst = appendGeminiTools(dst, q)
	dst = appendGeminiConfig(dst, q, g)
	switch q.tier {
	case standardTier:
		dst = append(dst, `,"serviceTier":"standard"`...)
	case flexTier:
		dst = append(dst, `,"serviceTier":"flex"`...)
	case priorityTier:
		dst = append(dst, `,"serviceTier":"priority"`...)
	}
	if q.user != nil {
		q.drop(q.names.user)
	}
	return append(dst, '}')
}

func appendGeminiTools(dst []byte, q *request) []byte {
	if len(q.tools) == 0 {
		if q.forcedChoice() {
			q.drop(q.names.toolChoice)
		}
		return dst
	}
	strict := false
	dst = append(dst, `,"tools":[{"functionDeclarations":[`...)
	for i := range q.tools {
		t := &q.tools[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = appendRaw(dst, t.name)
		if t.description != nil {
			dst = appendRawMember(dst, "description", t.description)
		}
		switch {
		case t.schema == nil || noArguments(t.schema):
		case geminiSubset(t.schema):
			dst = appendJSON(dst, "parameters", t.schema)
		default:
			dst = appendJSON(dst, "parametersJsonSchema", t.schema)
		}
		dst = append(dst, '}')
		strict = strict || t.strict
		if t.cache != nil {
			q.drop(q.names.cache)
		}
	}
	dst = append(dst, "]}]"...)
	if q.serial {
		q.drop(q.names.serial)
	}
	mode := [...]string{chooseDefault: "", chooseAuto: "AUTO", chooseAny: "ANY", chooseOne: "ANY", chooseNone: "NONE"}[q.choice.mode]
	if strict && (mode == "" || mode == "AUTO") {
		mode = "VALIDATED" // AUTO, with arguments held to their schema, as ANY does
	}
	if mode == "" {
		return dst
	}
	dst = append(append(append(dst, `,"toolConfig":{"functionCallingConfig":{"mode":"`...), mode...), '"')
	if q.choice.mode == chooseOne {
		dst = append(dst, `,"allowedFunctionNames":[`...)
		dst = append(appendRaw(dst, q.choice.name), ']')
	}
	return append(dst, "}}"...)
}

// forcedChoice reports whether a tool must be called.
func (q *request) forcedChoice() bool {
	return q.choice.mode == chooseAny || q.choice.mode == chooseOne
}

// geminiMaxStops is the most stop sequences that the API takes.
const geminiMaxStops = 5

// appendGeminiConfig appends `,"generationConfig":{…}`, nothing when it is empty.
func appendGeminiConfig(dst []byte, q *request, g gemini) []byte {
	from := len(dst)
	dst = append(dst, `,"generationConfig":{`...)
	first := len(dst)
	if q.maxTokens > 0 {
		dst = appendName(dst, "maxOutputTokens")
		dst = appendInt(dst, q.maxTokens)
	}
	dst = appendJSON(dst, "temperature", q.temperature)
	dst = appendJSON(dst, "topP", q.topP)
	dst = appendJSON(dst, "topK", q.topK)
	stops := q.stop
	if len(stops) > geminiMaxStops {
		q.drop(q.names.stop)
		stops = stops[:geminiMaxStops]
	}
	for i, s := range stops {
		if i == 0 {
			dst = append(appendName(dst, "stopSequences"), '[')
		} else {
			dst = append(dst, ',')
		}
		dst = appendRaw(dst, s)
	}
	if len(stops) > 0 {
		dst = append(dst, ']')
	}
	dst = appendGeminiFormat(dst, q, g)
	dst = appendGeminiParams(dst, q)
	dst = appendGeminiThinking(dst, q, g)
	if len(dst) == first {
		return dst[:from]
	}
	dst = append(dst[:first], dst[first+1:]...) // the first comma
	return append(dst, '}')
}

func appendGeminiFormat(dst []byte, q *request, g gemini) []byte {
	f := q.format
	switch {
	case f == nil:
		return dst
	case len(q.tools) > 0 && !g.formatTools: // the API refuses both
		q.drop(f.asked)
		return dst
	}
	dst = append(dst, `,"responseMimeType":"application/json"`...)
	switch {
	case f.schema == nil:
		return dst
	case geminiSubset(f.schema):
		return appendJSON(dst, "responseSchema", f.schema)
	}
	return appendJSON(dst, "responseJsonSchema", f.schema)
}

func appendGeminiParams(dst []byte, q *request) []byte {
	if n, err := strconv.ParseInt(string(q.params[seedParam].value), 10, 32); err == nil {
		q.take(seedParam)
		dst = appendName(dst, "seed")
		dst = appendInt(dst, n)
	}
	dst = q.appendParam(dst, "presencePenalty", presencePenaltyParam)
	dst = q.appendParam(dst, "frequencyPenalty", frequencyPenaltyParam)
	dst = q.appendParam(dst, "responseLogprobs", logprobsParam)
	dst = q.appendParam(dst, "logprobs", topLogprobsParam)
	return q.appendParam(dst, "candidateCount", answersParam)
}

// geminiObject is text decoded, if it is a JSON object.
func geminiObject(text raw) (object []byte, ok bool) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case ' ':
			continue
		case '\\':
			if i+1 < len(text) && (text[i+1] == 'n' || text[i+1] == 't' || text[i+1] == 'r') {
				i++
				continue
			}
			return nil, false
		case '{':
			object = lex.Unescape(nil, text)
			return object, isObject(object)
		}
		return nil, false
	}
	return nil, false
}
