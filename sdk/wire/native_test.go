package wire

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestNative(t *testing.T) {
	f := func(d Dialect, body, want string, dropped ...string) {
		t.Helper()
		out, names := Native(d, []byte(body))
		if string(out) != want || !slices.Equal(names, dropped) {
			t.Errorf("Native(%s, %s) = %s, %v; want %s, %v", d, body, out, names, want, dropped)
		}
	}
	same := func(d Dialect, body string) { t.Helper(); f(d, body, body) }
	const thinking, response = "messages.content.thinking", "input.reasoning"

	f(AnthropicMessages, `{"model": "m", "messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sb1:openai-responses-v1:rs_1:eA=="},{"type":"redacted_thinking","data":"sb1:x::eA=="},{"type":"thinking","thinking":"own","signature":"c2ln"},{"type":"text","text":"a"}]}],"thinking":{"type":"adaptive"}}`,
		`{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"thinking","thinking":"own","signature":"c2ln"},{"type":"text","text":"a"}]}],"thinking":{"type":"adaptive"}}`, thinking)
	f(AnthropicMessages, `{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sb1:::"}]},{"role":"user","content":"q"}]}`,
		`{"messages":[{"role":"user","content":"q"}]}`, thinking)
	f(AnthropicMessages, `{"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sb1:::"},{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]}`,
		`{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]}`, thinking, "thinking")
	f(OpenAIResponses, `{"input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"sb1:anthropic-claude-v1::c2ln"},{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"Z0FB"},{"role":"user","content":"q"}],"store":false}`,
		`{"input":[{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"Z0FB"},{"role":"user","content":"q"}],"store":false}`, response)

	same(AnthropicMessages, `{ "messages" : [ {"role":"user","content":"what is \"sb1: x\"?"} ] }`)
	same(AnthropicMessages, `{"messages":[{"role":"user","content":"sb1: is a word"}]}`)
	same(AnthropicMessages, `{"messages":[{"role":"user","content":[{"type":"text","text":"sb1:x"}]}]}`)
	same(AnthropicMessages, `{"messages":[{"content":[{"type":"thinking","signature":"sb1:::"}]}`)
	same(OpenAIResponses, `{"input":"sb1:x"}`)
	same(OpenAIChat, `{"messages":[{"role":"user","content":"sb1:x"}]}`)
}

func FuzzNative(f *testing.F) {
	f.Add(true, []byte(`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"sb1:::"},{"type":"tool_use"}]}],"thinking":{}}`))
	f.Add(false, []byte(`{"input":A"sb1:`))
	f.Add(false, []byte(`{"input":[{"type":"reasoning","encrypted_content":"sb1:x::y"},{"a":"sb1:"}]}`))
	f.Fuzz(func(t *testing.T, anthropic bool, body []byte) {
		d := OpenAIResponses
		if anthropic {
			d = AnthropicMessages
		}
		out, dropped := Native(d, body)
		if len(dropped) == 0 && string(out) != string(body) {
			t.Fatalf("%q became %q, and nothing was dropped", body, out)
		}
		if len(dropped) > 0 && (!json.Valid(body) || !json.Valid(out) || len(out) >= len(body)) {
			t.Fatalf("%q became %q", body, out)
		}
		if again, _ := Native(d, out); string(again) != string(out) {
			t.Fatalf("%q became %q, then %q", body, out, again)
		}
	})
}
