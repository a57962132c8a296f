package wire

import (
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// drawn is an answer to be cut into events.
type drawn struct {
	thought, text, args string
	calls               int
}

func drawAnswer(t *rapid.T) drawn {
	args, err := json.Marshal(object{"q": drawText(t, "argument")})
	if err != nil {
		t.Fatal(err)
	}
	return drawn{drawText(t, "thought"), drawText(t, "text"), string(args), rapid.IntRange(0, 3).Draw(t, "calls")}
}

// bedrockStream is the answer as ConverseStream's events.
func (d *drawn) bedrockStream(t *rapid.T) (sse string) {
	block := func(i int, start any, deltas ...object) {
		if start != nil {
			sse += sseOf(t, "contentBlockStart", object{"contentBlockIndex": i, "start": start})
		}
		for _, d := range deltas {
			sse += sseOf(t, "contentBlockDelta", object{"contentBlockIndex": i, "delta": d, "p": "abc"})
		}
		sse += sseOf(t, "contentBlockStop", object{"contentBlockIndex": i})
	}
	sse = sseOf(t, "messageStart", object{"role": "assistant"})
	var thoughts, texts []object
	for _, p := range cut(t, d.thought) {
		thoughts = append(thoughts, object{"reasoningContent": object{"text": p}})
	}
	for _, p := range cut(t, d.text) {
		texts = append(texts, object{"text": p})
	}
	block(0, nil, append(thoughts, object{"reasoningContent": object{"signature": "c2ln"}})...)
	block(1, nil, texts...)
	stop := "end_turn"
	for i := range d.calls {
		stop = "tool_use"
		var inputs []object
		for _, p := range cut(t, d.args) {
			inputs = append(inputs, object{"toolUse": object{"input": p}})
		}
		block(2+i, object{"toolUse": object{"toolUseId": fmt.Sprint("tooluse_", i), "name": "f"}}, inputs...)
	}
	sse += sseOf(t, "messageStop", object{"stopReason": stop})
	return sse + sseOf(t, "metadata", object{"usage": object{"inputTokens": 3, "outputTokens": 7, "totalTokens": 10}})
}

// cohereStream is the answer as the events of v2/chat.
func (d *drawn) cohereStream(t *rapid.T) string {
	event := func(typ string, message any) string {
		return sseOf(t, typ, object{"type": typ, "index": 0, "delta": object{"message": message}})
	}
	sse := sseOf(t, "message-start", object{"type": "message-start", "id": "a", "delta": object{"message": object{"role": "assistant"}}})
	for _, p := range cut(t, d.thought) {
		if d.calls > 0 {
			sse += event("tool-plan-delta", object{"tool_plan": p})
		} else {
			sse += event("content-delta", object{"content": object{"thinking": p}})
		}
	}
	for _, p := range cut(t, d.text) {
		sse += event("content-delta", object{"content": object{"text": p}})
	}
	reason := "COMPLETE"
	for i := range d.calls {
		reason = "TOOL_CALL"
		sse += event("tool-call-start", object{"tool_calls": object{"id": fmt.Sprint("f_", i), "type": "function", "function": object{"name": "f", "arguments": ""}}})
		for _, p := range cut(t, d.args) {
			sse += event("tool-call-delta", object{"tool_calls": object{"function": object{"arguments": p}}})
		}
		sse += sseOf(t, "tool-call-end", object{"type": "tool-call-end", "index": i})
	}
	return sse + sseOf(t, "message-end", object{"type": "message-end", "delta": object{"finish_reason": reason,
		"usage": object{"billed_units": object{"input_tokens": 3, "output_tokens": 7}}}})
}

// TestUpstreamsAddUp: however Bedrock or Cohere cuts an answer into events, the
// accumulators of both vendors whose clients call get the whole of it.
func TestUpstreamsAddUp(t *testing.T) {
	for upstream, stream := range map[Dialect]func(*drawn, *rapid.T) string{BedrockConverse: (*drawn).bedrockStream, CohereChat: (*drawn).cohereStream} {
		chat, messages := fixed(t, OpenAIChat, upstream), fixed(t, AnthropicMessages, upstream)
		rapid.Check(t, func(t *rapid.T) {
			d := drawAnswer(t)
			sse := stream(&d, t)
			c := accumulateOpenAI(t, runStream(t, chat, sse))
			if m := c.Choices[0].Message; m.Content != d.text || len(m.ToolCalls) != d.calls || c.Usage.TotalTokens != 10 {
				t.Fatalf("%s: %+v came as %+v, usage %+v", upstream, d, m, c.Usage)
			}
			for _, call := range c.Choices[0].Message.ToolCalls {
				if call.Function.Arguments != d.args {
					t.Fatalf("%s: %s came as %s", upstream, d.args, call.Function.Arguments)
				}
			}
			m := accumulateAnthropic(t, runStream(t, messages, sse))
			if len(m.Content) != 2+d.calls || m.Content[0].Thinking != d.thought || m.Content[1].Text != d.text || m.Usage.OutputTokens != 7 {
				t.Fatalf("%s: %+v came as %+v", upstream, d, m.Content)
			}
			for _, b := range m.Content[2:] {
				if !sameJSON(b.Input, []byte(d.args)) {
					t.Fatalf("%s: %s came as %s", upstream, d.args, b.Input)
				}
			}
		})
	}
}

// TestUpstreamRequests: what both dialects have a form for is dropped by
// neither Bedrock nor Cohere, and comes out as JSON.
func TestUpstreamRequests(t *testing.T) {
	f := func(to Dialect, model string, may ...string) {
		tr := fixed(t, OpenAIChat, to)
		known := map[string]bool{}
		for _, name := range may {
			known[name] = true
		}
		rapid.Check(t, func(t *rapid.T) {
			body, err := json.Marshal(drawConversation(t))
			if err != nil {
				t.Fatal(err)
			}
			out, dropped, err := tr.Request(nil, body, model)
			if err != nil || !json.Valid(out) {
				t.Fatalf("%s: %s, %v", body, out, err)
			}
			for _, name := range dropped {
				if !known[name] {
					t.Fatalf("%s: dropped %s", body, name)
				}
			}
		})
	}
	f(BedrockConverse, "us.anthropic.claude-sonnet-4-20250514-v1:0", "messages.content", "user", "tool_choice")
	f(BedrockConverse, "amazon.nova-pro-v1:0", "messages.content", "user", "tool_choice")
	f(CohereChat, "command-a-03-2025", "user")
}
