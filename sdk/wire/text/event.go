package text

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// anthropicEvent takes an event of a streamed message.
func (w *walker) anthropicEvent() {
	if w.r.Kind() != '{' {
		w.other()
		return
	}
	t := w.peek()
	w.at.Index = max(t.index, 0)
	switch string(t.typ) {
	case "content_block_stop":
		w.end(Part{Index: w.at.Index})
	case "message_delta", "message_stop":
		w.end(endAll)
	}
	for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
		at := w.at
		switch {
		case is(w.r.Name(), "delta"), is(w.r.Name(), "content_block"), is(w.r.Name(), "contentblock"):
			w.at.Delta = true
			w.value()
		case is(w.r.Name(), "message"):
			w.top(wire.AnthropicMessages)
		default:
			w.member(classify(w.r.Name()), &t)
		}
		w.at = at
	}
}

// place is where in a response an event belongs.
type place struct {
	typ                    []byte
	output, piece, summary int32
}

func (w *walker) place() (p place) {
	r := w.r
	for ok := r.Kind() == '{' && r.Object() && r.Key(); ok; ok = r.Key() {
		switch name := r.Name(); {
		case is(name, "type"):
			p.typ = r.Text()
		case is(name, "outputindex"):
			p.output = max(number(&r), 0)
		case is(name, "contentindex"):
			p.piece = max(number(&r), 0)
		case is(name, "summaryindex"):
			p.summary = max(number(&r), 0)
		}
	}
	return p
}

// typedEvent takes an event of a response, or of another stream of OpenAI's
// whose events say what they are.
func (w *walker) typedEvent() {
	if w.r.Kind() != '{' {
		w.other()
		return
	}
	p := w.place()
	rest, done := bytes.CutSuffix(p.typ, []byte(".done"))
	w.at.Index = p.output
	w.eventChannel(rest, &p)
	switch {
	case string(p.typ) == "response.output_item.done":
		w.end(Part{Index: p.output})
	case string(p.typ) == "response.content_part.done", string(p.typ) == "response.reasoning_summary_part.done":
		w.endPart(&p)
	case done:
		w.end(w.at)
	case string(p.typ) == "response.completed", string(p.typ) == "response.incomplete", string(p.typ) == "response.failed":
		w.end(endAll)
	}
	for ok := w.r.Object() && w.r.Key(); ok; ok = w.r.Key() {
		at := w.at
		w.eventMember(&p)
		w.at = at
	}
}

// endPart ends all that a part of a message or a summary may be.
func (w *walker) endPart(p *place) {
	for _, k := range [...]Part{{Channel: ChannelAnswer}, {Channel: ChannelAnswer, Track: trackRefusal},
		{Channel: ChannelReasoning}, {Channel: ChannelReasoning, Track: trackContent}} {
		k.Index, k.Piece = p.output, p.piece
		if k.Channel == ChannelReasoning && k.Track == 0 {
			k.Piece = p.summary
		}
		w.end(k)
	}
}

// eventChannel sets whose text an event of the kind rest, without its last
// word, is about.
func (w *walker) eventChannel(rest []byte, p *place) {
	kind := bytes.TrimSuffix(rest, []byte(".delta"))
	w.at.Piece = p.piece
	switch string(kind) {
	case "response.output_text", "response.content_part", "response.content_part.added":
	case "response.refusal":
		w.at.Track = trackRefusal
	case "response.reasoning_summary_text", "response.reasoning_summary_part", "response.reasoning_summary", "response.reasoning_summary_part.added":
		w.at.Channel, w.at.Piece = ChannelReasoning, p.summary
	case "response.reasoning_text", "response.reasoning":
		w.at.Channel, w.at.Track = ChannelReasoning, trackContent
	case "response.function_call_arguments", "response.custom_tool_call_input", "response.mcp_call_arguments", "response.code_interpreter_call_code":
		w.at.Channel, w.at.Piece = ChannelToolArguments, 0
	case "transcript.text":
	default:
		w.at.Track = trackOther
	}
}

// eventMember takes one member of an event.
func (w *walker) eventMember(p *place) {
	name := w.r.Name()
	switch {
	case is(name, "delta"):
		if bytes.HasSuffix(p.typ, []byte("audio.delta")) {
			w.r.Skip()
			return
		}
		w.at.Delta = true
		w.value()
	case is(name, "text"), is(name, "refusal"), is(name, "arguments"), is(name, "input"), is(name, "code"):
		w.value()
	case is(name, "part"):
		w.part()
	case is(name, "item"):
		w.item(p.output)
	case is(name, "response"):
		w.at.Track, w.at.Piece, w.at.Index = 0, 0, 0
		w.top(wire.OpenAIResponses)
	default:
		w.member(classify(name), &traits{})
	}
}

// part takes a part of a message or summary that begins or ends.
func (w *walker) part() {
	t := w.peek()
	if w.at.Channel == ChannelAnswer && string(t.typ) == "reasoning_text" {
		w.at.Channel, w.at.Track = ChannelReasoning, trackContent
	}
	w.value()
}
