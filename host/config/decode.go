package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder fills a Config from plain maps. It is strict, so that a slip is
// never read as something else: unknown names and wrong types are problems
// that carry the whole path. Text stands for numbers, booleans and durations
// too, as variables of the environment have no other form.
type decoder struct{ problems }

func (d *decoder) value(path string, v any, dst reflect.Value) {
	if v == nil {
		return
	}
	if s, ok := dst.Addr().Interface().(scalar); ok {
		if err := s.read(v); err != nil {
			d.addf(path, "%v", err)
		}
		return
	}
	switch target := dst.Addr().Interface().(type) {
	case *time.Duration:
		d.duration(path, v, target)
		return
	case *time.Time:
		d.time(path, v, target)
		return
	}
	switch dst.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		d.value(path, v, dst.Elem())
	case reflect.Interface:
		dst.Set(reflect.ValueOf(v))
	case reflect.Struct:
		d.object(path, v, dst)
	case reflect.Map:
		d.mapping(path, v, dst)
	case reflect.Slice:
		d.list(path, v, dst)
	default:
		d.plain(path, v, dst)
	}
}

func (d *decoder) object(path string, v any, dst reflect.Value) {
	m, ok := v.(map[string]any)
	if !ok {
		d.addf(path, "must be a mapping of names to values")
		return
	}
	fields := fieldsOf(dst.Type())
	for _, name := range sortedKeys(m) {
		i, ok := fields.index[name]
		if !ok {
			d.addf(join(path, name), "%v", unknownKey(name, fields.names))
			continue
		}
		d.value(join(path, name), m[name], dst.Field(i))
	}
}

func (d *decoder) mapping(path string, v any, dst reflect.Value) {
	m, ok := v.(map[string]any)
	if !ok {
		d.addf(path, "must be a mapping of names to values")
		return
	}
	out := reflect.MakeMapWithSize(dst.Type(), len(m))
	for _, name := range sortedKeys(m) {
		elem := reflect.New(dst.Type().Elem()).Elem()
		d.value(join(path, name), m[name], elem)
		out.SetMapIndex(reflect.ValueOf(name), elem)
	}
	dst.Set(out)
}

func (d *decoder) list(path string, v any, dst reflect.Value) {
	l, ok := v.([]any)
	if !ok {
		d.addf(path, "must be a list: write [a, b]")
		return
	}
	out := reflect.MakeSlice(dst.Type(), len(l), len(l))
	for i, e := range l {
		d.value(fmt.Sprintf("%s[%d]", path, i), e, out.Index(i))
	}
	dst.Set(out)
}

func (d *decoder) plain(path string, v any, dst reflect.Value) {
	text, isText := v.(string)
	if !isText && dst.Kind() != reflect.String {
		text = fmt.Sprint(v)
	}
	switch dst.Kind() {
	case reflect.String:
		if !isText {
			d.addf(path, "must be text: put it in quotes")
			return
		}
		dst.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			d.addf(path, "must be true or false")
		}
		dst.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, dst.Type().Bits())
		if err != nil {
			d.addf(path, "must be a whole number")
		}
		dst.SetInt(n)
	case reflect.Uint32:
		n, err := strconv.ParseUint(text, 10, dst.Type().Bits())
		if err != nil {
			d.addf(path, "must be a whole number, 0 to 4294967295")
		}
		dst.SetUint(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			d.addf(path, "must be a number")
		}
		dst.SetFloat(f)
	default:
		panic(fmt.Sprintf("BUG: field %s has a kind that is not read; got %s", path, dst.Kind()))
	}
}

func (d *decoder) duration(path string, v any, dst *time.Duration) {
	text, ok := v.(string)
	if n, isInt := v.(int); isInt && n == 0 {
		text, ok = "0", true
	}
	n, err := time.ParseDuration(text)
	if !ok || err != nil || n < 0 {
		d.addf(path, "must be a duration with its unit, such as 500ms, 30s or 10m")
		return
	}
	*dst = n
}

func (d *decoder) time(path string, v any, dst *time.Time) {
	if t, ok := v.(time.Time); ok { // YAML reads timestamps by itself
		*dst = t
		return
	}
	text, _ := v.(string)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		d.addf(path, "must be a time such as 2027-01-31T00:00:00Z")
	}
	*dst = t
}

// fields are the names that a struct takes from a configuration.
type fields struct {
	names []string
	index map[string]int
}

func fieldsOf(t reflect.Type) fields {
	f := fields{index: map[string]int{}}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("koanf"); name != "" && name != "-" {
			f.names = append(f.names, name)
			f.index[name] = i
		}
	}
	return f
}

// variables maps the names of variables to the paths of the fields that they
// set: every field that is reached through structs alone. Maps and lists have
// no variables.
func variables() map[string]string {
	vars := map[string]string{}
	var walk func(path string, t reflect.Type)
	walk = func(path string, t reflect.Type) {
		_, isScalar := reflect.New(t).Interface().(scalar)
		switch {
		case isScalar, t.Kind() != reflect.Struct && t.Kind() != reflect.Map && t.Kind() != reflect.Slice:
			vars[envPrefix+strings.ToUpper(strings.ReplaceAll(path, ".", "_"))] = path
		case t.Kind() == reflect.Struct:
			for name, i := range fieldsOf(t).index {
				walk(join(path, name), t.Field(i).Type)
			}
		}
	}
	walk("", reflect.TypeFor[Config]())
	return vars
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
