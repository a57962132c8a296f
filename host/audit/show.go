package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shown are the members whose texts may be read in the log. Every other text
// shows as a digest under the log's key: the same text has the same digest, and
// nobody can find the text by trying.
var shown = map[string]bool{}

func init() {
	for name := range strings.FieldsSeq(`action adapter added audience by changed code created day days deleted dialect digest effect
		end env error_code expires family file from groups hours id issuer key_id kind label mark max member members method mode model
		models name node on_error on_exceed op org outcome overlap owner per phase project provider reason
		region removed require reset restarted retires revision revoked role roles rotated route routes rule
		scope section sections service share_by sha256 size source start state status step tag tags target targets team teams
		threshold time tz unit units until upgraded usd user users version weight who why window`) {
		shown[name] = true
	}
}

const (
	maxShown  = 200     // bytes of a text
	maxDetail = 8 << 10 // bytes of a detail
	maxDepth  = 32
)

// Digest names b without telling it.
func Digest(key, b []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("signalbox audit digest"))
	m.Write(b)
	return "#" + hex.EncodeToString(m.Sum(nil)[:8])
}

// Show returns JSON text without what may be secret. What is no JSON, or too
// much, shows as its digest and size.
func Show(key, body []byte) json.RawMessage {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	v, err := decode(body)
	if err == nil {
		var out []byte
		if out, err = json.Marshal(show(key, "", v, 0)); err == nil && len(out) <= maxDetail {
			return out
		}
	}
	out, err := json.Marshal(map[string]any{"digest": Digest(key, body), "bytes": len(body)})
	if err != nil {
		panic("BUG: a digest does not encode: " + err.Error())
	}
	return out
}

func decode(body []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err = dec.Decode(&v); err == nil && dec.More() {
		err = fmt.Errorf("there is more after the JSON value")
	}
	return v, err
}

func show(key []byte, name string, v any, depth int) any {
	if depth > maxDepth {
		return "…"
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for member, value := range v {
			at := member
			if len(member) > maxShown || strings.ContainsFunc(member, func(r rune) bool { return r < ' ' }) {
				at = Digest(key, []byte(member))
			}
			out[at] = show(key, member, value, depth+1)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = show(key, name, v[i], depth+1)
		}
		return out
	case string:
		if v != "" && (!shown[name] || len(v) > maxShown) {
			return Digest(key, []byte(v))
		}
	}
	return v
}

// Change is what became of one member.
type Change struct {
	Path string `json:"path"`
	From any    `json:"from,omitempty"`
	To   any    `json:"to,omitempty"`
}

// Diff says what is different between two JSON texts, either of which may be
// empty, without what may be secret.
func Diff(key, before, after []byte) []Change {
	was, is := map[string]any{}, map[string]any{}
	flatten(was, "", Show(key, before))
	flatten(is, "", Show(key, after))
	all := maps.Clone(was)
	maps.Copy(all, is)
	var list []Change
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if was[path] != is[path] {
			list = append(list, Change{Path: path, From: was[path], To: is[path]})
		}
	}
	return list
}

// flatten puts the plain values of a JSON text into out, by their paths.
func flatten(out map[string]any, path string, text json.RawMessage) {
	if v, err := decode(text); err == nil {
		walk(out, path, v)
	}
}

func walk(out map[string]any, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			walk(out, strings.TrimPrefix(path+"."+name, "."), value)
		}
	case []any:
		for i := range v {
			walk(out, fmt.Sprintf("%s[%d]", path, i), v[i])
		}
	default:
		out[path] = v
	}
}
