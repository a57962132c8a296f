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
	for i := range fields {
		f := &fields[i]
		switch l := &leaves[f.id]; {
		case l.text != nil:
			dst = appendText(append(dst, 's'), l.text(r))
		case l.number != nil:
			dst = binary.LittleEndian.AppendUint64(append(dst, 'n'), uint64(l.number(r)))
		case l.flag != nil:
			dst = append(dst, flagTag(l.flag(r)))
		case l.list != nil:
			dst = appendList(dst, l.list(r).list)
		default:
			dst = r.appendOpen(dst, f.name)
		}
	}
	return dst
}

func flagTag(b bool) byte {
	if b {
		return 't'
	}
	return 'f'
}

func appendList(dst []byte, list []string) []byte {
	dst = binary.AppendUvarint(append(dst, 'l'), uint64(len(list)))
	for _, s := range list {
		dst = appendText(dst, s)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendOpen appends attributes: one of them, present or absent, or all. (The
// other open field, the headers, is volatile and never part of a key.)
func (r *reader) appendOpen(dst []byte, member string) []byte {
	attrs := r.call.Principal.Attrs
	if member != "" {
		v, ok := attrs[member]
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
