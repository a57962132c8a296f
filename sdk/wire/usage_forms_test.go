package wire

import (
	"fmt"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// Examples are those of the providers' references (October 2026), cut down to
// what is read; total is what the example says, 0 where it has no total.
func TestReadUsageOfEveryDialect(t *testing.T) {
	f := func(d Dialect, body string, total int64, want Usage) {
		t.Helper()
		got, ok := ReadUsage(d, []byte(body))
		if !ok || got != want {
			t.Errorf("ReadUsage(%s, %s) =\n%+v, %v; want\n%+v", d, body, got, ok, want)
		}
		if got.Total() != total && total > 0 {
			t.Errorf("%s: the buckets of %s add up to %d; want %d", d, body, got.Total(), total)
		}
	}
	f(OpenAIResponses, `{"object":"response","usage":{"input_tokens":328,"input_tokens_details":{"cached_tokens":128},"output_tokens":52,"output_tokens_details":{"reasoning_tokens":20},"total_tokens":380}}`,
		380, Usage{Input: 200, CacheRead: 128, Output: 32, Reasoning: 20})
	f(OpenAICompletions, `{"object":"text_completion","usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}`, 12, Usage{Input: 5, Output: 7})
	// Audio in and out of a chat; what was cached of it is not told apart.
	f(OpenAIChat, `{"usage":{"prompt_tokens":1117,"completion_tokens":146,"total_tokens":1263,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":100,"text_tokens":1017},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":110,"text_tokens":36}}}`,
		1263, Usage{AudioInput: 93, CacheRead: 1017, CacheReadAudio: 7, Output: 36, AudioOutput: 110})
	f(OpenAIRealtime, `{"type":"response.done","response":{"usage":{"total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":119,"audio_tokens":13,"image_tokens":0,"cached_tokens":64,"cached_tokens_details":{"text_tokens":60,"audio_tokens":4,"image_tokens":0}},"output_token_details":{"text_tokens":30,"audio_tokens":91}}}}`,
		253, Usage{Input: 59, CacheRead: 60, AudioInput: 9, CacheReadAudio: 4, Output: 30, AudioOutput: 91})
	f(OpenAIRealtime, `{"type":"conversation.item.input_audio_transcription.completed","usage":{"type":"tokens","total_tokens":26,"input_tokens":17,"input_token_details":{"text_tokens":0,"audio_tokens":17},"output_tokens":9}}`,
		26, Usage{AudioInput: 17, Output: 9})
	f(OpenAIImages, `{"created":1713833628,"data":[{"b64_json":"..."}],"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}`,
		100, Usage{Input: 10, ImageInput: 40, ImageOutput: 50, Images: 1})
	f(OpenAIImageEdits, `{"data":[{"url":"a","b64_json":null},{"url":"b","b64_json":null}],"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens_details":{"image_tokens":45,"text_tokens":5}}}`,
		100, Usage{Input: 10, ImageInput: 40, ImageOutput: 45, Output: 5, Images: 2})
	f(OpenAIImages, `{"created":1589478378,"data":[{"url":"https://a"},{"url":"https://b"}]}`, 0, Usage{Images: 2})
	f(OpenAISpeech, `{"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}}`, 115, Usage{Input: 14, AudioOutput: 101})
	f(OpenAITranscription, `{"text":"hi","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}`,
		59, Usage{AudioInput: 14, Output: 45})
	f(OpenAITranscription, `{"task":"transcribe","duration":8.470000267028809,"text":"hi","usage":{"type":"duration","seconds":9}}`, 0, Usage{Millis: 9000})
	f(OpenAITranslation, `{"task":"translate","duration":8.470000267028809,"text":"hi"}`, 0, Usage{Millis: 8471})
	// Mistral counts the audio beside the prompt.
	f(OpenAITranscription, `{"text":"hi","usage":{"prompt_audio_seconds":203,"prompt_tokens":4,"total_tokens":3264,"completion_tokens":635}}`,
		3264, Usage{Input: 4, AudioInput: 2625, Output: 635, Millis: 203_000})
	f(GeminiGenerate, `{"candidates":[],"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":300,"candidatesTokenCount":50,"thoughtsTokenCount":30,"toolUsePromptTokenCount":20,"totalTokenCount":1100,"promptTokensDetails":[{"modality":"TEXT","tokenCount":600},{"modality":"AUDIO","tokenCount":150},{"modality":"IMAGE","tokenCount":200},{"modality":"VIDEO","tokenCount":50}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":100},{"modality":"TEXT","tokenCount":200}],"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":50}]}}`,
		1100, Usage{Input: 420, CacheRead: 200, AudioInput: 50, CacheReadAudio: 100, ImageInput: 250, Output: 50, Reasoning: 30})
	f(GeminiGenerate, `{"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":1290,"totalTokenCount":1298,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}}`,
		1298, Usage{Input: 8, ImageOutput: 1290})
	f(GeminiGenerate, `{"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":90,"thoughtsTokenCount":40,"totalTokenCount":98}}`,
		98, Usage{Input: 8, Output: 50, Reasoning: 40})
	f(BedrockConverse, `{"output":{},"usage":{"inputTokens":30,"outputTokens":628,"totalTokens":1058,"cacheReadInputTokens":300,"cacheWriteInputTokens":100,"cacheDetails":[{"ttl":"1h","inputTokens":60},{"ttl":"5m","inputTokens":40}]}}`,
		1058, Usage{Input: 30, CacheRead: 300, CacheWrite5m: 40, CacheWrite1h: 60, Output: 628})
	f(CohereChat, `{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":5,"output_tokens":418},"tokens":{"input_tokens":71,"output_tokens":418},"cached_tokens":0}}`,
		423, Usage{Input: 5, Output: 418})
	f(CohereRerank, `{"results":[],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}`, 0, Usage{Searches: 1})
	f(CohereRerank, `{"model":"jina-reranker-v2","usage":{"total_tokens":815,"prompt_tokens":815},"results":[]}`, 815, Usage{Input: 815})
	f(CohereRerank, `{"object":"list","data":[],"usage":{"total_tokens":26}}`, 26, Usage{Input: 26})
	f(OpenAIEmbeddings, `{"data":[],"usage":{"total_tokens":26}}`, 26, Usage{Input: 26})
	f(AnthropicMessages, `{"usage":{"input_tokens":105,"output_tokens":6039,"cache_read_input_tokens":7123,"cache_creation_input_tokens":7345,"server_tool_use":{"web_search_requests":1}}}`,
		105+6039+7123+7345, Usage{Input: 105, Output: 6039, CacheRead: 7123, CacheWrite5m: 7345, Searches: 1})
	// Of a provider's own API the form is told by its names.
	f(Raw, `{"usage":{"input_tokens":3,"cache_read_input_tokens":7,"output_tokens":9}}`, 19, Usage{Input: 3, CacheRead: 7, Output: 9})
	f(Raw, `{"usage":{"inputTokens":3,"outputTokens":9,"totalTokens":12}}`, 12, Usage{Input: 3, Output: 9})
	f(Raw, `{"usageMetadata":{"promptTokenCount":8,"totalTokenCount":8}}`, 8, Usage{Input: 8})
	f(Raw, `{"usage":{"prompt_tokens":3,"completion_tokens":9}}`, 12, Usage{Input: 3, Output: 9})
}

func TestReadReportedCost(t *testing.T) {
	f := func(usage string, want int64) {
		t.Helper()
		got, ok := ReadUsage(OpenAIChat, []byte(`{"usage":{"prompt_tokens":1,"completion_tokens":1,`+usage+`}}`))
		if !ok || got.Cost != want {
			t.Errorf("%s costs %d, %v; want %d", usage, got.Cost, ok, want)
		}
	}
	f(`"cost":0.95,"cost_details":{"upstream_inference_cost":19},"is_byok":false`, 950_000_000)   // OpenRouter
	f(`"is_byok":true,"cost":0.95,"cost_details":{"upstream_inference_cost":19}`, 19_950_000_000) // with the caller's own key
	f(`"is_byok":false,"cost":1.4e-05,"cost_details":{"upstream_inference_cost":null}`, 14_000)   //
	f(`"cost":{"input_tokens_cost":0.001,"request_cost":0.005,"total_cost":0.006012}`, 6_012_000) // Perplexity
	f(`"cost_in_usd_ticks":37756000`, 3_775_600)                                                  // xAI
	f(`"cost_in_usd_ticks":1`, 1)                                                                 //
	f(`"cost":0`, 0)                                                                              //
	f(`"cost":-1`, 0)                                                                             //
	f(`"cost":"0.5"`, 0)                                                                          //
	f(`"cost":null`, 0)                                                                           //
	f(`"cost":1e999`, maxCount)                                                                   //
	f(`"cost":1e-999`, 1)                                                                         //
}

func TestScaled(t *testing.T) {
	f := func(raw string, places int, want int64) {
		t.Helper()
		if got, ok := scaled([]byte(raw), places); !ok || got != want {
			t.Errorf("scaled(%s, %d) = %d, %v; want %d", raw, places, got, ok, want)
		}
	}
	f("0", 9, 0)
	f("0.000", 9, 0)
	f("1", 9, 1_000_000_000)
	f("0.1", 9, 100_000_000)
	f("0.000000001", 9, 1)
	f("0.0000000001", 9, 1) // up
	f("0.0000000010000", 9, 1)
	f("12.345678901234", 9, 12_345_678_902)
	f("1.5E+2", 3, 150_000)
	f("15e-1", 3, 1500)
	f("0.00012e3", 3, 120)
	f("123456789012345678901234567890", 0, maxCount)
	if _, ok := scaled([]byte("-1"), 9); ok {
		t.Error("a negative number is taken")
	}
}

func TestUsageEventsOfEveryDialect(t *testing.T) {
	f := func(d Dialect, want Usage, events ...string) {
		t.Helper()
		var got Usage
		for _, e := range events {
			ReadUsageEvent(d, []byte(e), &got)
		}
		if got != want {
			t.Errorf("%s: after %q:\n%+v; want\n%+v", d, events, got, want)
		}
	}
	f(OpenAIResponses, Usage{Input: 30, CacheRead: 7, Output: 11},
		`{"type":"response.created","response":{"id":"r","usage":null}}`,
		`{"type":"response.output_text.delta","delta":"usage"}`,
		`{"type":"response.completed","response":{"usage":{"input_tokens":37,"input_tokens_details":{"cached_tokens":7},"output_tokens":11,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":48}}}`)
	f(GeminiGenerate, Usage{Input: 4, Output: 9, Reasoning: 2},
		`{"candidates":[{"content":{}}],"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}`,
		`{"candidates":[{"content":{}}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":9,"thoughtsTokenCount":2,"totalTokenCount":15}}`)
	f(CohereChat, Usage{Input: 3, Output: 418},
		`{"type":"message-start","delta":{"message":{"role":"assistant"}}}`,
		`{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":418},"tokens":{"input_tokens":69,"output_tokens":418}}}}`)
	f(BedrockConverse, Usage{Input: 16, Output: 7}, `{"metrics":{"latencyMs":1},"usage":{"inputTokens":16,"outputTokens":7,"totalTokens":23}}`)
	f(OpenAISpeech, Usage{Input: 14, AudioOutput: 101}, `{"type":"speech.audio.delta","audio":"usage"}`,
		`{"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}}`)
	f(OpenAIImages, Usage{Input: 10, ImageInput: 40, ImageOutput: 50},
		`{"type":"image_generation.completed","b64_json":"...","usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}`)
	f(OpenAITranscription, Usage{AudioInput: 14, Output: 31}, `{"type":"transcript.text.done","text":"…","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":31,"total_tokens":45}}`)
}

// FuzzUsageAddsUp holds the buckets of OpenAI's forms against the whole that
// they were taken from.
func FuzzUsageAddsUp(f *testing.F) {
	f.Add(uint16(1117), uint16(146), uint16(1024), uint16(100), uint16(30), uint16(110), uint16(7))
	f.Fuzz(func(t *testing.T, prompt, completion, cached, audio, image, audioOut, reasons uint16) {
		in, out := int64(prompt), int64(completion)
		c, a, i, o, s := int64(cached)%(in+1), int64(audio)%(in+1), int64(image)%(in+1), int64(audioOut)%(out+1), int64(reasons)%(out+1)
		raw := fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":%d,"image_tokens":%d},"completion_tokens_details":{"audio_tokens":%d,"reasoning_tokens":%d}}`,
			in, out, in+out, c, a, i, o, s)
		var u Usage
		r := lex.New([]byte(raw))
		if !openAIUsage(&r, &u) || u.Prompt() != in || u.Completion() != out || u.CacheRead+u.CacheReadAudio+u.CacheReadImage != c || u.Reasoning != s {
			t.Fatalf("%s became %+v", raw, u)
		}
		for n, v := range u.Buckets() {
			if *v < 0 {
				t.Fatalf("%s: %s is %d", raw, BucketNames[n], *v)
			}
		}
	})
}
