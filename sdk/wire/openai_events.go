package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// openAIEvents reads the chunks of a streamed chat completion.
type openAIEvents struct {
	started bool
	choices []openChoice
	deltas  []delta // of the chunk at hand
}

// openChoice is a candidate that is being streamed.
type openChoice struct {
	calls   []openCall
	tools   []delta // of the chunk at hand
	details []delta
}

// openCall is a tool call that is being streamed.
type openCall struct {
	index int64
	id    []byte
	named bool
}

// maxCalls bounds the tool calls of one answer.
const maxCalls = 1024

// chunk is what one event holds; it is gathered first, since members come in
// any order.
type chunk struct {
	id             raw
	failed, choice bool
	err            *Error
	ids            callIDs
}

// piece is what one event holds of a candidate.
type piece struct {
	text, refusal, plain, finish raw
	logprobs                     []byte
}

func (e *openAIEvents) read(event string, data []byte, out []delta, u *Usage) ([]delta, bool, *Error) {
	if string(data) == "[DONE]" {
		return append(out, delta{kind: deltaEnd}), false, nil
	}
	if len(data) == 0 {
		return out, false, nil
	}
	e.deltas = e.deltas[:0]
	c := chunk{failed: event == "error", ids: callIDs{from: data}}
	known := e.chunk(&c, data, u)
	if c.failed {
		return out, known, streamError(data)
	}
	if c.err != nil {
		return out, known, c.err
	}
	if !e.started && c.choice { // services may send notes of their own before
		e.started = true
		out = append(out, delta{kind: deltaStart, id: c.id})
	}
	return append(out, e.deltas...), known, nil
}

// chunk gathers what data holds and reports whether usage was in it.
func (e *openAIEvents) chunk(c *chunk, data []byte, u *Usage) (known bool) {
	r := lex.New(data)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "id":
			c.id, _ = r.Raw()
		case "choices":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				known = e.choice(&r, c, u) || known
			}
		case "usage":
			known = openAIUsage(&r, u) || known
		case "x_groq":
			known = usageWithin(OpenAIChat, &r, u) || known
		case "error":
			c.failed = c.failed || r.Kind() != 'n'
		}
	}
	if !r.Done() && c.err == nil {
		c.err = badAnswer("stream has an event that is not JSON")
	}
	return known
}

// choice takes a candidate's piece. Its index, which says whose it is, may
// come last, or be left out where there is one.
func (e *openAIEvents) choice(r *lex.Reader, c *chunk, u *Usage) (known bool) {
	c.choice = true
	var p piece
	var o *openChoice
	var late []byte
	index := 0
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "index":
			if n, ok := r.Int(); ok && n >= 0 && n < maxChoices {
				index = int(n)
			}
			o = e.open(index)
		case "delta":
			if o == nil {
				late = r.Skip()
				continue
			}
			o.delta(r, &p, c)
		case "finish_reason":
			p.finish = r.Text()
		case "logprobs":
			p.logprobs = openAILogprobs(r)
		case "usage":
			known = openAIUsage(r, u) || known
		}
	}
	if o == nil {
		o = e.open(index)
	}
	if late != nil {
		inner := lex.New(late)
		o.delta(&inner, &p, c)
	}
	from := len(e.deltas)
	e.deltas = o.appendDeltas(e.deltas, &p)
	for i := from; i < len(e.deltas); i++ {
		e.deltas[i].choice = index
	}
	return known
}

// open turns to a candidate.
func (e *openAIEvents) open(index int) *openChoice {
	for len(e.choices) <= index {
		e.choices = append(e.choices, openChoice{})
	}
	o := &e.choices[index]
	o.tools, o.details = o.tools[:0], o.details[:0]
	return o
}

func (o *openChoice) appendDeltas(out []delta, p *piece) []delta {
	if len(o.details) > 0 {
		out = append(out, o.details...)
	} else if len(p.plain) > 0 {
		out = append(out, delta{kind: deltaThinking, text: p.plain})
	}
	if len(p.text) > 0 {
		out = append(out, delta{kind: deltaText, text: p.text, logprobs: p.logprobs})
	}
	if len(p.refusal) > 0 {
		out = append(out, delta{kind: deltaRefusal, text: p.refusal})
	}
	out = append(out, o.tools...)
	if len(p.finish) > 0 {
		stop := stopOfFinish(p.finish)
		if stop == stopEnd && len(o.calls) > 0 { // some services say "stop"
			stop = stopTool
		}
		out = append(out, delta{kind: deltaStop, stop: stop})
	}
	return out
}

func (o *openChoice) delta(r *lex.Reader, p *piece, c *chunk) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "content":
			p.text, _ = r.Raw()
		case "refusal":
			p.refusal, _ = r.Raw()
		case "reasoning_content", "reasoning":
			if s, ok := r.Raw(); ok {
				p.plain = s
			}
		case "reasoning_details":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				o.detail(readDetail(r))
			}
		case "tool_calls":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				o.call(r, c)
			}
		}
	}
}

func (o *openChoice) detail(d detail) {
	if d.kind == sealedPart {
		o.details = append(o.details, delta{kind: deltaSealed, seal: d.seal})
		return
	}
	if len(d.text) > 0 {
		o.details = append(o.details, delta{kind: deltaThinking, text: d.text, seal: seal{format: d.seal.format, id: d.seal.id}})
	}
	if d.seal.value != nil {
		o.details = append(o.details, delta{kind: deltaSeal, seal: d.seal})
	}
}

// call takes a piece of a tool call.
func (o *openChoice) call(r *lex.Reader, c *chunk) {
	index := int64(-1)
	var id, name, arguments raw
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "index":
			if n, ok := r.Int(); ok {
				index = n
			}
		case "id":
			id, _ = r.Raw()
		case "function":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				switch string(r.Name()) {
				case "name":
					name, _ = r.Raw()
				case "arguments":
					if r.Kind() == '{' { // some services forget to write it as a string
						arguments = lex.AppendEscaped(nil, r.Skip())
					} else {
						arguments, _ = r.Raw()
					}
				}
			}
		}
	}
	n := o.find(index, id)
	if n >= maxCalls {
		c.err = badAnswer("answer has too many tool calls")
		return
	}
	open := &o.calls[n]
	if len(id) > 0 && open.id == nil {
		open.id = append([]byte(nil), id...)
	}
	if len(name) > 0 && !open.named {
		open.named = true
		if open.id == nil {
			open.id = c.ids.id(n)
		}
		o.tools = append(o.tools, delta{kind: deltaTool, tool: n, id: open.id, name: name})
	}
	if len(arguments) > 0 {
		if !open.named {
			c.err = badAnswer("stream has the arguments of a tool call before its name")
			return
		}
		o.tools = append(o.tools, delta{kind: deltaToolArgs, tool: n, text: arguments})
	}
}

// find returns the number of the call that a piece belongs to, a new one if it
// is the first. A piece without an index begins a call if it has an id, else
// it goes on with the last.
func (o *openChoice) find(index int64, id raw) int {
	last := len(o.calls) - 1
	if index < 0 && last >= 0 && (len(id) == 0 || string(o.calls[last].id) == string(id)) {
		return last
	}
	for i := last; index >= 0 && i >= 0; i-- {
		if o.calls[i].index == index {
			return i
		}
	}
	if len(o.calls) < maxCalls {
		o.calls = append(o.calls, openCall{index: index})
		return last + 1
	}
	return maxCalls
}

// streamError is the error that an upstream sent within a stream.
func streamError(data []byte) *Error {
	b, _ := ReadError(data)
	class := b.Class(200)
	e := &Error{Status: statusOfClass[class], Class: class, Code: b.Code, Message: or(b.Message, "the upstream broke the answer off"), Param: b.Param}
	if e.Code == "" {
		e.Code = b.Type
	}
	return e
}

// statusOfClass is the status that an error within a stream would have had.
var statusOfClass = [NumClasses]int{
	ClassInvalid: 400, ClassAuth: 401, ClassRateLimit: 429, ClassQuota: 402, ClassOverloaded: 529, ClassServer: 500,
	ClassTimeout: 504, ClassNetwork: 502, ClassContextLength: 400, ClassModelNotFound: 404, ClassContentFilter: 400, ClassPolicy: 403,
}
