package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// OpenAI's own client talks to Anthropic's API, as its own types describe it,
// through the adapter.

// asGateway sends what a client posts to the adapter as the gateway would.
type asGateway struct {
	http.RoundTripper
	model string
}

func (g asGateway) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Path = proto.Path(wire.OpChat, wire.OpenAIChat)
	req.Header.Del("Authorization")
	req.Header.Set(proto.HeaderModel, g.model)
	req.Header.Set(proto.HeaderCredential, key)
	return g.RoundTripper.RoundTrip(req)
}

func client(t *testing.T, u *upstream, model string) openai.Client {
	t.Helper()
	a := start(t, u, "")
	return openai.NewClient(option.WithBaseURL("http://gateway/v1"), option.WithAPIKey("caller"), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: asGateway{a.Client.Transport, model}}))
}

func params(messages ...openai.ChatCompletionMessageParamUnion) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: "smart", Messages: messages}
}

func TestChat(t *testing.T) {
	u := &upstream{t: t, answer: func(w http.ResponseWriter, _ *sdk.MessageNewParams) {
		write(w, message("end_turn", sdk.ContentBlockUnion{Type: "text", Text: "Hello \"you\""}))
	}}
	c := client(t, u, "claude-sonnet-4-5")
	p := params(openai.SystemMessage("Be brief."), openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.TextContentPart("Grüße"), openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64,aGk="})}))
	got, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got.Choices[0].Message.Content != "Hello \"you\"" || got.Choices[0].FinishReason != "stop" || got.Model != "smart" ||
		got.Usage.PromptTokens != 15 || got.Usage.CompletionTokens != 7 || got.Usage.PromptTokensDetails.CachedTokens != 5 {
		t.Errorf("got %s", got.RawJSON())
	}
	if u.last.Model != "claude-sonnet-4-5" || u.last.System[0].Text != "Be brief." || u.last.MaxTokens != 64_000 ||
		u.last.Messages[0].Content[0].OfText.Text != "Grüße" || u.last.Messages[0].Content[1].OfImage.Source.OfBase64.Data != "aGk=" {
		t.Errorf("upstream got %+v", u.last)
	}
}

func TestToolsThereAndBack(t *testing.T) {
	u := &upstream{t: t, answer: func(w http.ResponseWriter, p *sdk.MessageNewParams) {
		if len(p.Messages) > 1 {
			write(w, message("end_turn", sdk.ContentBlockUnion{Type: "text", Text: "21 °C"}))
			return
		}
		write(w, message("tool_use",
			sdk.ContentBlockUnion{Type: "thinking", Thinking: "hm", Signature: "c2ln"},
			sdk.ContentBlockUnion{Type: "tool_use", ID: "toolu_1", Name: "weather", Input: json.RawMessage(`{"city":"Köln"}`)},
			sdk.ContentBlockUnion{Type: "tool_use", ID: "toolu_2", Name: "weather", Input: json.RawMessage(`{"city":"Rom"}`)}))
	}}
	c := client(t, u, "claude-sonnet-4-5")
	p := params(openai.UserMessage("?"))
	p.ReasoningEffort = "low"
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "weather"})}
	got, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	said := got.Choices[0].Message
	if len(said.ToolCalls) != 2 || said.ToolCalls[1].Function.Arguments != `{"city":"Rom"}` || got.Choices[0].FinishReason != "tool_calls" {
		t.Fatalf("got %s", got.RawJSON())
	}
	var back openai.ChatCompletionAssistantMessageParam // as clients that know of reasoning send it back
	if err := json.Unmarshal([]byte(said.RawJSON()), &back); err != nil {
		t.Fatal(err)
	}
	back.SetExtraFields(map[string]any{"reasoning_details": json.RawMessage(said.JSON.ExtraFields["reasoning_details"].Raw())})
	p.Messages = append(p.Messages, openai.ChatCompletionMessageParamUnion{OfAssistant: &back},
		openai.ToolMessage("21", said.ToolCalls[0].ID), openai.ToolMessage("25", said.ToolCalls[1].ID))
	if got, err = c.Chat.Completions.New(t.Context(), p); err != nil || got.Choices[0].Message.Content != "21 °C" {
		t.Fatalf("got %v, %v", got, err)
	}
	turn := u.last.Messages[1].Content
	if len(u.last.Messages) != 3 || turn[0].OfThinking.Signature != "c2ln" || turn[2].OfToolUse.ID != "toolu_2" ||
		u.last.Messages[2].Content[1].OfToolResult.Content[0].OfText.Text != "25" || u.last.Thinking.OfEnabled.BudgetTokens != 12_800 {
		t.Errorf("upstream got %+v", u.last)
	}
}

func TestStream(t *testing.T) {
	event := func(w http.ResponseWriter, typ string, v string) {
		fmt.Fprintf(w, "event: %s\ndata: {\"type\":%q,%s}\n\n", typ, typ, v)
	}
	u := &upstream{t: t, answer: func(w http.ResponseWriter, _ *sdk.MessageNewParams) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		first, _ := json.Marshal(message(""))
		event(w, "message_start", `"message":`+string(first))
		event(w, "content_block_start", `"index":0,"content_block":{"type":"text","text":""}`)
		for _, s := range strings.SplitAfter("Hello there you", " ") {
			event(w, "content_block_delta", fmt.Sprintf(`"index":0,"delta":{"type":"text_delta","text":%q}`, s))
		}
		event(w, "content_block_stop", `"index":0`)
		event(w, "content_block_start", `"index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}`)
		event(w, "content_block_delta", `"index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\":\"K"}`)
		event(w, "content_block_delta", `"index":1,"delta":{"type":"input_json_delta","partial_json":"öln\"}"}`)
		event(w, "content_block_stop", `"index":1`)
		event(w, "message_delta", `"delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":12}`)
		event(w, "message_stop", `"x":0`)
	}}
	c := client(t, u, "claude-haiku-4-5")
	p := params(openai.UserMessage("?"))
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	s := c.Chat.Completions.NewStreaming(t.Context(), p)
	var acc openai.ChatCompletionAccumulator
	for s.Next() {
		if !acc.AddChunk(s.Current()) {
			t.Fatalf("the accumulator refuses %s", s.Current().RawJSON())
		}
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	m := acc.Choices[0].Message
	if m.Content != "Hello there you" || m.ToolCalls[0].Function.Arguments != `{"city":"Köln"}` || acc.Choices[0].FinishReason != "tool_calls" || acc.Usage.TotalTokens != 27 {
		t.Errorf("got %+v, usage %+v", m, acc.Usage)
	}
}

func TestErrorTypes(t *testing.T) {
	f := func(status int, typ, code string) {
		t.Helper()
		c := client(t, &upstream{t: t, answer: fails(status, typ, "why")}, "claude-haiku-4-5")
		_, err := c.Chat.Completions.New(t.Context(), params(openai.UserMessage("?")))
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != status || e.Code != code || e.Message != "why" {
			t.Errorf("%d %s: %v", status, typ, err)
		}
	}
	f(401, "authentication_error", "invalid_api_key")
	f(404, "not_found_error", "model_not_found")
	f(429, "rate_limit_error", "rate_limit_exceeded")
	f(529, "overloaded_error", "overloaded")
	c := client(t, &upstream{t: t}, "claude-haiku-4-5")
	p := params(openai.UserMessage("?"))
	p.N = openai.Int(2)
	_, err := c.Chat.Completions.New(t.Context(), p)
	var e *openai.Error
	if !errors.As(err, &e) || e.StatusCode != 400 || e.Param != "n" {
		t.Errorf("n: %v", err)
	}
}
