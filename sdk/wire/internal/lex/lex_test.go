package lex

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestDoneAgreesWithEncodingJSON(t *testing.T) {
	f := func(text string) {
		t.Helper()
		r := New([]byte(text))
		if got, want := r.Done(), json.Valid([]byte(text)); got != want {
			t.Errorf("Done(%q) = %v; want %v", text, got, want)
		}
	}
	for _, text := range []string{
		`{}`, `[]`, ` { "a" : [ 1 , -2.5e+3, true , false , null , "x" ] } `, `"\ud83d\ude00"`, `0`, `-0`, `1e9`,
		``, ` `, `{`, `}`, `[`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `[1,]`, `[,1]`, `[1 2]`, `01`, `-`, `1.`, `1e`,
		`.5`, `+1`, `tru`, `nul`, `"`, `"\x"`, `"\u12"`, "\"\n\"", `{"a":1}}`, `{} {}`, `{'a':1}`, `[}`, `{]`, `{1:2}`, `nulll`,
	} {
		f(text)
	}
}

func TestDepthIsBounded(t *testing.T) {
	r := New([]byte(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)))
	if r.Done() {
		t.Error("Done() = true for 100,000 levels; want false")
	}
}

func TestWalk(t *testing.T) {
	r := New([]byte(`{"skipped":{"a":[1,{}]},"n":42,"neg":-7,"frac":1.5,"ok":true,"list":[{"t":"a\nb"},3,{"t":"c"}],"n\u0061me":"x"}`))
	var got []string
	var sum int64
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "n", "neg", "frac":
			n, _ := r.Int()
			sum += n
		case "ok":
			if !r.Bool() {
				t.Error("Bool() = false; want true")
			}
		case "list":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				for ok := r.Object() && r.Key(); ok; ok = r.Key() {
					got = append(got, string(r.Text()))
				}
			}
		case "name":
			got = append(got, string(r.Text()))
		}
	}
	if !r.Done() {
		t.Fatal("Done() = false; want true")
	}
	if want := "a\nb c x"; strings.Join(got, " ") != want || sum != 35 {
		t.Errorf("got %q, sum %d; want %q, 35", got, sum, want)
	}
}

func TestAppendStringRoundTrip(t *testing.T) {
	for _, s := range []string{"", "plain", "quote\" back\\ tab\t nl\n cr\r nul\x00 esc\x1b", "é 世界 😀 \u2028", "bad \xff\xfe utf8 \xe2\x82"} {
		out := AppendString(nil, s)
		var back string
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("AppendString(%q) = %s: %v", s, out, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); back != want && strings.ReplaceAll(back, "\ufffd\ufffd", "\ufffd") != want {
			t.Errorf("AppendString(%q) reads back as %q; want %q", s, back, want)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"a":[1,"x\u00e9\n",{"b":null}],"c":-1.5e3}`))
	f.Add([]byte(`"\ud83d\ude00"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := New(data)
		got, want := r.Done(), json.Valid(data)
		if got != want && bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) <= maxDepth {
			t.Fatalf("Done(%q) = %v; want %v", data, got, want)
		}
		r = New(data)
		if text := r.Text(); text != nil && r.Done() {
			var s string
			if json.Unmarshal(data, &s) == nil && s != strings.ToValidUTF8(string(text), "\ufffd") && !strings.Contains(s, "\ufffd") {
				t.Fatalf("Text(%q) = %q; want %q", data, text, s)
			}
			var back string
			if err := json.Unmarshal(AppendString(nil, text), &back); err != nil {
				t.Fatalf("AppendString(%q): %v", text, err)
			}
		}
	})
}
