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
	e.prefix = append(e.prefix, `,"choices":[`...)
	if a.includeUsage {
		e.null = `,"usage":null`
	}
	pieces := a.pieces(o)
	s.buf = make([]byte, 0, (len(pieces)+4)*a.n*(len(e.prefix)+64)+len(o.text)*a.n+512)
	for i := range a.n {
		s.buf = e.close(append(e.open(s.buf, i), `"role":"assistant","content":""`...), "null")
	}
	s.mark()
	for _, p := range split(o.reasoning) {
		s.buf = e.text(s.buf, 0, `"reasoning_content":`, p)
		s.mark()
	}
	for i, c := range o.calls {
		e.call(&s, i, c)
	}
	for _, p := range pieces {
		for i := range a.n {
			s.buf = e.text(s.buf, i, `"content":`, p)
			s.mark()
		}
	}
	for i := range a.n {
		s.buf = e.close(e.open(s.buf, i), `"`+o.finish("stop", "length", "tool_calls")+`"`)
	}
	if a.includeUsage {
		s.buf = append(append(s.buf, e.prefix...), `],"usage":`...)
		s.buf = append(openAIUsage(s.buf, o.usage), "}\n\n"...)
	}
	s.buf = append(s.buf, "data: [DONE]\n\n"...)
	return s
}

// chunk writes chat.completion.chunk events.
type chunk struct {
	prefix []byte // up to the choices
	null   string
}

func (e *chunk) open(dst []byte, index int) []byte {
	dst = append(append(dst, e.prefix...), `{"index":`...)
	return append(strconv.AppendInt(dst, int64(index), 10), `,"delta":{`...)
}

func (e *chunk) close(dst []byte, finish string) []byte {
	dst = append(append(append(dst, `},"finish_reason":`...), finish...), `}]`...)
	return append(append(dst, e.null...), "}\n\n"...)
}

func (e *chunk) text(dst []byte, index int, member, text string) []byte {
	return e.close(quote(append(e.open(dst, index), member...), text), "null")
}

// call writes a tool call: its name first, then its arguments in parts.
func (e *chunk) call(s *script, i int, c toolCall) {
	open := func() {
		s.buf = append(e.open(s.buf, 0), `"tool_calls":[{"index":`...)
		s.buf = append(strconv.AppendInt(s.buf, int64(i), 10), ',')
	}
	open()
	s.buf = e.close(append(openAICall(s.buf, i, c.name, ""), "}]"...), "null")
	s.mark()
	for _, p := range halves(c.arguments) {
		open()
		s.buf = quote(append(s.buf, `"function":{"arguments":`...), p)
		s.buf = e.close(append(s.buf, "}}]"...), "null")
		s.mark()
	}
}
