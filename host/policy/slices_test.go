package policy

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// readData has OPA's reader read body as data.json, in these pieces.
func readData(pieces [][]byte) (map[string]any, error) {
	m := &memory{files: map[string][]byte{"data.json": nil}, names: []string{"data.json"}, pieces: pieces}
	b, err := bundle.NewCustomReader(m).Read()
	return b.Data, err
}

// wide is an object of n members of about size bytes each.
func wide(n, size int, member string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteString(" ,\n")
		}
		fmt.Fprintf(&b, `"m%d" : {"v": %s, "fill": ["}", %q]}`, i, member, strings.Repeat("x", size))
	}
	return b.String() + "}"
}

// Cut data is the same data.
func TestSplit(t *testing.T) {
	f := func(body string, least int) {
		t.Helper()
		pieces := split([]byte(body))
		if len(pieces) < least || least == 1 && len(pieces) > 1 {
			t.Errorf("%.60q: %d pieces; want %d", body, len(pieces), least)
		}
		for _, p := range pieces {
			if len(pieces) > 1 && len(p) > 3*pieceSize {
				t.Errorf("%.60q: a piece of %d bytes", body, len(p))
			}
		}
		got, gotErr := readData(pieces)
		want, wantErr := readData([][]byte{[]byte(body)})
		if !reflect.DeepEqual(got, want) || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%.60q: pieces read differently: %v; want %v", body, gotErr, wantErr)
		}
	}
	big := wide(2000, 100, "1.50")
	f(big, 3)
	f(` {"a": 1, "teams": `+big+`, "empty": {}, "list": [[1], {"a": "\"}"}]}`+"\n", 3)
	f(`{"a": {"b": {"c": `+big+`}}}`, 3)
	f(`{"a": {"b": {"c": {"d": {"e": `+big+`}}}}}`, 1)
	f(`{"small": {"a": 1}}`, 1)
	f(`{"list": [`+big+`]}`, 1)
	f(`[`+big+`]`, 1)

	f(`{"twice": 1, "teams": `+big+`, "twice": 2}`, 1)
	f(`{"twice": 1, "teams": `+big+`, "tw\u0069ce": 2}`, 1)
	f(`{"a`+"\xff"+`": 1, "teams": `+big+`}`, 1)

	f(`{"teams": `+big+`} 1`, 1)
	f(`{"teams": `+big+`,}`, 1)
	f(`{"teams": `+big, 1)
	f(`{"teams" `+big+`}`, 1)
	f(`{"teams": `+big+` "b": 1}`, 1)
	f(`{"bad": , "teams": `+big+`}`, 1)
	f(`{"bad": nil, "teams": `+big+`}`, 3) // the decoder of the piece complains
	f(`{"bad": [1}, "teams": `+big+`}`, 3)
}

// FuzzSplit cuts what is wrapped around it as well as what it is.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{`1`, `{"a": [1, "}"]}`, `"\\"`, `{"m0": 1}`, `{}, "b": {}`, `[}`, `1 2`, `"a`, `null}, "m": {`} {
		f.Add(seed)
	}
	filler := wide(12, 11_000, "true")
	f.Fuzz(func(t *testing.T, s string) {
		for _, body := range []string{`{"x": ` + s + `, "y": ` + filler + `}`, `{"y": ` + filler + `,` + s + `}`, wide(10, 11_000, s)} {
			got, gotErr := readData(split([]byte(body)))
			want, wantErr := readData([][]byte{[]byte(body)})
			if (gotErr == nil) != (wantErr == nil) || gotErr == nil && !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: pieces read differently: %v; want %v", s, gotErr, wantErr)
			}
		}
	})
}

// What is converted in slices is what OPA converts at once.
func TestTerm(t *testing.T) {
	f := func(body string) {
		t.Helper()
		var v any
		if err := util.NewJSONDecoder(strings.NewReader(body)).Decode(&v); err != nil {
			t.Fatal(err)
		}
		var b breaks
		got, err := b.term(v)
		want, wantErr := ast.InterfaceToValue(v)
		if err != nil || wantErr != nil || got.Compare(want) != 0 || got.Hash() != want.Hash() || got.String() != want.String() {
			t.Errorf("%.60s: got %.60s, %v; want %.60s", body, got, err, want)
		}
	}
	f(`{}`)
	f(`[]`)
	f(`{"a": [1, 1.50, 1e400, "x", null, true, {"b": {}}], "c": "d"}`)
	f(wide(500, 10, `[1, [2]]`))

	var b breaks
	if _, err := b.term(map[string]any{"a": []any{make(chan int)}}); err == nil {
		t.Error("a channel is converted")
	}
}

// A reader that rests reads the same.
func TestSlowly(t *testing.T) {
	want := bytes.Repeat([]byte("abc"), 10_000)
	got, err := io.ReadAll(&slowly{Reader: bytes.NewReader(want)})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
