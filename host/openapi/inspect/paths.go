package inspect

import (
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

// withSlashes marks a parameter that is the rest of its path.
const withSlashes = "x-signalbox-slashes"

// paths are those of a document.
type paths struct {
	doc  *openapi3.T
	each []path
}

type path struct {
	text  string
	parts []string // of text
	rest  bool     // the last part is all that is left
	item  *openapi3.PathItem
}

func pathsOf(doc *openapi3.T) paths {
	all := paths{doc: doc}
	for text, item := range doc.Paths.Map() {
		p := path{text: text, parts: strings.Split(text, "/"), item: item}
		params := slices.Clone(item.Parameters)
		for _, op := range item.Operations() {
			params = append(params, op.Parameters...)
		}
		for _, param := range params {
			p.rest = p.rest || param.Value.Extensions[withSlashes] == true
		}
		all.each = append(all.each, p)
	}
	// What is written out goes before parameters, and longer paths before shorter.
	slices.SortFunc(all.each, func(a, b path) int { return slices.Compare(b.order(), a.order()) })
	return all
}

// order is the path in a form in which parameters come first.
func (p path) order() []string {
	out := slices.Clone(p.parts)
	for i, part := range out {
		if isParam(part) {
			out[i] = ""
		}
	}
	return out
}

func isParam(part string) bool { return strings.HasPrefix(part, "{") }

// find returns what serves method and path, nil: nothing.
func (p paths) find(method, at string) (*routers.Route, map[string]string) {
	parts := strings.Split(at, "/")
	for _, one := range p.each {
		params, ok := one.match(parts)
		if !ok {
			continue
		}
		if op := one.item.GetOperation(method); op != nil {
			return &routers.Route{Spec: p.doc, Path: one.text, PathItem: one.item, Method: method, Operation: op}, params
		}
	}
	return nil, nil
}

func (p path) match(parts []string) (map[string]string, bool) {
	if n := len(p.parts); p.rest && len(parts) > n {
		parts = append(slices.Clone(parts[:n-1]), strings.Join(parts[n-1:], "/"))
	}
	if len(parts) != len(p.parts) {
		return nil, false
	}
	var params map[string]string
	for i, part := range p.parts {
		switch {
		case isParam(part):
			if params == nil {
				params = map[string]string{}
			}
			params[strings.Trim(part, "{}")] = parts[i]
		case part != parts[i]:
			return nil, false
		}
	}
	return params, true
}

func (p paths) operations() []string {
	var out []string
	for _, one := range p.each {
		for method := range one.item.Operations() {
			out = append(out, method+" "+one.text)
		}
	}
	slices.Sort(out)
	return out
}
