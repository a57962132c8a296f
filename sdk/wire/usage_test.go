package wire

import "testing"

func TestReadUsage(t *testing.T) {
	f := func(d Dialect, body string, want Usage) {
		t.Helper()
		got, ok := ReadUsage(d, []byte(body))
		if !ok || got != want {
			t.Errorf("ReadUsage(%s, %s) = %+v, %v; want %+v", d, body, got, ok, want)
		}
	}
	o, a := OpenAIChat, AnthropicMessages
	f(o, `{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}`, Usage{Input: 10, Output: 5})
	f(OpenAIEmbeddings, `{"data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}`, Usage{Input: 8})
	// Cached, written and reasoning tokens lie inside.
	f(o, `{"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},"completion_tokens_details":{"reasoning_tokens":20}}}`,
		Usage{Input: 10, CacheRead: 60, CacheWrite5m: 30, Output: 30, Reasoning: 20})
	// xAI reports reasoning beside the completion: the total shows it.
	f(o, `{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20}}}`,
		Usage{Input: 10, Output: 5, Reasoning: 20})
	// Google's compatible endpoint counts thinking in the total alone.
	f(o, `{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35}}`, Usage{Input: 10, Output: 5, Reasoning: 20})
	f(o, `{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":6}}`,
		Usage{Input: 6, CacheRead: 4, Output: 5})
	f(o, `{"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":null,"completion_tokens_details":null}}`, Usage{Input: 10, Output: 5})
	f(a, `{"type":"message","usage":{"input_tokens":3,"cache_creation_input_tokens":30,"cache_read_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}`,
		Usage{Input: 3, CacheRead: 7, CacheWrite5m: 10, CacheWrite1h: 20, Output: 5, Reasoning: 4})
	f(a, `{"usage":{"input_tokens":3,"cache_creation_input_tokens":30,"output_tokens":9}}`, Usage{Input: 3, CacheWrite5m: 30, Output: 9})
	f(a, `{"usage":{"input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5},"output_tokens":9}}`,
		Usage{Input: 3, CacheWrite5m: 4, CacheWrite1h: 5, Output: 9})
	f(o, `{"usage":{"prompt_tokens":999999999999999999,"completion_tokens":-5}}`, Usage{Input: maxCount})
}

func TestReadUsageRefuses(t *testing.T) {
	f := func(d Dialect, body string) {
		t.Helper()
		if got, ok := ReadUsage(d, []byte(body)); ok || got != (Usage{}) {
			t.Errorf("ReadUsage(%s, %s) = %+v, %v; want none", d, body, got, ok)
		}
	}
	f(OpenAIChat, ``)
	f(OpenAIChat, `{"usage":null}`)
	f(OpenAIChat, `{"usage":{}}`)
	f(OpenAIChat, `{"usage":{"prompt_tokens":1.5}}`)
	f(OpenAIChat, `{"usage":{"prompt_tokens":10,"completion_tokens":5}`)
	f(OpenAIChat, `{"usage":{"prompt_tokens":10}} trailing`)
	f(OpenAIChat, `{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":1}"}}]}`)
	f(OpenAIChat, `{"choices":[{"message":{"usage":{"prompt_tokens":10}}}]}`)
	f(AnthropicMessages, `{"usage":{"prompt_tokens":10}}`)
	f(NoDialect, `{"usage":{"prompt_tokens":10}}`)
}

func TestReadUsageEventMerges(t *testing.T) {
	f := func(d Dialect, want Usage, events ...string) {
		t.Helper()
		var got Usage
		for _, e := range events {
			ReadUsageEvent(d, []byte(e), &got)
		}
		if got != want {
			t.Errorf("after %q: %+v; want %+v", events, got, want)
		}
	}
	f(AnthropicMessages, Usage{Input: 25, CacheRead: 7, CacheWrite5m: 10, CacheWrite1h: 20, Output: 11, Reasoning: 4},
		`{"type":"message_start","message":{"usage":{"input_tokens":25,"cache_read_input_tokens":7,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1}}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"usage \"usage\""}}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"cache_creation_input_tokens":30,"output_tokens":15,"output_tokens_details":{"thinking_tokens":4}}}`)
	f(OpenAIChat, Usage{Input: 10, Output: 5},
		`{"choices":[{"delta":{"content":"a"}}],"usage":null}`,
		`{"choices":[{"delta":{"content":"b"}}],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}}`,
		`{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}`,
		`[DONE]`)
	f(OpenAIChat, Usage{Input: 10, Output: 5}, `{"choices":[],"x_groq":{"id":"req","usage":{"prompt_tokens":10,"completion_tokens":5}}}`)
	f(OpenAIChat, Usage{Input: 10, Output: 5}, `{"choices":[{"delta":{},"usage":{"prompt_tokens":10,"completion_tokens":5}}]}`)
	f(OpenAIChat, Usage{}, `{"usage":{"prompt_tokens":10,`)
}

func FuzzReadUsage(f *testing.F) {
	f.Add(uint8(OpenAIChat), []byte(`{"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":60}},"choices":[{"usage":{}}]}`))
	f.Add(uint8(AnthropicMessages), []byte(`{"message":{"usage":{"input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":20},"output_tokens":9}}}`))
	f.Add(uint8(GeminiGenerate), []byte(`{"usageMetadata":{"promptTokenCount":8,"thoughtsTokenCount":40,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":5}]}}`))
	f.Add(uint8(BedrockConverse), []byte(`{"usage":{"inputTokens":30,"outputTokens":628,"cacheWriteInputTokens":100,"cacheDetails":[{"ttl":"1h","inputTokens":60}]}}`))
	f.Add(uint8(CohereChat), []byte(`{"meta":{"billed_units":{"search_units":1}},"delta":{"usage":{"cached_tokens":3,"tokens":{"input_tokens":7}}}}`))
	f.Add(uint8(OpenAITranscription), []byte(`{"duration":8.5e-1,"usage":{"seconds":1.25e2,"total_tokens":9,"cost":1e-9}}`))
	f.Fuzz(func(t *testing.T, d uint8, data []byte) {
		var u Usage
		ReadUsageEvent(Dialect(d), data, &u)
		whole, _ := ReadUsage(Dialect(d), data)
		for _, u := range [...]Usage{u, whole} {
			for _, n := range u.Buckets() {
				if *n < 0 || *n > 4*maxCount {
					t.Fatalf("impossible count: %+v from %q", u, data)
				}
			}
		}
	})
}

var sinkUsage Usage

const (
	anthropicDelta = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":15}}`
	openAIChunk    = `{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"usage":null}`
	openAIUsage0   = `{"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":60},"completion_tokens_details":{"reasoning_tokens":20}}}`
)

func BenchmarkReadUsageEvent(b *testing.B) {
	f := func(name string, d Dialect, data string) {
		raw := []byte(data)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ReadUsageEvent(d, raw, &sinkUsage)
			}
		})
	}
	f("openai chunk without", OpenAIChat, openAIChunk)
	f("openai chunk with", OpenAIChat, openAIUsage0)
	f("anthropic message_delta", AnthropicMessages, anthropicDelta)
}
