package pipeline

import (
	"errors"
	"fmt"
	"strings"
)

// value is a value as authors write it: plain, or made by expressions, which
// stand between {{ and }}. A text that is one expression has the type of that;
// one that holds several, or other characters, is a text.
type value struct {
	typ   *Type
	plain any       // without expressions
	parts []part    // of a text
	list  []*value  // elements
	names []string  // of members
	child []*value  // members, by name
	one   *program  // the whole
	kind  valueKind // which of these it is
}

type valueKind uint8

const (
	plainKind valueKind = iota
	exprKind
	textKind
	listKind
	objectKind
)

// part is a piece of a text.
type part struct {
	text string
	expr *program // nil: text
}

// parseValue compiles v, which came out of YAML.
func parseValue(v any, s scope) (*value, error) {
	return parseDeep(v, s, 0)
}

func parseDeep(v any, s scope, depth int) (*value, error) {
	if depth > maxValueDepth {
		return nil, fmt.Errorf("is nested deeper than %d", maxValueDepth)
	}
	switch v := v.(type) {
	case nil:
		return &value{typ: anyType}, nil
	case string:
		return parseText(v, s)
	case bool:
		return &value{typ: boolType, plain: v}, nil
	case int:
		return &value{typ: numberType, plain: float64(v)}, nil
	case float64:
		return &value{typ: numberType, plain: v}, nil
	case []any:
		return parseElements(v, s, depth)
	case map[string]any:
		return parseMembers(v, s, depth)
	}
	return nil, fmt.Errorf("holds a %T, which has no form in JSON: put it in quotes", v)
}

func parseElements(v []any, s scope, depth int) (*value, error) {
	out := &value{kind: listKind, typ: listOf(anyType)}
	for i, e := range v {
		el, err := parseDeep(e, s, depth+1)
		if err != nil {
			return nil, fmt.Errorf("[%d] %w", i, err)
		}
		if i == 0 {
			out.typ = listOf(el.typ)
		} else if !out.typ.Elem.takes(el.typ) || !el.typ.takes(out.typ.Elem) {
			out.typ = listOf(anyType)
		}
		out.list = append(out.list, el)
	}
	return out, nil
}

func parseMembers(v map[string]any, s scope, depth int) (*value, error) {
	out := &value{kind: objectKind, typ: &Type{Kind: Object}}
	for _, name := range sorted(v) {
		el, err := parseDeep(v[name], s, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if out.typ.Fields == nil {
			out.typ.Fields = map[string]*Type{}
		}
		out.typ.Fields[name] = el.typ
		out.names, out.child = append(out.names, name), append(out.child, el)
	}
	return out, nil
}

// maxText bounds a text as it is written.
const maxText = 64 << 10

var errOpen = errors.New("has {{ without }}: an expression stands between both")

func parseText(text string, s scope) (*value, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("is longer than %d bytes", maxText)
	}
	var parts []part
	for rest := text; rest != ""; {
		at := strings.Index(rest, "{{")
		if at < 0 {
			parts = append(parts, part{text: rest})
			break
		}
		if at > 0 {
			parts = append(parts, part{text: rest[:at]})
		}
		source, after, ok := cutExpr(rest[at+2:])
		if !ok {
			return nil, errOpen
		}
		p, err := compile(source, s)
		if err != nil {
			return nil, fmt.Errorf("{{%s}}: %w", source, err)
		}
		parts, rest = append(parts, part{expr: p}), after
	}
	switch {
	case len(parts) == 0, len(parts) == 1 && parts[0].expr == nil:
		return &value{typ: stringType, plain: text}, nil
	case len(parts) == 1:
		return &value{kind: exprKind, typ: parts[0].expr.typ, one: parts[0].expr}, nil
	}
	for _, p := range parts {
		if p.expr != nil && p.expr.typ.media() {
			return nil, errors.New("puts a file into a text: give it by itself")
		}
	}
	return &value{kind: textKind, typ: stringType, parts: parts}, nil
}

// cutExpr finds the end of an expression: the first }} that lies in neither a
// text nor braces of its own.
func cutExpr(s string) (source, after string, ok bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'', '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '`' {
					i++
				}
			}
		case '{':
			depth++
		case '}':
			if depth > 0 {
				depth--
			} else if strings.HasPrefix(s[i:], "}}") {
				return s[:i], s[i+2:], true
			}
		}
	}
	return "", "", false
}

// eval is what v comes to.
func (v *value) eval(vs vars) (any, error) {
	switch v.kind {
	case exprKind:
		return v.one.eval(vs)
	case textKind:
		return v.text(vs)
	case listKind:
		out := make([]any, len(v.list))
		for i, e := range v.list {
			var err error
			if out[i], err = e.eval(vs); err != nil {
				return nil, err
			}
		}
		return out, nil
	case objectKind:
		out := make(map[string]any, len(v.names))
		for i, e := range v.child {
			var err error
			if out[v.names[i]], err = e.eval(vs); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v.plain, nil
}

// text joins the parts of v: what is no text stands as JSON.
func (v *value) text(vs vars) (any, error) {
	texts, n := make([]string, len(v.parts)), 0
	for i, p := range v.parts {
		if texts[i] = p.text; p.expr != nil {
			part, err := p.expr.eval(vs)
			if err != nil {
				return nil, err
			}
			if texts[i], err = asText(part, maxBytes-n); err != nil {
				return nil, err
			}
		}
		if n += len(texts[i]); n > maxBytes {
			return nil, errCost
		}
	}
	return strings.Join(texts, ""), nil
}

// asText is v as it stands within a text: what is none as JSON.
func asText(v any, limit int) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	b, err := appendJSON(nil, v, limit)
	return string(b), err
}

// each calls f with all expressions in v.
func (v *value) each(f func(*program)) {
	if v == nil {
		return
	}
	if v.one != nil {
		f(v.one)
	}
	for _, p := range v.parts {
		if p.expr != nil {
			f(p.expr)
		}
	}
	for _, e := range v.list {
		e.each(f)
	}
	for _, e := range v.child {
		e.each(f)
	}
}
