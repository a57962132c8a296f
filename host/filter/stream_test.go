package filter

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// texts are what an answer says, by channel.
type texts struct{ answer, reasoning, args string }

// quote is s as a JSON string; now and then as parsers of little grace write it.
func quote(r *rand.Rand, s string) string {
	b, _ := json.Marshal(s)
	if r == nil || r.IntN(4) > 0 {
		return string(b)
	}
	var out strings.Builder
	out.WriteByte('"')
	for _, c := range s {
		if c > 0xffff {
			c -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
			continue
		}
		fmt.Fprintf(&out, `\u%04x`, c)
	}
	return out.String() + `"`
}

// cut splits s into pieces of a few bytes, whole characters.
func cut(r *rand.Rand, s string, most int) (pieces []string) {
	for len(s) > 0 {
		n := min(1+r.IntN(most), len(s))
		for n < len(s) && s[n]&0xc0 == 0x80 {
			n++
		}
		pieces = append(pieces, s[:n])
		s = s[n:]
	}
	return pieces
}

// writers make the events of an answer in each dialect, cut at random.
var writers = map[wire.Dialect]func(r *rand.Rand, say texts, most int) []string{
	wire.OpenAIChat:        chatEvents,
	wire.AnthropicMessages: anthropicEvents,
	wire.OpenAIResponses:   responsesEvents,
	wire.GeminiGenerate:    geminiEvents,
}

func chatEvents(r *rand.Rand, say texts, most int) (out []string) {
	event := func(delta, finish string) {
		out = append(out, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{`+delta+`},"finish_reason":`+finish+`}]}`+"\n\n")
	}
	event(`"role":"assistant","content":""`, "null")
	a, b, c := cut(r, say.answer, most), cut(r, say.reasoning, most), cut(r, say.args, most)
	event(`"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}}]`, "null")
	for len(a)+len(b)+len(c) > 0 {
		switch n := r.IntN(4); {
		case n == 0 && len(b) > 0:
			event(`"reasoning_content":`+quote(r, b[0]), "null")
			b = b[1:]
		case n == 1 && len(c) > 0:
			event(`"tool_calls":[{"index":0,"function":{"arguments":`+quote(r, c[0])+`}}]`, "null")
			c = c[1:]
		case n == 2 && len(a) > 1 && len(b) > 0: // two in one
			event(`"content":`+quote(r, a[0])+`,"reasoning_content":`+quote(r, b[0]), "null")
			a, b = a[1:], b[1:]
		case len(a) > 0:
			event(`"content":`+quote(r, a[0]), "null")
			a = a[1:]
		}
	}
	event("", `"stop"`)
	return append(out, `data: {"id":"c","choices":[],"usage":{"prompt_tokens":1}}`+"\n\n", "data: [DONE]\n\n")
}

func anthropicEvents(r *rand.Rand, say texts, most int) (out []string) {
	event := func(name, members string) {
		out = append(out, "event: "+name+"\ndata: {\"type\":\""+name+"\""+members+"}\n\n")
	}
	event("message_start", `,"message":{"id":"m","role":"assistant","content":[],"usage":{"input_tokens":1}}`)
	block := func(n int, start, kind, member, s string) {
		event("content_block_start", fmt.Sprintf(`,"index":%d,"content_block":%s`, n, start))
		for _, piece := range cut(r, s, most) {
			event("content_block_delta", fmt.Sprintf(`,"index":%d,"delta":{"type":%q,%q:%s}`, n, kind, member, quote(r, piece)))
		}
		event("content_block_stop", fmt.Sprintf(`,"index":%d`, n))
	}
	block(0, `{"type":"thinking","thinking":"","signature":""}`, "thinking_delta", "thinking", say.reasoning)
	block(1, `{"type":"text","text":""}`, "text_delta", "text", say.answer)
	block(2, `{"type":"tool_use","id":"t","name":"f","input":{}}`, "input_json_delta", "partial_json", say.args)
	event("message_delta", `,"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}`)
	event("message_stop", "")
	return out
}

func responsesEvents(r *rand.Rand, say texts, most int) (out []string) {
	seq := 0
	event := func(name, members string) {
		out = append(out, fmt.Sprintf("event: %s\ndata: {\"type\":%q,\"sequence_number\":%d%s}\n\n", name, name, seq, members))
		seq++
	}
	all := []string{`{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":` + quote(nil, say.reasoning) + `}]}`,
		`{"type":"message","id":"ms","content":[{"type":"output_text","text":` + quote(nil, say.answer) + `,"logprobs":[]}]}`,
		`{"type":"function_call","id":"fc","name":"f","call_id":"c","arguments":` + quote(nil, say.args) + `}`}
	item := func(n int, kind, ids, member, s string, part string) {
		event("response.output_item.added", fmt.Sprintf(`,"output_index":%d,"item":%s`, n, []string{`{"type":"reasoning","summary":[]}`, `{"type":"message","content":[]}`,
			`{"type":"function_call","name":"f","arguments":""}`}[n]))
		at := fmt.Sprintf(`,"item_id":"i","output_index":%d%s`, n, ids)
		for _, piece := range cut(r, s, most) {
			event(kind+".delta", at+`,"delta":`+quote(r, piece))
		}
		event(kind+".done", at+`,`+member+`:`+quote(nil, s))
		if part != "" {
			event(part+".done", at+`,"part":{"type":"x","text":`+quote(nil, s)+`}`)
		}
		event("response.output_item.done", fmt.Sprintf(`,"output_index":%d,"item":%s`, n, all[n]))
	}
	event("response.created", `,"response":{"id":"r","output":[]}`)
	item(0, "response.reasoning_summary_text", `,"summary_index":0`, `"text"`, say.reasoning, "response.reasoning_summary_part")
	item(1, "response.output_text", `,"content_index":0`, `"text"`, say.answer, "response.content_part")
	item(2, "response.function_call_arguments", ``, `"arguments"`, say.args, "")
	event("response.completed", `,"response":{"id":"r","output":[`+strings.Join(all, ",")+`]}`)
	return out
}

func geminiEvents(r *rand.Rand, say texts, most int) (out []string) {
	event := func(parts, finish string) {
		out = append(out, `data: {"candidates":[{"content":{"role":"model","parts":[`+parts+`]}`+finish+`,"index":0}],"modelVersion":"g","responseId":"r"}`+"\r\n\r\n")
	}
	for _, piece := range cut(r, say.reasoning, most) {
		event(`{"text":`+quote(r, piece)+`,"thought":true}`, "")
	}
	a := cut(r, say.answer, most)
	for i, piece := range a {
		finish := ""
		if i == len(a)-1 {
			finish = `,"finishReason":"STOP"`
		}
		event(`{"text":`+quote(r, piece)+`}`, finish)
	}
	event(`{"functionCall":{"name":"f","args":`+say.args+`}}`, `,"finishReason":"STOP"`)
	return out
}

// readers gather what a client of each dialect makes of a stream, and what
// repeats it as a whole.
func gather(t *testing.T, d wire.Dialect, stream string) (got texts, whole []texts) {
	t.Helper()
	seq := 0.0
	for _, ev := range strings.Split(strings.ReplaceAll(stream, "\r\n", "\n"), "\n\n") {
		_, data, ok := strings.Cut(ev, "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			t.Fatalf("%s is no JSON: %v", data, err)
		}
		switch d {
		case wire.OpenAIChat:
			for _, c := range list(v["choices"]) {
				delta := c["delta"].(map[string]any)
				got.answer += str(delta["content"])
				got.reasoning += str(delta["reasoning_content"])
				for _, call := range list(delta["tool_calls"]) {
					got.args += str(call["function"].(map[string]any)["arguments"])
				}
			}
		case wire.AnthropicMessages:
			if delta, ok := v["delta"].(map[string]any); ok {
				got.answer += str(delta["text"])
				got.reasoning += str(delta["thinking"])
				got.args += str(delta["partial_json"])
			}
		case wire.GeminiGenerate:
			for _, c := range list(v["candidates"]) {
				for _, p := range list(c["content"].(map[string]any)["parts"]) {
					if p["thought"] == true {
						got.reasoning += str(p["text"])
					} else {
						got.answer += str(p["text"])
					}
					if call, ok := p["functionCall"].(map[string]any); ok {
						b, _ := json.Marshal(call["args"])
						got.args += string(b)
					}
				}
			}
		case wire.OpenAIResponses:
			if v["sequence_number"] != seq {
				t.Errorf("event has number %v; want %v", v["sequence_number"], seq)
			}
			seq++
			name := str(v["type"])
			switch {
			case name == "response.output_text.delta":
				got.answer += str(v["delta"])
			case name == "response.reasoning_summary_text.delta":
				got.reasoning += str(v["delta"])
			case name == "response.function_call_arguments.delta":
				got.args += str(v["delta"])
			case name == "response.output_text.done":
				whole = append(whole, texts{answer: str(v["text"])})
			case name == "response.content_part.done":
				whole = append(whole, texts{answer: str(v["part"].(map[string]any)["text"])})
			case name == "response.completed":
				out := list(v["response"].(map[string]any)["output"])
				whole = append(whole, texts{str(list(out[1]["content"])[0]["text"]), str(list(out[0]["summary"])[0]["text"]), str(out[2]["arguments"])})
			}
		}
	}
	return got, whole
}

func list(v any) (out []map[string]any) {
	l, _ := v.([]any)
	for _, e := range l {
		out = append(out, e.(map[string]any))
	}
	return out
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

// hidden is what mask makes of s.
func hidden(s string) string { return strings.ReplaceAll(s, "jo.do+x@mail.example.com", "[MAIL]") }
