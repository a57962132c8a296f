package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"google.golang.org/genai"
)

const key = "AIza-test"

// body is what Google's client sends, by its own types.
type body struct {
	Contents          []*genai.Content        `json:"contents"`
	SystemInstruction *genai.Content          `json:"systemInstruction"`
	Tools             []*genai.Tool           `json:"tools"`
	ToolConfig        *genai.ToolConfig       `json:"toolConfig"`
	GenerationConfig  *genai.GenerationConfig `json:"generationConfig"`
}

// upstream is the Gemini API as Google's own types describe it. A request that
// those types do not know in full is refused.
type upstream struct {
	t      *testing.T
	path   string
	answer func(w http.ResponseWriter, b *body)
	last   body
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		u.t.Error(err)
	}
	if r.Method != http.MethodPost || r.URL.String() != u.path {
		u.t.Errorf("got %s %s; want %s", r.Method, r.URL, u.path)
	}
	if r.Header.Get("X-Goog-Api-Key") != key || r.Header.Get("Authorization") != "" {
		u.t.Errorf("got headers %v", r.Header)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	u.last = body{}
	if err := d.Decode(&u.last); err != nil {
		u.t.Errorf("%s: %v", raw, err)
	}
	u.answer(w, &u.last)
}

func start(t *testing.T, u *upstream) *providertest.Adapter {
	t.Helper()
	up := httptest.NewServer(u)
	t.Cleanup(up.Close)
	host, err := egress.OfURL(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	g := adapter()
	a := providertest.Start(t, g, fmt.Sprintf(`{"base_url":%q}`, up.URL), host)
	t.Cleanup(g.current.Load().client.CloseIdleConnections)
	return a
}

func ask(t *testing.T, a *providertest.Adapter, d wire.Dialect, text string) *providertest.Answer {
	t.Helper()
	return a.Do(t, providertest.Request{Op: wire.OpChat, Dialect: d, Model: "gemini-3-flash-preview", Credential: key, Body: text})
}

// answer is one of Google's, written by its types.
func answer(finish genai.FinishReason, parts ...*genai.Part) *genai.GenerateContentResponse {
	r := &genai.GenerateContentResponse{ResponseID: "r1", ModelVersion: "gemini-3-flash-preview",
		Candidates: []*genai.Candidate{{Content: &genai.Content{Role: "model", Parts: parts}, FinishReason: finish}}}
	if finish != "" {
		r.UsageMetadata = &genai.GenerateContentResponseUsageMetadata{PromptTokenCount: 10, CachedContentTokenCount: 4, CandidatesTokenCount: 5, ThoughtsTokenCount: 3, TotalTokenCount: 18}
	}
	return r
}

func says(r *genai.GenerateContentResponse) func(http.ResponseWriter, *body) {
	return func(w http.ResponseWriter, _ *body) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_ = json.NewEncoder(w).Encode(r)
	}
}

func streams(list ...*genai.GenerateContentResponse) func(http.ResponseWriter, *body) {
	return func(w http.ResponseWriter, _ *body) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, r := range list {
			raw, _ := json.Marshal(r)
			fmt.Fprintf(w, "data: %s\r\n\r\n", raw)
		}
	}
}

const (
	plainPath  = "/v1beta/models/gemini-3-flash-preview:generateContent"
	streamPath = "/v1beta/models/gemini-3-flash-preview:streamGenerateContent?alt=sse"
)

var usage = wire.Usage{Input: 6, CacheRead: 4, Output: 5, Reasoning: 3}

// TestCallsGoRound: a call with its signature reaches the caller, and both
// come back to Google in the next turn.
func TestCallsGoRound(t *testing.T) {
	u := &upstream{t: t, path: plainPath, answer: says(answer(genai.FinishReasonStop,
		&genai.Part{FunctionCall: &genai.FunctionCall{Name: "f", Args: map[string]any{"a": 1.0}}, ThoughtSignature: []byte("sig")}))}
	a := start(t, u)
	tools := `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}}]`
	got := ask(t, a, wire.OpenAIChat, `{"model":"m",`+tools+`,"messages":[{"role":"user","content":"q"}]}`)
	if got.Status != 200 || got.Usage != usage {
		t.Fatalf("got %d %s, usage %+v", got.Status, got.Body, got.Usage)
	}
	if d := u.last.Tools[0].FunctionDeclarations[0]; d.Name != "f" || d.Parameters.Properties["a"] == nil {
		t.Errorf("asked for %+v", d)
	}
	var c struct {
		Choices []struct {
			Message json.RawMessage `json:"message"`
		} `json:"choices"`
	}
	var m struct {
		Calls []struct{ ID string } `json:"tool_calls"`
	}
	if err := json.Unmarshal([]byte(got.Body), &c); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(c.Choices[0].Message, &m); err != nil || len(m.Calls) != 1 {
		t.Fatalf("%s: %v", got.Body, err)
	}
	u.answer = says(answer(genai.FinishReasonStop, &genai.Part{Text: "done"}))
	got = ask(t, a, wire.OpenAIChat, `{"model":"m",`+tools+`,"messages":[{"role":"user","content":"q"},`+string(c.Choices[0].Message)+
		`,{"role":"tool","tool_call_id":"`+m.Calls[0].ID+`","content":"7"}]}`)
	if got.Status != 200 || !strings.Contains(got.Body, `"content":"done"`) {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	call, result := u.last.Contents[1].Parts[0], u.last.Contents[2].Parts[0].FunctionResponse
	if string(call.ThoughtSignature) != "sig" || call.FunctionCall.ID != result.ID || result.Name != "f" || result.Response["output"] != "7" {
		t.Errorf("came back as %+v, %+v", call, result)
	}
}

func TestStreams(t *testing.T) {
	f := func(d wire.Dialect, ask1, last string) {
		t.Helper()
		u := &upstream{t: t, path: streamPath, answer: streams(answer("", &genai.Part{Text: "Hel"}), answer(genai.FinishReasonStop, &genai.Part{Text: "lo"}))}
		a := start(t, u)
		got := ask(t, a, d, ask1)
		if got.Cut != nil || got.Usage != usage || !strings.Contains(got.Body, "Hel") || !strings.Contains(got.Body, last) {
			t.Errorf("%s: %v, usage %+v, %s", d, got.Cut, got.Usage, got.Body)
		}
		u.answer = streams(answer("", &genai.Part{Text: "Hel"}))
		if got := ask(t, a, d, ask1); got.Cut == nil || strings.Contains(got.Body, last) {
			t.Errorf("%s: a cut stream ended as %s", d, got.Body)
		}
	}
	f(wire.OpenAIChat, `{"model":"m","stream":true,"messages":[{"role":"user","content":"q"}]}`, "data: [DONE]")
	f(wire.AnthropicMessages, `{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"q"}]}`, "event: message_stop")
	f(wire.OpenAIResponses, `{"model":"m","stream":true,"input":"q"}`, "event: response.completed")
}

func TestErrors(t *testing.T) {
	f := func(status int, text string, want wire.Class, retry string) {
		t.Helper()
		u := &upstream{t: t, path: plainPath, answer: func(w http.ResponseWriter, _ *body) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, text)
		}}
		got := ask(t, start(t, u), wire.AnthropicMessages, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"q"}]}`)
		if got.Status != status || got.Header.Get("X-Signalbox-Error-Class") != want.String() || got.Header.Get("Retry-After") != retry {
			t.Errorf("%s: %d, %v; want %s", text, got.Status, got.Header, want)
		}
		if !strings.Contains(got.Body, `"type":"error"`) || strings.Contains(got.Body, key) {
			t.Errorf("%s: body %s", text, got.Body)
		}
	}
	e := func(code int, status, message, details string) string {
		return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q,"details":[%s]}}`, code, message, status, details)
	}
	f(400, e(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
		`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}`), wire.ClassAuth, "")
	f(400, e(400, "INVALID_ARGUMENT", "The input token count (3475108) exceeds the maximum number of tokens allowed (1048576).", ""), wire.ClassContextLength, "")
	f(400, e(400, "INVALID_ARGUMENT", "Invalid value at 'contents'", ""), wire.ClassInvalid, "")
	f(400, e(400, "FAILED_PRECONDITION", "User location is not supported for the API use.", ""), wire.ClassAuth, "")
	f(403, e(403, "PERMISSION_DENIED", "Permission denied: Consumer has been suspended.", ""), wire.ClassAuth, "")
	f(404, e(404, "NOT_FOUND", "models/x is not found for API version v1beta, or is not supported for generateContent.", ""), wire.ClassModelNotFound, "")
	f(429, e(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"25.4s"}`), wire.ClassRateLimit, "26")
	f(429, e(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota",
		`{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}`), wire.ClassQuota, "")
	f(503, e(503, "UNAVAILABLE", "The model is overloaded. Please try again later.", ""), wire.ClassOverloaded, "")
	f(504, e(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.", ""), wire.ClassTimeout, "")
	f(500, "oops", wire.ClassServer, "")
}
