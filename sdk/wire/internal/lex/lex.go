// Package lex reads and writes JSON for the wire dialects: a strict cursor
// that walks a text once, without allocating and without a tree, and appenders
// for what is written back. Strings can be taken as they stand, escapes
// included, so that text which is only carried over is never decoded.
package lex

// maxDepth bounds nesting, and so the stack.
const maxDepth = 200

// Reader is a cursor in one JSON text. The zero value reads an empty text.
//
// Object and Array enter a container; Key and Elem then step to its next
// member or element and answer false at its end. A value that the caller does
// not take is skipped by the next step. A syntax error ends every loop; Done
// tells.
type Reader struct {
	b     []byte
	i     int
	depth int
	at    place
	bad   bool
	name  []byte
}

// place says what may come next.
type place uint8

const (
	due   place = iota // a value
	first              // the first member or element, or the end
	after              // a comma, or the end
)

// New returns a cursor that stands before the one value of b.
func New(b []byte) Reader { return Reader{b: b} }

// Done reports whether the text was one valid value and nothing else. It skips
// the value if it has not been taken.
func (r *Reader) Done() bool {
	if r.at == due {
		r.Skip()
	}
	r.space()
	return !r.bad && r.i == len(r.b)
}

// Pos is the offset behind what has been taken last.
func (r *Reader) Pos() int { return r.i }

// Bad reports whether the text has been found invalid so far.
func (r *Reader) Bad() bool { return r.bad }

// Kind is the first byte of the value that is due ('{', '[', '"', 't', 'f',
// 'n'), '0' for any number, 0 at the end of the text.
func (r *Reader) Kind() byte {
	r.space()
	if r.i >= len(r.b) {
		return 0
	}
	if c := r.b[r.i]; c != '-' && (c < '0' || c > '9') {
		return c
	}
	return '0'
}

// Object enters the object that is due; another value is skipped.
func (r *Reader) Object() bool { return r.enter('{') }

// Array enters the array that is due; another value is skipped.
func (r *Reader) Array() bool { return r.enter('[') }

func (r *Reader) enter(open byte) bool {
	if r.Kind() != open {
		r.Skip()
		return false
	}
	if r.depth++; r.depth > maxDepth {
		return r.fail()
	}
	r.i++
	r.at = first
	return true
}

// Key steps to the next member of the object; false at its end. Name has its name.
func (r *Reader) Key() bool {
	if !r.step('}') {
		return false
	}
	if r.i >= len(r.b) || r.b[r.i] != '"' {
		return r.fail()
	}
	raw, escaped, ok := r.str()
	if !ok {
		return r.fail()
	}
	if escaped {
		raw = Unescape(nil, raw)
	}
	r.name = raw
	r.space()
	if r.i >= len(r.b) || r.b[r.i] != ':' {
		return r.fail()
	}
	r.i++
	r.at = due
	return true
}

// Name is the decoded name that Key stepped to.
func (r *Reader) Name() []byte { return r.name }

// Elem steps to the next element of the array; false at its end.
func (r *Reader) Elem() bool {
	if !r.step(']') {
		return false
	}
	r.at = due
	return true
}

// step moves to where the next member or element begins; false at the end.
func (r *Reader) step(end byte) bool {
	if r.at == due {
		r.Skip()
	}
	r.space()
	if r.bad || r.i >= len(r.b) {
		return r.fail()
	}
	if c := r.b[r.i]; c == end {
		r.i++
		r.depth--
		r.at = after
		return false
	} else if r.at == first {
		return true
	} else if c != ',' {
		return r.fail()
	}
	r.i++
	r.space()
	return true
}

// Skip takes the value that is due and returns it as it stands, nil if it is invalid.
func (r *Reader) Skip() []byte {
	kind := r.Kind()
	from := r.i
	switch kind {
	case '{':
		for ok := r.Object() && r.Key(); ok; ok = r.Key() {
			r.Skip()
		}
	case '[':
		for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
			r.Skip()
		}
	default:
		r.scalar(kind)
	}
	if r.bad {
		return nil
	}
	return r.b[from:r.i:r.i]
}

func (r *Reader) scalar(kind byte) {
	ok := false
	switch kind {
	case '"':
		_, _, ok = r.str()
	case 't':
		ok = r.literal("true")
	case 'f':
		ok = r.literal("false")
	case 'n':
		ok = r.literal("null")
	case '0':
		ok = r.number()
	}
	if r.at = after; !ok {
		r.fail()
	}
}

// Raw takes a string and returns what lies between its quotes, escapes and
// all; another value is skipped and ok is false.
func (r *Reader) Raw() (raw []byte, ok bool) {
	if r.Kind() != '"' {
		r.Skip()
		return nil, false
	}
	raw, _, ok = r.str()
	if r.at = after; !ok {
		r.fail()
	}
	return raw, ok
}

// Text takes a string and returns it decoded: a part of the text itself unless
// it had escapes. Another value is skipped and gives nil.
func (r *Reader) Text() []byte {
	if r.Kind() != '"' {
		r.Skip()
		return nil
	}
	raw, escaped, ok := r.str()
	r.at = after
	switch {
	case !ok:
		r.fail()
		return nil
	case escaped:
		return Unescape(nil, raw)
	}
	return raw
}

// Int takes a whole number of at most 18 digits; ok is false for any other
// value, which is skipped.
func (r *Reader) Int() (n int64, ok bool) {
	if r.Kind() != '0' {
		r.Skip()
		return 0, false
	}
	raw := r.Skip()
	digits := raw
	if len(raw) > 0 && raw[0] == '-' {
		digits = raw[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) != len(raw) {
		n = -n
	}
	return n, true
}

// Bool takes a value and reports whether it is true.
func (r *Reader) Bool() bool { return r.Kind() == 't' && r.Skip() != nil }

func (r *Reader) fail() bool {
	r.bad, r.at, r.i = true, after, len(r.b)
	return false
}

func (r *Reader) space() {
	for r.i < len(r.b) {
		if c := r.b[r.i]; c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return
		}
		r.i++
	}
}

func (r *Reader) literal(word string) bool {
	if len(r.b)-r.i < len(word) || string(r.b[r.i:r.i+len(word)]) != word {
		return false
	}
	r.i += len(word)
	return true
}
