package wire

import (
	"hash/fnv"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// codec reads and writes one chat dialect. A translation pairs two of them;
// another dialect is another codec. One without readRequest is of upstreams only.
type codec struct {
	dialect Dialect

	// For callers.
	readRequest func(body []byte) (*request, *Error)
	writeAnswer func(dst []byte, a *answer, s *stamp) []byte
	newWriter   func(s *stamp) deltaWriter
	several     bool // has a form for several candidates of an answer

	// For upstreams.
	writeRequest func(dst []byte, q *request, model string) []byte
	readAnswer   func(body []byte) (*answer, *Error)
	newReader    func() eventReader
}

// stamp is what an answer says beside the model's own.
type stamp struct {
	model        string // the name that the caller used
	created      int64  // Unix seconds
	includeUsage bool
}

// id makes the id of an answer whose upstream gives none.
func (s *stamp) id(prefix string) raw {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.model))
	return strconv.AppendInt(strconv.AppendUint([]byte(prefix), h.Sum64(), 36), s.created, 36)
}

// translation serves callers of one dialect from an upstream of another.
type translation struct {
	from, to *codec
	now      func() time.Time
}

// Request implements Translation.
func (t *translation) Request(dst, body []byte, model string) ([]byte, []string, error) {
	q, err := t.from.readRequest(body)
	if err != nil {
		return dst, nil, err
	}
	if n := q.callCount(); n > maxAskedCalls {
		return dst, nil, Errorf(http.StatusBadRequest, "too_many_tool_calls",
			"the conversation holds %d tool calls and results; at most %d can be translated: shorten it", n, maxAskedCalls)
	}
	out := t.to.writeRequest(dst, q, model)
	if err := q.settle(); err != nil {
		return dst, nil, err
	}
	return out, q.dropped, nil
}

// maxAskedCalls bounds the calls and results of a conversation, which some
// dialects have to match with each other.
const maxAskedCalls = 4096

func (q *request) callCount() (n int) {
	for i := range q.messages {
		for j := range q.messages[i].parts {
			if k := q.messages[i].parts[j].kind; k == toolCallPart || k == toolResultPart {
				n++
			}
		}
	}
	return n
}

// Response implements Translation.
func (t *translation) Response(dst, body []byte, model string) ([]byte, Usage, error) {
	a, err := t.to.readAnswer(body)
	if err != nil {
		return dst, Usage{}, err
	}
	dst = t.from.writeAnswer(dst, a, &stamp{model: model, created: t.now().Unix()})
	return dst, a.usage, nil
}

// Stream implements Translation.
func (t *translation) Stream(model string, includeUsage bool) StreamTranslation {
	s := &stamp{model: model, created: t.now().Unix(), includeUsage: includeUsage}
	return &stream{read: t.to.newReader(), write: t.from.newWriter(s), several: t.from.several}
}

// maxShown is how much of an error body that cannot be read is shown.
const maxShown = 2048

// Error implements Translation.
func (t *translation) Error(dst []byte, status int, body []byte) []byte {
	b, ok := ReadError(body)
	if !ok || b.Message == "" {
		b.Message = http.StatusText(status)
		if shown := body[:min(len(body), maxShown)]; len(shown) > 0 && utf8.Valid(shown) {
			b.Message = string(shown)
		}
	}
	if status < 400 || status > 599 {
		status = http.StatusBadGateway
	}
	e := Error{Status: status, Class: b.Class(status), Code: b.Code, Message: b.Message, Param: b.Param}
	return AppendError(dst, t.from.dialect, &e, "")
}

// stream is one streamed answer on its way: the upstream's events become
// deltas, deltas become the caller's events.
type stream struct {
	read    eventReader
	write   deltaWriter
	deltas  []delta
	usage   Usage
	several bool // write knows several candidates
	known   bool // usage has been reported
	ended   bool // the upstream's terminal event has come
	err     error
}

// eventReader turns one event of the upstream into deltas. It folds usage into
// u and says whether there was any.
type eventReader interface {
	read(event string, data []byte, out []delta, u *Usage) (deltas []delta, usage bool, err *Error)
}

// finisher is an eventReader of a dialect without a last event: what is still
// owed when the upstream has closed its stream, nothing when it was cut short.
type finisher interface {
	finish(out []delta) []delta
}

// deltaWriter appends the caller's events for one delta. u is what has been
// reported so far.
type deltaWriter interface {
	write(dst []byte, d *delta, u *Usage) ([]byte, *Error)
}

// Event implements StreamTranslation.
func (s *stream) Event(dst []byte, event string, data []byte) ([]byte, error) {
	if s.err != nil {
		return dst, s.err
	}
	if s.ended {
		return dst, nil // some services send a comment of their own after the end
	}
	deltas, usage, err := s.read.read(event, data, s.deltas[:0], &s.usage)
	s.deltas = deltas
	s.known = s.known || usage
	if err != nil {
		s.err = err
		return dst, err
	}
	return s.writeAll(dst, deltas)
}

func (s *stream) writeAll(dst []byte, deltas []delta) ([]byte, error) {
	for i := range deltas {
		if deltas[i].choice > 0 && !s.several {
			continue
		}
		var err *Error
		if dst, err = s.write.write(dst, &deltas[i], &s.usage); err != nil {
			s.err = err
			return dst, err
		}
		s.ended = s.ended || deltas[i].kind == deltaEnd
	}
	return dst, nil
}

// Finish implements StreamTranslation.
func (s *stream) Finish(dst []byte) ([]byte, error) {
	if f, ok := s.read.(finisher); ok && s.err == nil && !s.ended {
		s.deltas = f.finish(s.deltas[:0])
		var err error
		if dst, err = s.writeAll(dst, s.deltas); err != nil {
			return dst, err
		}
	}
	switch {
	case s.err != nil:
		return dst, s.err
	case !s.ended:
		s.err = &Error{Status: http.StatusBadGateway, Class: ClassNetwork, Code: "stream_cut",
			Message: "the upstream's stream ended before its last event: the answer is incomplete"}
		return dst, s.err
	}
	return dst, nil
}

// Usage implements StreamTranslation.
func (s *stream) Usage() (Usage, bool) { return s.usage, s.known }

// badAnswer is the error for an upstream's answer that cannot be read.
func badAnswer(what string) *Error {
	return Errorf(http.StatusBadGateway, "bad_upstream_answer", "the upstream's %s", what)
}
