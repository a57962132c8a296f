package wire

// anthropicBlocks writes a stream as the events of a message: blocks one after
// another, each begun and ended.
type anthropicBlocks struct {
	stamp  *stamp
	begun  bool
	blocks int  // begun so far
	open   kind // of the block that is open, noPart: none
	stop   stopReason
	format []byte // of the thinking that is open: what its seal will say
	id     []byte
	plain  bool // it has no format
	calls  callQueue
}

// anthropicWrites writes one delta each, in the order of deltaKind.
var anthropicWrites = [...]func(*anthropicBlocks, []byte, *delta, *Usage) []byte{
	deltaStart:    (*anthropicBlocks).start,
	deltaText:     (*anthropicBlocks).text,
	deltaRefusal:  (*anthropicBlocks).text,
	deltaThinking: (*anthropicBlocks).thinking,
	deltaSeal:     (*anthropicBlocks).seal,
	deltaSealed:   (*anthropicBlocks).sealed,
	deltaTool:     (*anthropicBlocks).tool,
	deltaToolArgs: (*anthropicBlocks).toolArgs,
	deltaToolEnd:  (*anthropicBlocks).toolEnd,
	deltaStop:     (*anthropicBlocks).stopped,
	deltaEnd:      (*anthropicBlocks).end,
}

func (w *anthropicBlocks) write(dst []byte, d *delta, u *Usage) ([]byte, *Error) {
	switch {
	case !w.begun && d.kind != deltaStart:
		return dst, badAnswer("stream ended before it began")
	case d.kind == deltaEnd && w.stop == noStop:
		return dst, badAnswer("stream ended without a reason to stop: the answer is incomplete")
	case d.kind == deltaTool && !w.calls.room(d):
		return dst, badAnswer("stream has too many tool calls that wait for another's end")
	case d.kind == deltaToolArgs && !w.calls.takes(w.open == toolCallPart, d):
		return dst, badAnswer("stream has arguments of a tool call that has ended, or too many that wait for another's end")
	}
	return anthropicWrites[d.kind](w, dst, d, u), nil
}

func (w *anthropicBlocks) start(dst []byte, d *delta, u *Usage) []byte {
	w.begun = true
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	dst = appendAnthropicHead(dst, d.id, w.stamp)
	dst = append(dst, `,"content":[],"stop_reason":null,"stop_sequence":null,"usage":`...)
	dst = appendAnthropicUsage(dst, u)
	return append(dst, "}}\n\n"...)
}

// begin ends the open block and opens the next, whose content_block begins as given.
func (w *anthropicBlocks) begin(dst []byte, k kind, block string) []byte {
	dst = w.finish(dst)
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	dst = appendInt(dst, int64(w.blocks))
	dst = append(dst, `,"content_block":`...)
	w.blocks++
	w.open = k
	return append(dst, block...)
}

// ensure opens a block of kind k unless one is open.
func (w *anthropicBlocks) ensure(dst []byte, k kind, block string) []byte {
	if w.open == k {
		return dst
	}
	return append(w.begin(dst, k, block), "}\n\n"...)
}

// finish ends the block that is open, if any.
func (w *anthropicBlocks) finish(dst []byte) []byte {
	switch w.open {
	case noPart:
		return dst
	case thinkingPart: // it had no seal of its own: say where it came from
		s := seal{id: w.id}
		if !w.plain {
			s.format = w.format
		}
		dst = w.signature(dst, s)
	}
	w.open = noPart
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	dst = appendInt(dst, int64(w.blocks-1))
	return append(dst, "}\n\n"...)
}

// change appends a content_block_delta up to the text of its member.
func (w *anthropicBlocks) change(dst []byte, member string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = appendInt(dst, int64(w.blocks-1))
	dst = append(dst, `,"delta":{"type":`...)
	return append(dst, member...)
}

const changeEnd = "\"}}\n\n"

func (w *anthropicBlocks) text(dst []byte, d *delta, _ *Usage) []byte {
	if w.open == toolCallPart {
		dst = w.flush(dst)
	}
	dst = w.ensure(dst, textPart, `{"type":"text","text":""}`)
	dst = w.change(dst, `"text_delta","text":"`)
	return append(append(dst, d.text...), changeEnd...)
}

func (w *anthropicBlocks) thinking(dst []byte, d *delta, _ *Usage) []byte {
	dst = w.ensureThinking(dst, d.seal)
	dst = w.change(dst, `"thinking_delta","thinking":"`)
	return append(append(dst, d.text...), changeEnd...)
}

func (w *anthropicBlocks) ensureThinking(dst []byte, s seal) []byte {
	if w.open == thinkingPart {
		return dst
	}
	dst = w.flush(dst)
	dst = w.ensure(dst, thinkingPart, `{"type":"thinking","thinking":"","signature":""}`)
	w.plain = s.format == nil
	w.format, w.id = append(w.format[:0], s.format...), append(w.id[:0], s.id...)
	return dst
}

func (w *anthropicBlocks) signature(dst []byte, s seal) []byte {
	dst = w.change(dst, `"signature_delta","signature":"`)
	return append(appendSeal(dst, s), changeEnd...)
}

func (w *anthropicBlocks) seal(dst []byte, d *delta, _ *Usage) []byte {
	dst = w.ensureThinking(dst, d.seal)
	dst = w.signature(dst, d.seal)
	w.open = textPart // sealed: finish has no more to say
	dst = w.finish(dst)
	return dst
}

func (w *anthropicBlocks) sealed(dst []byte, d *delta, _ *Usage) []byte {
	dst = w.begin(w.flush(dst), sealedPart, `{"type":"redacted_thinking","data":"`)
	dst = append(appendSeal(dst, d.seal), changeEnd...)
	return w.finish(dst)
}

func (w *anthropicBlocks) stopped(dst []byte, d *delta, _ *Usage) []byte {
	w.stop = d.stop
	return w.flush(dst)
}

func (w *anthropicBlocks) end(dst []byte, _ *delta, u *Usage) []byte {
	dst = w.flush(dst)
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\""...)
	dst = append(dst, anthropicStop[w.stop]...)
	dst = append(dst, `","stop_sequence":null},"usage":`...)
	dst = appendAnthropicUsage(dst, u)
	return append(dst, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}
