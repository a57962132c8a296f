package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3/responses"
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
	f := func(to Dialect, model string) {
		t.Helper()
		there, back := fixed(t, OpenAIChat, to), fixed(t, to, OpenAIChat)
		rapid.Check(t, func(t *rapid.T) {
			q := drawConversation(t)
			if to == OpenAIResponses { // which has no such parameter, and a least for the other
				delete(q, "stop")
				q["max_tokens"] = q["max_tokens"].(int) + minOutput
			}
			body, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			first := request1(t, there, body, model)
			chat := request1(t, back, first, "gpt-4o")
			again := request1(t, there, chat, model)
			if !sameJSON(first, again) {
				t.Fatalf("%s\nthere: %s\nback:  %s\nagain: %s", body, first, chat, again)
			}
		})
	}
	f(AnthropicMessages, "claude-sonnet-4")
	f(OpenAIResponses, "gpt-4o")
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
	toAnthropic, toResponses := fixed(t, AnthropicMessages, OpenAIChat), fixed(t, OpenAIResponses, OpenAIChat)
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
		sse += drawCalls(t, chunk, calls, string(args))
		sse += chunk(object{}, "stop") + "data: [DONE]\n\n"
		m := accumulateAnthropic(t, runStream(t, toAnthropic, sse))
		if len(m.Content) != 2+calls || m.Content[0].Thinking != thought || m.Content[1].Text != text {
			t.Fatalf("%q %q came as %+v", thought, text, m.Content)
		}
		for i, c := range m.Content[2:] {
			if !sameJSON(c.Input, args) || c.ID != fmt.Sprint("call_", i) {
				t.Fatalf("%s came as %s, id %s", args, c.Input, c.ID)
			}
		}
		checkOutput(t, accumulateResponse(t, runStream(t, toResponses, sse)), thought, text, calls, args)
	})
}

// drawCalls draws chunks of calls, one after another or mixed.
func drawCalls(t *rapid.T, chunk func(object, any) string, calls int, args string) (sse string) {
	call := func(i int, function object) string {
		c := object{"index": i, "function": function}
		if function["name"] != nil {
			c["id"] = fmt.Sprint("call_", i)
		}
		return chunk(object{"tool_calls": []any{c}}, nil)
	}
	mixed := rapid.Bool().Draw(t, "mixed")
	rest := make([]string, calls)
	for i := range calls {
		sse += call(i, object{"name": "f", "arguments": ""})
		if rest[i] = args; !mixed {
			for _, p := range cut(t, args) {
				sse += call(i, object{"arguments": p})
			}
		}
	}
	for left := calls; mixed && left > 0; {
		i := rapid.IntRange(0, calls-1).Draw(t, "of")
		if rest[i] == "" {
			continue
		}
		runes := []rune(rest[i])
		n := rapid.IntRange(1, len(runes)).Draw(t, "piece")
		sse += call(i, object{"arguments": string(runes[:n])})
		if rest[i] = string(runes[n:]); rest[i] == "" {
			left--
		}
	}
	return sse
}

// checkOutput checks the items of an answer: reasoning, if there was any, a message, calls.
func checkOutput(t *rapid.T, r responses.Response, thought, text string, calls int, args []byte) {
	items := r.Output
	if thought != "" {
		if items[0].Type != "reasoning" || items[0].Summary[0].Text != thought {
			t.Fatalf("%q came as %+v", thought, items[0])
		}
		items = items[1:]
	}
	if len(items) != 1+calls || items[0].Content[0].Text != text {
		t.Fatalf("%q and %d calls came as %+v", text, calls, items)
	}
	for _, c := range items[1:] {
		if !sameJSON([]byte(c.Arguments.OfString), args) {
			t.Fatalf("%s came as %s", args, c.Arguments.OfString)
		}
	}
}

func TestAnthropicStreamsAddUp(t *testing.T) {
	tr, toResponses := fixed(t, OpenAIChat, AnthropicMessages), fixed(t, OpenAIResponses, AnthropicMessages)
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
		checkOutput(t, accumulateResponse(t, runStream(t, toResponses, sse)), "", text, calls, args)
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

// TestResponsesStreamsAddUp: an upstream's items, streamed side by side.
func TestResponsesStreamsAddUp(t *testing.T) {
	toOpenAI, toAnthropic := fixed(t, OpenAIChat, OpenAIResponses), fixed(t, AnthropicMessages, OpenAIResponses)
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t, "text")
		args, _ := json.Marshal(object{"q": drawText(t, "argument")})
		calls := rapid.IntRange(0, 3).Draw(t, "calls")
		event := func(typ string, members object) string {
			members["type"] = "response." + typ
			return sseOf(t, "response."+typ, members)
		}
		sse := event("created", object{"response": object{"id": "resp_1", "status": "in_progress"}})
		sse += event("output_item.added", object{"output_index": 0, "item": object{"type": "message", "id": "msg_1"}})
		for _, p := range cut(t, text) {
			sse += event("output_text.delta", object{"output_index": 0, "delta": p})
		}
		sse += event("output_item.done", object{"output_index": 0, "item": object{"type": "message"}})
		for i := range calls {
			sse += event("output_item.added", object{"output_index": i + 1, "item": object{"type": "function_call", "call_id": fmt.Sprint("call_", i), "name": "f"}})
		}
		for i := range calls {
			for _, p := range cut(t, string(args)) {
				sse += event("function_call_arguments.delta", object{"output_index": calls - i, "delta": p})
			}
		}
		for i := range calls {
			sse += event("output_item.done", object{"output_index": i + 1, "item": object{"type": "function_call", "arguments": string(args)}})
		}
		sse += event("completed", object{"response": object{"status": "completed", "usage": object{"input_tokens": 3, "output_tokens": 7, "total_tokens": 10}}})
		c := accumulateOpenAI(t, runStream(t, toOpenAI, sse))
		if m := c.Choices[0].Message; m.Content != text || len(m.ToolCalls) != calls || c.Usage.TotalTokens != 10 {
			t.Fatalf("%q and %d calls came as %+v, usage %+v", text, calls, m, c.Usage)
		}
		m := accumulateAnthropic(t, runStream(t, toAnthropic, sse))
		if len(m.Content) != 1+calls || m.Content[0].Text != text {
			t.Fatalf("%q and %d calls came as %+v", text, calls, m.Content)
		}
		for i, c := range m.Content[1:] {
			if !sameJSON(c.Input, args) || c.ID != fmt.Sprint("call_", i) {
				t.Fatalf("%s came as %s, id %s", args, c.Input, c.ID)
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
			if strings.Contains(string(out), "[DONE]") || strings.Contains(string(out), "message_stop") || strings.Contains(string(out), "response.completed") {
				t.Errorf("%s: cut after %d of %d events, yet ended: %s", g.file, n, len(list), out)
			}
		}
	}
}
