package lex

import (
	"encoding/binary"
	"math/bits"
)

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (r *Reader) number() bool {
	if r.peek() == '-' {
		r.i++
	}
	if r.peek() == '0' {
		r.i++
	} else if !r.digits() {
		return false
	}
	if r.peek() == '.' {
		r.i++
		if !r.digits() {
			return false
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.i++
		if c := r.peek(); c == '+' || c == '-' {
			r.i++
		}
		return r.digits()
	}
	return true
}

func (r *Reader) peek() byte {
	if r.i < len(r.b) {
		return r.b[r.i]
	}
	return 0
}

func (r *Reader) digits() bool {
	from := r.i
	for r.i < len(r.b) && r.b[r.i] >= '0' && r.b[r.i] <= '9' {
		r.i++
	}
	return r.i > from
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stop marks (in the top bit of each byte, the lowest mark being exact) the
// bytes of w that end a run of plain string characters: controls, '"' and '\\'.
func stop(w uint64) uint64 {
	q := w ^ ones*'"'
	e := w ^ ones*'\\'
	return ((w-ones*0x20)&^w | (q-ones)&^q | (e-ones)&^e) & highs
}

// str reads the string at r.i and returns its raw characters.
func (r *Reader) str() (raw []byte, escaped, ok bool) {
	b, i := r.b, r.i+1
	from := i
	for {
		for i+8 <= len(b) {
			if m := stop(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i >= len(b) || b[i] < 0x20 {
			return nil, false, false
		}
		if b[i] == '"' {
			r.i = i + 1
			return b[from:i:i], escaped, true
		}
		escaped = true
		n := escapeLen(b[i:])
		if n == 0 {
			return nil, false, false
		}
		i += n
	}
}
