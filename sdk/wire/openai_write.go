package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// appendOpenAIRequest appends q as the body of a request to POST
// /v1/chat/completions. Shapes: https://platform.openai.com/docs/api-reference/chat,
// openai-go v3.98. What OpenAI's own API refuses as unknown is not sent, since
// the services that copy it refuse or ignore it too.
func appendOpenAIRequest(dst []byte, q *request, model string) []byte {
	m := openAIModelOf(model)
	dst = append(dst, `{"model":`...)
	dst = lex.AppendString(dst, model)
	dst = append(dst, `,"messages":[`...)
	dst = appendOpenAIMessages(dst, q)
	dst = append(dst, ']')
	if q.maxTokens > 0 {
		dst = appendName(dst, m.maxTokens)
		dst = appendInt(dst, q.maxTokens)
	}
	dst = appendOpenAISampling(dst, q, m)
	dst = appendOpenAITools(dst, q)
	dst = appendOpenAIEffort(dst, q, m)
	if f := q.format; f != nil && f.schema == nil {
		dst = append(dst, `,"response_format":{"type":"json_object"}`...)
	} else if f != nil {
		dst = append(dst, `,"response_format":{"type":"json_schema","json_schema":{"name":`...)
		dst = appendRaw(dst, f.named())
		dst = appendJSON(dst, "schema", f.schema)
		if strictSchema(f.schema) {
			dst = append(dst, `,"strict":true`...)
		} else { // it is sent, but not enforced
			q.drop(f.asked)
		}
		dst = append(dst, "}}"...)
	}
	if q.user != nil {
		dst = appendName(dst, "user")
		dst = appendOpenAIUser(dst, q.user)
	}
	dst = appendOpenAITier(dst, q)
	for _, p := range openAIParams {
		dst = q.appendParam(dst, p.name, p.param)
	}
	if q.stream {
		dst = append(dst, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	return append(dst, '}')
}

func appendOpenAITier(dst []byte, q *request) []byte {
	switch q.tier {
	case autoTier:
		dst = append(dst, `,"service_tier":"auto"`...)
	case standardTier:
		dst = append(dst, `,"service_tier":"default"`...)
	case flexTier:
		dst = append(dst, `,"service_tier":"flex"`...)
	case priorityTier:
		dst = append(dst, `,"service_tier":"priority"`...)
	}
	return dst
}

// openAIParams are parameters that go over as they are.
var openAIParams = [...]struct {
	name  string
	param param
}{
	{"seed", seedParam}, {"frequency_penalty", frequencyPenaltyParam}, {"presence_penalty", presencePenaltyParam},
	{"logprobs", logprobsParam}, {"top_logprobs", topLogprobsParam}, {"n", answersParam}, {"metadata", metadataParam},
	{"verbosity", verbosityParam}, {"prompt_cache_key", cacheKeyParam}, {"prompt_cache_retention", cacheRetentionParam},
	{"store", storeParam},
}

// openAIModel is what a model's name says about the parameters that it takes.
type openAIModel struct {
	maxTokens string // the name of the parameter
	fixed     bool   // takes neither temperature, top_p nor stop: OpenAI's reasoning models
	noEffort  bool   // refuses reasoning_effort: OpenAI's other models
}

func openAIModelOf(name string) openAIModel {
	name = name[strings.LastIndexByte(name, '/')+1:]
	m := openAIModel{maxTokens: "max_tokens"}
	digit := func(prefix string) byte {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return rest[0]
		}
		return 0
	}
	if o, gpt := digit("o"), digit("gpt-"); o != 0 || gpt >= '5' {
		m.maxTokens, m.fixed = "max_completion_tokens", true
	} else if gpt != 0 || strings.HasPrefix(name, "chatgpt-") {
		m.noEffort = true
	}
	return m
}

// openAIMaxStops is the most stop sequences that OpenAI takes.
const openAIMaxStops = 4

func appendOpenAISampling(dst []byte, q *request, m openAIModel) []byte {
	dst = appendOpenAINumbers(dst, q, m)
	stops := q.stop
	if m.fixed && len(stops) > 0 {
		q.drop(q.names.stop)
		return dst
	}
	if len(stops) > openAIMaxStops {
		q.drop(q.names.stop)
		stops = stops[:openAIMaxStops]
	}
	for i, s := range stops {
		if i == 0 {
			dst = append(dst, `,"stop":[`...)
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

// appendOpenAINumbers appends temperature and top_p where the model takes them.
func appendOpenAINumbers(dst []byte, q *request, m openAIModel) []byte {
	if q.topK != nil {
		q.drop(q.names.topK)
	}
	for _, p := range [...]struct {
		name, asked string
		value       []byte
	}{{"temperature", q.names.temperature, q.temperature}, {"top_p", q.names.topP, q.topP}} {
		switch {
		case p.value == nil:
		case m.fixed && string(p.value) != "1" && string(p.value) != "1.0":
			q.drop(p.asked)
		default:
			dst = appendJSON(dst, p.name, p.value)
		}
	}
	return dst
}

func appendOpenAITools(dst []byte, q *request) []byte {
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
		dst = append(dst, `{"type":"function","function":{"name":`...)
		dst = appendRaw(dst, t.name)
		if t.description != nil {
			dst = appendRawMember(dst, "description", t.description)
		}
		dst = appendJSON(dst, "parameters", t.schema)
		if t.strict && strictSchema(t.schema) {
			dst = append(dst, `,"strict":true`...)
		} else if t.strict {
			q.drop(q.names.strict)
		}
		dst = append(dst, "}}"...)
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
		dst = append(dst, `,"tool_choice":{"type":"function","function":{"name":`...)
		dst = appendRaw(dst, q.choice.name)
		dst = append(dst, "}}"...)
	}
	if q.serial {
		dst = append(dst, `,"parallel_tool_calls":false`...)
	}
	return dst
}

// appendOpenAIEffort turns thinking into reasoning_effort.
func appendOpenAIEffort(dst []byte, q *request, m openAIModel) []byte {
	effort := openAIEffort(q, m)
	if effort == "" {
		return dst
	}
	return append(append(append(dst, `,"reasoning_effort":"`...), effort...), '"')
}

// openAIEffort is thinking in OpenAI's words, "" for none. Budgets go by the
// shares of an answer that they are commonly taken for.
func openAIEffort(q *request, m openAIModel) string {
	t := &q.thinking
	if !t.set() || t.off && t.effort == "" {
		return "" // off: there is no value that all models take for it
	}
	if m.noEffort {
		q.drop(t.asked)
		return ""
	}
	switch {
	case t.effort == "low", t.effort == "medium", t.effort == "minimal", t.effort == "high":
		return t.effort
	case t.effort != "":
		q.drop(q.names.effort) // xhigh and max: few models know them
	case t.budget > 0 && t.budget <= 2048:
		return "low"
	case t.budget > 0 && t.budget <= 8192:
		return "medium"
	}
	return "high" // Anthropic's default
}

// appendOpenAIUser appends the end user's id; one above OpenAI's 64 characters
// is replaced by its hash, which tells users apart just as well.
func appendOpenAIUser(dst []byte, user raw) []byte {
	if len(user) <= 64 {
		return appendRaw(dst, user)
	}
	sum := sha256.Sum256(user)
	dst = append(dst, '"')
	dst = hex.AppendEncode(dst, sum[:])
	return append(dst, '"')
}

// dataURL splits a data URL in its base64 form.
func dataURL(url raw) (mime, data raw, ok bool) {
	rest, ok := bytes.CutPrefix(url, []byte("data:"))
	if !ok {
		return nil, nil, false
	}
	head, data, ok := bytes.Cut(rest, []byte(","))
	if !ok {
		return nil, nil, false
	}
	head, ok = bytes.CutSuffix(head, []byte(";base64"))
	mime, _, _ = bytes.Cut(head, []byte(";"))
	return mime, data, ok
}

// isDataURL reports whether url carries its own bytes, in whatever form.
func isDataURL(url raw) bool { return bytes.HasPrefix(url, []byte("data:")) }
