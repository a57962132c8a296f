package wire

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// appendRaw appends s between quotes.
func appendRaw(dst []byte, s raw) []byte {
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendRawMember appends `,"name":"s"`.
func appendRawMember(dst []byte, name string, s raw) []byte {
	dst = appendName(dst, name)
	return appendRaw(dst, s)
}

// appendName appends `,"name":`.
func appendName(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// appendJSON appends `,"name":v`; nothing when v is nil.
func appendJSON(dst []byte, name string, v []byte) []byte {
	if v == nil {
		return dst
	}
	return append(appendName(dst, name), v...)
}

// strictSchema reports whether OpenAI enforces schema: every object in it lists
// all of its properties as required and allows no others.
func strictSchema(schema []byte) bool {
	var v any
	return json.Unmarshal(schema, &v) == nil && strictNode(v)
}

func strictNode(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if !strictNode(e) {
				return false
			}
		}
	case map[string]any:
		props, _ := v["properties"].(map[string]any)
		if v["type"] == "object" || props != nil {
			required, _ := v["required"].([]any)
			if v["additionalProperties"] != false || len(required) != len(props) {
				return false
			}
		}
		for _, e := range v {
			if !strictNode(e) {
				return false
			}
		}
	}
	return true
}

// blank reports whether s holds nothing but white space.
func blank(s raw) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ':
		case '\\':
			if i++; i == len(s) || !bytes.ContainsRune([]byte("nrt"), rune(s[i])) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// AppendString appends s as a JSON string, quotes included; what is not UTF-8
// becomes U+FFFD.
func AppendString[S ~string | ~[]byte](dst []byte, s S) []byte { return lex.AppendString(dst, s) }
