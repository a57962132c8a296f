package cache

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func canonical(t *testing.T, text string) string {
	t.Helper()
	var c Canon
	out, ok := c.Append(nil, []byte(text), nil)
	if !ok {
		t.Errorf("%s is not read", text)
	}
	return string(out)
}

func TestCanon(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := canonical(t, in); got != want {
			t.Errorf("%s: got %s; want %s", in, got, want)
		}
	}
	f(` { } `, `{}`)
	f("[\n]", `[]`)
	f(`{"b":1,"a":[ 1 , 2 ]}`, `{"a":[1,2],"b":1}`)
	f(`{"b" : {"d":1, "c":2},"a":"x y"}`, `{"a":"x y","b":{"c":2,"d":1}}`)
	f(`[{"b":1,"a":2},{"a":2,"b":1}]`, `[{"a":2,"b":1},{"a":2,"b":1}]`)
	f(`{"a":"\u0041","b":1.0}`, `{"a":"\u0041","b":1.0}`)
	// Parsers differ in which of them counts: their order does.
	f(`{"a":1,"a":2}`, `{"a":1,"a":2}`)
	f(`{"a":2,"a":1}`, `{"a":2,"a":1}`)
	f(`{"b":0,"A":2,"a":1}`, `{"A":2,"a":1,"b":0}`)
	f(`{"b":0,"a":1,"A":2}`, `{"a":1,"A":2,"b":0}`)
	f(`{"b":1,"\u0061":2,"a":3}`, `{"b":1,"\u0061":2,"a":3}`)
	f(`{"ı":1,"a":3}`, `{"ı":1,"a":3}`)
}

func TestCanonRefuses(t *testing.T) {
	for _, text := range []string{``, `{`, `[1`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `"x`, `1 2`, `{}x`, "\"\x01\"", `{a:1}`, `{"a":1 "b":2}`,
		strings.Repeat("[", 80) + strings.Repeat("]", 80)} {
		var c Canon
		if out, ok := c.Append(nil, []byte(text), nil); ok {
			t.Errorf("%q is read as %s", text, out)
		}
	}
}

func TestCanonWithout(t *testing.T) {
	f := func(in, words, want string) {
		t.Helper()
		var c Canon
		out, ok := c.Without(nil, []byte(in), strings.Index(in, words))
		if !ok || string(out) != strings.ReplaceAll(want, "_", "\x00") {
			t.Errorf("%s: got %q, %v; want %q", in, out, ok, want)
		}
	}
	f(`{"b":["x","y"],"a":"x"}`, `"y"`, `{"a":"x","b":["x",_]}`)
	f(`{"b":["x","y"],"a":"x"}`, `"x"`, `{"a":"x","b":[_,"y"]}`)
}

// meant is what a text says, its numbers as they are written.
func meant(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q is no JSON: %v", text, err)
	}
	return v
}

// FuzzCanon: what is read means the same as what is written, is of one form
// already, and no longer than it was.
func FuzzCanon(f *testing.F) {
	for _, seed := range []string{`{"model":"a","messages":[{"role":"user","content":"hi"}],"n":1}`, `{"b":1,"a":{"d":[],"c":null}}`, `{"a":1,"A":2,"\u0061":3}`,
		`[1.50,-2e9,"\"\\\n"]`, `{"a":1,"a":2}`, `[1e700,9007199254740993]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c Canon
		out, ok := c.Append([]byte("kept"), []byte(text), nil)
		if !bytes.HasPrefix(out, []byte("kept")) {
			t.Fatalf("%q: what was there is gone: %q", text, out)
		}
		if out = out[4:]; !json.Valid([]byte(text)) {
			return // the scan refuses it before
		}
		if !ok {
			if len(text) < 2*maxDepth {
				t.Fatalf("%q is not read", text)
			}
			return
		}
		if was, is := meant(t, []byte(text)), meant(t, out); !reflect.DeepEqual(was, is) {
			t.Fatalf("%q: %q means something else", text, out)
		}
		again, ok := c.Append(nil, out, nil)
		if !ok || !bytes.Equal(again, out) || len(out) > len(text) {
			t.Fatalf("%q: %q, then %q", text, out, again)
		}
	})
}
