package trace

import (
	"bytes"
	"strconv"
)

// Said is what bodies tell of a request and its answer, as far as they were read.
type Said struct {
	Temperature, TopP, TopK, Frequency, Presence Number
	Seed                                         Number
	ID, Model                                    string   // of the answer
	Finish                                       []string // why it ended, by choice
}

// Number is one as it was written, 0 bytes: it is missing.
type Number struct {
	text [24]byte
	n    int
}

// What is read, and kept of it, at most.
const (
	maxRead   = 256 << 10
	maxName   = 128
	maxFinish = 8
)

// Request reads what body, a request in any of the dialects, asks for.
func (s *Said) Request(body []byte) {
	if len(body) <= maxRead {
		each(body, s.asked)
	}
}

func (s *Said) asked(key, value []byte) {
	switch string(key) {
	case "temperature":
		s.Temperature.set(value)
	case "top_p", "topP":
		s.TopP.set(value)
	case "top_k", "topK":
		s.TopK.set(value)
	case "frequency_penalty", "frequencyPenalty":
		s.Frequency.set(value)
	case "presence_penalty", "presencePenalty":
		s.Presence.set(value)
	case "seed":
		s.Seed.set(value)
	case "generationConfig", "generation_config":
		each(value, s.configured)
	}
}

func (s *Said) configured(key, value []byte) {
	if !bytes.HasPrefix(key, []byte("generation")) { // it is in itself for mischief alone
		s.asked(key, value)
	}
}

// Answer reads an answer, or the data of an event of one that streams.
func (s *Said) Answer(data []byte) {
	if len(data) <= maxRead {
		each(data, s.told)
	}
}

func (s *Said) told(key, value []byte) {
	switch string(key) {
	case "id", "responseId":
		s.ID = first(s.ID, value)
	case "model", "modelVersion":
		s.Model = first(s.Model, value)
	case "message", "response": // of an event that begins or ends a stream
		each(value, s.toldWithin)
	case "choices", "candidates":
		each(value, s.choice)
	case "delta":
		each(value, s.ended)
	case "status":
		switch string(value) {
		case `"completed"`, `"incomplete"`, `"failed"`, `"cancelled"`:
			s.finish(value)
		}
	default:
		s.ended(key, value)
	}
}

func (s *Said) toldWithin(key, value []byte) {
	switch string(key) {
	case "id", "model", "status", "stop_reason":
		s.told(key, value)
	}
}

func (s *Said) choice(_, value []byte) { each(value, s.ended) }

func (s *Said) ended(key, value []byte) {
	switch string(key) {
	case "finish_reason", "finishReason", "stop_reason":
		s.finish(value)
	}
}

func (s *Said) finish(value []byte) {
	if text := first("", value); text != "" && len(s.Finish) < maxFinish {
		s.Finish = append(s.Finish, text)
	}
}

// first is what was said before, or the string in value if it is a plain one.
func first(before string, value []byte) string {
	if n := len(value); before == "" && n > 2 && n <= maxName && value[0] == '"' && value[n-1] == '"' && bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : n-1])
	}
	return before
}

func (n *Number) set(value []byte) {
	if len(value) > 0 && len(value) <= len(n.text) && (value[0] == '-' || value[0] >= '0' && value[0] <= '9') {
		n.n = copy(n.text[:], value)
	}
}

// Real is the number; ok is false if it is missing.
func (n *Number) Real() (v float64, ok bool) {
	v, err := strconv.ParseFloat(string(n.text[:n.n]), 64)
	return v, err == nil
}

// Whole is the number; ok is false if it is missing or has fractions.
func (n *Number) Whole() (v int64, ok bool) {
	v, err := strconv.ParseInt(string(n.text[:n.n]), 10, 64)
	return v, err == nil
}

// each calls see for each member of the object, or element of the list, that b
// begins with, and with nothing where it begins with neither. What is no valid
// JSON is read as far as it goes.
func each(b []byte, see func(key, value []byte)) {
	i := space(b, 0)
	if i == len(b) || b[i] != '{' && b[i] != '[' {
		return
	}
	object := b[i] == '{'
	for i++; ; {
		for i = space(b, i); i < len(b) && b[i] == ','; i = space(b, i) {
			i++
		}
		if i == len(b) || b[i] == '}' || b[i] == ']' {
			return
		}
		var key []byte
		if object {
			end := stringEnd(b, i)
			if b[i] != '"' || end-1 <= i {
				return
			}
			key = b[i+1 : end-1]
			if i = space(b, end); i == len(b) || b[i] != ':' {
				return
			}
			i = space(b, i+1)
		}
		end := valueEnd(b, i)
		if end == i {
			return
		}
		see(key, b[i:end])
		i = end
	}
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// stringEnd is where the string that begins at i has ended.
func stringEnd(b []byte, i int) int {
	for from := i + 1; from < len(b); {
		n := bytes.IndexByte(b[from:], '"')
		if n < 0 {
			return len(b)
		}
		at := from + n
		escapes := 0
		for at-escapes > from && b[at-escapes-1] == '\\' {
			escapes++
		}
		if from = at + 1; escapes%2 == 0 {
			return from
		}
	}
	return len(b)
}

// valueEnd is where the value that begins at i has ended.
func valueEnd(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i); depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return len(b)
}
