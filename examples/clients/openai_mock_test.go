package clients

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"

	"encoding/base64"

	"github.com/openai/openai-go/v3"
)

// The mock of OpenAI reads requests by the types of OpenAI's own client, and
// checks what it answers by them.

func openAIRoutes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /v1/chat/completions", openAIChat)
	m.HandleFunc("POST /v1/responses", openAIResponses)
	m.HandleFunc("POST /v1/embeddings", openAIEmbeddings)
	mediaRoutes(m)
	return m
}

func openAIFail(w http.ResponseWriter, f failure) {
	writeJSON(w, f.status, checked[struct{ Error openai.Error }](openAI, fmt.Sprintf(
		`{"error":{"message":%q,"type":%q,"param":null,"code":%q}}`, f.message, f.typ, f.code)))
}

// checked returns body, which must read as a T.
func checked[T any](m *mock, body string) string {
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		m.fault("BUG: the mock's answer is not a %T: %v: %s", v, err, body)
	}
	return body
}

// openAIAsk is a chat request as the mock understands it.
type openAIAsk struct {
	openai.ChatCompletionNewParams
	stream bool
	text   string // of the last message
	tools  []string
}

func readOpenAI(r *http.Request) (a openAIAsk, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(body, &a.ChatCompletionNewParams); err != nil {
		return a, err
	}
	var more struct{ Stream bool }
	if err := json.Unmarshal(body, &more); err != nil {
		return a, err
	}
	a.stream = more.Stream
	for _, t := range a.Tools {
		if f := t.GetFunction(); f != nil {
			a.tools = append(a.tools, f.Name)
		}
	}
	if n := len(a.Messages); n > 0 {
		a.text = openAIText(a.Messages[n-1])
	}
	return a, nil
}

func openAIText(m openai.ChatCompletionMessageParamUnion) string {
	switch c := m.GetContent().AsAny().(type) {
	case *string:
		return *c
	case *[]openai.ChatCompletionContentPartUnionParam:
		var b strings.Builder
		for _, p := range *c {
			if t := p.GetText(); t != nil {
				b.WriteString(*t)
			}
		}
		return b.String()
	case *[]openai.ChatCompletionContentPartTextParam:
		var b strings.Builder
		for _, p := range *c {
			b.WriteString(p.Text)
		}
		return b.String()
	}
	return ""
}

func openAIChat(w http.ResponseWriter, r *http.Request) {
	a, err := readOpenAI(r)
	f, scripted := failures[a.Model]
	switch {
	case err != nil:
		openAI.fault("a chat request cannot be read by OpenAI's types: %v", err)
		openAIFail(w, unreadable)
	case scripted:
		openAIFail(w, f)
	case len(a.Messages) == 0:
		openAIFail(w, noMessages)
	case a.Model != "echo" && a.Model != "cut":
		openAIFail(w, noModel)
	case a.text == jsonPrompt && a.ResponseFormat.OfJSONSchema == nil && len(a.Tools) == 0:
		openAIFail(w, noSchema)
	case a.stream:
		a.play(newEvents(w, openAI))
	default:
		writeJSON(w, 200, checked[openai.ChatCompletion](openAI, a.whole()))
	}
}

func (a *openAIAsk) usage() string {
	in, out := tokens(a.text), tokens(a.text)
	return fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":1,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}`,
		in, out, in+out)
}

func (a *openAIAsk) whole() string {
	message, reason := `"content":`+quoted(a.text), "stop"
	if name, args, ok := toolCall(a.text, a.tools); ok {
		message = fmt.Sprintf(`"content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":%q,"arguments":%s}}]`, name, quoted(args))
		reason = "tool_calls"
	}
	return fmt.Sprintf(`{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"echo-2026-01-01","choices":[{"index":0,"message":{"role":"assistant",%s,"refusal":null},"logprobs":null,"finish_reason":%q}],"usage":%s,"a_field_of_tomorrow":1}`,
		message, reason, a.usage())
}

func (a *openAIAsk) play(e events) {
	asked := a.StreamOptions.IncludeUsage.Value
	send := func(choices, usage string) {
		tail := ""
		if asked {
			tail = `,"usage":` + usage
		}
		chunk := fmt.Sprintf(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"model":"echo-2026-01-01","choices":[%s]%s}`, choices, tail)
		e.raw("data: " + checked[openai.ChatCompletionChunk](openAI, chunk) + "\n\n")
	}
	delta := func(d, reason string) {
		send(fmt.Sprintf(`{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}`, d, reason), "null")
	}
	delta(`{"role":"assistant","content":"","refusal":null}`, "null")
	if name, args, ok := toolCall(a.text, a.tools); ok {
		delta(fmt.Sprintf(`{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":%q,"arguments":""}}]}`, name), "null")
		for _, half := range halves(args) {
			delta(fmt.Sprintf(`{"tool_calls":[{"index":0,"function":{"arguments":%s}}]}`, quoted(half)), "null")
		}
		delta(`{}`, `"tool_calls"`)
	} else {
		for _, word := range words(a.text) {
			delta(`{"content":`+quoted(word)+`}`, "null")
		}
		if a.Model == "cut" {
			e.cut()
		}
		delta(`{}`, `"stop"`)
	}
	if asked {
		send("", a.usage())
	}
	e.raw("data: [DONE]\n\n")
}

func openAIEmbeddings(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var q openai.EmbeddingNewParams
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	if err != nil {
		openAI.fault("an embeddings request cannot be read by OpenAI's types: %v", err)
		openAIFail(w, unreadable)
		return
	}
	if q.Model != "vectors" {
		openAIFail(w, noModel)
		return
	}
	in := q.Input.OfArrayOfStrings
	if q.Input.OfString.Valid() {
		in = []string{q.Input.OfString.Value}
	}
	var data []string
	for i, text := range in {
		data = append(data, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":%s}`, i, vector(text, string(q.EncodingFormat))))
	}
	writeJSON(w, 200, fmt.Sprintf(`{"object":"list","data":[%s],"model":"vectors","usage":{"prompt_tokens":%d,"total_tokens":%d}}`,
		strings.Join(data, ","), len(in), len(in)))
}

// vector depends on the text alone.
func vector(text, format string) string {
	v := []float32{float32(len(text)), float32(text[0]), 0.5, -1}
	if format != "base64" {
		return fmt.Sprintf("[%g,%g,%g,%g]", v[0], v[1], v[2], v[3])
	}
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return quoted(base64.StdEncoding.EncodeToString(raw))
}
