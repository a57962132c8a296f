package filter

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestOddEventsHideNothing: whatever form an upstream gives its events, what a
// caller's parser could find in them has been looked at.
func TestOddEventsHideNothing(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	f := func(d wire.Dialect, stream string) {
		t.Helper()
		out := run(s, chain, d, []byte(stream), false)
		if strings.Contains(out, "joe@") {
			t.Errorf("%q: got %q", stream, out)
		}
	}
	const chunk = `{"choices":[{"index":0,"delta":{"content":"joe@example.com "}}]}`
	f(wire.OpenAIChat, "data: "+chunk+"\n\n")
	f(wire.OpenAIChat, "event: error\ndata: "+chunk+"\n\n")
	f(wire.OpenAIChat, `data: {"error":null,`+chunk[1:]+"\n\n")
	f(wire.OpenAIChat, "data: "+chunk+" x\n\n")
	f(wire.OpenAIChat, "data: ["+chunk+"]\n\n")
	f(wire.OpenAIChat, `data: "joe@example.com "`+"\n\n")
	f(wire.OpenAIChat, "\ufeffdata: "+chunk+"\n\n")
	f(wire.OpenAIChat, ": x\rdata: "+chunk+"\r\r\n\n")
	f(wire.OpenAIChat, "id: 1\rdata: "+chunk+"\n\n")
	f(wire.OpenAIChat, " data: "+chunk+"\n\n")
	f(wire.OpenAIChat, "data: "+chunk+"\n\r\ndata: "+chunk+"\n\n")
	f(wire.OpenAIChat, chunk+"\n\n")
	f(wire.OpenAIChat, `data: {"choices":[{"index":0,"delta":"joe@example.com "}]}`+"\n\n")
	f(wire.OpenAIChat, `data: {"choices":["joe@example.com "]}`+"\n\n")
	f(wire.OpenAIChat, `data: {"choices":{"delta":{"content":"joe@example.com "}}}`+"\n\n")
	f(wire.OpenAIChat, `data: {"error":{"message":"the model said joe@example.com ","failed_generation":"joe@example.com "}}`+"\n\n")
	f(wire.AnthropicMessages, `data: {"type":"error","error":{"message":"joe@example.com "}}`+"\n\n")
	f(wire.OpenAIResponses, `data: {"type":"error","message":"joe@example.com "}`+"\n\n")
	f(wire.OpenAIResponses, `data: {"type":"response.new","message":{"content":"joe@example.com "}}`+"\n\n")
	f(wire.OpenAIResponses, `data: {"type":"response.completed","response":{"output":"joe@example.com "}}`+"\n\n")
	f(wire.OpenAIResponses, `data: {"type":"response.failed","response":{"error":{"message":"joe@example.com "}}}`+"\n\n")
	f(wire.GeminiGenerate, `data: [{"candidates":[{"content":{"parts":[{"text":"joe@example.com "}]}}]}]`+"\n\n")
}

// TestEscapesWithinArguments: a tool's arguments are JSON within JSON, and the
// tool reads the inner escapes too.
func TestEscapesWithinArguments(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	for d, write := range writers {
		for most := range 12 {
			say := texts{args: `{"to":"joe\u0040example.com","say":"\ud83d\ude00 \\u0040 \" \/\n"}`}
			events := write(rand.New(rand.NewPCG(1, 1)), say, most+1)
			got, _ := gather(t, d, pass(t, s, chain, d, events, rand.New(rand.NewPCG(1, 1))))
			var said map[string]string
			err := json.Unmarshal([]byte(got.args), &said)
			if want := map[string]string{"to": "[MAIL]", "say": "😀 \\u0040 \" /\n"}; d != wire.GeminiGenerate && (err != nil || !maps.Equal(said, want)) {
				t.Errorf("%s, %d: got %s, %v; want %v", d, most, got.args, err, want)
			}
		}
	}
}

// TestOddAnswersHideNothing is the same of answers that are whole.
func TestOddAnswersHideNothing(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	f := func(d wire.Dialect, kind, body string) {
		t.Helper()
		x := s.Begin(newCall(wire.OpChat, d, "{}"), chain, nil)
		defer x.Release()
		got, err := x.Answer(call.Answer{Status: 200, ContentType: kind, Body: []byte(body)})
		if err == nil && strings.Contains(string(got), "joe@") {
			t.Errorf("%s: got %s", body, got)
		}
	}
	const json, media = "application/json", "audio/mpeg"
	f(wire.OpenAIChat, json, `{"choices":[{"message":{"content":"joe@example.com "}}]}`)
	f(wire.OpenAIChat, media, `{"choices":[{"message":{"content":"joe@example.com "}}]} x`)
	f(wire.OpenAIChat, json, `[{"choices":[{"message":{"content":"joe@example.com "}}]}]`)
	f(wire.OpenAIChat, json, `"joe@example.com "`)
	f(wire.OpenAIChat, json, `{"choices":{"message":{"content":"joe@example.com "}}}`)
	f(wire.OpenAIChat, json, `{"choices":[{"message":"joe@example.com "}]}`)
	f(wire.OpenAIChat, json, `{"choices":[{"message":{"tool_calls":{"function":{"arguments":"joe@example.com "}}}}]}`)
	f(wire.OpenAIChat, json, `{"choices":[{"message":{"reasoning_details":"joe@example.com "}}]}`)
	f(wire.OpenAIChat, json, `{"choices":[{"message":{"reasoning_details":["joe@example.com "]}}]}`)
	f(wire.OpenAIChat, json, `{"choices":[{"message":{"tool_calls":[{"function":{"arguments":"{\"a\":\"joe\\u0040example.com \"}"}}]}}]}`)
	f(wire.OpenAIChat, json, `{"error":{"failed_generation":"joe@example.com "}}`)
	f(wire.OpenAIChat, json, `{"prompt_logprobs":[{"7":{"decoded_token":"joe@example.com "}}],"choices":[]}`)
	f(wire.OpenAIResponses, json, `{"output":"joe@example.com "}`)
	f(wire.OpenAIResponses, json, `{"output":["joe@example.com "]}`)
	f(wire.GeminiGenerate, json, `[{"candidates":[{"content":{"parts":[{"text":"joe@example.com "}]}}]}]`)
	f(wire.GeminiGenerate, json, `{"candidates":[{"content":{"parts":[{"functionResponse":"joe@example.com "}]}}]}`)
}

// TestOddRequestsHideNothing is the same of requests.
func TestOddRequestsHideNothing(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	f := func(op wire.Op, d wire.Dialect, body string) {
		t.Helper()
		x := s.Begin(newCall(op, d, body), chain, nil)
		defer x.Release()
		if got, err := x.Request(); err == nil && (strings.Contains(string(got), "joe@") || strings.Contains(string(got), "joe\\u0040")) {
			t.Errorf("%s: got %s", body, got)
		}
	}
	f(wire.OpChat, wire.OpenAIChat, `{"m\u0065ssages":[{"c\u006fntent":"joe\u0040example.com "}]}`)
	f(wire.OpChat, wire.OpenAIChat, `{"messages":[{"content":"x","content":"joe@example.com "}]}`)
	f(wire.OpChat, wire.OpenAIChat, `{"messages":[],"mes\u017fages":[{"content":"joe@example.com "}]}`)
	f(wire.OpChat, wire.OpenAIChat, `[{"messages":[{"content":"joe@example.com "}]}]`)
	f(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"assistant","reasoning_details":"joe@example.com "}]}`)
	f(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"assistant","tool_calls":"joe@example.com "}]}`)
	f(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":[{"type":"data","data":{"text":"joe@example.com "}}]}]}`)
	f(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":"{\"a\":\"joe\\u0040example.com \"}"}}]}]}`)
	f(wire.OpChat, wire.OpenAIChat, `{"prediction":{"type":"content","content":"joe@example.com "},"messages":[]}`)
	f(wire.OpChat, wire.AnthropicMessages, `{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","Type":"base64","data":"joe@example.com "}}]}]}`)
	f(wire.OpChat, wire.AnthropicMessages, `{"messages":[{"role":"user","content":[{"type":"search_result","source":"x","title":"joe@example.com ","content":[{"type":"text","text":"joe@example.com "}]}]}]}`)
	f(wire.OpChat, wire.OpenAIResponses, `{"input":"joe@example.com "}`)
	f(wire.OpChat, wire.OpenAIResponses, `{"input":[{"type":"mcp_approval_request","arguments":"joe@example.com "},{"type":"x","output":{"a":"joe@example.com "}}]}`)
	f(wire.OpChat, wire.OpenAIResponses, `{"prompt":{"id":"p","variables":{"a":"joe@example.com "}}}`)
	f(wire.OpChat, wire.OpenAIResponses, `{"input":"x","tools":[{"type":"mcp","server_label":"l","server_description":"joe@example.com "}]}`)
	f(wire.OpChat, wire.GeminiGenerate, `{"contents":[{"parts":[{"functionResponse":{"name":"f","response":"joe@example.com "}}]}]}`)
	f(wire.OpChat, wire.GeminiGenerate, `{"contents":[{"parts":[{"functionResponse":"joe@example.com "}]}]}`)
	f(wire.OpChat, wire.GeminiGenerate, `{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"a":"joe@example.com "}}}]}]}`)
	f(wire.OpCompletions, wire.OpenAICompletions, `{"prompt":["joe@example.com "],"suffix":"joe@example.com "}`)
	f(wire.OpImages, wire.OpenAIImages, `{"prompt":"joe@example.com "}`)
	f(wire.OpRerank, wire.CohereRerank, `{"query":"joe@example.com ","documents":[{"text":"joe@example.com "}]}`)
}
