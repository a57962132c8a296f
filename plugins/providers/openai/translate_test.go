package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/provider/providertest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Answers as in OpenAI's API reference for chat completions, October 2026.
const (
	wholeAnswer = `{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-4.1-2025-04-14",
"choices":[{"index":0,"message":{"role":"assistant","content":"Hello! How can I assist you today?","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],
"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},
"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default"}`
	chunkHead     = `data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","system_fingerprint":"fp_44709d6fcb",`
	streamedWhole = chunkHead + `"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n" +
		chunkHead + `"choices":[{"index":0,"delta":{"content":"Hel"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n" +
		chunkHead + `"choices":[{"index":0,"delta":{"content":"lo"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n" +
		chunkHead + `"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}` + "\n\n" +
		chunkHead + `"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}` + "\n\n" + "data: [DONE]\n\n"
	tooLong = `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`
)

// upstream stands for OpenAI: it answers by the model's name and refuses
// requests without exactly the provider's credential.
func upstream(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		body := string(raw)
		if got := r.Header.Get("Authorization"); got != "Bearer sk-provider" || r.Header.Get("X-Api-Key") != "" {
			t.Errorf("upstream got credentials %q, %q", got, r.Header.Get("X-Api-Key"))
		}
		if r.URL.Path != "/v1/chat/completions" {
			t.Errorf("upstream got %s", r.URL.Path)
		}
		switch {
		case strings.Contains(body, `"too-long"`):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, tooLong)
		case strings.Contains(body, `"stream":true`):
			w.Header().Set("Content-Type", "text/event-stream")
			whole := streamedWhole
			if strings.Contains(body, `"cut"`) {
				whole = whole[:len(whole)*2/3]
			}
			fmt.Fprint(w, whole)
		default:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, wholeAnswer)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// routed sends whatever a client posts to the adapter's route for messages.
type routed struct {
	http.RoundTripper
	model string
}

func (r routed) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Path = proto.Path(wire.OpChat, wire.AnthropicMessages)
	req.Header.Del("X-Api-Key")
	req.Header.Set(proto.HeaderCredential, "sk-provider")
	req.Header.Set(proto.HeaderModel, r.model)
	return r.RoundTripper.RoundTrip(req)
}

// messages is Anthropic's own client of the adapter.
func messages(t *testing.T, model string) anthropic.Client {
	t.Helper()
	up := upstream(t)
	a := providertest.Start(t, openai{}, `{"base_url":"`+up.URL+`/v1"}`, strings.TrimPrefix(up.URL, "http://"))
	return anthropic.NewClient(option.WithBaseURL("http://adapter"), option.WithAPIKey("sb-caller"), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: routed{a.Client.Transport, model}}))
}

func params(model string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{Model: anthropic.Model(model), MaxTokens: 100,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hello"))}}
}

func TestAnthropicClientOnOpenAI(t *testing.T) {
	c := messages(t, "gpt-4.1")
	got, err := c.Messages.New(t.Context(), params("gpt-4.1"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Content[0].Text != "Hello! How can I assist you today?" || got.StopReason != "end_turn" || got.Usage.InputTokens != 15 || got.Usage.CacheReadInputTokens != 4 || got.Usage.OutputTokens != 10 {
		t.Errorf("got %s", got.RawJSON())
	}
}

func TestAnthropicClientStreamsFromOpenAI(t *testing.T) {
	c := messages(t, "gpt-4o-mini")
	s := c.Messages.NewStreaming(t.Context(), params("gpt-4o-mini"))
	var got anthropic.Message
	for s.Next() {
		if err := got.Accumulate(s.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if got.Content[0].Text != "Hello" || got.StopReason != "end_turn" || got.Usage.OutputTokens != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestCutStreamStaysCut(t *testing.T) {
	c := messages(t, "cut")
	s := c.Messages.NewStreaming(t.Context(), params("cut"))
	for s.Next() {
		if s.Current().Type == "message_stop" {
			t.Error("a cut stream was ended properly")
		}
	}
	if s.Err() == nil {
		t.Error("a cut stream was passed off as a whole one")
	}
}

func TestErrorsAreTranslated(t *testing.T) {
	c := messages(t, "too-long")
	_, err := c.Messages.New(t.Context(), params("too-long"))
	e, ok := err.(*anthropic.Error)
	if !ok || e.StatusCode != 400 || !strings.Contains(e.RawJSON(), "maximum context length") || !strings.Contains(e.RawJSON(), "invalid_request_error") {
		t.Fatalf("got %v", err)
	}
	if got := e.Response.Header.Get(proto.HeaderErrorClass); got != wire.ClassContextLength.String() {
		t.Errorf("got class %q", got)
	}
}
