package wire

import (
	"bytes"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// jsonSchema rewrites a Gemini schema, a subset of OpenAPI's, as JSON Schema.
// Objects with properties take no others: so does Gemini read them.
func jsonSchema(schema []byte) []byte {
	if schema == nil {
		return nil
	}
	r := lex.New(schema)
	out := appendSchema(make([]byte, 0, len(schema)+64), &r)
	return out
}

// schemaHead is what must be known of a schema before the rest is written.
type schemaHead struct{ nullable, closed, object bool }

func headOf(r lex.Reader) (h schemaHead) { // a copy: the caller's stays where it is
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch camel(r.Name()) {
		case "nullable":
			h.nullable = r.Bool()
		case "properties":
			h.object = r.Kind() == '{'
		case "additionalProperties":
			h.closed = true
		}
	}
	return h
}

func appendSchema(dst []byte, r *lex.Reader) []byte {
	if r.Kind() != '{' {
		return append(dst, r.Skip()...)
	}
	h := headOf(*r)
	dst = append(dst, '{')
	from := len(dst)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		mark := len(dst)
		if mark > from {
			dst = append(dst, ',')
		}
		var written bool
		if dst, written = h.member(dst, r); !written {
			dst = dst[:mark]
		}
	}
	if h.object && !h.closed {
		if len(dst) > from {
			dst = append(dst, ',')
		}
		dst = append(dst, `"additionalProperties":false`...)
	}
	return append(dst, '}')
}

// member appends one member, false if JSON Schema has none like it.
func (h schemaHead) member(dst []byte, r *lex.Reader) (out []byte, ok bool) {
	name := camel(r.Name())
	value := func(name string) []byte { return append(lex.AppendString(dst, name), ':') }
	switch name {
	case "nullable", "propertyOrdering":
		r.Skip()
		return dst, false
	case "format":
		f := r.Text()
		if len(f) == 0 || string(f) == "enum" {
			return dst, false
		}
		return lex.AppendString(value(name), f), true
	case "type":
		if r.Kind() == '[' { // JSON Schema's own form
			break
		}
		t := bytes.ToLower(r.Text())
		if len(t) == 0 || string(t) == "type_unspecified" {
			return dst, false
		}
		if dst = value(name); !h.nullable {
			return lex.AppendString(dst, t), true
		}
		dst = lex.AppendString(append(dst, '['), t)
		return append(dst, `,"null"]`...), true
	case "properties":
		return appendSchemas(value(name), r), true
	case "items", "additionalProperties":
		return appendSchema(value(name), r), true
	case "anyOf", "enum":
		return h.list(value(name), r, name), true
	case "example":
		return append(append(append(value("examples"), '['), r.Skip()...), ']'), true
	case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
		if r.Kind() == '"' { // as protobuf writes large numbers
			n := r.Text()
			if digits := lex.New(n); digits.Kind() != '0' || !digits.Done() {
				return dst, false
			}
			return append(value(name), n...), true
		}
	}
	return append(value(name), r.Skip()...), true
}

// appendSchemas appends an object of schemas; its names are the caller's own.
func appendSchemas(dst []byte, r *lex.Reader) []byte {
	dst = append(dst, '{')
	from := len(dst)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		if len(dst) > from {
			dst = append(dst, ',')
		}
		dst = append(lex.AppendString(dst, r.Name()), ':')
		dst = appendSchema(dst, r)
	}
	return append(dst, '}')
}

// list appends the elements of anyOf or enum; what may be null gets one more.
func (h schemaHead) list(dst []byte, r *lex.Reader, name string) []byte {
	dst = append(dst, '[')
	from := len(dst)
	for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
		if len(dst) > from {
			dst = append(dst, ',')
		}
		if name == "anyOf" {
			dst = appendSchema(dst, r)
		} else {
			dst = append(dst, r.Skip()...)
		}
	}
	if h.nullable {
		if len(dst) > from {
			dst = append(dst, ',')
		}
		if name == "anyOf" {
			dst = append(dst, `{"type":"null"}`...)
		} else {
			dst = append(dst, "null"...)
		}
	}
	return append(dst, ']')
}

// geminiSubset reports whether schema says nothing that Gemini's own form of
// schemas lacks. Such a schema is sent in that form, which every model takes;
// any other as JSON Schema, which newer models take whole.
func geminiSubset(schema []byte) bool {
	r := lex.New(schema)
	return subset(&r) && r.Done()
}

func subset(r *lex.Reader) bool {
	if r.Kind() != '{' {
		r.Skip()
		return false
	}
	ok, array, items, object, props := true, false, false, false, 0
	for more := r.Object() && r.Key(); more; more = r.Key() {
		switch string(r.Name()) {
		case "type":
			switch t := bytes.ToLower(r.Text()); string(t) {
			case "array":
				array = true
			case "object":
				object = true
			case "string", "number", "integer", "boolean":
			default:
				ok = false // a list of types, null
			}
		case "format":
			switch string(r.Text()) {
			case "enum", "date-time", "float", "double", "int32", "int64":
			default:
				ok = false
			}
		case "enum":
			for more := r.Array() && r.Elem(); more; more = r.Elem() {
				ok = r.Kind() == '"' && ok
			}
		case "properties":
			for more := r.Object() && r.Key(); more; more = r.Key() {
				props++
				ok = subset(r) && ok
			}
		case "items":
			items = true
			ok = subset(r) && ok
		case "anyOf":
			for more := r.Array() && r.Elem(); more; more = r.Elem() {
				ok = subset(r) && ok
			}
		case "title", "description", "nullable", "required", "minItems", "maxItems", "minProperties", "maxProperties",
			"minimum", "maximum", "minLength", "maxLength", "pattern", "example", "default", "propertyOrdering":
			r.Skip()
		default:
			r.Skip()
			ok = false
		}
	}
	return ok && array == items && (!object || props > 0)
}

// noArguments reports whether a function's schema says that it takes none:
// Gemini refuses an object without properties, and wants no schema then.
func noArguments(schema []byte) bool {
	r := lex.New(schema)
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "type", "required", "additionalProperties", "$schema":
		case "properties":
			for ok := r.Object() && r.Key(); ok; ok = r.Key() {
				return false
			}
		default:
			return false
		}
	}
	return true
}
