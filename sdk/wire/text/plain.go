package text

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// Plainer takes escapes that are not needed out of JSON text that may come in
// pieces, so that none hides what a string says. What does not begin like JSON
// stays as it is. The zero Plainer is ready.
type Plainer struct {
	form   form
	within bool   // a string
	held   []byte // the beginning of an escape
}

// form is what a text has turned out to be.
type form uint8

const (
	unknownForm form = iota
	jsonForm
	otherForm
)

// Reset readies p for another text.
func (p *Plainer) Reset() { p.form, p.within, p.held = unknownForm, false, p.held[:0] }

// Holds reports whether an escape waits for its end.
func (p *Plainer) Holds() bool { return len(p.held) > 0 }

// Append appends b to dst, which may be b[:0]. An escape that is cut is held
// back, unless final says that nothing follows.
func (p *Plainer) Append(dst, b []byte, final bool) []byte {
	if len(p.held) > 0 {
		b = append(bytes.Clone(p.held), b...)
		p.held = p.held[:0]
	}
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case p.form == otherForm:
			return append(dst, b[i:]...)
		case p.form == unknownForm && c > ' ':
			if p.form = otherForm; c == '{' || c == '[' || c == '"' {
				p.form = jsonForm
			}
			continue
		case c == '"':
			p.within = !p.within
		case c == '\\' && p.within:
			n, r := escape(b[i:])
			if n == 0 && !final {
				p.held = append(p.held, b[i:]...)
				return dst
			}
			if r >= 0 {
				var buf [utf8.UTFMax]byte
				dst = lex.AppendEscaped(dst, utf8.AppendRune(buf[:0], r))
			} else {
				n = max(n, 1)
				dst = append(dst, b[i:i+n]...)
			}
			i += n
			continue
		}
		dst = append(dst, c)
		i++
	}
	return dst
}

// escape reads the escape that b begins with: its length, 0 when b ends too
// early, and the character that it stands for, -1 when it has to stay.
func escape(b []byte) (n int, r rune) {
	switch {
	case len(b) < 2:
		return 0, -1
	case b[1] == '/':
		return 2, '/'
	case b[1] != 'u':
		return 2, -1
	case len(b) < 6:
		return 0, -1
	}
	if r = hex4(b[2:6]); r < 0 {
		return 2, -1
	}
	if !utf16.IsSurrogate(r) {
		return 6, r
	}
	if rest := b[6:]; len(rest) < 6 {
		if bytes.HasPrefix([]byte(`\u`), rest[:min(2, len(rest))]) {
			return 0, -1
		}
		return 6, -1
	} else if rest[0] == '\\' && rest[1] == 'u' {
		if r = utf16.DecodeRune(r, hex4(rest[2:6])); r != utf8.RuneError {
			return 12, r
		}
	}
	return 6, -1 // half a pair
}

// hex4 reads four digits, -1 if they are none.
func hex4(b []byte) (r rune) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// Plain is Plainer for a text that is whole, in its own room.
func Plain(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u`)) && !bytes.Contains(b, []byte(`\/`)) {
		return b
	}
	var p Plainer
	return p.Append(b[:0], b, true)
}
