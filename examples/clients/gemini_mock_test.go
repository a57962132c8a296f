package clients

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"google.golang.org/genai"
)

// The mock of Gemini reads requests by the types of Google's own client, and
// checks what it answers by them.

func geminiRoutes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /v1beta/models/{call}", func(w http.ResponseWriter, r *http.Request) {
		a, err := readGemini(r)
		f, scripted := failures[a.model]
		switch {
		case err != nil:
			google.fault("a request cannot be read by Google's types: %v", err)
			geminiFail(w, unreadable)
		case scripted:
			geminiFail(w, f)
		case a.method == "batchEmbedContents" && a.model == "vectors":
			a.embed(w)
		case a.method == "countTokens" && a.model == "echo":
			writeJSON(w, 200, checked[genai.CountTokensResponse](google, fmt.Sprintf(`{"totalTokens":%d}`, tokens(a.text))))
		case a.model != "echo" && a.model != "cut":
			geminiFail(w, noModel)
		case len(a.Contents) == 0:
			geminiFail(w, noMessages)
		case a.text == jsonPrompt && a.schema() == nil:
			geminiFail(w, noSchema)
		case a.method == "streamGenerateContent":
			a.play(newEvents(w, google))
		default:
			writeJSON(w, 200, a.chunk(a.parts(), true))
		}
	})
	return m
}

func geminiFail(w http.ResponseWriter, f failure) {
	writeJSON(w, f.status, fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q}}`, f.status, f.message, geminiStatus[f.status]))
}

var geminiStatus = map[int]string{400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}

// geminiRequest is what requests for answers and for counts hold.
type geminiRequest struct {
	Contents          []*genai.Content
	SystemInstruction *genai.Content
	Tools             []*genai.Tool
	GenerationConfig  *genai.GenerationConfig
	Requests          []struct{ Content *genai.Content } // to be embedded
}

// geminiAsk is a request as the mock understands it.
type geminiAsk struct {
	geminiRequest
	model, method string
	text          string // of the last message
	tools         []string
}

func readGemini(r *http.Request) (a geminiAsk, err error) {
	a.model, a.method, _ = strings.Cut(r.PathValue("call"), ":")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return a, err
	}
	if a.method == "countTokens" {
		var whole struct{ GenerateContentRequest *geminiRequest }
		if err := json.Unmarshal(body, &whole); err != nil {
			return a, err
		}
		if whole.GenerateContentRequest != nil {
			a.geminiRequest = *whole.GenerateContentRequest
		}
	}
	if err := json.Unmarshal(body, &a.geminiRequest); err != nil {
		return a, err
	}
	for _, t := range a.Tools {
		for _, f := range t.FunctionDeclarations {
			a.tools = append(a.tools, f.Name)
		}
	}
	if n := len(a.Contents); n > 0 {
		a.text = geminiText(a.Contents[n-1])
	}
	return a, nil
}

func geminiText(c *genai.Content) string {
	var b strings.Builder
	for _, p := range c.Parts {
		b.WriteString(p.Text)
		if p.FunctionResponse != nil {
			for _, name := range []string{"output", "content"} { // the API wants any object
				result, _ := p.FunctionResponse.Response[name].(string)
				b.WriteString(result)
			}
		}
	}
	return b.String()
}

func (a *geminiAsk) schema() any {
	switch g := a.GenerationConfig; {
	case g == nil:
		return nil
	case g.ResponseSchema != nil:
		return g.ResponseSchema
	default:
		return g.ResponseJsonSchema
	}
}

// parts are those of the whole answer.
func (a *geminiAsk) parts() string {
	if name, args, ok := toolCall(a.text, a.tools); ok {
		return fmt.Sprintf(`{"functionCall":{"id":"call_1","name":%q,"args":%s}}`, name, args)
	}
	return `{"text":` + quoted(a.text) + `}`
}

func (a *geminiAsk) chunk(parts string, last bool) string {
	reason, out := "", 1
	if last {
		reason, out = `,"finishReason":"STOP"`, tokens(a.text)
	}
	return checked[genai.GenerateContentResponse](google, fmt.Sprintf(
		`{"candidates":[{"content":{"parts":[%s],"role":"model"},"index":0%s}],"usageMetadata":{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d},"modelVersion":"echo-2026-01-01","responseId":"r-1"}`,
		parts, reason, tokens(a.text), out, tokens(a.text)+out))
}

func (a *geminiAsk) play(e events) {
	send := func(parts string, last bool) { e.raw("data: " + a.chunk(parts, last) + "\r\n\r\n") }
	if _, _, ok := toolCall(a.text, a.tools); ok {
		send(a.parts(), true)
		return
	}
	for _, word := range words(a.text) {
		send(`{"text":`+quoted(word)+`}`, false)
	}
	if a.model == "cut" {
		e.cut()
	}
	send(`{"text":""}`, true)
}

func (a *geminiAsk) embed(w http.ResponseWriter) {
	var list []string
	for _, q := range a.Requests {
		list = append(list, `{"values":`+vector(geminiText(q.Content), "float")+`}`)
	}
	writeJSON(w, 200, checked[genai.EmbedContentResponse](google, `{"embeddings":[`+strings.Join(list, ",")+`]}`))
}
