package dispatch

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// event is one server-sent event: its name, and the first line of its data.
type event struct{ name, data []byte }

// eventLen is the length of the first event of b, which ends with a whole one.
// It looks no further than that event.
func eventLen(b []byte) int {
	for end := 0; ; {
		i := bytes.IndexByte(b[end:], '\n')
		if i < 0 {
			return len(b)
		}
		end += i + 1
		switch rest := b[end:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return end + 1
		case end > 1 && b[end-2] == '\r' && len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return end + 2
		}
	}
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

// isLast reports whether the dialect ends a whole answer with this event. A
// Gemini stream has no such event: it just ends.
func (e event) isLast(d wire.Dialect) bool {
	switch d {
	case wire.OpenAIResponses:
		switch string(e.kind()) {
		case "response.completed", "response.incomplete", "response.failed":
			return true
		}
		return false
	case wire.GeminiGenerate:
		return false
	}
	return string(e.data) == "[DONE]" || string(e.name) == "message_stop"
}

// isError reports whether the event says that the upstream failed.
func (e event) isError(d wire.Dialect) bool {
	return string(e.name) == "error" || bytes.HasPrefix(e.data, []byte(`{"error":{`)) ||
		bytes.HasPrefix(e.data, []byte(`{"error": {`)) || d != wire.OpenAIChat && string(e.kind()) == "error"
}

// kind is the event's name, or what its data begins by calling itself.
func (e event) kind() []byte {
	if e.name != nil {
		return e.name
	}
	rest, ok := bytes.CutPrefix(e.data, []byte(`{"type":`))
	if !ok {
		return nil
	}
	rest = bytes.TrimPrefix(bytes.TrimPrefix(rest, []byte(" ")), []byte(`"`))
	kind, _, _ := bytes.Cut(rest, []byte(`"`))
	return kind
}

// endings counts what an event says of answers that are complete.
func endings(d wire.Dialect, e event, raw []byte) int64 {
	switch d {
	case wire.GeminiGenerate: // a prompt that is refused has no answer to finish
		return int64(bytes.Count(raw, []byte(`"finishReason"`)) + bytes.Count(raw, []byte(`"blockReason"`)))
	case wire.OpenAISpeech, wire.OpenAITranscription, wire.OpenAITranslation, wire.OpenAIImages, wire.OpenAIImageEdits:
		kind := e.kind()
		if bytes.HasSuffix(kind, []byte(".done")) || bytes.HasSuffix(kind, []byte(".completed")) {
			return 1
		}
		return 0
	}
	return int64(bytes.Count(raw, []byte(`"finish_reason":"`)))
}

// expected is how many endings a whole answer has at least, where no last
// event tells.
func expected(c *call.Call) int64 {
	switch c.Dialect {
	case wire.GeminiGenerate, wire.OpenAISpeech, wire.OpenAITranscription, wire.OpenAITranslation:
		return 1
	}
	return c.Facts.N
}

// idle reports whether the event says nothing but that the connection stands: a
// comment, or what a dialect has for a keep-alive.
func (e event) idle() bool {
	if e.data == nil && e.name == nil {
		return true
	}
	switch string(e.kind()) {
	case "ping", "keepalive":
		return true
	}
	return false
}

// idle reports whether all events are keep-alives.
func idle(events []byte) bool {
	for len(events) > 0 {
		n := eventLen(events)
		if !parseEvent(events[:n]).idle() {
			return false
		}
		events = events[n:]
	}
	return true
}
