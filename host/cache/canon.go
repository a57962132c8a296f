package cache

import "slices"

// maxDepth bounds how deep a request may nest for its answer to be kept.
const maxDepth = 64

// Canon writes JSON so that equal texts mean the same: without white space, the
// members of objects in one order. The zero Canon is ready; it is for one text
// at a time and keeps its buffers.
//
// Members whose names parsers may take for one another, of the same letters in
// upper or lower case, keep their order; so do all members of an object that
// has a name with an escape or beyond ASCII. Numbers and strings stay as they
// are written.
type Canon struct {
	out     []byte
	members []member
	sorted  []byte
	// Top is told of each member of the text's own object, nil: nobody is. Its
	// bytes are as they came.
	top func(name, value []byte)
	// Replace is what stands in for a string at an offset of the text, as it is
	// written; -1: none.
	cut     int
	cutWith []byte
}

// member is where one lies in out, its name first.
type member struct{ from, name, to int }

// Append returns text in the one form, appended to dst; false: it is no JSON,
// or nests too deep.
func (c *Canon) Append(dst, text []byte, top func(name, value []byte)) ([]byte, bool) {
	c.top, c.cut = top, -1
	return c.all(dst, text)
}

// Without is Append with the string at an offset of text left out.
func (c *Canon) Without(dst, text []byte, at int) ([]byte, bool) {
	c.top, c.cut, c.cutWith = nil, at, []byte("\x00")
	return c.all(dst, text)
}

func (c *Canon) all(dst, text []byte) ([]byte, bool) {
	c.out, c.members = dst, c.members[:0]
	at, ok := c.value(text, space(text, 0), 0)
	out := c.out
	c.out, c.top, c.cutWith = nil, nil, nil
	return out, ok && space(text, at) == len(text)
}

func space(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\t' || b[at] == '\r') {
		at++
	}
	return at
}

// value copies the value at an offset and returns where it ends.
func (c *Canon) value(b []byte, at, depth int) (int, bool) {
	if at >= len(b) || depth > maxDepth {
		return at, false
	}
	switch b[at] {
	case '{':
		return c.object(b, at, depth)
	case '[':
		return c.array(b, at, depth)
	case '"':
		end, _, ok := str(b, at)
		if c.cut == at {
			c.out = append(c.out, c.cutWith...)
		} else {
			c.out = append(c.out, b[at:end]...)
		}
		return end, ok
	}
	end := at
	for end < len(b) && !ends(b[end]) {
		end++
	}
	c.out = append(c.out, b[at:end]...)
	return end, end > at
}

// ends reports whether ch ends a number or a word.
func ends(ch byte) bool {
	switch ch {
	case ' ', '\t', '\r', '\n', ',', ':', '"', '[', ']', '{', '}':
		return true
	}
	return false
}

// str returns where the string at an offset ends, and whether it is plain: of
// ASCII and without escapes.
func str(b []byte, at int) (end int, plain, ok bool) {
	plain = true
	for i := at + 1; i < len(b); i++ {
		switch ch := b[i]; {
		case ch == '"':
			return i + 1, plain, true
		case ch == '\\':
			plain = false
			i++
		case ch < ' ':
			return i, false, false
		case ch >= 0x80:
			plain = false
		}
	}
	return len(b), false, false
}

func (c *Canon) array(b []byte, at, depth int) (int, bool) {
	c.out = append(c.out, '[')
	at = space(b, at+1)
	for n := 0; ; n++ {
		if at < len(b) && b[at] == ']' && n == 0 {
			break
		}
		var ok bool
		if at, ok = c.value(b, at, depth+1); !ok {
			return at, false
		}
		if at = space(b, at); at >= len(b) || b[at] != ',' && b[at] != ']' {
			return at, false
		}
		c.out = append(c.out, b[at])
		if b[at] == ']' {
			return at + 1, true
		}
		at = space(b, at+1)
	}
	c.out = append(c.out, ']')
	return at + 1, true
}

func (c *Canon) object(b []byte, at, depth int) (int, bool) {
	c.out = append(c.out, '{')
	at = space(b, at+1)
	if at < len(b) && b[at] == '}' {
		c.out = append(c.out, '}')
		return at + 1, true
	}
	first, plain := len(c.members), true
	for {
		m := member{from: len(c.out)}
		if at >= len(b) || b[at] != '"' {
			return at, false
		}
		end, is, ok := str(b, at)
		if !ok {
			return end, false
		}
		plain = plain && is
		name := b[at:end]
		c.out = append(c.out, name...)
		m.name = len(c.out)
		if at = space(b, end); at >= len(b) || b[at] != ':' {
			return at, false
		}
		c.out = append(c.out, ':')
		from := space(b, at+1)
		if at, ok = c.value(b, from, depth+1); !ok {
			return at, false
		}
		if c.top != nil && depth == 0 {
			c.top(name, b[from:at])
		}
		m.to = len(c.out)
		c.members = append(c.members, m)
		if at = space(b, at); at >= len(b) || b[at] != ',' && b[at] != '}' {
			return at, false
		}
		if b[at] == '}' {
			break
		}
		c.out = append(c.out, ',')
		at = space(b, at+1)
	}
	if plain {
		c.order(c.members[first:])
	}
	c.members = c.members[:first]
	c.out = append(c.out, '}')
	return at + 1, true
}

// order puts the members at the end of out in the order of their names.
func (c *Canon) order(list []member) {
	less := func(x, y member) int { return fold(c.out[x.from:x.name], c.out[y.from:y.name]) }
	if slices.IsSortedFunc(list, less) {
		return
	}
	start := list[0].from
	slices.SortStableFunc(list, less)
	c.sorted = c.sorted[:0]
	for i, m := range list {
		if i > 0 {
			c.sorted = append(c.sorted, ',')
		}
		c.sorted = append(c.sorted, c.out[m.from:m.to]...)
	}
	copy(c.out[start:], c.sorted)
}

// fold compares ASCII texts regardless of case.
func fold(x, y []byte) int {
	for i := range min(len(x), len(y)) {
		if a, b := lower(x[i]), lower(y[i]); a != b {
			return int(a) - int(b)
		}
	}
	return len(x) - len(y)
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
