package main

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// quote appends s as a JSON string.
func quote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		if c >= utf8.RuneSelf {
			if r, size := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size - 1
				continue
			}
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c >= utf8.RuneSelf:
			dst = append(dst, `\ufffd`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}

// finish names why the answer ended, in a dialect's words.
func (o *answer) finish(stop, length, tool string) string {
	switch {
	case len(o.calls) > 0:
		return tool
	case o.truncated:
		return length
	}
	return stop
}

// split cuts a text into words, none for an empty one.
func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.SplitAfter(text, " ")
}

// halves cuts tool arguments in two, so that clients have to put them together.
func halves(s string) []string {
	cut := len(s) / 2
	for cut < len(s) && !utf8.RuneStart(s[cut]) {
		cut++
	}
	return []string{s[:cut], s[cut:]}
}
