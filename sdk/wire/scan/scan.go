package scan

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// maxDepth bounds nesting, and so the stack.
const maxDepth = 200

// Request reads the facts of a chat or embeddings request in OpenAI's or
// Anthropic's dialect into f, which it resets first.
func Request(f *Facts, body []byte) *wire.Error { return scan(f, top, body) }

// Operation reads the facts of a request of op in dialect d. Of Gemini's, what
// stands in the path (the model, whether it streams) is the caller's to add.
func Operation(f *Facts, op wire.Op, d wire.Dialect, body []byte) *wire.Error {
	st := topOf(op, d)
	err := scan(f, st, body)
	if st == completionsTop {
		f.N = min(f.N*int64(max(f.Messages, 1)), maxCount) // each prompt is answered
	}
	return err
}

func scan(f *Facts, st state, body []byte) *wire.Error {
	f.Reset()
	f.N, f.Size = 1, len(body)
	s := scanner{b: body, f: f}
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		return wire.Errorf(400, "invalid_json", "the request body must be a JSON object")
	}
	if !s.value(st, 0) {
		return s.failure()
	}
	f.End = s.i - 1
	s.space()
	if s.i != len(s.b) {
		return wire.Errorf(400, "invalid_json", "the request body has data after the JSON object, at byte %d: send one object alone", s.i)
	}
	return nil
}

type scanner struct {
	b   []byte
	i   int
	f   *Facts
	err *wire.Error // more than a syntax error

	item openItem
}

func (s *scanner) failure() *wire.Error {
	if s.err != nil {
		return s.err
	}
	return wire.Errorf(400, "invalid_json", "the request body is not valid JSON: see byte %d", s.i)
}

func (s *scanner) fail(code, param, format string, args ...any) bool {
	if s.err == nil {
		s.err = wire.Errorf(400, code, format, args...)
		s.err.Param = param
	}
	return false
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		if c := s.b[s.i]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return
		}
		s.i++
	}
}

// value reads one value in state st. It expects no leading space.
func (s *scanner) value(st state, depth int) bool {
	if s.i >= len(s.b) {
		return false
	}
	from := s.i
	switch c := s.b[s.i]; {
	case c == '"':
		raw, escaped, ok := s.str()
		return ok && (st <= skip || s.onString(st, raw, escaped))
	case c == '{':
		if !s.object(st, depth+1) {
			return false
		}
	case c == '[':
		if !s.array(st, depth+1) {
			return false
		}
	case c == 't':
		if !s.literal("true") {
			return false
		}
	case c == 'f':
		if !s.literal("false") {
			return false
		}
	case c == 'n':
		if !s.literal("null") {
			return false
		}
	default:
		if !s.number() {
			return false
		}
	}
	return st <= skip || s.onOther(st, Span{from, s.i})
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

func (s *scanner) object(st state, depth int) bool {
	if depth > maxDepth {
		return s.fail("invalid_json", "", "the request body nests deeper than %d levels", maxDepth)
	}
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == '}' {
		s.i++
		return true
	}
	var seen uint64
	for {
		child, ok := s.member(st, &seen)
		if !ok || !s.colon() || !s.value(child, depth) {
			return false
		}
		s.space()
		if s.i >= len(s.b) {
			return false
		}
		c := s.b[s.i]
		if c != ',' && c != '}' {
			return false
		}
		s.i++
		if c == '}' {
			return true
		}
		s.space()
	}
}

// member reads a member's name and returns the state of its value.
func (s *scanner) member(st state, seen *uint64) (state, bool) {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return skip, false
	}
	raw, escaped, ok := s.str()
	if !ok {
		return skip, false
	}
	if st == skip {
		return skip, true
	}
	table, n := &members[st], nNone
	switch {
	case escaped:
	case st.gemini():
		n = lookupGemini(raw)
	default:
		n = lookup(raw)
	}
	if n == nNone || table[n] == skip {
		return s.unknown(st, n), s.lookAlike(st, raw, escaped)
	}
	if *seen&(1<<n) != 0 {
		return skip, s.fail("duplicate_member", string(raw), "the request names %q twice: parsers disagree on which one counts, send it once", raw)
	}
	*seen |= 1 << n
	return table[n], true
}

// unknown is the state of the value of a member that the table of st does not
// have: in Gemini's tools, each is a tool of its own that the provider runs.
func (s *scanner) unknown(st state, n name) state {
	if st == geminiTools && n != gComputerUse {
		return serverSide
	}
	return skip
}

// lookAlike refuses a name that some parsers would take for one that st acts
// on: written with escapes, or in another case.
func (s *scanner) lookAlike(st state, raw []byte, escaped bool) bool {
	const longest = 3 * len("generate_content_request") // U+212A folds three bytes into one
	if len(raw) > 6*longest || !escaped && plain(raw) && !st.gemini() {
		return true
	}
	var buf [6 * longest]byte
	folded := foldName(buf[:0], raw)
	n := nNone
	if st.gemini() {
		n = geminiFolded[string(folded)]
		if !escaped && lookupGemini(raw) == n { // as it should be written
			return true
		}
	} else {
		n = lookup(folded)
	}
	if n == nNone || members[st][n] == skip {
		return true
	}
	return s.fail("lookalike_member", string(foldName(nil, raw)), "the request has a member %q that some parsers read as %q: write it plainly, once", raw, foldName(nil, raw))
}

func (s *scanner) colon() bool {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != ':' {
		return false
	}
	s.i++
	s.space()
	return true
}

func (s *scanner) array(st state, depth int) bool {
	if depth > maxDepth {
		return s.fail("invalid_json", "", "the request body nests deeper than %d levels", maxDepth)
	}
	child := elements[st]
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == ']' {
		s.i++
		return true
	}
	for count := 1; ; count++ {
		if !s.value(child, depth) {
			return false
		}
		s.space()
		if s.i >= len(s.b) {
			return false
		}
		c := s.b[s.i]
		if c != ',' && c != ']' {
			return false
		}
		s.i++
		if c == ']' {
			if st == messages || st == input || st == items || st == documents || st == geminiContents {
				s.f.Messages += count
			}
			return true
		}
		s.space()
	}
}

func plain(raw []byte) bool {
	for _, c := range raw {
		if c >= 0x80 || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

// foldName appends raw with escapes decoded and case folded the way Go's
// encoding/json folds: ASCII, and the two other letters that fold into it.
func foldName(dst, raw []byte) []byte {
	dst = unescape(dst, raw)
	if bytes.IndexByte(dst, "\u017f"[0]) >= 0 || bytes.IndexByte(dst, "\u212a"[0]) >= 0 {
		dst = bytes.ReplaceAll(dst, []byte("\u017f"), []byte("s"))
		dst = bytes.ReplaceAll(dst, []byte("\u212a"), []byte("k"))
	}
	for i, c := range dst {
		if c >= 'A' && c <= 'Z' {
			dst[i] = c | 0x20
		}
	}
	return dst
}
