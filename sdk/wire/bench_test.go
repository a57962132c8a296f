package wire

import "testing"

// benchStream runs the middle events of a stream over and over.
func benchStream(b *testing.B, from, to Dialect, begin []string, event, data string) {
	st := fixed(b, from, to).Stream("alias", true)
	var out []byte
	var err error
	for _, e := range begin {
		if out, err = st.Event(out, "", []byte(e)); err != nil {
			b.Fatal(err)
		}
	}
	raw := []byte(data)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if out, err = st.Event(out[:0], event, raw); err != nil {
			b.Fatal(err)
		}
	}
}

const (
	benchStart     = `{"type":"message_start","message":{"id":"msg_01","usage":{"input_tokens":25,"output_tokens":1}}}`
	benchTextDelta = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few words of an answer"}}`
	benchToolStart = `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}`
	benchToolDelta = `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Par"}}`
	benchThinking  = `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"a few words of a thought"}}`
	benchCall      = `{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"f","arguments":""}}]}}]}`
	benchCallDelta = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]},"logprobs":null,"finish_reason":null}]}`
)

const (
	benchResponse     = `{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"}}`
	benchItem         = `{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_1","type":"message"}}`
	benchOutputText   = `{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" a few words of an answer","logprobs":[]}`
	benchFunction     = `{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"f","arguments":""}}`
	benchFunctionArgs = `{"type":"response.function_call_arguments.delta","sequence_number":3,"item_id":"fc_1","output_index":0,"delta":"{\"city\":"}`
)

func BenchmarkStreamEvent(b *testing.B) {
	b.Run("responses from anthropic/text", func(b *testing.B) {
		benchStream(b, OpenAIResponses, AnthropicMessages, []string{benchStart}, "content_block_delta", benchTextDelta)
	})
	b.Run("responses from anthropic/tool", func(b *testing.B) {
		benchStream(b, OpenAIResponses, AnthropicMessages, []string{benchStart, benchToolStart}, "content_block_delta", benchToolDelta)
	})
	b.Run("responses from openai/text", func(b *testing.B) {
		benchStream(b, OpenAIResponses, OpenAIChat, nil, "", openAIChunk)
	})
	b.Run("from responses/text to openai", func(b *testing.B) {
		benchStream(b, OpenAIChat, OpenAIResponses, []string{benchResponse, benchItem}, "response.output_text.delta", benchOutputText)
	})
	b.Run("from responses/text to anthropic", func(b *testing.B) {
		benchStream(b, AnthropicMessages, OpenAIResponses, []string{benchResponse, benchItem}, "response.output_text.delta", benchOutputText)
	})
	b.Run("from responses/tool to openai", func(b *testing.B) {
		benchStream(b, OpenAIChat, OpenAIResponses, []string{benchResponse, benchFunction}, "response.function_call_arguments.delta", benchFunctionArgs)
	})
	b.Run("from anthropic/text", func(b *testing.B) {
		benchStream(b, OpenAIChat, AnthropicMessages, []string{benchStart}, "content_block_delta", benchTextDelta)
	})
	b.Run("from anthropic/thinking", func(b *testing.B) {
		benchStream(b, OpenAIChat, AnthropicMessages, []string{benchStart}, "content_block_delta", benchThinking)
	})
	b.Run("from anthropic/tool", func(b *testing.B) {
		benchStream(b, OpenAIChat, AnthropicMessages, []string{benchStart, benchToolStart}, "content_block_delta", benchToolDelta)
	})
	b.Run("from openai/text", func(b *testing.B) {
		benchStream(b, AnthropicMessages, OpenAIChat, nil, "", openAIChunk)
	})
	b.Run("from openai/tool", func(b *testing.B) {
		benchStream(b, AnthropicMessages, OpenAIChat, []string{benchCall}, "", benchCallDelta)
	})
}

func BenchmarkGolden(b *testing.B) {
	for _, g := range goldens(b) {
		if g.section("error") != "" {
			continue
		}
		tr, body := fixed(b, g.from, g.to), []byte(g.section("in.json"))
		switch {
		case g.what == "request":
			b.Run(g.file, func(b *testing.B) {
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					out, _, _ = tr.Request(out[:0], body, g.setting("model", "m"))
				}
			})
		case g.what == "response":
			b.Run(g.file, func(b *testing.B) {
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					out, _, _ = tr.Response(out[:0], body, "alias")
				}
			})
		}
	}
}
