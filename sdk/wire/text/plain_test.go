package text

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzPlainer: what JSON says stays, however it is cut, and no escape hides a
// character that needs none.
func FuzzPlainer(f *testing.F) {
	for _, s := range []string{`{"a\u0062":"\u0040\/\ud83d\ude00\ud83d\n\\u0040\u0022\u000a"}`, `code "\u0040"`, ` ["\ud83d\ud83d\ude00"]`, `"\u12"`, `{"\u`, `["\ude00\u00e9"]`} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		want := string(Plain(append([]byte(nil), b...)))
		at = min(max(at, 0), len(b))
		var p Plainer
		got := p.Append(nil, b[:at], false)
		got = p.Append(got, b[at:], true)
		var all Plainer
		if whole := string(all.Append(nil, b, true)); string(got) != whole {
			t.Fatalf("%q cut at %d: got %q; want %q", b, at, got, whole)
		}
		var before, after any
		if json.Unmarshal(b, &before) != nil {
			return
		}
		if err := json.Unmarshal([]byte(want), &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Fatalf("%q: got %q, %v", b, want, err)
		}
	})
}
