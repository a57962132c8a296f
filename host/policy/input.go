package policy

import (
	"strings"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// node is a section or a leaf of the input document, in the order of leaves.
type node struct {
	name     string
	quoted   []byte // name as JSON, with its colon
	key      *ast.Term
	id       fieldID
	children []*node
}

// document is the shape of the input, made of the leaves' paths.
var document = func() *node {
	root := &node{}
	for id := range numFields {
		at := root
		for _, part := range leaves[id].path {
			at = at.child(part)
		}
		at.id = id
	}
	return root
}()

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	c := &node{name: name, quoted: append(wire.AppendString(nil, name), ':'), key: ast.StringTerm(name)}
	n.children = append(n.children, c)
	return c
}

// document builds the whole input for the call, with every field present. It
// holds no bytes of the call itself.
func (r *reader) document() *ast.Term { return r.build(document) }

func (r *reader) build(n *node) *ast.Term {
	if len(n.children) == 0 {
		return r.leafTerm(n.id)
	}
	items := make([][2]*ast.Term, len(n.children))
	for i, c := range n.children {
		var t *ast.Term
		switch c.name {
		case "principal":
			t = r.env.sections.principal(r, c)
		case "time":
			t = r.env.sections.time(r, c)
		default:
			t = r.build(c)
		}
		items[i] = [2]*ast.Term{c.key, t}
	}
	return ast.ObjectTerm(items...)
}

func (r *reader) leafTerm(id fieldID) *ast.Term {
	switch l := &leaves[id]; {
	case l.text != nil:
		return textTerm(l.text(r))
	case l.number != nil:
		return ast.InternedTerm(int(l.number(r)))
	case l.flag != nil:
		return ast.InternedTerm(l.flag(r))
	case l.list != nil:
		n := l.list(r)
		if n.term == nil {
			n.term = listTerm(n.list)
		}
		return n.term
	}
	return r.openTerm(id)
}

// openTerm builds the attributes, or the headers that the bundle reads.
func (r *reader) openTerm(id fieldID) *ast.Term {
	items := make([][2]*ast.Term, 0, 8)
	if id == fieldAttrs {
		for k, v := range r.call.Principal.Attrs {
			items = append(items, [2]*ast.Term{textTerm(k), textTerm(v)})
		}
	} else {
		for _, name := range r.env.headers {
			items = append(items, [2]*ast.Term{textTerm(name), textTerm(r.header(name))})
		}
	}
	if len(items) == 0 {
		return ast.InternedEmptyObject
	}
	return ast.ObjectTerm(items...)
}

// textTerm copies s, which may be bytes of the call.
func textTerm(s string) *ast.Term {
	if t := fixed[s]; t != nil {
		return t
	}
	return ast.StringTerm(strings.Clone(s))
}

func listTerm(list []string) *ast.Term {
	if len(list) == 0 {
		return ast.InternedEmptyArray
	}
	terms := make([]*ast.Term, len(list))
	for i, s := range list {
		terms[i] = textTerm(s)
	}
	return ast.ArrayTerm(terms...)
}

// fixed are the terms of texts that most inputs hold.
var fixed = func() map[string]*ast.Term {
	out := map[string]*ast.Term{}
	for _, list := range [][]string{{"", "key", "normal", "chat", "embeddings", "UTC"}, weekdays[:], sizeBuckets} {
		for _, s := range list {
			out[s] = ast.StringTerm(s)
		}
	}
	return out
}()

// sections keeps the parts of the input that requests share: building them is
// most of what a cold decision costs beside the evaluation.
type sections struct {
	principals *memo[ast.Term]
	minute     atomic.Pointer[timeSection]
}

const (
	sectionSets  = 32 // × ways = 256 principals
	sectionBytes = 512 << 10
	sectionSize  = 1500 // about what one takes
)

type timeSection struct {
	at   clock
	term *ast.Term
}

// principalFields are all that the section is made of.
var principalFields = fieldsUnder([]string{"principal"})

func (s *sections) principal(r *reader, n *node) *ast.Term {
	r.section = r.appendKey(r.section[:0], principalFields)
	if t := s.principals.get(r.section, r.by); t != nil {
		return t
	}
	t := r.build(n)
	s.principals.put(r.section, t, sectionSize+4*int64(len(r.section)), r.by)
	return t
}

func (s *sections) time(r *reader, n *node) *ast.Term {
	now := *r.now()
	if have := s.minute.Load(); have != nil && have.at == now {
		return have.term
	}
	t := r.build(n)
	s.minute.Store(&timeSection{now, t})
	return t
}
