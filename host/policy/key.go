package policy

import (
	"encoding/binary"
	"slices"
)

// maxKey bounds the bytes of a key; a request whose key is longer is evaluated
// and not remembered.
const maxKey = 4 << 10

// appendKey appends the values of fields, tagged and length-prefixed in fixed
// order, so that two calls have the same key only if all values are the same.
func (r *reader) appendKey(dst []byte, fields []field) []byte {
	for _, f := range fields {
		if leaves[f.id].open {
			dst = r.appendOpen(dst, f)
			continue
		}
		dst = appendValue(dst, r.read(f.id))
	}
	return dst
}

func appendValue(dst []byte, v value) []byte {
	switch v.kind {
	case kindString:
		return appendText(append(dst, 's'), v.str)
	case kindNumber:
		return binary.LittleEndian.AppendUint64(append(dst, 'n'), uint64(v.num))
	case kindBool:
		if v.yes {
			return append(dst, 't')
		}
		return append(dst, 'f')
	}
	dst = binary.AppendUvarint(append(dst, 'l'), uint64(len(v.list)))
	for _, s := range v.list {
		dst = appendText(dst, s)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendOpen appends attributes: one of them, present or absent, or all. (The
// other open field, the headers, is volatile and never part of a key.)
func (r *reader) appendOpen(dst []byte, f field) []byte {
	attrs := r.call.Principal.Attrs
	if f.name != "" {
		v, ok := attrs[f.name]
		if !ok {
			return append(dst, 'a')
		}
		return appendText(append(dst, 's'), v)
	}
	names := make([]string, 0, 16) // stays on the stack up to 16 attributes
	for name := range attrs {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = binary.AppendUvarint(append(dst, 'o'), uint64(len(names)))
	for _, name := range names {
		dst = appendText(appendText(dst, name), attrs[name])
	}
	return dst
}
