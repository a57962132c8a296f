package clients

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genai"
)

func newGemini(t *testing.T) *genai.Client {
	t.Helper()
	h := http.Header{}
	h.Set("Cookie", "session="+callerKey) // of a careless caller: must not arrive upstream either
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		Backend: genai.BackendGeminiAPI, APIKey: callerKey, HTTPClient: &http.Client{Transport: transport},
		HTTPOptions: genai.HTTPOptions{BaseURL: box.url, Headers: h},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var geminiWeather = &genai.GenerateContentConfig{Tools: []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{
	Name: "weather", Description: "The weather in a city",
	Parameters: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString}}},
}}}}}

func geminiUsage(t *testing.T, r *genai.GenerateContentResponse) {
	t.Helper()
	u := r.UsageMetadata
	if u == nil || u.PromptTokenCount == 0 || u.CandidatesTokenCount == 0 || u.TotalTokenCount != u.PromptTokenCount+u.CandidatesTokenCount+u.ThoughtsTokenCount {
		t.Errorf("got usage %+v", u)
	}
}

func TestGeminiGenerate(t *testing.T) {
	c := newGemini(t)
	eachWay(t, func(t *testing.T, way string) {
		got, err := c.Models.GenerateContent(t.Context(), way, genai.Text(prompt), &genai.GenerateContentConfig{MaxOutputTokens: 200})
		if err != nil {
			t.Fatal(err)
		}
		if got.Text() != prompt || got.Candidates[0].FinishReason != genai.FinishReasonStop || got.ModelVersion == "" {
			t.Errorf("got %q, %+v", got.Text(), got.Candidates[0])
		}
		geminiUsage(t, got)
	})
}

// TestGeminiNamesTargets: models are named in the path, slashes and all.
func TestGeminiNamesTargets(t *testing.T) {
	got, err := newGemini(t).Models.GenerateContent(t.Context(), "demo/echo", genai.Text(prompt), nil)
	if err != nil || got.Text() != prompt {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestGeminiStream(t *testing.T) {
	c := newGemini(t)
	eachWay(t, func(t *testing.T, way string) {
		var text strings.Builder
		var last *genai.GenerateContentResponse
		for r, err := range c.Models.GenerateContentStream(t.Context(), way, genai.Text(prompt), nil) {
			if err != nil {
				t.Fatal(err)
			}
			text.WriteString(r.Text())
			last = r
		}
		if text.String() != prompt || last.Candidates[0].FinishReason != genai.FinishReasonStop {
			t.Errorf("got %q, then %+v", text.String(), last.Candidates[0])
		}
		geminiUsage(t, last)
	})
}

func TestGeminiFunctions(t *testing.T) {
	c := newGemini(t)
	eachWay(t, func(t *testing.T, way string) {
		got, err := c.Models.GenerateContent(t.Context(), way, genai.Text(toolPrompt), geminiWeather)
		if err != nil {
			t.Fatal(err)
		}
		calls := got.FunctionCalls()
		if len(calls) != 1 || calls[0].Name != "weather" || calls[0].Args["city"] != city || calls[0].ID == "" {
			t.Fatalf("got %+v", got.Candidates[0].Content)
		}
		// The next turn: what came goes back as it is, with the result.
		history := append(genai.Text(toolPrompt), got.Candidates[0].Content, &genai.Content{Role: "user", Parts: []*genai.Part{
			{FunctionResponse: &genai.FunctionResponse{ID: calls[0].ID, Name: "weather", Response: map[string]any{"output": "rain"}}}, {Text: prompt}}})
		if got, err = c.Models.GenerateContent(t.Context(), way, history, geminiWeather); err != nil || !strings.Contains(got.Text(), prompt) {
			t.Errorf("%v: got %q", err, got.Text())
		}
	})
}

func TestGeminiErrors(t *testing.T) {
	c := newGemini(t)
	f := func(model string, code int, status string) {
		t.Helper()
		_, err := c.Models.GenerateContent(t.Context(), model, genai.Text(prompt), nil)
		var e genai.APIError
		if !errors.As(err, &e) || e.Code != code || e.Status != status || e.Message == "" {
			t.Errorf("%s: %v; want %d %s", model, err, code, status)
		}
	}
	f("demo-limited", 429, "RESOURCE_EXHAUSTED")
	f("demo-refused", 400, "INVALID_ARGUMENT")
	f("openai-refused", 400, "INVALID_ARGUMENT")
	f("openai-limited", 429, "RESOURCE_EXHAUSTED")
	f("anthropic-refused", 400, "INVALID_ARGUMENT")
	f("anthropic-limited", 429, "RESOURCE_EXHAUSTED")
	f("gemini-refused", 400, "INVALID_ARGUMENT")
	f("gemini-limited", 429, "RESOURCE_EXHAUSTED")
	f("no-such-model", 404, "NOT_FOUND")
}

// TestGeminiCutStream: a stream that breaks off never says that it is whole.
// What the client makes of the broken connection is its own matter.
func TestGeminiCutStream(t *testing.T) {
	c := newGemini(t)
	eachWay(t, func(t *testing.T, way string) {
		for r, err := range c.Models.GenerateContentStream(t.Context(), way+"-cut", genai.Text(prompt), nil) {
			if err == nil && len(r.Candidates) > 0 && r.Candidates[0].FinishReason != "" {
				t.Error("a cut stream has a reason to finish")
			}
		}
	})
}
