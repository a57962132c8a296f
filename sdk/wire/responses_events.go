package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// responsesEvents reads the events of a streamed response.
type responsesEvents struct {
	started bool
	calls   int // begun
	open    []openOutput
	event   responsesEvent // at hand
}

// openOutput is an item that is being streamed.
type openOutput struct {
	index int64
	call  int  // number of the tool call, -1: none
	told  bool // something of it has come in pieces
}

// responsesEvent is what one event holds; it is gathered first, since members
// come in any order.
type responsesEvent struct {
	typ      []byte
	itemID   raw
	output   int64 // index of the item
	summary  int64 // index of the summary's part
	delta    raw
	logprobs []byte
	item     responsesItem
	head     responseHead
}

// responsesSteps has the events that matter; the others repeat what has come,
// or tell of tools that the upstream runs itself.
var responsesSteps = map[string]func(*responsesEvents, *responsesEvent, []delta) []delta{
	"response.output_item.added":             (*responsesEvents).itemAdded,
	"response.output_item.done":              (*responsesEvents).itemDone,
	"response.output_text.delta":             (*responsesEvents).text,
	"response.refusal.delta":                 (*responsesEvents).refusal,
	"response.reasoning_summary_part.added":  (*responsesEvents).summaryPart,
	"response.reasoning_summary_text.delta":  (*responsesEvents).summary,
	"response.reasoning_text.delta":          (*responsesEvents).thought,
	"response.function_call_arguments.delta": (*responsesEvents).arguments,
	"response.completed":                     (*responsesEvents).end,
	"response.incomplete":                    (*responsesEvents).end,
}

func (e *responsesEvents) read(name string, data []byte, out []delta, u *Usage) ([]delta, bool, *Error) {
	if len(data) == 0 || string(data) == "[DONE]" { // some services end as they do in chat
		return out, false, nil
	}
	ev := &e.event
	*ev = responsesEvent{}
	known, ok := ev.gather(data, u)
	if ev.typ == nil {
		ev.typ = []byte(name)
	}
	switch {
	case name == "error" || string(ev.typ) == "error":
		return out, known, streamError(data)
	case !ok:
		return out, known, badAnswer("stream has an event that is not JSON")
	case string(ev.typ) == "response.failed" || string(ev.typ) == "response.cancelled":
		ev.head.status = []byte("failed")
		return out, known, ev.head.failure()
	}
	if !e.started && (ev.head.id != nil || ev.typ != nil) {
		e.started = true
		out = append(out, delta{kind: deltaStart, id: ev.head.id})
	}
	if step := responsesSteps[string(ev.typ)]; step != nil {
		out = step(e, ev, out)
	}
	if e.calls >= maxCalls || len(e.open) > maxCalls {
		return out, known, badAnswer("answer has too many tool calls, or items that do not end")
	}
	return out, known, nil
}

// gather reads an event; ok is false when it is not JSON.
func (ev *responsesEvent) gather(data []byte, u *Usage) (known, ok bool) {
	r := lex.New(data)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type":
			ev.typ = r.Text()
		case "item_id":
			ev.itemID, _ = r.Raw()
		case "output_index":
			ev.output, _ = r.Int()
		case "summary_index":
			ev.summary, _ = r.Int()
		case "delta":
			ev.delta, _ = r.Raw()
		case "logprobs":
			ev.logprobs = readLogprobs(&r)
		case "item":
			ev.item = readOutputItem(&r)
		case "response":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				if string(r.Name()) == "usage" {
					known = openAIUsage(&r, u) || known
				} else {
					ev.head.member(&r)
				}
			}
		}
	}
	return known, r.Done()
}

// told finds the open item at index and notes that something of it has come.
func (e *responsesEvents) told(index int64) *openOutput {
	for i := range e.open {
		if e.open[i].index == index {
			e.open[i].told = true
			return &e.open[i]
		}
	}
	return nil
}

func (e *responsesEvents) itemAdded(ev *responsesEvent, out []delta) []delta {
	o := openOutput{index: ev.output, call: -1}
	if it := &ev.item; it.typ == "function_call" {
		o.call = e.calls
		e.calls++
		id := it.callID
		if len(id) == 0 {
			id = it.id
		}
		out = append(out, delta{kind: deltaTool, tool: o.call, id: id, name: it.name})
	}
	e.open = append(e.open, o)
	return out
}

// itemDone ends an item; what has not come in pieces comes with it as a whole.
func (e *responsesEvents) itemDone(ev *responsesEvent, out []delta) []delta {
	it := &ev.item
	o := openOutput{index: ev.output, call: -1}
	for i := range e.open {
		if e.open[i].index == ev.output {
			o = e.open[i]
			e.open = append(e.open[:i], e.open[i+1:]...)
			break
		}
	}
	switch {
	case it.typ == "function_call" && o.call >= 0:
		if !o.told && it.arguments != nil {
			out = append(out, delta{kind: deltaToolArgs, tool: o.call, text: lex.AppendEscaped(nil, it.arguments)})
		}
		out = append(out, delta{kind: deltaToolEnd, tool: o.call})
	case it.typ == "reasoning":
		out = reasoningDone(it, o.told, out)
	case it.typ == "message" && !o.told:
		for _, p := range it.content {
			kind := deltaText
			if p.kind == refusalPart {
				kind = deltaRefusal
			}
			if len(p.text) > 0 {
				out = append(out, delta{kind: kind, text: p.text, logprobs: p.logprobs})
			}
		}
	}
	return out
}

func reasoningDone(it *responsesItem, told bool, out []delta) []delta {
	p := it.reasoning()
	switch {
	case p.kind == sealedPart && !told:
		return append(out, delta{kind: deltaSealed, seal: p.seal})
	case p.kind == thinkingPart && !told:
		out = append(out, delta{kind: deltaThinking, text: p.text, seal: seal{format: p.seal.format, id: p.seal.id}})
	}
	if len(p.seal.value) > 0 {
		out = append(out, delta{kind: deltaSeal, seal: p.seal})
	}
	return out
}

func (e *responsesEvents) text(ev *responsesEvent, out []delta) []delta {
	e.told(ev.output)
	if len(ev.delta) == 0 {
		return out
	}
	return append(out, delta{kind: deltaText, text: ev.delta, logprobs: ev.logprobs})
}

func (e *responsesEvents) refusal(ev *responsesEvent, out []delta) []delta {
	e.told(ev.output)
	if len(ev.delta) == 0 {
		return out
	}
	return append(out, delta{kind: deltaRefusal, text: ev.delta})
}

// summaryPart parts a summary's parts by an empty line.
func (e *responsesEvents) summaryPart(ev *responsesEvent, out []delta) []delta {
	if ev.summary == 0 {
		return out
	}
	return append(out, delta{kind: deltaThinking, text: raw(`\n\n`), seal: seal{format: sealResponses, id: ev.itemID}})
}

func (e *responsesEvents) summary(ev *responsesEvent, out []delta) []delta {
	e.told(ev.output)
	if len(ev.delta) == 0 {
		return out
	}
	return append(out, delta{kind: deltaThinking, text: ev.delta, seal: seal{format: sealResponses, id: ev.itemID}})
}

// thought is what an open model thinks, in its own words.
func (e *responsesEvents) thought(ev *responsesEvent, out []delta) []delta {
	e.told(ev.output)
	if len(ev.delta) == 0 {
		return out
	}
	return append(out, delta{kind: deltaThinking, text: ev.delta})
}

func (e *responsesEvents) arguments(ev *responsesEvent, out []delta) []delta {
	if o := e.told(ev.output); o != nil && o.call >= 0 && len(ev.delta) > 0 {
		out = append(out, delta{kind: deltaToolArgs, tool: o.call, text: ev.delta})
	}
	return out
}

func (e *responsesEvents) end(ev *responsesEvent, out []delta) []delta {
	if string(ev.typ) == "response.incomplete" {
		ev.head.status = []byte("incomplete")
	}
	return append(out, delta{kind: deltaStop, stop: ev.head.stop(e.calls > 0)}, delta{kind: deltaEnd})
}
