package wire

// responsesStream writes a stream as the events of a response. Items are
// announced when they begin and repeated as a whole when they end; tool calls
// may be open side by side.
type responsesStream struct {
	stamp *stamp
	items answerItems
	seq   int64
	list  []streamItem
	open  int        // number of the message or reasoning that is open, plus one
	calls []openItem // that are open, in the order of list
	stop  stopReason
}

// openItem is a tool call that is open: its number and that of its item.
type openItem struct{ tool, n int }

// streamItem is one item of the answer.
type streamItem struct {
	kind     kind // textPart: a message
	id       []byte
	done     []byte // the whole item, nil while it is open
	text     []byte // of the part at hand, or the arguments
	part     kind   // of the part at hand
	parts    int    // parts begun
	finished []byte // the parts before it
	logprobs []byte // the elements of an array
	call     raw    // id of a tool call
	name     raw
	seal     seal
	json     jsonEnd
}

// responsesWrites writes one delta each, in the order of deltaKind.
var responsesWrites = [...]func(*responsesStream, []byte, *delta, *Usage) []byte{
	deltaStart:    (*responsesStream).start,
	deltaText:     (*responsesStream).text,
	deltaRefusal:  (*responsesStream).text,
	deltaThinking: (*responsesStream).thinking,
	deltaSeal:     (*responsesStream).sealing,
	deltaSealed:   (*responsesStream).sealed,
	deltaTool:     (*responsesStream).tool,
	deltaToolArgs: (*responsesStream).toolArgs,
	deltaToolEnd:  (*responsesStream).toolEnd,
	deltaStop:     (*responsesStream).stopped,
	deltaEnd:      (*responsesStream).end,
}

func (w *responsesStream) write(dst []byte, d *delta, u *Usage) ([]byte, *Error) {
	switch {
	case w.items.id == nil && d.kind != deltaStart:
		return dst, badAnswer("stream does not begin with its first event")
	case w.items.id != nil && d.kind == deltaStart:
		return dst, badAnswer("stream begins twice")
	case d.kind == deltaEnd && w.stop == noStop:
		return dst, badAnswer("stream ended without a reason to stop: the answer is incomplete")
	case d.kind == deltaToolArgs && w.callOf(d.tool) < 0 && !blank(d.text):
		return dst, badAnswer("stream has arguments of a tool call that is not open")
	case d.kind == deltaTool && len(w.calls) >= maxCalls:
		return dst, badAnswer("stream has too many tool calls that do not end")
	}
	return responsesWrites[d.kind](w, dst, d, u), nil
}

// event begins an event: its name and the members that all have.
func (w *responsesStream) event(dst []byte, name string) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, name...)
	dst = append(dst, `","sequence_number":`...)
	dst = appendInt(dst, w.seq)
	w.seq++
	return dst
}

const eventEnd = "}\n\n"

// of begins an event of item n.
func (w *responsesStream) of(dst []byte, name string, n int) []byte {
	dst = w.event(dst, name)
	dst = append(dst, `,"item_id":"`...)
	dst = append(dst, w.list[n].id...)
	dst = append(dst, `","output_index":`...)
	return appendInt(dst, int64(n))
}

// within begins an event of the part at hand of message n.
func (w *responsesStream) within(dst []byte, name string, n int) []byte {
	dst = append(w.of(dst, name, n), `,"content_index":`...)
	return appendInt(dst, int64(w.list[n].parts-1))
}

// summarized begins an event of the summary of reasoning n.
func (w *responsesStream) summarized(dst []byte, name string, n int) []byte {
	return append(w.of(dst, name, n), `,"summary_index":0`...)
}

func (w *responsesStream) start(dst []byte, d *delta, _ *Usage) []byte {
	w.items.id = append(raw{}, d.id...)
	if len(d.id) == 0 {
		w.items.id = w.stamp.id("resp_")
	}
	for _, name := range [...]string{"response.created", "response.in_progress"} {
		dst = append(w.event(dst, name), `,"response":`...)
		dst = appendResponseHead(dst, w.items.id, w.stamp)
		dst = append(dst, `,"status":"in_progress","incomplete_details":null,"output":[],"usage":null}`...)
		dst = append(dst, eventEnd...)
	}
	return dst
}

// add begins an item of kind k and announces it by what appended gives.
func (w *responsesStream) add(dst []byte, it streamItem, prefix string, members func([]byte) []byte) []byte {
	w.items.n = len(w.list)
	if it.id == nil {
		it.id = w.items.appendItemID(nil, prefix)
	}
	dst = append(w.event(dst, "response.output_item.added"), `,"output_index":`...)
	dst = appendInt(dst, int64(len(w.list)))
	w.list = append(w.list, it)
	dst = append(dst, `,"item":{"id":`...)
	dst = members(appendRaw(dst, it.id))
	return append(append(dst, '}'), eventEnd...)
}

// end1 ends item n, of which item has the whole.
func (w *responsesStream) end1(dst []byte, n int, item []byte) []byte {
	w.list[n].done = item
	dst = append(w.event(dst, "response.output_item.done"), `,"output_index":`...)
	dst = appendInt(dst, int64(n))
	dst = append(dst, `,"item":`...)
	return append(append(dst, item...), eventEnd...)
}

// close ends the message or reasoning that is open, and the calls whose
// arguments are whole.
func (w *responsesStream) close(dst []byte, status string) []byte {
	if n := w.open - 1; n >= 0 {
		w.open = 0
		w.items.n, w.items.status = n, status
		if w.list[n].kind == textPart {
			dst = w.endMessage(dst, n)
		} else {
			dst = w.endReasoning(dst, n)
		}
	}
	open := w.calls[:0]
	for _, c := range w.calls {
		if w.list[c.n].json.ended {
			dst = w.endCall(dst, c.n, status)
		} else {
			open = append(open, c)
		}
	}
	w.calls = open
	return dst
}

func (w *responsesStream) stopped(dst []byte, d *delta, _ *Usage) []byte {
	w.stop = d.stop
	status := itemStatus(d.stop)
	dst = w.close(dst, status)
	for _, c := range w.calls {
		dst = w.endCall(dst, c.n, status)
	}
	w.calls = w.calls[:0]
	return dst
}

func (w *responsesStream) end(dst []byte, _ *delta, u *Usage) []byte {
	name := "response.completed"
	if itemStatus(w.stop) == "incomplete" {
		name = "response.incomplete"
	}
	dst = w.stopped(dst, &delta{stop: w.stop}, u) // what came after the stop
	dst = append(w.event(dst, name), `,"response":`...)
	dst = appendResponseHead(dst, w.items.id, w.stamp)
	dst = append(dst, `,"output":[`...)
	for n := range w.list {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, w.list[n].done...)
	}
	dst = append(dst, ']')
	return append(appendResponseTail(dst, w.stop, u, w.stamp), eventEnd...)
}
