package filter

import (
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// decode writes to dst, which is empty, the text of raw, the characters of a JSON string, behind what
// an earlier piece has begun. A character that is cut in two is held back.
// Arguments of tools lose the escapes that are not needed.
func (ch *channel) decode(dst, raw []byte, final bool) []byte {
	dst = ch.outer(dst, raw, final)
	if ch.key.Channel == text.ChannelToolArguments {
		dst = ch.inner.Append(dst[:0], dst, final)
	}
	return dst
}

// cut reports whether a character waits for its rest.
func (ch *channel) cut() bool { return len(ch.half) > 0 || ch.inner.Holds() }

// outer decodes the escapes of the string itself. dst is empty.
func (ch *channel) outer(dst, raw []byte, final bool) []byte {
	if len(ch.half) > 0 {
		raw = append(ch.half, raw...)
		ch.half = nil
	}
	if n := cutEscape(raw); n > 0 && !final {
		ch.half = append(ch.half, raw[len(raw)-n:]...)
		raw = raw[:len(raw)-n]
	}
	dst = text.Unescape(dst, raw)
	if utf8.Valid(dst) {
		return dst
	}
	if n := cutRune(dst); n > 0 && !final && len(ch.half) == 0 {
		ch.half = append(ch.half, dst[len(dst)-n:]...)
		dst = dst[:len(dst)-n]
	}
	return valid(dst)
}

// cutEscape is the length of the first half of a surrogate pair that raw ends with.
func cutEscape(raw []byte) int {
	if n := len(raw) - 6; n >= 0 && raw[n] == '\\' && raw[n+1] == 'u' && raw[n+2]|0x20 == 'd' {
		if c := raw[n+3] | 0x20; c == '8' || c == '9' || c == 'a' || c == 'b' || raw[n+3] == '8' || raw[n+3] == '9' {
			slashes := 0
			for i := n - 1; i >= 0 && raw[i] == '\\'; i-- {
				slashes++
			}
			if slashes%2 == 0 {
				return 6
			}
		}
	}
	return 0
}

// cutRune is how many bytes at the end of b begin a character that is not whole.
func cutRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if c >= 0xc0 && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
