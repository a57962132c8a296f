package policy

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// node is a section or a leaf of the input document, in the order of leaves.
type node struct {
	name     string
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
	c := &node{name: name, key: ast.StringTerm(name)}
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
		items[i] = [2]*ast.Term{c.key, r.build(c)}
	}
	return ast.ObjectTerm(items...)
}

func (r *reader) leafTerm(id fieldID) *ast.Term {
	switch id {
	case fieldAttrs:
		items := make([][2]*ast.Term, 0, len(r.call.Principal.Attrs))
		for k, v := range r.call.Principal.Attrs {
			items = append(items, [2]*ast.Term{ast.StringTerm(k), ast.StringTerm(v)})
		}
		return ast.ObjectTerm(items...)
	case fieldHeaders:
		items := make([][2]*ast.Term, 0, len(r.env.headers))
		for _, name := range r.env.headers {
			items = append(items, [2]*ast.Term{ast.StringTerm(name), ast.StringTerm(r.header(name))})
		}
		return ast.ObjectTerm(items...)
	}
	return termOf(r.read(id))
}

// termOf copies what a value may share with the call.
func termOf(v value) *ast.Term {
	switch v.kind {
	case kindString:
		return ast.StringTerm(strings.Clone(v.str))
	case kindNumber:
		return ast.IntNumberTerm(int(v.num))
	case kindBool:
		return ast.BooleanTerm(v.yes)
	}
	terms := make([]*ast.Term, len(v.list))
	for i, s := range v.list {
		terms[i] = ast.StringTerm(strings.Clone(s))
	}
	return ast.ArrayTerm(terms...)
}
