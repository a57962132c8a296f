package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	anthropicsdk "github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	openaisdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// The vendors' own clients read what the demo provider writes.

// rerouted sends what a client posts to one route of the data socket.
type rerouted struct {
	http.RoundTripper
	path string
}

func (r rerouted) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Path = r.path
	return r.RoundTripper.RoundTrip(req)
}

func client(t *testing.T, op wire.Op, d wire.Dialect) *http.Client {
	return &http.Client{Transport: rerouted{start(t).Client.Transport, proto.Path(op, d)}}
}

func openAIClient(t *testing.T, op wire.Op, d wire.Dialect) openaisdk.Client {
	return openaisdk.NewClient(option.WithBaseURL("http://demo/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0), option.WithHTTPClient(client(t, op, d)))
}

func anthropicClient(t *testing.T) anthropicsdk.Client {
	return anthropicsdk.NewClient(anthropicoption.WithBaseURL("http://demo"), anthropicoption.WithAPIKey("none"), anthropicoption.WithMaxRetries(0),
		anthropicoption.WithHTTPClient(client(t, wire.OpChat, wire.AnthropicMessages)))
}

const prompt = "Grüße, \"world\"\n\tcall weather {\"city\": \"Köln\"}"

func openAIParams(model, text string) openaisdk.ChatCompletionNewParams {
	return openaisdk.ChatCompletionNewParams{Model: model, Messages: []openaisdk.ChatCompletionMessageParamUnion{openaisdk.UserMessage(text)}}
}

func weather() []openaisdk.ChatCompletionToolUnionParam {
	return []openaisdk.ChatCompletionToolUnionParam{openaisdk.ChatCompletionFunctionTool(openaisdk.FunctionDefinitionParam{Name: "weather"})}
}

func TestOpenAIClient(t *testing.T) {
	c := openAIClient(t, wire.OpChat, wire.OpenAIChat)
	got, err := c.Chat.Completions.New(t.Context(), openAIParams("echo", prompt))
	if err != nil {
		t.Fatal(err)
	}
	if got.Choices[0].Message.Content != prompt || got.Choices[0].FinishReason != "stop" || got.Usage.TotalTokens != got.Usage.PromptTokens+got.Usage.CompletionTokens || got.Usage.TotalTokens == 0 {
		t.Errorf("got %s", got.RawJSON())
	}
	params := openAIParams("echo", prompt)
	params.Tools = weather()
	if got, err = c.Chat.Completions.New(t.Context(), params); err != nil {
		t.Fatal(err)
	}
	if call := got.Choices[0].Message.ToolCalls; len(call) != 1 || call[0].Function.Name != "weather" || call[0].Function.Arguments != `{"city": "Köln"}` || got.Choices[0].FinishReason != "tool_calls" {
		t.Errorf("got %s", got.RawJSON())
	}
	params = openAIParams("echo?fault=context_length", prompt)
	_, err = c.Chat.Completions.New(t.Context(), params)
	if e, ok := err.(*openaisdk.Error); !ok || e.Code != "context_length_exceeded" || e.StatusCode != 400 {
		t.Errorf("got %v", err)
	}
}

func TestOpenAIClientStreams(t *testing.T) {
	c := openAIClient(t, wire.OpChat, wire.OpenAIChat)
	f := func(params openaisdk.ChatCompletionNewParams) openaisdk.ChatCompletion {
		t.Helper()
		params.StreamOptions.IncludeUsage = openaisdk.Bool(true)
		s := c.Chat.Completions.NewStreaming(t.Context(), params)
		var acc openaisdk.ChatCompletionAccumulator
		for s.Next() {
			if !acc.AddChunk(s.Current()) {
				t.Errorf("chunk does not fit: %s", s.Current().RawJSON())
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		return acc.ChatCompletion
	}
	got := f(openAIParams("echo?chunks=5", prompt))
	if got.Choices[0].Message.Content != prompt || got.Choices[0].FinishReason != "stop" || got.Usage.TotalTokens == 0 {
		t.Errorf("got %+v", got)
	}
	params := openAIParams("echo", prompt)
	params.Tools = weather()
	if got = f(params); len(got.Choices[0].Message.ToolCalls) != 1 || got.Choices[0].Message.ToolCalls[0].Function.Arguments != `{"city": "Köln"}` {
		t.Errorf("got %+v", got.Choices)
	}
	params = openAIParams("echo", prompt)
	params.N = openaisdk.Int(2)
	if got = f(params); len(got.Choices) != 2 || got.Choices[1].Message.Content != prompt {
		t.Errorf("got %+v", got.Choices)
	}
}

func TestOpenAIClientEmbeds(t *testing.T) {
	c := openAIClient(t, wire.OpEmbeddings, wire.OpenAIEmbeddings)
	params := openaisdk.EmbeddingNewParams{Model: "embed", Dimensions: openaisdk.Int(8),
		Input: openaisdk.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two", "one"}}}
	got, err := c.Embeddings.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Data) != 3 || len(got.Data[0].Embedding) != 8 || got.Data[0].Embedding[0] != got.Data[2].Embedding[0] || got.Data[0].Embedding[0] == got.Data[1].Embedding[0] {
		t.Errorf("got %s", got.RawJSON())
	}
	params.EncodingFormat = "base64"
	var raw struct{ Data []struct{ Embedding string } }
	body, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Post(t.Context(), "embeddings", json.RawMessage(body), &raw); err != nil {
		t.Fatal(err)
	}
	if b, err := base64.StdEncoding.DecodeString(raw.Data[0].Embedding); err != nil || len(b) != 8*4 {
		t.Errorf("got %q, %v", raw.Data[0].Embedding, err)
	}
}

func anthropicParams(model, text string) anthropicsdk.MessageNewParams {
	return anthropicsdk.MessageNewParams{Model: anthropicsdk.Model(model), MaxTokens: 1000,
		Messages: []anthropicsdk.MessageParam{anthropicsdk.NewUserMessage(anthropicsdk.NewTextBlock(text))}}
}

func TestAnthropicClient(t *testing.T) {
	c := anthropicClient(t)
	got, err := c.Messages.New(t.Context(), anthropicParams("think", prompt))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Content) != 2 || got.Content[0].Thinking == "" || got.Content[0].Signature != signature || got.Content[1].Text != prompt || got.StopReason != "end_turn" || got.Usage.OutputTokens == 0 {
		t.Errorf("got %s", got.RawJSON())
	}
	params := anthropicParams("echo?cached_tokens=3", prompt)
	params.Tools = []anthropicsdk.ToolUnionParam{anthropicsdk.ToolUnionParamOfTool(anthropicsdk.ToolInputSchemaParam{}, "weather")}
	if got, err = c.Messages.New(t.Context(), params); err != nil {
		t.Fatal(err)
	}
	if len(got.Content) != 1 || got.Content[0].Name != "weather" || string(got.Content[0].Input) != `{"city": "Köln"}` || got.StopReason != "tool_use" || got.Usage.CacheReadInputTokens != 3 {
		t.Errorf("got %s", got.RawJSON())
	}
	_, err = c.Messages.New(t.Context(), anthropicParams("echo?fault=status_529", prompt))
	if e, ok := err.(*anthropicsdk.Error); !ok || e.StatusCode != 529 {
		t.Errorf("got %v", err)
	}
}

func TestAnthropicClientStreams(t *testing.T) {
	c := anthropicClient(t)
	f := func(params anthropicsdk.MessageNewParams) anthropicsdk.Message {
		t.Helper()
		s := c.Messages.NewStreaming(t.Context(), params)
		var acc anthropicsdk.Message
		for s.Next() {
			if err := acc.Accumulate(s.Current()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		return acc
	}
	got := f(anthropicParams("think?chunks=4", prompt))
	if len(got.Content) != 2 || got.Content[0].Signature != signature || got.Content[1].Text != prompt || got.StopReason != "end_turn" || got.Usage.OutputTokens == 0 {
		t.Errorf("got %+v", got)
	}
	params := anthropicParams("echo", prompt)
	params.Tools = []anthropicsdk.ToolUnionParam{anthropicsdk.ToolUnionParamOfTool(anthropicsdk.ToolInputSchemaParam{}, "weather")}
	if got = f(params); len(got.Content) != 1 || string(got.Content[0].Input) != `{"city": "Köln"}` || got.StopReason != "tool_use" {
		t.Errorf("got %+v", got)
	}
}
