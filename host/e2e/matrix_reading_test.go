package e2e_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// reading is what a client makes of an answer, whatever its dialect.
type reading struct {
	status             int
	retry              string
	text, thinking     string
	calls              string // name and arguments of each, a space behind
	prompt, completion int
	ended              bool   // properly
	fault              string // the error's type or code
	cut                bool   // the connection was cut
	raw                string
}

// tree is decoded JSON; its methods are lenient, as clients are.
type tree struct{ v any }

func parse(t *testing.T, raw []byte) tree {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Errorf("cannot read the answer: %v\n%s", err, raw)
	}
	return tree{v}
}

func (x tree) at(path string) tree {
	for name := range strings.SplitSeq(path, ".") {
		m, _ := x.v.(map[string]any)
		x = tree{m[name]}
	}
	return x
}

func (x tree) list() (out []tree) {
	l, _ := x.v.([]any)
	for _, v := range l {
		out = append(out, tree{v})
	}
	return out
}

func (x tree) str() string { s, _ := x.v.(string); return s }
func (x tree) num() int    { n, _ := x.v.(float64); return int(n) }
func (x tree) json() string {
	b, _ := json.Marshal(x.v)
	return string(b)
}

// arguments are a call's, in one form.
func arguments(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

func (r *reading) call(name, args string) { r.calls += name + arguments(args) + " " }

func (r *reading) whole(t *testing.T, caller string, raw []byte) {
	t.Helper()
	x := parse(t, raw)
	if e := x.at("error"); r.status != 200 {
		for _, name := range []string{"code", "type", "status"} {
			if r.fault == "" {
				r.fault = e.at(name).str()
			}
		}
		return
	}
	switch caller {
	case "openai-chat":
		for _, c := range x.at("choices").list() {
			r.text += c.at("message.content").str()
			for _, tc := range c.at("message.tool_calls").list() {
				r.call(tc.at("function.name").str(), tc.at("function.arguments").str())
			}
			r.ended = c.at("finish_reason").str() != ""
		}
		r.prompt, r.completion = x.at("usage.prompt_tokens").num(), x.at("usage.completion_tokens").num()
	case "openai-responses":
		r.response(x)
	case "anthropic-messages":
		for _, c := range x.at("content").list() {
			r.text += c.at("text").str()
			r.thinking += c.at("thinking").str()
			if c.at("type").str() == "tool_use" {
				r.call(c.at("name").str(), c.at("input").json())
			}
		}
		r.ended = x.at("stop_reason").str() != ""
		r.anthropicUsage(x.at("usage"))
	case "gemini-generate":
		r.candidates(x)
	}
}

func (r *reading) response(x tree) {
	for _, item := range x.at("output").list() {
		switch item.at("type").str() {
		case "message":
			for _, c := range item.at("content").list() {
				r.text += c.at("text").str()
			}
		case "reasoning":
			for _, s := range item.at("summary").list() {
				r.thinking += s.at("text").str()
			}
		case "function_call":
			r.call(item.at("name").str(), item.at("arguments").str())
		}
	}
	r.ended = x.at("status").str() == "completed"
	r.prompt, r.completion = x.at("usage.input_tokens").num(), x.at("usage.output_tokens").num()
}

func (r *reading) anthropicUsage(u tree) {
	if n := u.at("input_tokens").num() + u.at("cache_read_input_tokens").num() + u.at("cache_creation_input_tokens").num(); n > 0 {
		r.prompt = n
	}
	r.completion = u.at("output_tokens").num()
}

func (r *reading) candidates(x tree) {
	for _, c := range x.at("candidates").list() {
		for _, p := range c.at("content.parts").list() {
			if thought, _ := p.at("thought").v.(bool); thought {
				r.thinking += p.at("text").str()
				continue
			}
			r.text += p.at("text").str()
			if f := p.at("functionCall"); f.v != nil {
				r.call(f.at("name").str(), f.at("args").json())
			}
		}
		r.ended = r.ended || c.at("finishReason").str() != ""
	}
	if u := x.at("usageMetadata"); u.v != nil {
		r.prompt = u.at("promptTokenCount").num()
		r.completion = u.at("candidatesTokenCount").num() + u.at("thoughtsTokenCount").num()
	}
}

// stream reads server-sent events, comments left out.
func (r *reading) stream(t *testing.T, caller string, raw []byte) {
	t.Helper()
	args := map[int]string{} // of tool calls by index, name first
	var order []int
	for block := range strings.SplitSeq(string(raw), "\n\n") {
		var data string
		for line := range strings.SplitSeq(block, "\n") {
			if text, ok := strings.CutPrefix(line, "data:"); ok {
				data += strings.TrimPrefix(text, " ")
			}
		}
		if data == "" {
			continue
		}
		if data == "[DONE]" {
			r.ended = true
			continue
		}
		x := parse(t, []byte(data))
		if e := x.at("error"); e.v != nil && caller != "openai-responses" {
			r.fault = e.json()
			continue
		}
		switch caller {
		case "openai-chat":
			for _, c := range x.at("choices").list() {
				r.text += c.at("delta.content").str()
				for _, tc := range c.at("delta.tool_calls").list() {
					i := tc.at("index").num()
					if _, ok := args[i]; !ok {
						order = append(order, i)
					}
					args[i] += tc.at("function.name").str() + tc.at("function.arguments").str()
				}
			}
			if u := x.at("usage"); u.v != nil {
				r.prompt, r.completion = u.at("prompt_tokens").num(), u.at("completion_tokens").num()
			}
		case "openai-responses":
			r.responseEvent(x)
		case "anthropic-messages":
			switch x.at("type").str() {
			case "message_start":
				r.anthropicUsage(x.at("message.usage"))
			case "content_block_start":
				if b := x.at("content_block"); b.at("type").str() == "tool_use" {
					order = append(order, x.at("index").num())
					args[x.at("index").num()] = b.at("name").str()
				}
			case "content_block_delta":
				r.text += x.at("delta.text").str()
				r.thinking += x.at("delta.thinking").str()
				args[x.at("index").num()] += x.at("delta.partial_json").str()
			case "message_delta":
				r.anthropicUsage(x.at("usage"))
			case "message_stop":
				r.ended = true
			}
		case "gemini-generate":
			r.candidates(x)
		}
	}
	for _, i := range order {
		name, rest, _ := strings.Cut(args[i], "{")
		r.call(name, "{"+rest)
	}
}

func (r *reading) responseEvent(x tree) {
	switch x.at("type").str() {
	case "response.output_text.delta":
		r.text += x.at("delta").str()
	case "response.reasoning_summary_text.delta":
		r.thinking += x.at("delta").str()
	case "error":
		r.fault = x.at("code").str()
	case "response.failed":
		r.fault = x.at("response.error.code").str()
	case "response.completed":
		var whole reading
		whole.response(x.at("response"))
		if whole.text != r.text || whole.thinking != r.thinking {
			r.text += " but in whole " + whole.text
		}
		r.calls, r.ended, r.prompt, r.completion = whole.calls, true, whole.prompt, whole.completion
	}
}
