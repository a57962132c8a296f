package wire

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// reader walks a caller's request and knows where in it it is, so that the
// first value of a wrong type is refused by its path. After a fault it goes on
// to no effect.
type reader struct {
	lex.Reader
	path []byte
	err  *Error
}

func newReader(body []byte) reader {
	return reader{Reader: lex.New(body), path: make([]byte, 0, 64)}
}

// finish returns the first fault, or that the body as a whole is not JSON.
func (r *reader) finish() *Error {
	if !r.Done() {
		return Errorf(400, "invalid_json", "the request body is not one valid JSON object")
	}
	return r.err
}

// fault refuses the value at hand.
func (r *reader) fault(code, format string, args ...any) {
	if r.err != nil || r.Bad() {
		return
	}
	p := shorten(string(r.path))
	if p != "" {
		p = p[1:]
	}
	r.err = Errorf(400, code, "%s %s", p, shorten(fmt.Sprintf(format, args...)))
	r.err.Param = p
}

// shorten cuts what a caller can make long.
func shorten(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func (r *reader) wrongType(want string) { r.fault("invalid_type", "must be %s", want) }

// null takes a null.
func (r *reader) null() bool {
	if r.Kind() != 'n' {
		return false
	}
	r.Skip()
	return true
}

// object enters an object; null counts as an empty one.
// Use: for m, ok := r.object(); ok && r.key(m); { … }
func (r *reader) object() (mark int, ok bool) {
	if r.null() {
		return 0, false
	}
	if r.Kind() != '{' {
		r.wrongType("an object")
	}
	return len(r.path), r.Object()
}

func (r *reader) key(mark int) bool {
	r.path = r.path[:mark]
	if !r.Key() {
		return false
	}
	r.path = append(append(r.path, '.'), r.Name()...)
	return true
}

// array enters an array; null counts as an empty one.
func (r *reader) array() (mark int, ok bool) {
	if r.null() {
		return 0, false
	}
	if r.Kind() != '[' {
		r.wrongType("an array")
	}
	return len(r.path), r.Array()
}

func (r *reader) elem(mark, i int) bool {
	r.path = r.path[:mark]
	if !r.Elem() {
		return false
	}
	r.path = append(strconv.AppendInt(append(r.path, '['), int64(i), 10), ']')
	return true
}

// raw takes a string as it stands; nil for null.
func (r *reader) raw() raw {
	if r.null() {
		return nil
	}
	if r.Kind() != '"' {
		r.wrongType("a string")
	}
	s, _ := r.Raw()
	return s
}

// word takes a string decoded; "" for null.
func (r *reader) word() string {
	if r.null() {
		return ""
	}
	if r.Kind() != '"' {
		r.wrongType("a string")
	}
	return string(r.Text())
}

// quoted takes a string as it is written, quotes included; nil for null.
func (r *reader) quoted() []byte {
	if r.null() {
		return nil
	}
	if r.Kind() != '"' {
		r.wrongType("a string")
	}
	return r.Skip()
}

// boolean takes a boolean as it is written; nil for null.
func (r *reader) boolean() []byte {
	switch r.Kind() {
	case 'n':
		r.Skip()
		return nil
	case 't', 'f':
	default:
		r.wrongType("true or false")
	}
	return r.Skip()
}

// number takes a number as it is written; nil for null.
func (r *reader) number() []byte {
	if r.null() {
		return nil
	}
	if r.Kind() != '0' {
		r.wrongType("a number")
		r.Skip()
		return nil
	}
	return r.Skip()
}

// whole takes a whole number that is not negative; 0 for null.
func (r *reader) whole() int64 {
	if r.null() {
		return 0
	}
	n, ok := r.Int()
	if !ok || n < 0 {
		r.wrongType("a whole number, 0 or more")
	}
	return min(max(n, 0), maxCount)
}

// flag takes a boolean; false for null.
func (r *reader) flag() bool {
	switch r.Kind() {
	case 't', 'f', 'n':
	default:
		r.wrongType("true or false")
	}
	return r.Bool()
}

// skipObject takes an object as it stands; nil for null.
func (r *reader) skipObject() []byte {
	if r.null() {
		return nil
	}
	if r.Kind() != '{' {
		r.wrongType("an object")
	}
	return r.Skip()
}

// idle takes a value and reports whether it asks for nothing: null, false, 0,
// "", an empty array or object.
func (r *reader) idle() bool { return isIdle(r.Skip()) }

func isIdle(value []byte) bool {
	switch string(value) {
	case "null", "false", "0", "0.0", `""`, "[]", "{}":
		return true
	}
	return false
}
