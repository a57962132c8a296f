package clients

import (
	"errors"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func newAnthropic(opts ...option.RequestOption) anthropic.Client {
	return anthropic.NewClient(append([]option.RequestOption{
		option.WithBaseURL(box.url), option.WithAPIKey(callerKey), option.WithMaxRetries(0),
		option.WithHeader("Cookie", "session="+callerKey), option.WithHeader("X-Goog-Api-Key", callerKey),
	}, opts...)...)
}

func anthropicParams(model, text string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: anthropic.Model(model), MaxTokens: 200, System: []anthropic.TextBlockParam{{Text: "Answer."}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(text))},
	}
}

func anthropicWeather() []anthropic.ToolUnionParam {
	t := anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{Properties: map[string]any{"city": map[string]string{"type": "string"}}}, "weather")
	t.OfTool.Description = anthropic.String("The weather in a city")
	return []anthropic.ToolUnionParam{t}
}

func TestAnthropicChat(t *testing.T) {
	c := newAnthropic()
	eachWay(t, func(t *testing.T, way string) {
		got, err := c.Messages.New(t.Context(), anthropicParams(way, prompt))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Content) != 1 || got.Content[0].Text != prompt || got.StopReason != "end_turn" || got.Type != "message" || got.Role != "assistant" {
			t.Errorf("got %s", got.RawJSON())
		}
		if got.Usage.InputTokens == 0 || got.Usage.OutputTokens == 0 {
			t.Errorf("got usage %s", got.Usage.RawJSON())
		}
		if way == "anthropic" && !strings.Contains(got.RawJSON(), `"a_field_of_tomorrow":1`) {
			t.Errorf("a field that nobody knows was lost: %s", got.RawJSON())
		}
	})
}

// anthropicStream accumulates a streamed answer.
func anthropicStream(t *testing.T, params anthropic.MessageNewParams) (got anthropic.Message, err error) {
	t.Helper()
	c := newAnthropic()
	s := c.Messages.NewStreaming(t.Context(), params)
	defer s.Close()
	for s.Next() {
		if err := got.Accumulate(s.Current()); err != nil {
			t.Errorf("event does not fit the others: %v: %s", err, s.Current().RawJSON())
		}
	}
	return got, s.Err()
}

func TestAnthropicStream(t *testing.T) {
	eachWay(t, func(t *testing.T, way string) {
		got, err := anthropicStream(t, anthropicParams(way, prompt))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Content) != 1 || got.Content[0].Text != prompt || got.StopReason != "end_turn" || got.Usage.OutputTokens == 0 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAnthropicTools(t *testing.T) {
	c := newAnthropic()
	eachWay(t, func(t *testing.T, way string) {
		params := anthropicParams(way, toolPrompt)
		params.Tools = anthropicWeather()
		got, err := c.Messages.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		use := got.Content[len(got.Content)-1]
		if use.Type != "tool_use" || use.Name != "weather" || cityOf(t, string(use.Input)) != city || got.StopReason != "tool_use" {
			t.Fatalf("got %s", got.RawJSON())
		}
		streamed, err := anthropicStream(t, params)
		if err != nil {
			t.Fatal(err)
		}
		last := streamed.Content[len(streamed.Content)-1]
		if last.Type != "tool_use" || last.Name != "weather" || cityOf(t, string(last.Input)) != city || streamed.StopReason != "tool_use" {
			t.Errorf("streamed %+v", streamed)
		}
		params.Messages = append(params.Messages, got.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(use.ID, "21 °C", false)))
		if got, err = c.Messages.New(t.Context(), params); err != nil {
			t.Fatal(err)
		}
		if got.Content[0].Text != "21 °C" {
			t.Errorf("the tool's result came to %s", got.RawJSON())
		}
	})
}

func TestAnthropicErrors(t *testing.T) {
	f := func(t *testing.T, c anthropic.Client, params anthropic.MessageNewParams, status int, typ anthropic.ErrorType) {
		t.Helper()
		_, err := c.Messages.New(t.Context(), params)
		s := c.Messages.NewStreaming(t.Context(), params)
		s.Next()
		for _, err := range []error{err, s.Err()} {
			var e *anthropic.Error
			if !errors.As(err, &e) || e.StatusCode != status || e.Type() != typ {
				t.Errorf("%s: got %v; want status %d and type %s", params.Model, err, status, typ)
			}
		}
	}
	eachWay(t, func(t *testing.T, way string) {
		c := newAnthropic()
		f(t, c, anthropicParams(way+"-limited", prompt), 429, anthropic.ErrorTypeRateLimitError)
		f(t, c, anthropicParams(way+"-refused", prompt), 400, anthropic.ErrorTypeInvalidRequestError)
		empty := anthropicParams(way, prompt)
		empty.Messages = []anthropic.MessageParam{}
		f(t, c, empty, 400, anthropic.ErrorTypeInvalidRequestError)
	})
	f(t, newAnthropic(), anthropicParams("nobody/has-this", prompt), 404, anthropic.ErrorTypeNotFoundError)
	f(t, newAnthropic(option.WithAPIKey("sb-unknown"), option.WithHeaderDel("X-Goog-Api-Key")), anthropicParams("demo", prompt), 401, anthropic.ErrorTypeAuthenticationError)
}

// A stream that breaks off must not look like one that ended.
func TestAnthropicCutStream(t *testing.T) {
	eachWay(t, func(t *testing.T, way string) {
		got, err := anthropicStream(t, anthropicParams(way+"-cut", prompt))
		if err == nil {
			t.Errorf("a cut stream ended well: %+v", got)
		}
	})
}

func TestAnthropicModels(t *testing.T) {
	c := newAnthropic()
	found := map[string]bool{}
	page := c.Models.ListAutoPaging(t.Context(), anthropic.ModelListParams{})
	for page.Next() {
		found[page.Current().ID] = true
	}
	if err := page.Err(); err != nil {
		t.Fatal(err)
	}
	for _, way := range ways {
		if !found[way] {
			t.Errorf("model %q is not listed among %v", way, found)
		}
	}
}
