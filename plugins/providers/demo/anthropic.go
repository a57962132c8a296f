package main

import (
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/valyala/fastjson"
)

// signature stands for the provider's seal on its reasoning.
const signature = "ZGVtby1zaWduYXR1cmU="

// anthropic writes anthropic-messages.
type anthropic struct{}

func (anthropic) read(a *ask, body *fastjson.Value) error {
	if a.maxTokens = body.GetInt("max_tokens"); a.maxTokens < 1 {
		return &wire.Error{Status: 400, Class: wire.ClassInvalid, Code: "missing_max_tokens", Message: "max_tokens: want a number from 1", Param: "max_tokens"}
	}
	for _, t := range body.GetArray("tools") {
		a.tools = append(a.tools, string(t.GetStringBytes("name")))
	}
	switch string(body.GetStringBytes("tool_choice", "type")) {
	case "tool":
		a.forced = string(body.GetStringBytes("tool_choice", "name"))
	case "any":
		if len(a.tools) > 0 {
			a.forced = a.tools[0]
		}
	}
	if string(body.GetStringBytes("thinking", "type")) == "enabled" && a.Reasoning == 0 {
		a.Reasoning = 8
	}
	return nil
}

func (anthropic) whole(dst []byte, id string, a *ask, o *answer) []byte {
	dst = message(dst, id, a)
	comma := ""
	if o.reasoning != "" {
		dst = quote(append(dst, `{"type":"thinking","thinking":`...), o.reasoning)
		dst = append(dst, `,"signature":"`+signature+`"}`...)
		comma = ","
	}
	if len(o.calls) == 0 {
		dst = append(quote(append(append(dst, comma...), `{"type":"text","text":`...), o.text), '}')
	}
	for i, c := range o.calls {
		dst = append(dst, comma...)
		dst = toolUse(dst, i, c.name, c.arguments)
		comma = ","
	}
	dst = append(append(dst, `],"stop_reason":"`...), o.finish("end_turn", "max_tokens", "tool_use")...)
	dst = append(dst, `","stop_sequence":null,"usage":`...)
	return append(anthropicUsage(dst, o.usage, o.usage.Completion()), '}')
}

func message(dst []byte, id string, a *ask) []byte {
	dst = append(append(dst, `{"id":"msg_`...), id...)
	dst = quote(append(dst, `","type":"message","role":"assistant","model":`...), a.name)
	return append(dst, `,"content":[`...)
}

func toolUse(dst []byte, i int, name, input string) []byte {
	dst = strconv.AppendInt(append(dst, `{"type":"tool_use","id":"toolu_`...), int64(i), 10)
	dst = quote(append(dst, `","name":`...), name)
	return append(append(append(dst, `,"input":`...), input...), '}')
}

func anthropicUsage(dst []byte, u wire.Usage, output int64) []byte {
	dst = strconv.AppendInt(append(dst, `{"input_tokens":`...), u.Input, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_creation_input_tokens":`...), u.CacheWrite5m+u.CacheWrite1h, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_read_input_tokens":`...), u.CacheRead, 10)
	return append(strconv.AppendInt(append(dst, `,"output_tokens":`...), output, 10), '}')
}

func (anthropic) events(id string, a *ask, o *answer) (s script) {
	pieces := a.pieces(o)
	s.buf = make([]byte, 0, (len(pieces)+4)*140+len(o.text)+1024)
	s.add("message_start", `,"message":`)
	s.buf = append(message(s.buf, id, a), `],"stop_reason":null,"stop_sequence":null,"usage":`...)
	s.buf = append(anthropicUsage(s.buf, o.usage, 1), "}}\n\n"...)
	s.mark()

	index := 0
	if o.reasoning != "" {
		s.start(index, `{"type":"thinking","thinking":"","signature":""}`)
		s.deltas(index, `"thinking_delta","thinking":`, split(o.reasoning))
		s.delta(index, `"signature_delta","signature":`, signature)
		s.stop(index)
		index++
	}
	if len(o.calls) == 0 {
		s.start(index, `{"type":"text","text":""}`)
		s.deltas(index, `"text_delta","text":`, pieces)
		s.stop(index)
	}
	for i, c := range o.calls {
		s.start(index, string(toolUse(nil, i, c.name, "{}")))
		s.deltas(index, `"input_json_delta","partial_json":`, halves(c.arguments))
		s.stop(index)
		index++
	}
	s.add("message_delta", `,"delta":{"stop_reason":"`)
	s.buf = append(append(s.buf, o.finish("end_turn", "max_tokens", "tool_use")...), `","stop_sequence":null},"usage":`...)
	s.buf = append(anthropicUsage(s.buf, o.usage, o.usage.Completion()), "}\n\n"...)
	s.add("message_stop", "}\n\n")
	return s
}

// add begins an event, up to and with the members that follow its type.
func (s *script) add(event, members string) {
	s.buf = append(append(s.buf, "event: "...), event...)
	s.buf = append(append(s.buf, "\ndata: {\"type\":\""...), event...)
	s.buf = append(append(s.buf, '"'), members...)
}

func (s *script) start(index int, block string) {
	s.add("content_block_start", `,"index":`)
	s.buf = append(strconv.AppendInt(s.buf, int64(index), 10), `,"content_block":`...)
	s.buf = append(append(s.buf, block...), "}\n\n"...)
	s.mark()
}

func (s *script) deltas(index int, kind string, texts []string) {
	for _, t := range texts {
		s.delta(index, kind, t)
	}
}

// delta adds a piece of a block; kind is the delta's type and the member that
// takes text.
func (s *script) delta(index int, kind, text string) {
	s.add("content_block_delta", `,"index":`)
	s.buf = append(strconv.AppendInt(s.buf, int64(index), 10), `,"delta":{"type":`...)
	s.buf = append(quote(append(s.buf, kind...), text), "}}\n\n"...)
	s.mark()
}

func (s *script) stop(index int) {
	s.add("content_block_stop", `,"index":`)
	s.buf = append(strconv.AppendInt(s.buf, int64(index), 10), "}\n\n"...)
	s.mark()
}
