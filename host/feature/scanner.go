package feature

import (
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// longWord is how many letters make a word a long one.
const longWord = 10

// scanner counts in one pass over text as it stands in JSON strings.
type scanner struct {
	f *abi.Features

	letters int    // of the word that is read, 0: none is
	hash    uint64 // of those letters, in lower case
	number  bool   // digits are read
	dense   rune   // the character before, of a script without spaces
	odd     bool   // one character of such a script waits for its second
	started bool   // the line has something on it
	fenced  bool   // lines are code
	ended   bool   // a mark that may end a sentence was last
	open    bool   // words have come since the last sentence's end
}

// Classes of bytes.
const (
	other = iota
	letter
	digit
	space
	newline
	mark // . !
	question
	sign
	escape
	high
)

var classes = func() (c [256]uint8) {
	set := func(class uint8, chars string) {
		for i := range len(chars) {
			c[chars[i]] = class
		}
	}
	for b := range 256 {
		switch {
		case b >= utf8.RuneSelf:
			c[b] = high
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z':
			c[b] = letter
		case b >= '0' && b <= '9':
			c[b] = digit
		}
	}
	set(space, " \t\r")
	set(newline, "\n")
	set(mark, ".!")
	set(question, "?")
	set(sign, "=+<>^")
	set(escape, `\`)
	return c
}()

// text counts over a stretch of text. Characters are never split between two.
func (s *scanner) text(raw []byte) {
	for i := 0; i < len(raw); {
		b := raw[i]
		class := classes[b]
		if !s.started && class != space && class != newline && class != escape {
			s.line(raw[i:])
		}
		switch class {
		case letter:
			i += s.latin(raw[i:])
			continue
		case high:
			r, size := utf8.DecodeRune(raw[i:])
			s.wide(r)
			i += size
			continue
		case escape:
			i += s.escape(raw[i:])
			continue
		default:
			s.plain(class)
		}
		i++
	}
}

// plain takes a character that is no letter.
func (s *scanner) plain(class uint8) {
	if s.letters > 0 {
		s.word()
	}
	s.dense = 0
	if class == digit {
		if !s.number {
			s.f.Numbers++
		}
		s.number, s.ended = true, false
		return
	}
	s.number = false
	switch class {
	case space:
		s.sentence()
	case newline:
		s.sentence()
		s.started = false
	case mark:
		s.ended = true
	case question:
		s.f.Questions++
		s.ended = true
	case sign:
		s.f.Signs++
	}
}

// latin takes letters of ASCII as long as they go on, and returns how many.
func (s *scanner) latin(raw []byte) int {
	s.begin()
	h, n := s.hash, 0
	for n < len(raw) && classes[raw[n]] == letter {
		h = hashed(h, rune(raw[n]|0x20))
		n++
	}
	s.hash = h
	s.letters += n
	return n
}

func (s *scanner) letter(r rune) {
	s.begin()
	s.letters++
	s.hash = hashed(s.hash, r)
}

// begin begins a word, unless one is read.
func (s *scanner) begin() {
	if s.letters == 0 {
		s.hash, s.number, s.ended, s.dense = hashStart, false, false, 0
	}
}

// word ends the word that is read.
func (s *scanner) word() {
	s.f.Words++
	s.open = true
	if s.letters >= longWord {
		s.f.LongWords++
	}
	s.letters = 0
	s.says(s.hash)
}

// says counts what a word asks for.
func (s *scanner) says(hash uint64) {
	if s.fenced {
		return
	}
	switch lookup(hash) {
	case hard:
		s.f.Hard++
	case easy:
		s.f.Easy++
	}
}

// sentence ends a sentence where a mark stands before white space.
func (s *scanner) sentence() {
	if s.ended {
		s.ended = false
		s.ends()
	}
}

// wide takes a character beyond ASCII.
func (s *scanner) wide(r rune) {
	s.f.Foreign++
	switch {
	case r >= 0x2200 && r < 0x2300, r == '×', r == '÷', r == '±', r == '²', r == '³':
		s.plain(sign)
	case r == '。', r == '！':
		s.plain(mark)
		s.sentence()
	case r == '？':
		s.plain(question)
		s.sentence()
	case r >= 0x3041 && r < 0xa4d0:
		s.character(r)
	case r < 0xc0, r >= 0x2000 && r < 0x3041, r == utf8.RuneError, r >= 0xff00:
		s.plain(other)
	default:
		s.letter(lower(r))
	}
}

// character takes one of a script without spaces: two count as a word.
func (s *scanner) character(r rune) {
	if s.letters > 0 {
		s.word()
	}
	s.number, s.ended, s.open = false, false, true
	if s.odd {
		s.f.Words++
	}
	s.odd = !s.odd
	if s.dense != 0 {
		s.says(hashed(hashed(hashStart, s.dense), r))
	}
	s.dense = r
}

// escape takes an escape of JSON and returns its length.
func (s *scanner) escape(raw []byte) int {
	if len(raw) < 2 {
		return len(raw)
	}
	if raw[1] == 'n' {
		s.plain(newline)
		return 2
	}
	if !s.started && raw[1] != 't' && raw[1] != 'r' {
		s.line(raw)
	}
	switch raw[1] {
	case 't', 'r', 'b', 'f':
		s.plain(space)
	case '\\':
		s.plain(sign) // as mathematics is written in TeX
	case 'u':
		if r, ok := hex4(raw[2:]); ok {
			s.unicode(r)
			return 6
		}
	default:
		s.plain(other)
	}
	return 2
}

// unicode takes a character that was written as an escape. Halves of pairs
// count as they come.
func (s *scanner) unicode(r rune) {
	if r >= utf8.RuneSelf {
		s.wide(r)
	} else if class := classes[r]; class == letter {
		s.letter(r | 0x20)
	} else {
		s.plain(class)
	}
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// line begins a line whose first character that is no space leads rest.
func (s *scanner) line(rest []byte) {
	s.started = true
	s.f.Lines++
	fence := len(rest) >= 3 && rest[0] == '`' && rest[1] == '`' && rest[2] == '`'
	switch {
	case fence:
		s.fenced = !s.fenced
	case s.fenced:
		s.f.CodeLines++
	case isItem(rest):
		s.f.Items++
	}
}

// isItem reports whether a line begins as an item of a list: a dash, a star, or
// a number with a mark.
func isItem(line []byte) bool {
	n := 0
	for n < len(line) && n < 3 && line[n] >= '0' && line[n] <= '9' {
		n++
	}
	if len(line) < n+2 || line[n+1] != ' ' {
		return false
	}
	if n > 0 {
		return line[n] == '.' || line[n] == ')'
	}
	return line[0] == '-' || line[0] == '*' || line[0] == '+'
}

// breaks ends a line: another part of the message follows, or none.
func (s *scanner) breaks() { s.plain(newline) }

// ends ends the text: what was open is a sentence too.
func (s *scanner) ends() {
	if s.open {
		s.f.Sentences++
		s.open = false
	}
}
