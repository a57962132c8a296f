package wire

import "bytes"

// callQueue keeps the tool calls of a stream apart: upstreams may mix the
// arguments of parallel calls, while blocks follow one another. What belongs to
// another call than the open one waits until that has ended.
type callQueue struct {
	call    int // number of the call that is open
	json    jsonEnd
	waiting []waitingCall
	bytes   int // that wait, names and all
}

type waitingCall struct {
	call     int
	id, name []byte
	args     []byte
	ended    bool
}

// maxWaiting bounds the bytes that wait; at most maxCalls calls do.
const maxWaiting = 8 << 20

// room reports whether the call in d can wait.
func (c *callQueue) room(d *delta) bool {
	return len(c.waiting) < maxCalls && c.bytes+len(d.id)+len(d.name) <= maxWaiting
}

// takes reports whether the arguments in d have a place.
func (c *callQueue) takes(open bool, d *delta) bool {
	if open && c.call == d.tool {
		return true
	}
	if c.find(d.tool) != nil {
		return c.bytes+len(d.text) <= maxWaiting
	}
	return blank(d.text) // after its end
}

// find looks at the latest first: it is most often the one that is asked for.
func (c *callQueue) find(call int) *waitingCall {
	for i := len(c.waiting) - 1; i >= 0; i-- {
		if c.waiting[i].call == call {
			return &c.waiting[i]
		}
	}
	return nil
}

func (w *anthropicBlocks) tool(dst []byte, d *delta, _ *Usage) []byte {
	if c := &w.calls; w.open == toolCallPart && !c.json.ended {
		c.waiting = append(c.waiting, waitingCall{call: d.tool, id: bytes.Clone(d.id), name: bytes.Clone(d.name)})
		c.bytes += len(d.id) + len(d.name)
		return dst
	}
	return w.beginCall(dst, d.tool, d.id, d.name)
}

func (w *anthropicBlocks) beginCall(dst []byte, call int, id, name raw) []byte {
	w.calls.call, w.calls.json = call, jsonEnd{}
	dst = w.begin(dst, toolCallPart, `{"type":"tool_use"`)
	dst = appendRawMember(dst, "id", id)
	dst = appendRawMember(dst, "name", name)
	return append(dst, ",\"input\":{}}}\n\n"...)
}

func (w *anthropicBlocks) toolArgs(dst []byte, d *delta, _ *Usage) []byte {
	c := &w.calls
	if w.open == toolCallPart && c.call == d.tool {
		dst = w.args(dst, d.text)
		return w.advance(dst)
	}
	if q := c.find(d.tool); q != nil {
		q.args = append(q.args, d.text...)
		c.bytes += len(d.text)
	}
	return dst
}

func (w *anthropicBlocks) args(dst []byte, text raw) []byte {
	w.calls.json.read(text)
	dst = w.change(dst, `"input_json_delta","partial_json":"`)
	return append(append(dst, text...), changeEnd...)
}

func (w *anthropicBlocks) toolEnd(dst []byte, d *delta, _ *Usage) []byte {
	if q := w.calls.find(d.tool); q != nil {
		q.ended = true
		return dst
	}
	if w.open != toolCallPart || w.calls.call != d.tool {
		return dst
	}
	return w.advance(w.finish(dst))
}

// advance opens the next call that waits if the open one has ended.
func (w *anthropicBlocks) advance(dst []byte) []byte {
	c := &w.calls
	for len(c.waiting) > 0 && (w.open != toolCallPart || c.json.ended) {
		next := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.bytes -= len(next.args) + len(next.id) + len(next.name)
		dst = w.beginCall(dst, next.call, next.id, next.name)
		if len(next.args) > 0 {
			dst = w.args(dst, next.args)
		}
		if next.ended {
			dst = w.finish(dst)
		}
	}
	return dst
}

// flush ends whatever is open, and what waits with it.
func (w *anthropicBlocks) flush(dst []byte) []byte {
	dst = w.finish(dst)
	for len(w.calls.waiting) > 0 {
		dst = w.finish(w.advance(dst))
	}
	return dst
}

// jsonEnd finds the end of an object that comes in pieces, each the characters
// of a JSON text within a JSON string.
type jsonEnd struct {
	depth         int
	quoted, after bool // within a string; after a backslash in it
	ended         bool
}

func (j *jsonEnd) read(text raw) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			i++
			switch c = text[i]; c {
			case '"', '\\', '/':
			case 'u':
				c = 'x'
				if i+4 < len(text) {
					if c = unescaped(text[i+1 : i+5]); c == 0 {
						c = 'x'
					}
					i += 4
				}
			default:
				c = ' '
			}
		}
		j.char(c)
	}
}

// unescaped is the ASCII character of four hexadecimal digits, 0 for others.
func unescaped(hex raw) byte {
	var n int
	for _, c := range hex {
		n <<= 4
		switch {
		case c >= '0' && c <= '9':
			n += int(c - '0')
		default:
			n += int(c|0x20-'a') + 10
		}
	}
	if n >= 0x80 {
		return 0
	}
	return byte(n)
}

func (j *jsonEnd) char(c byte) {
	switch {
	case j.after:
		j.after = false
	case j.quoted:
		j.after = c == '\\'
		j.quoted = c != '"'
	case c == '"':
		j.quoted = true
	case c == '{', c == '[':
		j.depth++
	case c == '}', c == ']':
		j.depth--
		j.ended = j.depth == 0
	}
}
