package policy

import (
	"maps"
	"slices"
	"strconv"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// AppendInput appends what policy sees of c, as JSON: the whole input document,
// of the headers those that the bundle reads. Nothing of a prompt is in it.
func (e *Engine) AppendInput(dst []byte, c *call.Call) []byte {
	s := e.snap.Load()
	if s == nil || c.Principal == nil {
		return dst
	}
	r := getReader(c, &s.env)
	defer putReader(r)
	return r.appendJSON(dst, document)
}

func (r *reader) appendJSON(dst []byte, n *node) []byte {
	if len(n.children) == 0 {
		return r.appendLeaf(dst, n.id)
	}
	dst = append(dst, '{')
	for i, c := range n.children {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = r.appendJSON(append(dst, c.quoted...), c)
	}
	return append(dst, '}')
}

func (r *reader) appendLeaf(dst []byte, id fieldID) []byte {
	switch l := &leaves[id]; {
	case l.text != nil:
		return wire.AppendString(dst, l.text(r))
	case l.number != nil:
		return strconv.AppendInt(dst, l.number(r), 10)
	case l.flag != nil:
		return strconv.AppendBool(dst, l.flag(r))
	case l.list != nil:
		dst = append(dst, '[')
		for i, s := range l.list(r).list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = wire.AppendString(dst, s)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	member := func(i int, name, value string) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, name), ':')
		dst = wire.AppendString(dst, value)
	}
	if id == fieldHeaders {
		for i, name := range r.env.headers {
			member(i, name, r.header(name))
		}
		return append(dst, '}')
	}
	attrs := r.call.Principal.Attrs
	r.attrs = slices.AppendSeq(r.attrs[:0], maps.Keys(attrs))
	slices.Sort(r.attrs)
	for i, name := range r.attrs {
		member(i, name, attrs[name])
	}
	return append(dst, '}')
}
