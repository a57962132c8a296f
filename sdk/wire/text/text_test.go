package text

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var channelNames = [NumChannels]string{"?", "system", "user", "assistant", "result", "answer", "reasoning", "args"}

// show writes parts as "channel index[.piece][/choice][~track][+] [label] text", a line each.
func show(body []byte, parts []Part) string {
	var b strings.Builder
	for i := range parts {
		p := &parts[i]
		if p.Kind == KindEnd {
			b.WriteString("end ")
		}
		fmt.Fprintf(&b, "%s %d", channelNames[p.Channel], p.Index)
		if p.Piece != 0 {
			fmt.Fprintf(&b, ".%d", p.Piece)
		}
		if p.Choice != 0 {
			fmt.Fprintf(&b, "/%d", p.Choice)
		}
		if p.Track != 0 {
			fmt.Fprintf(&b, "~%d", p.Track)
		}
		if p.Delta && p.Kind != KindEnd && p.Kind != KindLabel {
			b.WriteString("+")
		}
		if p.Label != nil {
			fmt.Fprintf(&b, " [%s]", p.Label)
		}
		switch p.Kind {
		case KindText:
			fmt.Fprintf(&b, " %s", p.Raw(body))
		case KindJSON:
			fmt.Fprintf(&b, " json %s", p.Raw(body))
		case KindVoid:
			fmt.Fprintf(&b, " void %s", p.Raw(body))
		case KindOpaque:
			fmt.Fprintf(&b, " opaque %s", p.Raw(body))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func lines(s string) string {
	var out []string
	for _, l := range strings.Split(strings.TrimSpace(s), "\n") {
		out = append(out, strings.TrimSpace(l))
	}
	return strings.Join(out, "\n") + "\n"
}

func TestRequest(t *testing.T) {
	f := func(op wire.Op, d wire.Dialect, body, want string) {
		t.Helper()
		parts, ok := Request(nil, op, d, []byte(body))
		if !ok {
			t.Errorf("%s: not read", body)
		}
		if diff := cmp.Diff(lines(want), show([]byte(body), parts)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", op, d, diff)
		}
	}
	f(wire.OpChat, wire.OpenAIChat, `{"model":"m","user":"u","messages":[
		{"role":"system","content":"be good"},
		{"content":"hi \u00e9","role":"user","name":"joe"},
		{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}},{"type":"new_kind","words_of":{"wisdom":"seen"}}]},
		{"role":"assistant","content":null,"refusal":"no","reasoning_content":"hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
		{"role":"tool","tool_call_id":"c1","content":"found"},
		{"role":"developer","Content":"odd case"}],
		"tools":[{"type":"function","function":{"name":"f","description":"does f","parameters":{"type":"object","properties":{"a":{"type":"string","description":"an a","enum":["x","y"]}}}}}],
		"metadata":{"a":"b"},"extra_prompt":"unknown member"}`, `
		system 0 be good
		user 1 hi \u00e9
		user 2 look
		user 2~4 seen
		assistant 3~1 no
		assistant 3 hm
		assistant 3 [f] {\"a\":1}
		result 4 found
		system 5 odd case
		system 0 does f
		system 0 an a
		system 0 x
		system 0 y
		user 0~4 unknown member`)
	f(wire.OpChat, wire.AnthropicMessages, `{"model":"m","system":[{"type":"text","text":"sys","cache_control":{"type":"ephemeral"}}],"messages":[
		{"role":"user","content":"hi"},
		{"role":"assistant","content":[{"type":"thinking","thinking":"deep","signature":"xx"},{"type":"tool_use","id":"t","name":"f","input":{"q":"x"}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"res"}]},
			{"type":"document","source":{"type":"text","media_type":"text/plain","data":"doc text"},"title":"a title"},
			{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}`, `
		system 0 sys
		user 0 hi
		assistant 1 deep
		assistant 1 [f] json {"q":"x"}
		result 2 res
		user 2~4 doc text
		user 2~4 a title`)
	f(wire.OpChat, wire.OpenAIResponses, `{"model":"m","instructions":"sys","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]},
		{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"res"},
		{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"zz"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"yo"}]}],
		"text":{"format":{"type":"json_schema","schema":{"description":"form"}}}}`, `
		system 0 sys
		user 0 hi
		assistant 1 [f] {}
		result 2 res
		assistant 3 hm
		assistant 4 yo
		system 0 form`)
	f(wire.OpChat, wire.OpenAIResponses, `{"model":"m","input":"hi"}`, `user 0 hi`)
	f(wire.OpChat, wire.GeminiGenerate, `{"system_instruction":{"parts":[{"text":"sys"}]},"contents":[{"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":"AA"}}]},
		{"role":"model","parts":[{"text":"t","thought":true},{"functionCall":{"name":"f","args":{"a":"b"}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"r":"s"}}}]}]}`, `
		system 0 sys
		user 0 hi
		assistant 1 t
		assistant 1 [f] json {"a":"b"}
		result 2 [f] json {"r":"s"}`)
	f(wire.OpEmbeddings, wire.OpenAIEmbeddings, `{"input":["a","b"],"model":"m","user":"u"}`, "user 0 a\nuser 1 b")
	f(wire.OpEmbeddings, wire.OpenAIEmbeddings, `{"input":[1,2],"model":"m"}`, "user 0 opaque [1,2]")
	f(wire.OpEmbeddings, wire.OpenAIEmbeddings, `{"input":[[1],[2]],"model":"m"}`, "user 0 opaque [1]\nuser 1 opaque [2]")
	f(wire.OpEmbeddings, wire.GeminiGenerate, `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}}]}`, "user 0~4 a")
	f(wire.OpCompletions, wire.OpenAICompletions, `{"prompt":"a","suffix":"z","model":"m"}`, "user 0 a\nuser 0~4 z")
	f(wire.OpModeration, wire.OpenAIModeration, `{"input":[{"type":"text","text":"a"}]}`, "user 0 a")
	f(wire.OpImages, wire.OpenAIImages, `{"prompt":"a cat","model":"m","size":"1x1"}`, "user 0 a cat")
	f(wire.OpSpeech, wire.OpenAISpeech, `{"input":"say","instructions":"calmly","voice":"v","model":"m"}`, "user 0 say\nsystem 0 calmly")
	f(wire.OpRerank, wire.CohereRerank, `{"query":"q","documents":["a",{"text":"b"}],"model":"m"}`, "user 0~4 q\nuser 0 a\nuser 1 b")
}

func TestAnswer(t *testing.T) {
	f := func(d wire.Dialect, body, want string) {
		t.Helper()
		parts, ok := Answer(nil, d, []byte(body))
		if !ok {
			t.Errorf("%s: not read", body)
		}
		if diff := cmp.Diff(lines(want), show([]byte(body), parts)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d, diff)
		}
	}
	f(wire.OpenAIChat, `{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi","refusal":null,"reasoning_content":"hm",
		"reasoning_details":[{"type":"reasoning.text","text":"hm","index":0,"signature":"s"}],
		"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}],"annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"tt"}}]},"logprobs":{"content":[{"token":"hi"}]},"finish_reason":"stop"},
		{"index":1,"message":{"content":"ho"},"logprobs":null}],"usage":{"prompt_tokens":1}}`, `
		answer 0 hi
		reasoning 0~2 hm
		reasoning 0~3 hm
		args 0 [f] {}
		answer 0~4 tt
		answer 0~4 void {"content":[{"token":"hi"}]}
		answer 0/1 ho`)
	f(wire.AnthropicMessages, `{"id":"m","type":"message","role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"hi","citations":[{"type":"char_location","cited_text":"quoted"}]},{"type":"tool_use","id":"t","name":"f","input":{"a":"b"}}],"stop_reason":"tool_use"}`, `
		reasoning 0 hm
		answer 1 hi
		answer 1~4 quoted
		args 2 [f] json {"a":"b"}`)
	f(wire.OpenAIResponses, `{"id":"r","object":"response","instructions":"sys","output":[{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"hm"}],"content":[{"type":"reasoning_text","text":"deep"}]},
		{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]},{"type":"refusal","refusal":"no"}]},
		{"type":"function_call","name":"f","call_id":"c","arguments":"{}"},{"type":"image_generation_call","result":"AAAA","revised_prompt":"a cat"}],"reasoning":{"effort":"low"},"text":{"format":{"type":"text"}}}`, `
		reasoning 0 hm
		reasoning 0~2 deep
		answer 1 a
		answer 1~4 void []
		answer 1.1~1 no
		args 2 [f] {}
		answer 3~4 a cat`)
	f(wire.GeminiGenerate, `{"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true},{"text":"hi"},{"functionCall":{"name":"f","args":{"a":1}}}]},"finishReason":"STOP","index":0}],"modelVersion":"g"}`, `
		reasoning 0 hm
		answer 0 hi
		args 0~5 [f] json {"a":1}`)
	f(wire.OpenAICompletions, `{"choices":[{"text":"a","index":0,"logprobs":{"tokens":["a"]},"finish_reason":"stop"}]}`, "answer 0 a\nanswer 0~4 void {\"tokens\":[\"a\"]}")
	f(wire.OpenAITranscription, `{"text":"said","segments":[{"id":0,"text":"said"}],"words":[{"word":"said"}],"language":"en"}`, "answer 0 said\nanswer 0~4 said\nanswer 0~4 void [{\"word\":\"said\"}]")
	f(wire.OpenAIImages, `{"data":[{"b64_json":"AA","revised_prompt":"cat"}]}`, "answer 0~4 cat")
}

func TestEvent(t *testing.T) {
	f := func(d wire.Dialect, data, want string) {
		t.Helper()
		parts, ok := Event(nil, d, []byte(data))
		if !ok {
			t.Errorf("%s: not read", data)
		}
		if diff := cmp.Diff(lines(want), lines(show([]byte(data), parts))); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", d, data, diff)
		}
	}
	f(wire.OpenAIChat, `{"choices":[{"index":0,"delta":{"role":"assistant","content":"he"},"finish_reason":null}]}`, `answer 0+ he`)
	f(wire.OpenAIChat, `{"choices":[{"index":1,"delta":{"tool_calls":[{"index":2,"id":"c","function":{"name":"f","arguments":""}}]}}]}`, `args 2/1 [f]`)
	f(wire.OpenAIChat, `{"choices":[{"index":0,"delta":{"content":"x","tool_calls":[{"index":1,"function":{"arguments":"{\""}}]},"logprobs":{"content":[]},"finish_reason":"stop"}]}`, `
		answer 0+ x
		args 1+ {\"
		answer 0~4 void {"content":[]}
		end ? -1`)
	f(wire.OpenAIChat, `{"choices":[{"index":0,"delta":{"reasoning":"a","reasoning_details":[{"index":3,"type":"reasoning.text","text":"a"}]}}]}`, "reasoning 0+ a\nreasoning 0.3~3+ a")
	f(wire.OpenAIChat, `[DONE]`, `end ? -1/-1`)
	f(wire.AnthropicMessages, `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`, `args 1 [f]`)
	f(wire.AnthropicMessages, `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}`, `args 1+ {\"a`)
	f(wire.AnthropicMessages, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}`, `answer 0+ hi`)
	f(wire.AnthropicMessages, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`, `reasoning 0+ hm`)
	f(wire.AnthropicMessages, `{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"cited_text":"q"}}}`, `answer 0~4 q`)
	f(wire.AnthropicMessages, `{"type":"content_block_stop","index":1}`, `end ? 1`)
	f(wire.AnthropicMessages, `{"type":"message_stop"}`, `end ? -1/-1`)
	f(wire.GeminiGenerate, `{"candidates":[{"content":{"parts":[{"text":"hi"},{"functionCall":{"name":"f","args":{"a":1}}}]},"finishReason":"STOP","index":0}]}`, `
		answer 0+ hi
		args 0~5 [f]
		args 0~5 [f] json {"a":1}
		end ? -1`)
	f(wire.OpenAIResponses, `{"type":"response.output_text.delta","output_index":1,"content_index":2,"delta":"hi","logprobs":[]}`, "answer 1.2+ hi\nanswer 1.2~4 void []")
	f(wire.OpenAIResponses, `{"type":"response.output_text.done","output_index":1,"content_index":2,"text":"hi"}`, "end answer 1.2\nanswer 1.2 hi")
	f(wire.OpenAIResponses, `{"type":"response.content_part.done","output_index":1,"content_index":0,"part":{"type":"output_text","text":"hi"}}`, `
		end answer 1
		end answer 1~1
		end reasoning 1
		end reasoning 1~2
		answer 1 hi`)
	f(wire.OpenAIResponses, `{"type":"response.output_item.added","output_index":3,"item":{"type":"function_call","name":"f","arguments":""}}`, `args 3 [f]`)
	f(wire.OpenAIResponses, `{"type":"response.function_call_arguments.delta","output_index":3,"delta":"{\""}`, `args 3+ {\"`)
	f(wire.OpenAIResponses, `{"type":"response.function_call_arguments.done","output_index":3,"arguments":"{}"}`, "end args 3\nargs 3 {}")
	f(wire.OpenAIResponses, `{"type":"response.output_item.done","output_index":3,"item":{"type":"message","content":[{"type":"output_text","text":"hi"}]}}`, "end ? 3\nanswer 3 hi")
	f(wire.OpenAIResponses, `{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"hm"}`, `reasoning 0.1+ hm`)
	f(wire.OpenAIResponses, `{"type":"response.reasoning_summary_text.done","output_index":0,"summary_index":1,"text":"hm"}`, "end reasoning 0.1\nreasoning 0.1 hm")
	f(wire.OpenAIResponses, `{"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}]}}`, "end ? -1/-1\nanswer 0 hi")
	f(wire.OpenAIResponses, `{"type":"response.audio.delta","delta":"AAAA"}`, ``)
	f(wire.OpenAITranscription, `{"type":"transcript.text.delta","delta":"hi"}`, `answer 0+ hi`)
	f(wire.OpenAISpeech, `{"type":"speech.audio.delta","audio":"AAAA"}`, ``)
}

// FuzzSpans: whatever comes, spans lie within the body, in order, and are what
// they are said to be.
func FuzzSpans(f *testing.F) {
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"a\u00e9"}],"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}],"input":[[1]]}`))
	f.Add([]byte(`{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"text":"x","logprobs":[{}]}]},"response":{"output":[]}}`))
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionResponse":{"response":{"x":1}}}]},"finishReason":"STOP"}]}`))
	f.Add([]byte(`{"type":"content_block_start","content_block":{"type":"tool_use","input":{"a":1}},"delta":{"partial_json":"x"},"message":{"content":[{}]}}`))
	f.Add([]byte(`{"choices":[{"message":{"reasoning_details":[{"index":1,"text":"a"}],"audio":{"transcript":"t"}},"logprobs":{}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for d := wire.Dialect(0); d < wire.NumDialects; d++ {
			for op := range wire.NumOps {
				check(t, body, first(Request(nil, op, d, body)))
			}
			check(t, body, first(Answer(nil, d, body)))
			check(t, body, first(Event(nil, d, body)))
		}
	})
}

func first(parts []Part, _ bool) []Part { return parts }

func check(t *testing.T, body []byte, parts []Part) {
	t.Helper()
	last := 0
	for i := range parts {
		p := &parts[i]
		if p.Kind == KindEnd || p.Kind == KindLabel {
			continue
		}
		if p.From < last || p.To < p.From || p.To > len(body) {
			t.Fatalf("span %d-%d behind %d of %d bytes", p.From, p.To, last, len(body))
		}
		last = p.To
		if p.Kind == KindText {
			if p.From < 1 || p.To >= len(body) || !Valid(body[p.From-1:p.To+1]) || body[p.From-1] != '"' {
				t.Fatalf("span %q is no string", p.Raw(body))
			}
		} else if !Valid(p.Raw(body)) {
			t.Fatalf("span %q is no JSON", p.Raw(body))
		}
		if p.Channel == ChannelUnknown || p.Channel >= NumChannels {
			t.Fatalf("channel %d", p.Channel)
		}
	}
}
