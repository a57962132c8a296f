package clients

import (
	"errors"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
)

func responsesParams(model, text string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: model, MaxOutputTokens: openai.Int(200), Instructions: openai.String("Answer."),
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(text)},
	}
}

var citySchema = map[string]any{
	"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"}, "additionalProperties": false,
}

func responsesWeather() []responses.ToolUnionParam {
	return []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{
		Name: "weather", Description: openai.String("The weather in a city"), Parameters: citySchema, Strict: openai.Bool(true),
	}}}
}

func responsesUsage(t *testing.T, r *responses.Response) {
	t.Helper()
	if u := r.Usage; u.InputTokens == 0 || u.OutputTokens == 0 || u.TotalTokens != u.InputTokens+u.OutputTokens {
		t.Errorf("got usage %s", u.RawJSON())
	}
}

func TestResponses(t *testing.T) {
	c := newOpenAI()
	eachWay(t, func(t *testing.T, way string) {
		got, err := c.Responses.New(t.Context(), responsesParams(way, prompt))
		if err != nil {
			t.Fatal(err)
		}
		if got.OutputText() != prompt || got.Status != "completed" || got.Object != "response" {
			t.Errorf("got %s", got.RawJSON())
		}
		responsesUsage(t, got)
		if way == "openai" && !strings.Contains(got.RawJSON(), `"a_field_of_tomorrow":1`) {
			t.Errorf("a field that nobody knows was lost: %s", got.RawJSON())
		}
	})
}

// responsesStream collects a streamed response: what its deltas add up to, and
// what it says that it was.
func responsesStream(t *testing.T, params responses.ResponseNewParams) (text, arguments string, done *responses.Response, err error) {
	t.Helper()
	c := newOpenAI()
	s := c.Responses.NewStreaming(t.Context(), params)
	defer s.Close()
	for last := int64(-1); s.Next(); {
		e := s.Current()
		if e.Type != "error" && e.SequenceNumber != last+1 {
			t.Errorf("event %d follows %d: %s", e.SequenceNumber, last, e.RawJSON())
		}
		last = e.SequenceNumber
		switch e := e.AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			text += e.Delta
		case responses.ResponseFunctionCallArgumentsDeltaEvent:
			arguments += e.Delta
		case responses.ResponseCompletedEvent:
			done = &e.Response
		}
	}
	return text, arguments, done, s.Err()
}

func TestResponsesStream(t *testing.T) {
	eachWay(t, func(t *testing.T, way string) {
		text, _, done, err := responsesStream(t, responsesParams(way, prompt))
		if err != nil || done == nil {
			t.Fatalf("got %q, then %v", text, err)
		}
		if text != prompt || done.OutputText() != prompt || done.Status != "completed" {
			t.Errorf("got %q, then %s", text, done.RawJSON())
		}
		responsesUsage(t, done)
	})
}

func TestResponsesTools(t *testing.T) {
	c := newOpenAI()
	eachWay(t, func(t *testing.T, way string) {
		params := responsesParams(way, toolPrompt)
		params.Tools = responsesWeather()
		got, err := c.Responses.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		call := got.Output[len(got.Output)-1]
		if call.Type != "function_call" || call.Name != "weather" || cityOf(t, call.Arguments.OfString) != city || call.CallID == "" {
			t.Fatalf("got %s", got.RawJSON())
		}
		_, arguments, done, err := responsesStream(t, params)
		if err != nil || done == nil {
			t.Fatalf("got %q, then %v", arguments, err)
		}
		if last := done.Output[len(done.Output)-1]; cityOf(t, arguments) != city || last.Name != "weather" || cityOf(t, last.Arguments.OfString) != city {
			t.Errorf("streamed %q, then %s", arguments, done.RawJSON())
		}
		params.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage(toolPrompt, "user"),
			responses.ResponseInputItemParamOfFunctionCall(call.Arguments.OfString, call.CallID, call.Name),
			{OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{CallID: openai.String(call.CallID),
				Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: openai.String("21 °C")}}},
		}}
		if got, err = c.Responses.New(t.Context(), params); err != nil {
			t.Fatal(err)
		}
		if got.OutputText() != "21 °C" {
			t.Errorf("the tool's result came to %s", got.RawJSON())
		}
	})
}

// A schema reaches every API in the words of its own.
func TestResponsesSchema(t *testing.T) {
	c := newOpenAI()
	eachWay(t, func(t *testing.T, way string) {
		params := responsesParams(way, jsonPrompt)
		params.Text.Format.OfJSONSchema = &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "place", Schema: citySchema, Strict: openai.Bool(true)}
		got, err := c.Responses.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		if cityOf(t, got.OutputText()) != city {
			t.Errorf("got %s", got.RawJSON())
		}
	})
}

func TestResponsesErrors(t *testing.T) {
	c := newOpenAI()
	f := func(t *testing.T, params responses.ResponseNewParams, status int) {
		t.Helper()
		_, err := c.Responses.New(t.Context(), params)
		s := c.Responses.NewStreaming(t.Context(), params)
		s.Next()
		for _, err := range []error{err, s.Err()} {
			var e *openai.Error
			if !errors.As(err, &e) || e.StatusCode != status || e.Message == "" || e.Code == "" || e.Type == "" {
				t.Errorf("%s: got %v; want status %d with message, code and type", params.Model, err, status)
			}
		}
	}
	eachWay(t, func(t *testing.T, way string) {
		f(t, responsesParams(way+"-limited", prompt), 429)
		f(t, responsesParams(way+"-refused", prompt), 400)
	})
	f(t, responsesParams("nobody/has-this", prompt), 404)
}

// A stream that breaks off must not look like one that ended.
func TestResponsesCutStream(t *testing.T) {
	eachWay(t, func(t *testing.T, way string) {
		if text, _, done, err := responsesStream(t, responsesParams(way+"-cut", prompt)); done != nil {
			t.Errorf("a cut stream ended well: %q, %v", text, err)
		}
	})
}
