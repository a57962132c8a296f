package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

// maxValueDepth bounds values, and so the stack.
const maxValueDepth = 64

// appendJSON appends v; what comes to more than limit bytes is an error. Lists
// may hold the same text many times: it is counted each time.
func appendJSON(dst []byte, v any, limit int) ([]byte, error) {
	w := writer{b: slices.Grow(dst, max(0, min(lengthOf(v, 0), limit))), limit: len(dst) + limit}
	if err := w.value(v, 0); err != nil {
		return nil, err
	}
	return w.b, nil
}

// lengthOf is about what v comes to, so that its place is made once.
func lengthOf(v any, depth int) (n int) {
	if depth > maxValueDepth {
		return 0
	}
	switch v := v.(type) {
	case string:
		return len(v) + len(v)/64 + 8 // some of it is escaped
	case []any:
		for _, e := range v {
			n += lengthOf(e, depth+1)
		}
	case map[string]any:
		for name, e := range v {
			n += len(name) + 8 + lengthOf(e, depth+1)
		}
	case inBase64:
		return v.written()
	case dataURL:
		return v.written()
	case *Media:
		return v.written()
	case json.RawMessage:
		return len(v)
	}
	return n + 8
}

// written is about what m comes to in base64.
func (m *Media) written() int {
	if m == nil {
		return 8
	}
	return base64.StdEncoding.EncodedLen(len(m.data)) + len(m.Type) + 64
}

type writer struct {
	b     []byte
	limit int
	part  []byte // of a text that is being escaped
}

func (w *writer) room(n int) error {
	if len(w.b)+n > w.limit {
		return errCost
	}
	return nil
}

func (w *writer) value(v any, depth int) error {
	if depth > maxValueDepth {
		return fmt.Errorf("a value is nested deeper than %d", maxValueDepth)
	}
	if err := w.room(8); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		w.b = append(w.b, "null"...)
	case string:
		return w.text(v)
	case bool:
		w.b = strconv.AppendBool(w.b, v)
	case int:
		w.b = strconv.AppendInt(w.b, int64(v), 10)
	case int64:
		w.b = strconv.AppendInt(w.b, v, 10)
	case float64:
		w.number(v)
	case []any:
		return list(w, v, depth)
	case []string:
		return list(w, v, depth)
	case map[string]any:
		return w.object(v, depth)
	case *Media:
		return w.media(v)
	case inBase64:
		return w.base64("", v.Media)
	case dataURL:
		return w.base64("data:"+v.Type+";base64,", v.Media)
	case json.RawMessage:
		if err := w.room(len(v)); err != nil {
			return err
		}
		w.b = append(w.b, v...)
	default:
		return fmt.Errorf("a value of %T cannot be written", v)
	}
	return nil
}

func (w *writer) text(s string) error {
	if err := w.room(len(s)); err != nil {
		return err
	}
	w.b = append(w.b, '"')
	for len(s) > 0 { // a piece at a time: no copy is made of all of it
		n := min(len(s), textPiece)
		for back := 0; n < len(s) && back < utf8.UTFMax-1 && !utf8.RuneStart(s[n]); back++ {
			n--
		}
		w.part = append(w.part[:0], s[:n]...)
		w.b, s = text.Escape(w.b, w.part), s[n:]
	}
	w.b = append(w.b, '"')
	return nil
}

// textPiece is how much of a text is escaped at a time.
const textPiece = 4 << 10

// base64 writes m as a text that begins with head.
func (w *writer) base64(head string, m *Media) error {
	if err := w.room(m.written()); err != nil {
		return err
	}
	w.b = text.Escape(append(w.b, '"'), []byte(head))
	w.b = append(base64.StdEncoding.AppendEncode(w.b, m.data), '"')
	return nil
}

func (w *writer) number(f float64) {
	switch {
	case math.IsNaN(f), math.IsInf(f, 0):
		w.b = append(w.b, "null"...)
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		w.b = strconv.AppendInt(w.b, int64(f), 10)
	default:
		w.b = strconv.AppendFloat(w.b, f, 'g', -1, 64)
	}
}

func list[V any](w *writer, v []V, depth int) error {
	w.b = append(w.b, '[')
	for i := range v {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		if err := w.value(v[i], depth+1); err != nil {
			return err
		}
	}
	w.b = append(w.b, ']')
	return nil
}

func (w *writer) object(v map[string]any, depth int) error {
	w.b = append(w.b, '{')
	for i, name := range sorted(v) {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		if err := w.text(name); err != nil {
			return err
		}
		w.b = append(w.b, ':')
		if err := w.value(v[name], depth+1); err != nil {
			return err
		}
	}
	w.b = append(w.b, '}')
	return nil
}

func (w *writer) media(m *Media) error {
	if m == nil {
		w.b = append(w.b, "null"...)
		return nil
	}
	return w.object(map[string]any{"type": m.Type, "data": inBase64{m}}, 0)
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// decode reads one JSON value whose lists are no longer than values may be.
func decode(b []byte) (any, error) {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	return v, bounded(v, 0)
}

func bounded(v any, depth int) error {
	if depth > maxValueDepth {
		return fmt.Errorf("a value is nested deeper than %d", maxValueDepth)
	}
	switch v := v.(type) {
	case []any:
		if len(v) > maxList {
			return fmt.Errorf("a list has %d elements, more than %d", len(v), maxList)
		}
		for _, e := range v {
			if err := bounded(e, depth+1); err != nil {
				return err
			}
		}
	case map[string]any:
		if len(v) > maxList {
			return fmt.Errorf("an object has %d members, more than %d", len(v), maxList)
		}
		for _, e := range v {
			if err := bounded(e, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// fits reports what is wrong with v as a t, "" if nothing is. at is where it lies.
func fits(v any, t *Type, at string) error {
	wrong := func() error { return fmt.Errorf("%s is %s, and must be %s", at, nameOf(v), t) }
	switch t.Kind {
	case String:
		if _, ok := v.(string); !ok {
			return wrong()
		}
	case Number:
		if _, ok := v.(float64); !ok {
			return wrong()
		}
	case Boolean:
		if _, ok := v.(bool); !ok {
			return wrong()
		}
	case List:
		l, ok := v.([]any)
		if !ok {
			return wrong()
		}
		for i, e := range l {
			if err := fits(e, t.Elem, at+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
	case Object:
		m, ok := v.(map[string]any)
		if !ok {
			return wrong()
		}
		for _, name := range sorted(t.Fields) {
			if e, has := m[name]; has && e != nil {
				if err := fits(e, t.Fields[name], at+"."+name); err != nil {
					return err
				}
			}
		}
	case Image, Audio, File:
		m, ok := v.(*Media)
		if !ok || m == nil || !m.is(t.Kind) {
			return wrong()
		}
	}
	return nil
}

// nameOf is the kind of v in words.
func nameOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return "a string"
	case float64, int:
		return "a number"
	case bool:
		return "a boolean"
	case []any, []string:
		return "a list"
	case map[string]any:
		return "an object"
	case *Media:
		if v == nil {
			return "nothing"
		}
		return "a file of type " + v.Type
	}
	return fmt.Sprintf("a %T", v)
}
