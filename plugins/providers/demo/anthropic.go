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
	s.head = append(s.head, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	s.head = append(message(s.head, id, a), `],"stop_reason":null,"stop_sequence":null,"usage":`...)
	s.head = append(anthropicUsage(s.head, o.usage, 1), "}}\n\n"...)

	index := 0
	if o.reasoning != "" {
		s.block(index, `{"type":"thinking","thinking":"","signature":""}`, `"thinking_delta","thinking":`, split(o.reasoning))
		s.pieces = append(s.pieces, append(deltaOf(index, `"signature_delta","signature":"`+signature+`"`), "}}\n\n"...))
		s.stop(index)
		index++
	}
	if len(o.calls) == 0 {
		s.block(index, `{"type":"text","text":""}`, `"text_delta","text":`, a.pieces(o.text))
		s.stop(index)
	}
	for i, c := range o.calls {
		s.block(index, string(toolUse(nil, i, c.name, "{}")), `"input_json_delta","partial_json":`, halves(c.arguments))
		s.stop(index)
		index++
	}
	s.tail = append(s.tail, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\""...)
	s.tail = append(append(s.tail, o.finish("end_turn", "max_tokens", "tool_use")...), `","stop_sequence":null},"usage":`...)
	s.tail = append(anthropicUsage(s.tail, o.usage, o.usage.Completion()), "}\n\n"...)
	s.tail = append(s.tail, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
	return s
}

// block adds the start of a content block and its deltas.
func (s *script) block(index int, start, delta string, texts []string) {
	ev := append([]byte(nil), "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	ev = append(strconv.AppendInt(ev, int64(index), 10), `,"content_block":`...)
	s.pieces = append(s.pieces, append(append(ev, start...), "}\n\n"...))
	for _, t := range texts {
		s.pieces = append(s.pieces, append(quote(deltaOf(index, delta), t), "}}\n\n"...))
	}
}

func deltaOf(index int, typ string) []byte {
	ev := append(make([]byte, 0, 160), "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	ev = append(strconv.AppendInt(ev, int64(index), 10), `,"delta":{"type":`...)
	return append(ev, typ...)
}

func (s *script) stop(index int) {
	ev := append([]byte(nil), "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	s.pieces = append(s.pieces, append(strconv.AppendInt(ev, int64(index), 10), "}\n\n"...))
}
