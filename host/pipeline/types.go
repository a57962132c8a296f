package pipeline

import (
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/checker/nature"
	"github.com/expr-lang/expr/types"
)

// Kind is what a value is.
type Kind uint8

// The kinds.
const (
	Any Kind = iota
	String
	Number
	Boolean
	List
	Object
	Image
	Audio
	File
)

var kindNames = [...]string{"any", "string", "number", "boolean", "list", "object", "image", "audio", "file"}

// Type is the static type of a value.
type Type struct {
	Kind   Kind
	Elem   *Type            // of a List
	Fields map[string]*Type // of an Object, nil: any
}

// Shorthands.
var (
	anyType    = &Type{Kind: Any}
	stringType = &Type{Kind: String}
	numberType = &Type{Kind: Number}
	boolType   = &Type{Kind: Boolean}
	fileType   = &Type{Kind: File}
	imageType  = &Type{Kind: Image}
	audioType  = &Type{Kind: Audio}
)

func listOf(t *Type) *Type { return &Type{Kind: List, Elem: t} }

// ParseType reads a type as authors write it: "string", "list<image>".
func ParseType(text string) (*Type, bool) { return parseType(text, 0) }

// maxNesting bounds types, and so what is declared of lists of lists.
const maxNesting = 4

func parseType(text string, depth int) (*Type, bool) {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "list<"); ok && strings.HasSuffix(inner, ">") && depth < maxNesting {
		elem, ok := parseType(inner[:len(inner)-1], depth+1)
		return listOf(elem), ok
	}
	if k := slices.Index(kindNames[:], text); k > 0 && Kind(k) != List {
		return &Type{Kind: Kind(k)}, true
	}
	return anyType, text == "any"
}

// String is the type as authors write it.
func (t *Type) String() string {
	switch {
	case t.Kind == List && t.Elem != nil:
		return "list<" + t.Elem.String() + ">"
	case t.Kind == Object && t.Fields != nil:
		names := sorted(t.Fields)
		for i, n := range names {
			names[i] = n + ": " + t.Fields[n].String()
		}
		return "{" + strings.Join(names, ", ") + "}"
	}
	return kindNames[t.Kind]
}

// media reports whether values are bytes of some type.
func (t *Type) media() bool { return t.Kind == Image || t.Kind == Audio || t.Kind == File }

// static is t as the checker of expressions knows it.
func (t *Type) static() types.Type {
	switch t.Kind {
	case String:
		return types.String
	case Number:
		return types.Float64
	case Boolean:
		return types.Bool
	case List:
		return types.Array(t.Elem.static())
	case Object:
		if t.Fields == nil {
			return types.Map{types.Extra: types.Any}
		}
		m := types.Map{}
		for name, f := range t.Fields {
			m[name] = f.static()
		}
		return m
	case Image, Audio, File:
		return types.TypeOf((*Media)(nil))
	}
	return types.Any
}

// zero is the value that stands for none.
func (t *Type) zero() any {
	switch t.Kind {
	case String:
		return ""
	case Number:
		return 0.0
	case Boolean:
		return false
	case List:
		return []any{}
	case Object:
		m := map[string]any{}
		for name, f := range t.Fields {
			m[name] = f.zero()
		}
		return m
	case Image, Audio, File:
		return (*Media)(nil)
	}
	return nil
}

// takes reports whether a value of from can be used as t: what is not known of
// from is found out when it runs.
func (t *Type) takes(from *Type) bool {
	switch {
	case t.Kind == Any, from.Kind == Any:
		return true
	case t.Kind == List:
		return from.Kind == List && t.Elem.takes(from.Elem)
	case t.Kind == File:
		return from.media()
	case t.media(): // an expression's media have lost which
		return from.media() && (from.Kind == t.Kind || from.Kind == File)
	}
	return t.Kind == from.Kind
}

var mediaType = reflect.TypeFor[*Media]()

// typeOf is the type of an expression's value. Lists and objects that the
// checker knows nothing about have anything in them.
func typeOf(n nature.Nature) *Type {
	if n.Type == nil {
		return anyType
	}
	switch n.Type.Kind() {
	case reflect.String:
		return stringType
	case reflect.Bool:
		return boolType
	case reflect.Int, reflect.Int64, reflect.Float64, reflect.Float32:
		return numberType
	case reflect.Slice, reflect.Array:
		if n.Ref != nil {
			return listOf(typeOf(*n.Ref))
		}
		if k := n.Type.Elem().Kind(); k != reflect.Interface {
			return listOf(typeOf(nature.FromType(n.Type.Elem())))
		}
		return listOf(anyType)
	case reflect.Map:
		return objectOf(&n)
	}
	if n.Type == mediaType {
		return fileType
	}
	return anyType
}

func objectOf(n *nature.Nature) *Type {
	t := &Type{Kind: Object}
	if n.TypeData != nil && len(n.Fields) > 0 {
		t.Fields = map[string]*Type{}
		for name, f := range n.Fields {
			t.Fields[name] = typeOf(f)
		}
	}
	return t
}

// fromSchema is the type that a JSON schema's common part says.
func fromSchema(schema map[string]any, depth int) *Type {
	if depth > 2*maxNesting {
		return anyType
	}
	kind, _ := schema["type"].(string)
	switch kind {
	case "string":
		return stringType
	case "number", "integer":
		return numberType
	case "boolean":
		return boolType
	case "array":
		items, _ := schema["items"].(map[string]any)
		return listOf(fromSchema(items, depth+1))
	case "object":
		props, _ := schema["properties"].(map[string]any)
		t := &Type{Kind: Object}
		for name, p := range props {
			if t.Fields == nil {
				t.Fields = map[string]*Type{}
			}
			p, _ := p.(map[string]any)
			t.Fields[name] = fromSchema(p, depth+1)
		}
		return t
	}
	return anyType
}
