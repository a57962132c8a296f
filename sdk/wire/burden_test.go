package wire

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// burden writes streams of an upstream: how much of what is up to the test.
// Events are told as the upstream's framing has them: a name and its data.
type burden struct {
	begin, end []sseEvent
	text       func(s string) sseEvent
	call       func(n int) sseEvent
	args       func(n int, s string) sseEvent // s is the characters of a JSON string
	done       func(n int) (e sseEvent, ok bool)
}

func ev(name, format string, args ...any) sseEvent {
	return sseEvent{name: name, data: fmt.Sprintf(format, args...)}
}

func none(int) (sseEvent, bool) { return sseEvent{}, false }

var burdens = map[Dialect]burden{
	OpenAIChat: {
		begin: []sseEvent{ev("", `{"id":"c","choices":[{"index":0,"delta":{"role":"assistant"}}]}`)},
		end:   []sseEvent{ev("", `{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`), ev("", "[DONE]")},
		text:  func(s string) sseEvent { return ev("", `{"choices":[{"index":0,"delta":{"content":"%s"}}]}`, s) },
		call: func(n int) sseEvent {
			return ev("", `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":%d,"id":"call_%d","function":{"name":"f","arguments":""}}]}}]}`, n, n)
		},
		args: func(n int, s string) sseEvent {
			return ev("", `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":%d,"function":{"arguments":"%s"}}]}}]}`, n, s)
		},
		done: none,
	},
	AnthropicMessages: {
		begin: []sseEvent{ev("message_start", `{"type":"message_start","message":{"id":"m"}}`),
			ev("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)},
		end: []sseEvent{ev("message_delta", `{"type":"message_delta","delta":{"stop_reason":"tool_use"}}`), ev("message_stop", `{"type":"message_stop"}`)},
		text: func(s string) sseEvent {
			return ev("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}`, s)
		},
		call: func(n int) sseEvent {
			return ev("content_block_start", `{"type":"content_block_start","index":%d,"content_block":{"type":"tool_use","id":"t_%d","name":"f","input":{}}}`, n+1, n)
		},
		args: func(n int, s string) sseEvent {
			return ev("content_block_delta", `{"type":"content_block_delta","index":%d,"delta":{"type":"input_json_delta","partial_json":"%s"}}`, n+1, s)
		},
		done: func(n int) (sseEvent, bool) {
			return ev("content_block_stop", `{"type":"content_block_stop","index":%d}`, n+1), true
		},
	},
	OpenAIResponses: {
		begin: []sseEvent{ev("", `{"type":"response.created","response":{"id":"r","status":"in_progress"}}`)},
		end:   []sseEvent{ev("", `{"type":"response.completed","response":{"id":"r","status":"completed"}}`)},
		text: func(s string) sseEvent {
			return ev("", `{"type":"response.output_text.delta","output_index":0,"delta":"%s"}`, s)
		},
		call: func(n int) sseEvent {
			return ev("", `{"type":"response.output_item.added","output_index":%d,"item":{"type":"function_call","id":"fc_%d","call_id":"call_%d","name":"f"}}`, n, n, n)
		},
		args: func(n int, s string) sseEvent {
			return ev("", `{"type":"response.function_call_arguments.delta","output_index":%d,"delta":"%s"}`, n, s)
		},
		done: func(n int) (sseEvent, bool) {
			return ev("", `{"type":"response.output_item.done","output_index":%d,"item":{"type":"function_call","id":"fc_%d","call_id":"call_%d","name":"f"}}`, n, n, n), true
		},
	},
	GeminiGenerate: {
		begin: []sseEvent{ev("", `{"responseId":"g","candidates":[{"content":{"parts":[{"text":"a"}]}}]}`)},
		end:   []sseEvent{ev("", `{"candidates":[{"finishReason":"STOP"}]}`)},
		text:  func(s string) sseEvent { return ev("", `{"candidates":[{"content":{"parts":[{"text":"%s"}]}}]}`, s) },
		call: func(n int) sseEvent { // whole, as all calls of this dialect; and sealed
			return ev("", `{"candidates":[{"content":{"parts":[{"functionCall":{"id":"c_%d","name":"f","args":{"a":1}},"thoughtSignature":"c2ln"}]}}]}`, n)
		},
		done: none,
	},
	BedrockConverse: {
		begin: []sseEvent{ev("messageStart", `{"role":"assistant"}`)},
		end:   []sseEvent{ev("messageStop", `{"stopReason":"tool_use"}`), ev("metadata", `{}`)},
		text: func(s string) sseEvent {
			return ev("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"%s"}}`, s)
		},
		call: func(n int) sseEvent {
			return ev("contentBlockStart", `{"contentBlockIndex":%d,"start":{"toolUse":{"name":"f","toolUseId":"t_%d"}}}`, n+1, n)
		},
		args: func(n int, s string) sseEvent {
			return ev("contentBlockDelta", `{"contentBlockIndex":%d,"delta":{"toolUse":{"input":"%s"}}}`, n+1, s)
		},
		done: func(n int) (sseEvent, bool) { return ev("contentBlockStop", `{"contentBlockIndex":%d}`, n+1), true },
	},
	CohereChat: {
		begin: []sseEvent{ev("", `{"type":"message-start","id":"c"}`)},
		end:   []sseEvent{ev("", `{"type":"message-end","delta":{"finish_reason":"TOOL_CALL"}}`)},
		text: func(s string) sseEvent {
			return ev("", `{"type":"content-delta","delta":{"message":{"content":{"text":"%s"}}}}`, s)
		},
		call: func(n int) sseEvent {
			return ev("", `{"type":"tool-call-start","delta":{"message":{"tool_calls":{"id":"c_%d","function":{"name":"f"}}}}}`, n)
		},
		args: func(_ int, s string) sseEvent {
			return ev("", `{"type":"tool-call-delta","delta":{"message":{"tool_calls":{"function":{"arguments":"%s"}}}}}`, s)
		},
		done: func(int) (sseEvent, bool) { return ev("", `{"type":"tool-call-end"}`), true },
	},
}

// Shapes of streams, each of n pieces.
var shapes = map[string]func(b *burden, n int) []sseEvent{
	"calls": func(b *burden, n int) (out []sseEvent) {
		for i := range n {
			out = b.appendDone(b.appendArgs(append(out, b.call(i)), i, `{}`), i)
		}
		return out
	},
	"calls at once": func(b *burden, n int) (out []sseEvent) {
		for i := range n {
			out = append(out, b.call(i))
		}
		for _, piece := range []string{`{`, `}`} {
			for i := range n {
				out = b.appendArgs(out, i, piece)
			}
		}
		for i := range n {
			out = b.appendDone(out, i)
		}
		return out
	},
	"calls after one that does not end": func(b *burden, n int) (out []sseEvent) {
		out = b.appendArgs(append(out, b.call(0)), 0, `{`)
		for i := 1; i < n; i++ {
			out = b.appendDone(b.appendArgs(append(out, b.call(i)), i, `{}`), i)
		}
		return out
	},
	"calls and text by turns": func(b *burden, n int) (out []sseEvent) {
		for i := range n {
			out = append(b.appendArgs(append(out, b.call(i)), i, `{`), b.text("a"))
		}
		return out
	},
	"arguments": func(b *burden, n int) (out []sseEvent) {
		out = b.appendArgs(append(out, b.call(0)), 0, `{\"a\":\"`)
		for range n {
			out = b.appendArgs(out, 0, `b`)
		}
		return b.appendDone(b.appendArgs(out, 0, `\"}`), 0)
	},
	"text": func(b *burden, n int) (out []sseEvent) {
		for range n {
			out = append(out, b.text("a"))
		}
		return out
	},
	"stops": func(b *burden, n int) (out []sseEvent) {
		for i := range n {
			out = append(append(b.appendArgs(append(out, b.call(i)), i, `{`), b.end[0]), b.text("a"))
		}
		return out
	},
}

func (b *burden) appendArgs(out []sseEvent, n int, s string) []sseEvent {
	if b.args == nil {
		return out
	}
	return append(out, b.args(n, s))
}

func (b *burden) appendDone(out []sseEvent, n int) []sseEvent {
	if e, ok := b.done(n); ok {
		return append(out, e)
	}
	return out
}

// stream is a whole one of a shape.
func (b *burden) stream(shape string, n int) []sseEvent {
	out := append([]sseEvent(nil), b.begin...)
	return append(append(out, shapes[shape](b, n)...), b.end...)
}

// carry translates a stream and returns how much came of it.
func carry(tr Translation, stream []sseEvent) (size int, err error) {
	st := tr.Stream("alias", false)
	var buf []byte
	for _, e := range stream {
		if buf, err = st.Event(buf[:0], e.name, []byte(e.data)); err != nil {
			return size, err
		}
		size += len(buf)
	}
	_, err = st.Finish(buf)
	return size, err
}

// BenchmarkBurden has a figure for each piece of a stream, which must not grow
// with their number.
func BenchmarkBurden(b *testing.B) {
	f := func(p pair, shape string, counts ...int) {
		for _, n := range counts {
			b.Run(fmt.Sprintf("%s from %s/%s/%d", p.from, p.to, shape, n), func(b *testing.B) {
				from := burdens[p.to]
				stream := from.stream(shape, n)
				tr := fixed(b, p.from, p.to)
				var err error
				start := time.Now()
				for b.Loop() {
					_, err = carry(tr, stream)
				}
				b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(b.N*n), "ns/piece")
				if err != nil {
					b.Log(err)
				}
			})
		}
	}
	for _, p := range pairs() {
		for shape := range shapes {
			if shape == "text" || shape == "arguments" {
				f(p, shape, 1000, 100_000)
			} else {
				f(p, shape, 500, 1000, 2000, 4000)
			}
		}
	}
}

// TestBurden: a stream of very many pieces comes through, or ends in an error
// that says what there is too much of.
func TestBurden(t *testing.T) {
	for _, p := range pairs() {
		from, tr := burdens[p.to], fixed(t, p.from, p.to)
		for shape := range shapes {
			_, err := carry(tr, from.stream(shape, 10_000))
			if err != nil && (shape == "text" || !strings.Contains(err.Error(), "too many")) {
				t.Errorf("%s from %s: %s: %v", p.from, p.to, shape, err)
			}
		}
	}
}

// TestManyInOneEvent: ids of calls that have none cost one look at the event,
// not one each, and candidates are counted as they come.
func TestManyInOneEvent(t *testing.T) {
	f := func(from, to Dialect, before, after, want string, piece func(n int) string) {
		t.Helper()
		event := []byte(before)
		for n := range 100_000 {
			event = append(append(event, piece(n)...), ',')
		}
		event = append(event[:len(event)-1], after...)
		_, err := fixed(t, from, to).Stream("alias", false).Event(nil, "", event)
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%s from %s: %s; want %s", from, to, got, want)
		}
	}
	f(OpenAIChat, GeminiGenerate, `{"candidates":[{"content":{"parts":[`, `]}}]}`, "<nil>", func(int) string {
		return `{"functionCall":{"name":"f"}}`
	})
	f(OpenAIChat, GeminiGenerate, `{"candidates":[`, `]}`, "too many candidates", func(n int) string {
		return fmt.Sprintf(`{"index":%d}`, n)
	})
	f(AnthropicMessages, OpenAIChat, `{"choices":[`, `]}`, "<nil>", func(n int) string {
		return fmt.Sprintf(`{"index":%d,"delta":{"tool_calls":[{"index":%d,"function":{"name":"f"}}]}}`, n%maxChoices, n/maxChoices)
	})
}

// TestStreamErrorNumber: an error event goes on with the numbers of a response.
func TestStreamErrorNumber(t *testing.T) {
	f := func(from, to Dialect, want string) {
		t.Helper()
		st := fixed(t, from, to).Stream("alias", false)
		for _, e := range burdens[to].begin {
			if _, err := st.Event(nil, e.name, []byte(e.data)); err != nil {
				t.Fatal(err)
			}
		}
		e := &Error{Status: 502, Class: ClassNetwork, Code: "stream_cut", Message: "cut"}
		if got := string(AppendStreamError(nil, st, from, e, "req_1")); !strings.HasSuffix(got, want+"\n\n") {
			t.Errorf("%s from %s: %s; want %s", from, to, got, want)
		}
	}
	f(OpenAIResponses, BedrockConverse, `"param":null,"sequence_number":2}`)
	f(OpenAIResponses, OpenAIChat, `"param":null,"sequence_number":2}`)
	f(OpenAIChat, AnthropicMessages, `"code":"stream_cut"}}`)
}
