package wire

import (
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// bedrockEvents reads the events of ConverseStream. Their names are those of
// the event stream's messages; an exception is an event of its name.
type bedrockEvents struct {
	open   []openBlock
	calls  int  // tool calls begun
	format bool // the answer comes as a call of formatTool
}

// bedrockEvent is what one event holds.
type bedrockEvent struct {
	index      int64
	call       part // contentBlockStart
	text       raw
	thought    raw
	signature  raw
	redacted   raw
	input      raw
	stopReason []byte
}

func (e *bedrockEvents) read(name string, data []byte, out []delta, u *Usage) ([]delta, bool, *Error) {
	if name == "error" || strings.HasSuffix(name, "Exception") {
		return out, false, bedrockException(name, data)
	}
	if len(data) == 0 {
		return out, false, nil
	}
	var ev bedrockEvent
	known, ok := ev.gather(data, u)
	if !ok {
		return out, known, badAnswer("stream has an event that is not JSON")
	}
	switch name {
	case "messageStart":
		out = append(out, delta{kind: deltaStart})
	case "contentBlockStart":
		out = e.start(&ev, out)
	case "contentBlockDelta":
		out = e.change(&ev, out)
	case "contentBlockStop":
		out = e.stop(&ev, out)
	case "messageStop":
		stop := stopOfBedrock(ev.stopReason)
		if stop == stopTool && e.format && e.calls == 0 {
			stop = stopEnd
		}
		if stop != noStop {
			out = append(out, delta{kind: deltaStop, stop: stop})
		}
	case "metadata":
		out = append(out, delta{kind: deltaEnd})
	}
	if len(e.open) > maxCalls {
		return out, known, badAnswer("stream has too many content blocks that do not end")
	}
	return out, known, nil
}

// gather reads an event; ok is false when it is not JSON.
func (ev *bedrockEvent) gather(data []byte, u *Usage) (known, ok bool) {
	r := lex.New(data)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "contentBlockIndex":
			ev.index, _ = r.Int()
		case "start":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				if string(r.Name()) == "toolUse" {
					ev.call = bedrockCallStart(&r)
				}
			}
		case "delta":
			ev.delta(&r)
		case "stopReason":
			ev.stopReason = r.Text()
		case "usage":
			known = bedrockUsage(&r, u) || known
		}
	}
	return known, r.Done()
}

func bedrockCallStart(r *lex.Reader) part {
	p := part{kind: toolCallPart}
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "toolUseId":
			p.id, _ = r.Raw()
		case "name":
			p.name, _ = r.Raw()
		}
	}
	return p
}

func (ev *bedrockEvent) delta(r *lex.Reader) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "text":
			ev.text, _ = r.Raw()
		case "toolUse":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				if string(r.Name()) == "input" {
					ev.input, _ = r.Raw()
				}
			}
		case "reasoningContent":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "text":
					ev.thought, _ = r.Raw()
				case "signature":
					ev.signature, _ = r.Raw()
				case "redactedContent":
					ev.redacted, _ = r.Raw()
				}
			}
		}
	}
}

func (e *bedrockEvents) start(ev *bedrockEvent, out []delta) []delta {
	if ev.call.kind != toolCallPart {
		return out
	}
	b := openBlock{index: ev.index, kind: toolCallPart}
	if string(ev.call.name) == formatTool {
		e.format, b.kind = true, textPart
	} else {
		b.call = e.calls
		e.calls++
		out = append(out, delta{kind: deltaTool, tool: b.call, id: ev.call.id, name: ev.call.name})
	}
	e.open = append(e.open, b)
	return out
}

func (e *bedrockEvents) change(ev *bedrockEvent, out []delta) []delta {
	out = appendText(out, deltaText, ev.text)
	out = appendText(out, deltaThinking, ev.thought)
	if len(ev.signature) > 0 {
		out = append(out, delta{kind: deltaSeal, seal: seal{format: sealAnthropic, value: ev.signature}})
	}
	if len(ev.redacted) > 0 {
		out = append(out, delta{kind: deltaSealed, seal: seal{format: sealAnthropic, value: ev.redacted}})
	}
	if len(ev.input) == 0 {
		return out
	}
	for _, b := range e.open {
		if b.index == ev.index && b.kind == textPart {
			return append(out, delta{kind: deltaText, text: ev.input})
		} else if b.index == ev.index {
			return append(out, delta{kind: deltaToolArgs, tool: b.call, text: ev.input})
		}
	}
	return out
}

func (e *bedrockEvents) stop(ev *bedrockEvent, out []delta) []delta {
	for i, b := range e.open {
		if b.index != ev.index {
			continue
		}
		e.open = append(e.open[:i], e.open[i+1:]...)
		if b.kind == toolCallPart {
			out = append(out, delta{kind: deltaToolEnd, tool: b.call})
		}
		break
	}
	return out
}

// bedrockClasses are those of the exceptions, with or without a capital.
var bedrockClasses = map[string]Class{
	"throttlingexception": ClassRateLimit, "serviceunavailableexception": ClassOverloaded, "modelnotreadyexception": ClassOverloaded,
	"modeltimeoutexception": ClassTimeout, "accessdeniedexception": ClassAuth, "resourcenotfoundexception": ClassModelNotFound,
	"servicequotaexceededexception": ClassQuota, "validationexception": ClassInvalid,
}

// bedrockException is the error that came within a stream.
func bedrockException(name string, data []byte) *Error {
	b, _ := ReadError(data)
	if name == "error" {
		name = or(b.Type, "error")
	}
	class, ok := bedrockClasses[strings.ToLower(name)]
	if said := b.Class(200); !ok || class == ClassInvalid && said != ClassServer {
		class = said
	}
	return &Error{Status: statusOfClass[class], Class: class, Code: name, Message: or(b.Message, "the upstream broke the answer off")}
}
