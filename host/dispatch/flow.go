package dispatch

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Flowing is an Account that reserves an answer step by step while it streams.
type Flowing interface {
	// Flow reserves the next step of an answer of which the last one is about to
	// be used up, and returns how many tokens are covered in all.
	Flow(c *call.Call) (covered int64)
}

const (
	// flowAhead is how many tokens before its end the next step is asked for.
	flowAhead = 64
	// flowBytes is the usual length of a token, beside what an event has around it.
	flowBytes = 4
)

// flow is how far an answer has come that is reserved step by step.
type flow struct {
	said    int64 // tokens, about
	covered int64
	around  int  // bytes of the shortest event that carries text
	over    bool // nothing more is covered
	last    []byte
}

// runsOut counts an event of the answer. It reports whether it is the last one
// that is covered.
func (s *stream) runsOut(ev event) bool {
	f := &s.flow
	a, ok := s.account.(Flowing)
	if !ok || !carriesText(s.c.Dialect, ev) || s.reasons > 0 { // of what has ended there is no more
		return false
	}
	if f.around == 0 || len(ev.data) < f.around {
		f.around = len(ev.data)
	}
	f.said += max(1, int64(len(ev.data)-f.around)/flowBytes)
	if s.metered { // some report all along, reasoning that they do not show included
		f.said = max(f.said, s.usage.Completion())
	}
	if f.said+flowAhead > f.covered {
		f.covered = a.Flow(s.c)
	}
	if f.over = f.said >= f.covered; f.over {
		f.last = append(f.last[:0], ev.data...)
	}
	return f.over
}

// carriesText reports whether an event has a piece of the answer.
func carriesText(d wire.Dialect, ev event) bool {
	switch d {
	case wire.AnthropicMessages:
		return string(ev.kind()) == "content_block_delta"
	case wire.OpenAIResponses:
		return bytes.HasSuffix(ev.kind(), []byte(".delta"))
	}
	return !ev.idle() && len(ev.data) > 0 && ev.data[0] == '{'
}

// cutShort ends an answer that no budget covers any longer as its dialect ends
// one that has become too long. The upstream is left.
func (s *stream) cutShort(w io.Writer) (n int, err error) {
	held, blocked, err := s.unheld(w)
	switch {
	case err != nil:
		s.left()
		return held, err
	case blocked != nil:
		return held, s.block(w, blocked)
	}
	s.c.Events = max(s.c.Events, s.flow.said)
	e := wire.Errorf(200, "budget_cut", "the answer was ended when the budget was used up")
	e.Class = wire.ClassPolicy
	s.finish(e)
	out := appendCut(nil, s.c, s.flow.last, s.response)
	out = append(out, ": signalbox "...)
	out = append(AppendSummary(out, s.c), "\n\n"...)
	switch s.c.Dialect {
	case wire.OpenAIChat, wire.OpenAICompletions:
		out = append(out, "data: [DONE]\n\n"...)
	case wire.AnthropicMessages:
		out = append(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
	}
	m, err := w.Write(out)
	return held + m, err
}

// piece is what the end of an answer repeats of its last event.
type piece struct {
	ID       json.RawMessage `json:"id"`
	Created  json.RawMessage `json:"created"`
	Model    json.RawMessage `json:"model"`
	Version  json.RawMessage `json:"modelVersion"`
	Index    int             `json:"index"`
	Sequence int64           `json:"sequence_number"`
}

// appendCut appends the events that say why an answer ends, after its event last.
func appendCut(dst []byte, c *call.Call, last []byte, response string) []byte {
	var p piece
	_ = json.Unmarshal(last, &p) // what is not there is left out
	tokens := strconv.AppendInt(nil, c.Usage.Completion(), 10)
	member := func(name string, v json.RawMessage) {
		if len(v) > 0 {
			dst = append(append(append(append(dst, `,"`...), name...), `":`...), v...)
		}
	}
	switch c.Dialect {
	case wire.AnthropicMessages:
		dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
		dst = strconv.AppendInt(dst, int64(p.Index), 10)
		dst = append(dst, "}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":"...)
		return append(append(dst, tokens...), "}}\n\n"...)
	case wire.OpenAIResponses:
		dst = append(dst, "event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"sequence_number\":"...)
		dst = strconv.AppendInt(dst, p.Sequence+1, 10)
		dst = append(dst, `,"response":{"id":"`...)
		dst = append(append(dst, quoted(response)...), `","object":"response","status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"},"output":[]`...)
		dst = append(dst, `,"usage":{"input_tokens":`...)
		dst = strconv.AppendInt(dst, c.Usage.Prompt(), 10)
		dst = append(append(dst, `,"output_tokens":`...), tokens...)
		dst = append(dst, `,"total_tokens":`...)
		return append(strconv.AppendInt(dst, c.Usage.Total(), 10), "}}}\n\n"...)
	case wire.GeminiGenerate:
		dst = append(dst, `data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"MAX_TOKENS","index":0}]`...)
		member("modelVersion", p.Version)
		return append(dst, "}\n\n"...)
	}
	kind, choice := "chat.completion.chunk", `[{"index":0,"delta":{},"finish_reason":"length"}]`
	if c.Dialect == wire.OpenAICompletions {
		kind, choice = "text_completion", `[{"index":0,"text":"","logprobs":null,"finish_reason":"length"}]`
	}
	chunk := func(choices string) {
		dst = append(append(append(dst, `data: {"object":"`...), kind...), '"')
		member("id", p.ID)
		member("created", p.Created)
		member("model", p.Model)
		member("choices", json.RawMessage(choices))
	}
	chunk(choice)
	dst = append(dst, "}\n\n"...)
	if c.Facts.IncludeUsage {
		chunk("[]")
		dst = append(dst, `,"usage":{"prompt_tokens":`...)
		dst = strconv.AppendInt(dst, c.Usage.Prompt(), 10)
		dst = append(append(dst, `,"completion_tokens":`...), tokens...)
		dst = append(dst, `,"total_tokens":`...)
		dst = append(strconv.AppendInt(dst, c.Usage.Total(), 10), "}}\n\n"...)
	}
	return dst
}
