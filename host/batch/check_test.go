package batch

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func checked(t testing.TB, in []byte, opt Options) (chunks []call.Chunk, count int, faults []Fault) {
	t.Helper()
	k := newChecker(&Endpoint{Path: "/v1/embeddings", Op: wire.OpEmbeddings}, &opt, func(string) *Fault { return nil })
	k.add = func(c call.Chunk) error { chunks = append(chunks, c); return nil }
	count, faults, err := k.check(bytes.NewReader(in), "b")
	if err != nil {
		t.Fatal(err)
	}
	return chunks, count, faults
}

func TestCheck(t *testing.T) {
	opt := Options{MaxLines: 5, MaxLine: 200, Chunk: 2}
	f := func(in string, want ...string) {
		t.Helper()
		_, _, faults := checked(t, []byte(in), opt)
		var got []string
		for _, f := range faults {
			got = append(got, f.Code)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v; want %v", in, got, want)
		}
	}
	f(line("a", "x"))
	f(strings.TrimSuffix(line("a", "x"), "\n"))
	f("\ufeff" + line("a", "x") + "\ufeff" + line("b", "x"))
	f("\xef\xbb"+line("a", "x"), "invalid_json_line")
	f(line("a", "x")+line("a", "y"), "duplicate_custom_id")
	f("\x1f\x8b\x08\x00\x00", "invalid_json_line") // compressed
	f("", "empty_file")
	f("\n \n", "empty_file")
	f("{}", "missing_required_parameter")
	f(strings.Replace(line("a", "x"), "POST", "GET", 1), "invalid_method")
	f(strings.Replace(line("a", "x"), "embeddings", "chat", 1), "invalid_url")
	f(`{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":[]}`, "invalid_body")
	f(`{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m","stream":true}}`, "invalid_body")
	f(line("a", strings.Repeat("x", 300))+line("b", "x"), "line_too_long")
	f(lineset(6), "too_many_tasks")
}

// FuzzCheck: whatever a file holds, the chunks of one that is in order cover
// all of it, and reading them gives the lines with their numbers again.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(lineset(5)))
	f.Add([]byte("\n\n" + line("a", "x") + "\r\n" + line("b", "y") + "\n" + line("c", "z")))
	f.Add([]byte("{}\n\x00"))
	f.Add([]byte("\ufeff" + line("a", "x") + "\ufeff\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		chunks, count, faults := checked(t, in, Options{MaxLines: 100, MaxLine: 1000, Chunk: 2})
		if len(faults) > 0 {
			return
		}
		all := bytes.Split(in, []byte("\n"))
		at, next, seen := int64(0), 1, 0
		for i, c := range chunks {
			if c.Number != i || c.From != at || c.First != next {
				t.Fatalf("chunk %d is %+v; want it from byte %d and line %d", i, c, at, next)
			}
			l := newLines(io.LimitReader(bytes.NewReader(in[c.From:]), c.To-c.From), 1000)
			for n := c.First; ; n++ {
				text, err := l.next()
				if err == io.EOF {
					break
				}
				if want := bytes.TrimRight(bytes.TrimPrefix(all[n-1], bom), "\r\n"); !bytes.Equal(text, want) {
					t.Fatalf("line %d is %q; want %q", n, text, want)
				}
				if len(bytes.TrimSpace(text)) > 0 {
					seen++
				}
			}
			at, next = c.To, c.First+c.Lines
		}
		if seen != count {
			t.Fatalf("the chunks hold %d requests; want %d", seen, count)
		}
	})
}
