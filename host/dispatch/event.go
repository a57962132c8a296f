package dispatch

import "bytes"

// event is one server-sent event: its name, and the first line of its data.
type event struct{ name, data []byte }

// eventLen is the length of the first event of b, which ends with a whole one.
func eventLen(b []byte) int {
	n := bytes.Index(b, []byte("\n\n"))
	if m := bytes.Index(b, []byte("\r\n\r\n")); m >= 0 && (n < 0 || m < n) {
		return m + 4
	}
	if n < 0 {
		return len(b)
	}
	return n + 2
}

// parseEvent reads the first event of b.
func parseEvent(b []byte) event {
	var ev event
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		switch {
		case len(line) == 0:
			if ev.name != nil || ev.data != nil {
				return ev
			}
		case ev.data == nil && bytes.HasPrefix(line, []byte("data:")):
			ev.data = bytes.TrimPrefix(line[5:], []byte(" "))
		case ev.name == nil && bytes.HasPrefix(line, []byte("event:")):
			ev.name = bytes.TrimPrefix(line[6:], []byte(" "))
		}
	}
	return ev
}

// isLast reports whether the dialect ends a whole answer with this event.
func (e event) isLast() bool {
	return string(e.data) == "[DONE]" || string(e.name) == "message_stop"
}

// isError reports whether the event says that the upstream failed.
func (e event) isError() bool {
	return string(e.name) == "error" || bytes.HasPrefix(e.data, []byte(`{"error":{`)) ||
		bytes.HasPrefix(e.data, []byte(`{"error": {`))
}

// commentsOnly reports whether events hold no data at all: keep-alives.
func commentsOnly(events []byte) bool {
	for len(events) > 0 {
		line, rest, _ := bytes.Cut(events, []byte("\n"))
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) > 0 && line[0] != ':' {
			return false
		}
		events = rest
	}
	return true
}
