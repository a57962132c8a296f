package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
)

// Config is an adapter's part of the gateway's configuration.
type Config struct {
	JSON  json.RawMessage // an object
	Hosts *egress.Hosts   // where the operator lets the adapter connect
}

// Decode reads the configuration into a struct by its json tags. Keys that the
// struct does not have are refused with the nearest one that it has.
func (c Config) Decode(into any) error {
	raw := c.JSON
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = json.RawMessage("{}")
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return fmt.Errorf("cannot read config: want a JSON object: %w", err)
	}
	known := keys(reflect.TypeOf(into))
	for key := range given {
		if !slices.Contains(known, key) {
			return unknown(key, known)
		}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields() // of nested objects
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("cannot read config: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("cannot read config: data after the object")
	}
	return nil
}

func unknown(key string, known []string) error {
	if len(known) == 0 {
		return fmt.Errorf("unknown config key %q: this provider has none", key)
	}
	best := slices.MinFunc(known, func(a, b string) int { return distance(key, a) - distance(key, b) })
	return fmt.Errorf("unknown config key %q: did you mean %q? known are %s", key, best, strings.Join(known, ", "))
}

// Schema is the JSON schema of a configuration struct, from its json, doc and
// enum tags.
func Schema(config any) json.RawMessage {
	return (&Manifest{Config: config}).schema()
}

// schema is the configuration's with what it says of hosts, as x-signalbox-hosts.
func (m *Manifest) schema() json.RawMessage {
	s := schemaOf(reflect.TypeOf(struct{}{}))
	if t := reflect.TypeOf(m.Config); t != nil {
		s = schemaOf(t)
	}
	if len(m.HostsBy) > 0 {
		s["x-signalbox-hosts"] = m.HostsBy
	}
	out, err := json.Marshal(s)
	if err != nil {
		panic("BUG: cannot marshal a schema: " + err.Error())
	}
	return out
}

func schemaOf(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Struct:
		props := map[string]any{}
		for f := range fields(t) {
			s := schemaOf(f.Type)
			if doc := f.Tag.Get("doc"); doc != "" {
				s["description"] = doc
			}
			if enum := f.Tag.Get("enum"); enum != "" {
				s["enum"] = strings.Split(enum, ",")
			}
			props[jsonName(f)] = s
		}
		return map[string]any{"type": "object", "properties": props, "additionalProperties": false}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Interface:
		return map[string]any{}
	}
	return map[string]any{"type": "integer"}
}

func keys(t reflect.Type) (names []string) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for f := range fields(t) {
		names = append(names, jsonName(f))
	}
	return names
}

func fields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() && !f.Anonymous && jsonName(f) != "-" && !yield(f) {
				return
			}
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}

// distance is the number of edits between two short names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
