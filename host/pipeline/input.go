package pipeline

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// input is one thing that callers give.
type input struct {
	name string
	spec call.PipelineInput
	typ  *Type
	def  any
}

// What an input may have where its author does not say.
const (
	usualText  = 1 << 20  // characters
	usualMedia = 32 << 20 // bytes
)

// sources are where inputs of a chat come from, with what they give.
var sources = map[string][]*Type{
	"chat.text":     {stringType},
	"chat.image":    {imageType, listOf(imageType)},
	"chat.audio":    {audioType},
	"chat.messages": {listOf(&Type{Kind: Object})},
}

// inputs checks what is declared, and returns the type of all of it.
func (c *compiler) inputs(specs map[string]call.PipelineInput) *Type {
	all := &Type{Kind: Object, Fields: map[string]*Type{}}
	if len(specs) > maxInputs {
		c.addf("input", "", "there are more than %d: put some into an object", maxInputs)
	}
	for _, name := range sorted(specs) {
		in := &input{name: name, spec: specs[name]}
		path := "input." + name
		if !inputName.MatchString(name) {
			c.addf(path, "", "an input's name has lower-case letters, digits and '_', begins with a letter, and has at most 64")
		}
		var ok bool
		if in.typ, ok = ParseType(in.spec.Type); !ok || in.spec.Type == "" {
			c.addf(path+".type", "", "is %q: give string, number, boolean, object, image, audio, file, or list<…> of one of these", in.spec.Type)
			in.typ = anyType
		}
		c.declared(path, in)
		all.Fields[name] = in.typ
		c.p.inputs = append(c.p.inputs, in)
	}
	return all
}

func (c *compiler) declared(path string, in *input) {
	spec := &in.spec
	if spec.From != "" {
		want, known := sources[spec.From]
		switch {
		case !known:
			c.addf(path+".from", "", "is %q: give one of %s", spec.From, strings.Join(sorted(sources), ", "))
		case !slices.ContainsFunc(want, func(t *Type) bool { return t.takes(in.typ) && in.typ.Kind == t.Kind }):
			c.addf(path+".from", "", "%s gives %s, and the input is %s", spec.From, oneOf(want), in.typ)
		}
	}
	if spec.Max < 0 || spec.MaxItems < 0 || spec.MaxItems > maxList {
		c.addf(path, "", "max is not below 0, and max_items is from 1 to %d", maxList)
	}
	for i, e := range spec.Enum {
		if _, err := in.check(e); err != nil {
			c.addf(fmt.Sprintf("%s.enum[%d]", path, i), "", "%v", err)
		}
	}
	if spec.Default == nil {
		return
	}
	if spec.Required {
		c.addf(path+".default", "", "stands beside required: true: keep one")
	}
	v, err := in.check(spec.Default)
	if err != nil {
		c.addf(path+".default", "", "%v", err)
	}
	in.def = v
}

// check reads v as the input's.
func (in *input) check(v any) (any, error) {
	v, err := in.coerce(v, in.typ)
	if err == nil {
		err = bounded(v, 0)
	}
	if err == nil {
		err = fits(v, in.typ, in.name)
	}
	if err == nil {
		err = in.size(v)
	}
	if err == nil && len(in.spec.Enum) > 0 && !slices.ContainsFunc(in.spec.Enum, func(e any) bool { return reflect.DeepEqual(numbered(e), v) }) {
		err = fmt.Errorf("%s is none of %s", in.name, listed(in.spec.Enum))
	}
	return v, err
}

func numbered(v any) any {
	if n, ok := v.(int); ok {
		return float64(n)
	}
	return v
}

func listed(values []any) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprint(v)
	}
	return strings.Join(out, ", ")
}

// coerce brings v from what JSON and YAML have into the form of t.
func (in *input) coerce(v any, t *Type) (any, error) {
	switch {
	case t.media():
		m, err := readMedia(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.name, err)
		}
		return m, nil
	case t.Kind == List:
		l, ok := v.([]any)
		if !ok {
			return v, nil // fits says so
		}
		out := make([]any, len(l))
		for i := range l {
			var err error
			if out[i], err = in.coerce(l[i], t.Elem); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return numbered(v), nil
}

// size holds v to what the input may have.
func (in *input) size(v any) error {
	switch v := v.(type) {
	case string:
		if n := utf8.RuneCountInString(v); int64(n) > in.maxText() {
			return fmt.Errorf("%s has %d characters, more than %d", in.name, n, in.maxText())
		}
	case *Media:
		if int64(v.Size) > in.maxMedia() {
			return fmt.Errorf("%s has %d bytes, more than %d", in.name, v.Size, in.maxMedia())
		}
	case []any:
		if len(v) > in.maxItems() {
			return fmt.Errorf("%s has %d elements, more than %d", in.name, len(v), in.maxItems())
		}
		for _, e := range v {
			if err := in.size(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (in *input) maxText() int64 {
	if in.spec.Max > 0 {
		return in.spec.Max
	}
	return usualText
}

func (in *input) maxMedia() int64 {
	if in.spec.Max > 0 {
		return in.spec.Max
	}
	return usualMedia
}

func (in *input) maxItems() int {
	if in.spec.MaxItems > 0 {
		return in.spec.MaxItems
	}
	return maxList
}

// badInput is the error of a caller's input.
func badInput(name, format string, args ...any) *wire.Error {
	e := wire.Errorf(400, "invalid_input", format, args...)
	e.Param = "input"
	if name != "" {
		e.Param += "." + name
	}
	return e
}

// Inputs checks what a caller gives: values by name, as JSON has them, media as
// *Media or in JSON's forms. A text stands for a number or a boolean where a
// form brought it, which loose says.
func (p *Pipeline) Inputs(given map[string]any, loose bool) (map[string]any, *wire.Error) {
	out := map[string]any{}
	known := make([]string, len(p.inputs))
	for i, in := range p.inputs {
		known[i] = in.name
		v, has := given[in.name]
		if text, is := v.(string); is && loose {
			v = in.loosen(text)
		}
		switch {
		case has && v != nil:
			v, err := in.check(v)
			if err != nil {
				return nil, badInput(in.name, "pipeline %q: %v", p.Name, err)
			}
			out[in.name] = v
		case in.spec.Required:
			return nil, badInput(in.name, "pipeline %q needs the input %q, %s: %s", p.Name, in.name, in.typ, in.remedy())
		case in.def != nil:
			out[in.name] = in.def
		default:
			out[in.name] = in.typ.zero()
		}
	}
	for _, name := range sorted(given) {
		if !slices.Contains(known, name) {
			return nil, badInput(name, "pipeline %q has no input %q%s: it has %s", p.Name, name, near(name, known), strings.Join(known, ", "))
		}
	}
	return out, nil
}

func (in *input) remedy() string {
	if in.typ.media() {
		return "send it as a part of a form, or as a data URL"
	}
	return "send it in input"
}

// loosen reads a field of a form, which is text, as what the input is.
func (in *input) loosen(text string) any {
	switch in.typ.Kind {
	case Number:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	case Boolean:
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	case List, Object:
		if v, err := decode([]byte(text)); err == nil {
			return v
		}
		if in.typ.Kind == List && in.typ.Elem.Kind == String {
			var out []any
			for s := range strings.SplitSeq(text, ",") {
				out = append(out, strings.TrimSpace(s))
			}
			return out
		}
	}
	return text
}
