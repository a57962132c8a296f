package clients

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// ways are the aliases of the configuration: what stands behind the gateway.
var ways = []string{"demo", "openai", "anthropic", "gemini"}

const prompt = "Grüße, \"world\":\n\tthe night train is late."

// eachWay runs f once for each of ways.
func eachWay(t *testing.T, f func(t *testing.T, way string)) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) { f(t, way) })
	}
}

func newOpenAI(opts ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(box.url + "/v1"), option.WithAPIKey(callerKey), option.WithMaxRetries(0),
		// What a careless caller adds must not arrive upstream either.
		option.WithHeader("Cookie", "session="+callerKey), option.WithHeader("X-Goog-Api-Key", callerKey), option.WithQuery("key", callerKey),
	}, opts...)...)
}

func openAIParams(model, text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: model, MaxCompletionTokens: openai.Int(200),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Answer."), openai.UserMessage(text)},
	}
}

func openAIWeather() []openai.ChatCompletionToolUnionParam {
	return []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: "weather", Description: openai.String("The weather in a city"),
		Parameters: openai.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]string{"type": "string"}}},
	})}
}

const (
	toolPrompt = `call weather {"city":"Köln"}`
	city       = "Köln"
	jsonPrompt = `{"city":"Köln"}` // is only answered by those who were sent a schema
)

// cityOf reads the arguments of a call, which translation may space anew.
func cityOf(t *testing.T, arguments string) string {
	t.Helper()
	var args struct{ City string }
	if err := json.Unmarshal([]byte(arguments), &args); err != nil {
		t.Errorf("arguments %q: %v", arguments, err)
	}
	return args.City
}

func TestOpenAIChat(t *testing.T) {
	c := newOpenAI()
	eachWay(t, func(t *testing.T, way string) {
		got, err := c.Chat.Completions.New(t.Context(), openAIParams(way, prompt))
		if err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].Message.Content != prompt || got.Choices[0].FinishReason != "stop" || got.Object != "chat.completion" {
			t.Errorf("got %s", got.RawJSON())
		}
		if u := got.Usage; u.PromptTokens == 0 || u.CompletionTokens == 0 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
			t.Errorf("got usage %s", u.RawJSON())
		}
		if way == "openai" && !strings.Contains(got.RawJSON(), `"a_field_of_tomorrow":1`) {
			t.Errorf("a field that nobody knows was lost: %s", got.RawJSON())
		}
	})
}

// openAIStream accumulates a streamed answer.
func openAIStream(t *testing.T, params openai.ChatCompletionNewParams) (openai.ChatCompletion, error) {
	t.Helper()
	c := newOpenAI()
	s := c.Chat.Completions.NewStreaming(t.Context(), params)
	defer s.Close()
	var acc openai.ChatCompletionAccumulator
	for s.Next() {
		chunk := s.Current()
		if !params.StreamOptions.IncludeUsage.Value && len(chunk.Choices) == 0 {
			t.Errorf("a chunk without choices came to a caller who did not ask for usage: %s", chunk.RawJSON())
		}
		if !acc.AddChunk(chunk) {
			t.Errorf("chunk does not fit the others: %s", chunk.RawJSON())
		}
	}
	return acc.ChatCompletion, s.Err()
}

func TestOpenAIStream(t *testing.T) {
	eachWay(t, func(t *testing.T, way string) {
		params := openAIParams(way, prompt)
		got, err := openAIStream(t, params)
		if err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].Message.Content != prompt || got.Choices[0].FinishReason != "stop" {
			t.Errorf("got %+v", got.Choices)
		}
		params.StreamOptions.IncludeUsage = openai.Bool(true)
		if got, err = openAIStream(t, params); err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].Message.Content != prompt || got.Usage.CompletionTokens == 0 || got.Usage.TotalTokens != got.Usage.PromptTokens+got.Usage.CompletionTokens {
			t.Errorf("got %+v", got)
		}
	})
}

func TestOpenAITools(t *testing.T) {
	c := newOpenAI()
	eachWay(t, func(t *testing.T, way string) {
		params := openAIParams(way, toolPrompt)
		params.Tools = openAIWeather()
		got, err := c.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		calls := got.Choices[0].Message.ToolCalls
		if len(calls) != 1 || calls[0].Function.Name != "weather" || cityOf(t, calls[0].Function.Arguments) != city || got.Choices[0].FinishReason != "tool_calls" {
			t.Fatalf("got %s", got.RawJSON())
		}
		streamed, err := openAIStream(t, params)
		if err != nil {
			t.Fatal(err)
		}
		pieces := streamed.Choices[0].Message.ToolCalls
		if len(pieces) != 1 || pieces[0].Function.Name != "weather" || cityOf(t, pieces[0].Function.Arguments) != city || streamed.Choices[0].FinishReason != "tool_calls" {
			t.Errorf("streamed %+v", streamed.Choices)
		}
		params.Messages = append(params.Messages, got.Choices[0].Message.ToParam(), openai.ToolMessage("21 °C", calls[0].ID))
		if got, err = c.Chat.Completions.New(t.Context(), params); err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].Message.Content != "21 °C" {
			t.Errorf("the tool's result came to %s", got.RawJSON())
		}
	})
}

func TestOpenAIErrors(t *testing.T) {
	f := func(t *testing.T, c openai.Client, params openai.ChatCompletionNewParams, status int) {
		t.Helper()
		_, err := c.Chat.Completions.New(t.Context(), params)
		s := c.Chat.Completions.NewStreaming(t.Context(), params)
		s.Next()
		for _, err := range []error{err, s.Err()} {
			var e *openai.Error
			if !errors.As(err, &e) || e.StatusCode != status || e.Message == "" || e.Code == "" || e.Type == "" {
				t.Errorf("%s: got %v; want status %d with message, code and type", params.Model, err, status)
			}
		}
	}
	eachWay(t, func(t *testing.T, way string) {
		c := newOpenAI()
		f(t, c, openAIParams(way+"-limited", prompt), 429)
		f(t, c, openAIParams(way+"-refused", prompt), 400)
		empty := openAIParams(way, prompt)
		empty.Messages = nil
		f(t, c, empty, 400)
	})
	f(t, newOpenAI(), openAIParams("nobody/has-this", prompt), 404)
	f(t, newOpenAI(), openAIParams("nor-this", prompt), 404)
	f(t, newOpenAI(option.WithAPIKey("sb-unknown"), option.WithHeaderDel("X-Goog-Api-Key"), option.WithQueryDel("key")), openAIParams("demo", prompt), 401)
}

// A stream that breaks off must not look like one that ended.
func TestOpenAICutStream(t *testing.T) {
	eachWay(t, func(t *testing.T, way string) {
		got, err := openAIStream(t, openAIParams(way+"-cut", prompt))
		if err == nil {
			t.Errorf("a cut stream ended well: %+v", got.Choices)
		}
	})
}

func TestOpenAIEmbeddings(t *testing.T) {
	c := newOpenAI()
	f := func(model string) {
		t.Helper()
		got, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
			Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"red", "green", "red"}},
		})
		if err != nil {
			t.Error(err)
			return
		}
		d := got.Data
		if len(d) != 3 || len(d[0].Embedding) == 0 || d[0].Embedding[0] != d[2].Embedding[0] || d[0].Embedding[0] == d[1].Embedding[0] || got.Usage.PromptTokens == 0 {
			t.Errorf("%s: got %s", model, got.RawJSON())
		}
	}
	f("demo-vectors")
	f("openai-vectors")
	f("gemini-vectors")
}

func TestOpenAIModels(t *testing.T) {
	c := newOpenAI()
	found := map[string]bool{}
	for page := c.Models.ListAutoPaging(t.Context()); ; {
		if !page.Next() {
			if err := page.Err(); err != nil {
				t.Fatal(err)
			}
			break
		}
		found[page.Current().ID] = page.Current().Object == "model"
	}
	for _, way := range ways {
		if !found[way] {
			t.Errorf("model %q is not listed among %v", way, found)
		}
	}
}
