package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type object = map[string]any

// drawText draws text that holds something to read, with what JSON escapes.
func drawText(t *rapid.T, label string) string {
	return "x" + rapid.StringOfN(rapid.RuneFrom([]rune("ab \"\\\n\t\u0001é世😀</")), 0, 12, -1).Draw(t, label)
}

// drawConversation draws an openai-chat request of all that both dialects have a form for.
func drawConversation(t *rapid.T) object {
	messages := []any{object{"role": "system", "content": drawText(t, "system")}}
	for i := range rapid.IntRange(1, 4).Draw(t, "turns") {
		user := []any{object{"type": "text", "text": drawText(t, "user")}}
		if rapid.Bool().Draw(t, "image") {
			user = append(user, object{"type": "image_url", "image_url": object{"url": "data:image/png;base64,aGk="}})
		}
		if rapid.Bool().Draw(t, "url") {
			user = append(user, object{"type": "image_url", "image_url": object{"url": "https://example.com/" + fmt.Sprint(i)}})
		}
		messages = append(messages, object{"role": "user", "content": user})
		if rapid.Bool().Draw(t, "calls") {
			var calls []any
			var results []any
			for j := range rapid.IntRange(1, 3).Draw(t, "parallel") {
				id := fmt.Sprintf("call_%d_%d", i, j)
				args, _ := json.Marshal(object{"q": drawText(t, "argument"), "n": j})
				calls = append(calls, object{"id": id, "type": "function", "function": object{"name": "f", "arguments": string(args)}})
				results = append(results, object{"role": "tool", "tool_call_id": id, "content": drawText(t, "result")})
			}
			messages = append(append(messages, object{"role": "assistant", "content": nil, "tool_calls": calls}), results...)
		} else {
			messages = append(messages, object{"role": "assistant", "content": drawText(t, "assistant")})
		}
	}
	q := object{"model": "alias", "messages": messages, "max_tokens": rapid.IntRange(1, 9999).Draw(t, "max_tokens")}
	if rapid.Bool().Draw(t, "tools") {
		q["tools"] = []any{object{"type": "function", "function": object{"name": "f", "description": drawText(t, "description"),
			"parameters": object{"type": "object", "properties": object{"q": object{"type": "string"}}}}}}
		q["tool_choice"] = rapid.SampledFrom([]any{"auto", "none", "required", object{"type": "function", "function": object{"name": "f"}}}).Draw(t, "choice")
	}
	if rapid.Bool().Draw(t, "sampling") {
		q["temperature"], q["stop"], q["user"], q["stream"] = 0.25, []any{"a", "b"}, drawText(t, "id"), true
	}
	return q
}

// TestRequestsThereAndBack: what has a form in both dialects is the same after
// it has gone there and back, and there again.
func TestRequestsThereAndBack(t *testing.T) {
	there, back := fixed(t, OpenAIChat, AnthropicMessages), fixed(t, AnthropicMessages, OpenAIChat)
	rapid.Check(t, func(t *rapid.T) {
		body, err := json.Marshal(drawConversation(t))
		if err != nil {
			t.Fatal(err)
		}
		first := request1(t, there, body, "claude-sonnet-4")
		chat := request1(t, back, first, "gpt-4o")
		again := request1(t, there, chat, "claude-sonnet-4")
		if !sameJSON(first, again) {
			t.Fatalf("%s\nthere: %s\nback:  %s\nagain: %s", body, first, chat, again)
		}
	})
}

func request1(t *rapid.T, tr Translation, body []byte, model string) []byte {
	out, dropped, err := tr.Request(nil, body, model)
	if err != nil || len(dropped) > 0 {
		t.Fatalf("%s: %v, dropped %v", body, err, dropped)
	}
	return out
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// cut splits s into pieces at rune boundaries.
func cut(t *rapid.T, s string) (pieces []string) {
	for rest := []rune(s); len(rest) > 0; {
		n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
		pieces = append(pieces, string(rest[:n]))
		rest = rest[n:]
	}
	return pieces
}

func sseOf(t *rapid.T, name string, v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if name != "" {
		name = "event: " + name + "\n"
	}
	return name + "data: " + string(data) + "\n\n"
}

// TestOpenAIStreamsAddUp: however an answer is cut into chunks, the vendor's
// accumulator gets the whole of it.
func TestOpenAIStreamsAddUp(t *testing.T) {
	tr := fixed(t, AnthropicMessages, OpenAIChat)
	rapid.Check(t, func(t *rapid.T) {
		thought, text := drawText(t, "thought"), drawText(t, "text")
		args, _ := json.Marshal(object{"q": drawText(t, "argument")})
		calls := rapid.IntRange(0, 3).Draw(t, "calls")
		chunk := func(d object, finish any) string {
			return sseOf(t, "", object{"id": "c", "choices": []any{object{"index": 0, "delta": d, "finish_reason": finish}}})
		}
		sse := chunk(object{"role": "assistant", "content": ""}, nil)
		for _, p := range cut(t, thought) {
			sse += chunk(object{"reasoning_content": p}, nil)
		}
		for _, p := range cut(t, text) {
			sse += chunk(object{"content": p}, nil)
		}
		for i := range calls {
			sse += chunk(object{"tool_calls": []any{object{"index": i, "id": fmt.Sprint("call_", i), "function": object{"name": "f", "arguments": ""}}}}, nil)
			for _, p := range cut(t, string(args)) {
				sse += chunk(object{"tool_calls": []any{object{"index": i, "function": object{"arguments": p}}}}, nil)
			}
		}
		sse += chunk(object{}, "stop") + "data: [DONE]\n\n"
		m := accumulateAnthropic(t, runStream(t, tr, sse))
		if len(m.Content) != 2+calls || m.Content[0].Thinking != thought || m.Content[1].Text != text {
			t.Fatalf("%q %q came as %+v", thought, text, m.Content)
		}
		for _, c := range m.Content[2:] {
			if !sameJSON(c.Input, args) {
				t.Fatalf("%s came as %s", args, c.Input)
			}
		}
	})
}

func TestAnthropicStreamsAddUp(t *testing.T) {
	tr := fixed(t, OpenAIChat, AnthropicMessages)
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t, "text")
		args, _ := json.Marshal(object{"q": drawText(t, "argument")})
		calls := rapid.IntRange(0, 3).Draw(t, "calls")
		block := func(i int, start object, deltas ...object) (sse string) {
			sse = sseOf(t, "content_block_start", object{"type": "content_block_start", "index": i, "content_block": start})
			for _, d := range deltas {
				sse += sseOf(t, "content_block_delta", object{"type": "content_block_delta", "index": i, "delta": d})
			}
			return sse + sseOf(t, "content_block_stop", object{"type": "content_block_stop", "index": i})
		}
		sse := sseOf(t, "message_start", object{"type": "message_start", "message": object{"id": "m", "usage": object{"input_tokens": 3, "output_tokens": 1}}})
		var deltas []object
		for _, p := range cut(t, text) {
			deltas = append(deltas, object{"type": "text_delta", "text": p})
		}
		sse += block(0, object{"type": "text", "text": ""}, deltas...)
		for i := range calls {
			deltas = nil
			for _, p := range cut(t, string(args)) {
				deltas = append(deltas, object{"type": "input_json_delta", "partial_json": p})
			}
			sse += block(1+i, object{"type": "tool_use", "id": fmt.Sprint("toolu_", i), "name": "f", "input": object{}}, deltas...)
		}
		sse += sseOf(t, "message_delta", object{"type": "message_delta", "delta": object{"stop_reason": "tool_use"}, "usage": object{"output_tokens": 7}})
		sse += sseOf(t, "message_stop", object{"type": "message_stop"})
		c := accumulateOpenAI(t, runStream(t, tr, sse))
		if m := c.Choices[0].Message; m.Content != text || len(m.ToolCalls) != calls || c.Usage.TotalTokens != 10 {
			t.Fatalf("%q and %d calls came as %+v, usage %+v", text, calls, m, c.Usage)
		}
		for _, call := range c.Choices[0].Message.ToolCalls {
			if call.Function.Arguments != string(args) {
				t.Fatalf("%s came as %s", args, call.Function.Arguments)
			}
		}
	})
}

func runStream(t *rapid.T, tr Translation, sse string) string {
	st := tr.Stream("alias", true)
	var out []byte
	var err error
	for _, e := range events(sse) {
		if out, err = st.Event(out, e.name, []byte(e.data)); err != nil {
			t.Fatalf("%s: %v", e.data, err)
		}
	}
	if out, err = st.Finish(out); err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestStreamsCutAnywhereFail: a stream that lacks its end, or any of its last
// events, is never passed off as a whole one.
func TestStreamsCutAnywhereFail(t *testing.T) {
	for _, g := range goldens(t) {
		if g.what != "stream" || g.section("error") != "" {
			continue
		}
		list := events(g.section("in.sse"))
		for n := range list {
			st := fixed(t, g.from, g.to).Stream("alias", true)
			var out []byte
			var err error
			for _, e := range list[:n] {
				if out, err = st.Event(out, e.name, []byte(e.data)); err != nil {
					t.Fatalf("%s: %v", g.file, err)
				}
			}
			if out, err = st.Finish(out); err == nil {
				t.Errorf("%s: cut after %d of %d events and not noticed", g.file, n, len(list))
			}
			if strings.Contains(string(out), "[DONE]") || strings.Contains(string(out), "message_stop") {
				t.Errorf("%s: cut after %d of %d events, yet ended: %s", g.file, n, len(list), out)
			}
		}
	}
}
