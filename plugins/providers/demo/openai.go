package main

import (
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

// created is when all answers claim to be from, 2026-01-01: they are the same every time.
const created = "1767225600"

// openAI writes openai-chat.
type openAI struct{}

func (openAI) read(a *ask, body *fastjson.Value) error {
	a.maxTokens = max(body.GetInt("max_tokens"), body.GetInt("max_completion_tokens"))
	a.includeUsage = body.GetBool("stream_options", "include_usage")
	if n := body.GetInt("n"); n > 1 {
		a.n = min(n, 16)
	}
	for _, t := range body.GetArray("tools") {
		a.tools = append(a.tools, string(t.GetStringBytes("function", "name")))
	}
	a.forced = string(body.GetStringBytes("tool_choice", "function", "name"))
	if string(body.GetStringBytes("tool_choice")) == "required" && len(a.tools) > 0 {
		a.forced = a.tools[0]
	}
	return nil
}

func (openAI) whole(dst []byte, id string, a *ask, o *answer) []byte {
	dst = append(dst, `{"id":"chatcmpl-`...)
	dst = append(append(dst, id...), `","object":"chat.completion","created":`+created+`,"model":`...)
	dst = append(quote(dst, a.name), `,"choices":[`...)
	for i := range a.n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"index":`...), int64(i), 10)
		dst = append(dst, `,"message":{"role":"assistant","content":`...)
		dst = openAIContent(dst, o)
		dst = append(dst, `,"refusal":null},"logprobs":null,"finish_reason":"`...)
		dst = append(append(dst, o.finish("stop", "length", "tool_calls")...), `"}`...)
	}
	dst = append(dst, `],"usage":`...)
	return append(openAIUsage(dst, o.usage), '}')
}

func openAIContent(dst []byte, o *answer) []byte {
	if len(o.calls) > 0 {
		dst = append(dst, `null,"tool_calls":[`...)
		for i, c := range o.calls {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, '{')
			dst = openAICall(dst, i, c.name, c.arguments)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	} else {
		dst = quote(dst, o.text)
	}
	if o.reasoning != "" {
		dst = quote(append(dst, `,"reasoning_content":`...), o.reasoning)
	}
	return dst
}

func openAICall(dst []byte, i int, name, arguments string) []byte {
	dst = strconv.AppendInt(append(dst, `"id":"call_`...), int64(i), 10)
	dst = quote(append(dst, `","type":"function","function":{"name":`...), name)
	return append(quote(append(dst, `,"arguments":`...), arguments), '}')
}

func openAIUsage(dst []byte, u wire.Usage) []byte {
	dst = strconv.AppendInt(append(dst, `{"prompt_tokens":`...), u.Prompt(), 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), u.Completion(), 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), u.Total(), 10)
	dst = strconv.AppendInt(append(dst, `,"prompt_tokens_details":{"cached_tokens":`...), u.CacheRead, 10)
	dst = strconv.AppendInt(append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...), u.Reasoning, 10)
	return append(dst, `}}`...)
}

func (openAI) events(id string, a *ask, o *answer) (s script) {
	e := chunk{}
	e.prefix = append(append(e.prefix, `data: {"id":"chatcmpl-`...), id...)
	e.prefix = quote(append(e.prefix, `","object":"chat.completion.chunk","created":`+created+`,"model":`...), a.name)
	if a.includeUsage {
		e.null = `,"usage":null`
	}
	for i := range a.n {
		s.head = e.delta(s.head, i, `"role":"assistant","content":""`)
	}
	for _, p := range split(o.reasoning) {
		s.pieces = append(s.pieces, e.text(i0, `"reasoning_content":`, p))
	}
	for i, c := range o.calls {
		s.pieces = append(s.pieces, e.call(i, c)...)
	}
	if len(o.calls) == 0 {
		for _, p := range a.pieces(o.text) {
			for i := range a.n {
				s.pieces = append(s.pieces, e.text(i, `"content":`, p))
			}
		}
	}
	for i := range a.n {
		s.tail = e.finish(s.tail, i, o.finish("stop", "length", "tool_calls"))
	}
	if a.includeUsage {
		s.tail = append(append(s.tail, e.prefix...), `,"choices":[],"usage":`...)
		s.tail = append(openAIUsage(s.tail, o.usage), "}\n\n"...)
	}
	s.tail = append(s.tail, "data: [DONE]\n\n"...)
	return s
}

const i0 = 0 // the first choice

// chunk writes chat.completion.chunk events.
type chunk struct {
	prefix []byte
	null   string
}

func (e *chunk) open(dst []byte, index int) []byte {
	dst = append(append(dst, e.prefix...), `,"choices":[{"index":`...)
	return append(strconv.AppendInt(dst, int64(index), 10), `,"delta":{`...)
}

func (e *chunk) close(dst []byte, finish string) []byte {
	dst = append(append(append(dst, `},"finish_reason":`...), finish...), `}]`...)
	return append(append(dst, e.null...), "}\n\n"...)
}

func (e *chunk) delta(dst []byte, index int, members string) []byte {
	return e.close(append(e.open(dst, index), members...), "null")
}

func (e *chunk) text(index int, member, text string) []byte {
	dst := make([]byte, 0, len(e.prefix)+len(text)+100)
	return e.close(quote(append(e.open(dst, index), member...), text), "null")
}

func (e *chunk) call(i int, c toolCall) (out [][]byte) {
	open := append(strconv.AppendInt(append(e.open(nil, i0), `"tool_calls":[{"index":`...), int64(i), 10), ',')
	first := append(openAICall(open[:len(open):len(open)], i, c.name, ""), "}]"...)
	out = append(out, e.close(first, "null"))
	for _, p := range halves(c.arguments) {
		part := quote(append(open[:len(open):len(open)], `"function":{"arguments":`...), p)
		out = append(out, e.close(append(part, "}}]"...), "null"))
	}
	return out
}

func (e *chunk) finish(dst []byte, index int, reason string) []byte {
	return e.close(e.open(dst, index), `"`+reason+`"`)
}
