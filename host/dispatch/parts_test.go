package dispatch

import (
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestFlawOf(t *testing.T) {
	f := func(d wire.Dialect, asJSON bool, want, body string) {
		t.Helper()
		if got := flawOf(d, []byte(body), asJSON); got != want {
			t.Errorf("%s %s: %q; want %q", d, body, got, want)
		}
	}
	chat := wire.OpenAIChat
	f(chat, false, "", `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`)
	f(chat, false, "", `{"choices":[{"message":{"content":[{"type":"text","text":"hi"}]},"finish_reason":"stop"}]}`)
	f(chat, false, "", `{"choices":[{"message":{"content":null,"refusal":"no"},"finish_reason":"stop"}]}`)
	f(chat, false, "", `{"choices":[{"message":{"content":null,"audio":{"data":"eA=="}},"finish_reason":"stop"}]}`)
	f(chat, false, "empty", `{"choices":[]}`)
	f(chat, false, "empty", `{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}`)
	f(chat, false, "empty", `{"choices":[{"message":{"content":" \n"},"finish_reason":"stop"}]}`)
	f(chat, false, "empty", `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"},{"message":{"content":""},"finish_reason":"stop"}]}`)
	f(chat, false, "length", `{"choices":[{"message":{"content":"hi"},"finish_reason":"length"}]}`)
	f(chat, false, "content_filter", `{"choices":[{"message":{"content":"hi"},"finish_reason":"content_filter"}]}`)
	f(chat, true, "", `{"choices":[{"message":{"content":"{\"a\":1}"},"finish_reason":"stop"}]}`)
	f(chat, true, "not_json", `{"choices":[{"message":{"content":"Sure! {\"a\":1}"},"finish_reason":"stop"}]}`)
	f(chat, true, "", `{"choices":[{"message":{"content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`)
	f(chat, false, "", `{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":""}}]},"finish_reason":"tool_calls"}]}`)
	f(chat, false, "tool_arguments", `{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":"{\"a\":"}}]},"finish_reason":"tool_calls"}]}`)
	f(chat, false, "", `not JSON at all`) // the upstream's own affair
	f(wire.OpenAICompletions, false, "", `{"choices":[{"text":"hi","finish_reason":"stop"}]}`)
	f(wire.OpenAICompletions, false, "empty", `{"choices":[{"text":"","finish_reason":"stop"}]}`)

	responses := wire.OpenAIResponses
	f(responses, false, "", `{"status":"completed","output":[{"type":"reasoning"},{"type":"message","content":[{"type":"output_text","text":"hi"}]}]}`)
	f(responses, false, "empty", `{"status":"completed","output":[{"type":"reasoning"}]}`)
	f(responses, false, "", `{"status":"completed","output":[{"type":"web_search_call"}]}`)
	f(responses, false, "", `{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}`)
	f(responses, false, "length", `{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}`)
	f(responses, false, "content_filter", `{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}`)
	f(responses, false, "failed", `{"status":"failed","incomplete_details":null,"output":[]}`)
	f(responses, false, "tool_arguments", `{"status":"completed","output":[{"type":"function_call","arguments":"{"}]}`)
	f(responses, true, "not_json", `{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}]}`)

	claude := wire.AnthropicMessages
	f(claude, false, "", `{"stop_reason":"end_turn","content":[{"type":"thinking","thinking":"x"},{"type":"text","text":"hi"}]}`)
	f(claude, false, "empty", `{"stop_reason":"end_turn","content":[{"type":"thinking","thinking":"x"}]}`)
	f(claude, false, "", `{"stop_reason":"tool_use","content":[{"type":"tool_use","name":"f","input":{}}]}`)
	f(claude, false, "length", `{"stop_reason":"max_tokens","content":[{"type":"text","text":"hi"}]}`)
	f(claude, false, "content_filter", `{"stop_reason":"refusal","content":[{"type":"text","text":"hi"}]}`)

	google := wire.GeminiGenerate
	f(google, false, "", `{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"x","thought":true},{"text":"hi"}]}}]}`)
	f(google, false, "empty", `{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"x","thought":true}]}}]}`)
	f(google, false, "empty", `{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"","thoughtSignature":"x"}]}}]}`)
	f(google, false, "", `{"candidates":[{"finishReason":"STOP","content":{"parts":[{"functionCall":{"name":"f"}}]}}]}`)
	f(google, false, "length", `{"candidates":[{"finishReason":"MAX_TOKENS","content":{"parts":[{"text":"hi"}]}}]}`)
	f(google, false, "content_filter", `{"candidates":[{"finishReason":"SAFETY"}]}`)
	f(google, false, "content_filter", `{"promptFeedback":{"blockReason":"SAFETY"}}`)
	f(google, false, "tool_arguments", `{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}`)
	f(google, true, "not_json", `{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"hi"}]}}]}`)

	f(wire.OpenAIEmbeddings, false, "", `{"data":[]}`)
}

func TestWantsJSON(t *testing.T) {
	f := func(d wire.Dialect, want bool, body string) {
		t.Helper()
		if got := wantsJSON(d, []byte(body)); got != want {
			t.Errorf("%s %s: %t", d, body, got)
		}
	}
	f(wire.OpenAIChat, true, `{"response_format":{"type":"json_object"}}`)
	f(wire.OpenAIChat, true, `{"messages":[{"content":[]}],"response_format":{"type":"json_schema","json_schema":{}}}`)
	f(wire.OpenAIChat, false, `{"response_format":{"type":"text"}}`)
	f(wire.OpenAIChat, false, `{"messages":[{"content":"\"response_format\""}]}`)
	f(wire.OpenAIChat, false, `{"response_format":null}`)
	f(wire.OpenAIResponses, true, `{"text":{"format":{"type":"json_schema"}}}`)
	f(wire.OpenAIResponses, false, `{"text":{"verbosity":"low"}}`)
	f(wire.AnthropicMessages, true, `{"output_format":{"type":"json_schema"}}`)
	f(wire.AnthropicMessages, true, `{"output_config":{"format":{"type":"json_schema"}}}`)
	f(wire.GeminiGenerate, true, `{"generationConfig":{"responseMimeType":"application/json"}}`)
	f(wire.GeminiGenerate, true, `{"generationConfig":{"response_mime_type":"application/json"}}`)
	f(wire.GeminiGenerate, false, `{"generationConfig":{"responseMimeType":"text/plain"}}`)
}

func TestNote(t *testing.T) {
	f := func(d wire.Dialect, wantContent bool, wantFlaw, text string) {
		t.Helper()
		var h held
		for b := []byte(text); len(b) > 0; {
			n := eventLen(b)
			if ev := parseEvent(b[:n]); ev.data != nil {
				h.note(d, ev)
			}
			b = b[n:]
		}
		if h.content != wantContent || h.flaw() != wantFlaw {
			t.Errorf("%s %q: content %t, flaw %q; want %t, %q", d, text, h.content, h.flaw(), wantContent, wantFlaw)
		}
	}
	chat := wire.OpenAIChat
	f(chat, true, "", `data: {"choices":[{"delta":{"role":"assistant","content":""}}]}`+"\n\n"+`data: {"choices":[{"delta":{"content":"a"}}]}`+"\n\ndata: [DONE]\n\n")
	f(chat, true, "", `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}`+"\n\n")
	f(chat, false, "empty", `data: {"choices":[{"delta":{"role":"assistant","content":""}}]}`+"\n\n"+`data: {"choices":[{"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	f(chat, false, "empty", `data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}`+"\n\ndata: [DONE]\n\n")
	f(chat, false, "length", `data: {"choices":[{"delta":{},"finish_reason":"length"}]}`+"\n\n")
	responses := wire.OpenAIResponses
	f(responses, true, "", "event: response.output_text.delta\n"+`data: {"type":"response.output_text.delta","delta":"a"}`+"\n\n")
	f(responses, true, "", `data: {"type":"response.output_item.added","item":{"type":"function_call"}}`+"\n\n")
	f(responses, false, "empty", `data: {"type":"response.output_item.added","item":{"type":"reasoning"}}`+"\n\n"+`data: {"type":"response.completed","response":{"status":"completed"}}`+"\n\n")
	f(responses, false, "length", `data: {"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}`+"\n\n")
	f(responses, false, "failed", `data: {"type":"response.failed","response":{}}`+"\n\n")
	claude := wire.AnthropicMessages
	f(claude, true, "", `data: {"type":"content_block_start","content_block":{"type":"text","text":""}}`+"\n\n"+`data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}`+"\n\n")
	f(claude, true, "", `data: {"type":"content_block_start","content_block":{"type":"tool_use","name":"f"}}`+"\n\n")
	f(claude, false, "empty", `data: {"type":"content_block_start","content_block":{"type":"thinking"}}`+"\n\n"+`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}`+"\n\n")
	f(claude, false, "length", `data: {"type":"message_delta","delta":{"stop_reason":"max_tokens"}}`+"\n\n")
	google := wire.GeminiGenerate
	f(google, true, "", `data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}`+"\n\n")
	f(google, false, "content_filter", `data: {"candidates":[{"finishReason":"SAFETY"}]}`+"\n\n")
}

// FuzzChecks: no answer, request or event makes a check panic.
func FuzzChecks(f *testing.F) {
	f.Add([]byte(`{"choices":[{"message":{"content":null,"tool_calls":[{"function":null}]},"delta":{"audio":[]}}]}`))
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"text":1,"thought":true}]}}],"response_format":{"type":"json_object"}}`))
	f.Add([]byte(`{"type":"response.incomplete","response":{"output":[{"type":"message","content":[{}]}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for d := range wire.NumDialects {
			_ = flawOf(d, b, wantsJSON(d, b))
			var h held
			h.note(d, event{data: b})
			_ = h.flaw()
		}
	})
}
