package hint

import (
	"bytes"
	"cmp"
	"slices"
	"unsafe"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// What is taken of metadata.
const (
	maxPairs = 64
	maxName  = 64
	maxValue = 512
	maxMeta  = 1 << 10 // bytes of all lines
)

// pair is one line. Of pairs of one name, the one of the lowest rank counts.
type pair struct {
	name, value []byte
	rank        uint8
}

// Who says so: what the operator gave a key goes before what callers write.
const (
	ofKey = iota
	ofHeader
	ofBody
)

// Metadata fills in the lines "name=value": the attributes of the caller's key,
// and what the caller gives in a header or in the request's metadata. What is no
// name, or no plain text, is left out.
func Metadata(c *call.Call) {
	var buf [maxPairs]pair
	pairs := buf[:0]
	add := func(rank uint8, name, value []byte) {
		if len(pairs) < maxPairs && isName(name) && isPlain(value) {
			pairs = append(pairs, pair{name, value, rank})
		}
	}
	if c.Principal != nil {
		for k, v := range c.Principal.Attrs {
			add(ofKey, bytesOf(k), bytesOf(v))
		}
	}
	if c.Header != nil {
		for part := range bytes.SplitSeq(c.Header.Peek(HeaderMetadata), []byte{','}) {
			if k, v, ok := bytes.Cut(part, []byte{'='}); ok {
				add(ofHeader, bytes.TrimSpace(k), bytes.TrimSpace(v))
			}
		}
	}
	if prompts(c.Op) && c.Upload == nil {
		ties := scan.ReadTies(c.Dialect, c.Body)
		ties.EachMetadata(func(k, v []byte) { add(ofBody, k, v) })
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(bytes.Compare(a.name, b.name), cmp.Compare(a.rank, b.rank))
	})
	c.Wants.Meta = appendLines(c.Wants.Meta[:0], pairs)
}

// appendLines appends sorted pairs, the first of each name, as long as they fit.
func appendLines(b []byte, pairs []pair) []byte {
	from := len(b)
	for i, p := range pairs {
		if i > 0 && bytes.Equal(p.name, pairs[i-1].name) || len(b)-from+len(p.name)+len(p.value)+2 > maxMeta {
			continue
		}
		if len(b) > from {
			b = append(b, '\n')
		}
		b = append(append(append(b, p.name...), '='), p.value...)
	}
	return b
}

func isName(b []byte) bool {
	if len(b) == 0 || len(b) > maxName {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c == '=' || c == ',' || c >= 0x7f {
			return false
		}
	}
	return true
}

func isPlain(b []byte) bool {
	return len(b) <= maxValue && !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c == 0x7f })
}

// bytesOf are the bytes of s, to be read alone.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
