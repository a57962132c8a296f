package policy

import (
	"bytes"
	"io"
	"time"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A large bundle is read in slices with rests between them. Otherwise it would
// hold a processor for as long as reading takes, and requests would wait until
// the scheduler takes it away: ten milliseconds, time and again.
const (
	sliceTime   = time.Millisecond
	longestRest = 2 * time.Millisecond
	pieceSize   = 64 << 10 // of JSON, which takes about as long to decode
	cutDepth    = 4        // of objects within objects that are cut
)

// breaks are somebody's who works in slices.
type breaks struct{ since time.Time }

// rest sleeps as long as has been worked, once that is a slice.
func (b *breaks) rest() {
	if b.since.IsZero() {
		b.since = time.Now()
	}
	if worked := time.Since(b.since); worked >= sliceTime {
		time.Sleep(min(worked, longestRest))
		b.since = time.Now()
	}
}

// slowly reads from a reader in slices.
type slowly struct {
	io.Reader
	breaks
}

// Read implements io.Reader.
func (s *slowly) Read(p []byte) (int, error) {
	s.rest()
	return s.Reader.Read(p)
}

// term converts JSON's Go values as ast.InterfaceToValue does, in slices.
func (b *breaks) term(v any) (ast.Value, error) {
	switch v := v.(type) {
	case map[string]any:
		b.rest()
		terms, pairs := make([]ast.Term, 2*len(v)), make([][2]*ast.Term, 0, len(v))
		for name, inner := range v {
			t := terms[2*len(pairs):]
			var err error
			if t[0].Value, err = ast.InterfaceToValue(name); err != nil {
				return nil, err
			}
			if t[1].Value, err = b.term(inner); err != nil {
				return nil, err
			}
			pairs = append(pairs, [2]*ast.Term{&t[0], &t[1]})
		}
		return ast.NewObject(pairs...), nil
	case []any:
		b.rest()
		terms, list := make([]ast.Term, len(v)), make([]*ast.Term, len(v))
		for i, inner := range v {
			var err error
			if terms[i].Value, err = b.term(inner); err != nil {
				return nil, err
			}
			list[i] = &terms[i]
		}
		return ast.NewArray(list...), nil
	}
	return ast.InterfaceToValue(v)
}

// split cuts a JSON object into objects that make it up when they are merged,
// few of them larger than pieceSize. What it does not understand stays whole,
// for the decoder to complain of.
func split(body []byte) [][]byte {
	c := cutter{body: body}
	if len(body) <= pieceSize || c.next() != '{' || !c.object(nil, nil, 0) || c.next() != 0 {
		return [][]byte{body}
	}
	return c.out
}

// cutter walks along a JSON document. It looks no further into values than to
// find their ends: the decoder reads every byte of them.
type cutter struct {
	body []byte
	at   int
	out  [][]byte
	breaks
}

// next skips white space and returns the byte after it, 0 at the end.
func (c *cutter) next() byte {
	for ; c.at < len(c.body); c.at++ {
		switch b := c.body[c.at]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}

// object cuts the object that begins here and stands between before and after.
func (c *cutter) object(before, after []byte, depth int) bool {
	from, to := 0, 0 // members that wait
	flush := func() {
		if from < to {
			c.out = append(c.out, join(before, []byte("{"), c.body[from:to], []byte("}"), after))
		}
		from, to = 0, 0
	}
	seen := map[string]bool{}
	for c.at++; ; c.at++ { // past the brace, or a comma
		c.rest()
		c.next()
		start := c.at
		key, ok := c.key()
		if !ok || seen[string(key)] { // the last of two wins: merging would not tell
			return false
		}
		seen[string(key)] = true
		c.next()
		value := c.at
		if !c.value() {
			return false
		}
		if c.body[value] == '{' && c.at-value > pieceSize && depth < cutDepth {
			flush()
			c.at = value
			if !c.object(join(before, []byte("{"), key, []byte(":")), join([]byte("}"), after), depth+1) {
				return false
			}
		} else {
			if from == to {
				from = start
			}
			if to = c.at; to-from >= pieceSize {
				flush()
			}
		}
		switch c.next() {
		case ',':
		case '}':
			c.at++
			flush()
			return true
		default:
			return false
		}
	}
}

// key passes over a member's name and colon. Names that are written in another
// way than they read are not compared.
func (c *cutter) key() (raw []byte, ok bool) {
	start := c.at
	if !c.text() {
		return nil, false
	}
	raw = c.body[start:c.at]
	if bytes.IndexByte(raw, '\\') >= 0 || !utf8.Valid(raw) || c.next() != ':' {
		return nil, false
	}
	c.at++
	return raw, true
}

// text passes over a string.
func (c *cutter) text() bool {
	if c.at >= len(c.body) || c.body[c.at] != '"' {
		return false
	}
	for c.at++; c.at < len(c.body); c.at++ {
		switch c.body[c.at] {
		case '\\':
			c.at++
		case '"':
			c.at++
			return true
		}
	}
	return false
}

// value passes over a value of any kind.
func (c *cutter) value() bool {
	open := 0
	for start := c.at; c.at < len(c.body); {
		switch c.body[c.at] {
		case '"':
			if !c.text() {
				return false
			}
			if open == 0 {
				return true
			}
			continue
		case '{', '[':
			open++
		case '}', ']':
			if open--; open < 0 {
				return c.at > start
			}
			if open == 0 {
				c.at++
				return true
			}
		case ',':
			if open == 0 {
				return c.at > start
			}
		}
		c.at++
	}
	return false
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
