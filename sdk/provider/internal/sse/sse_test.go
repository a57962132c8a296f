package sse

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

func read(t testing.TB, in string, size, limit int) (out []string, err error) {
	t.Helper()
	r := NewReader(bufio.NewReaderSize(strings.NewReader(in), size), limit)
	for {
		name, data, err := r.Next()
		if err != nil {
			return out, err
		}
		out = append(out, name+"|"+string(data))
	}
}

func TestReader(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		for _, size := range []int{16, 4096} {
			got, err := read(t, in, size, 1000)
			if err != io.EOF || strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
			}
		}
	}
	f("data: a\n\ndata:b\n\n", "|a", "|b")
	f("event: x\ndata: {\"a\":1}\n\n", `x|{"a":1}`)
	f("event: x\r\ndata: a\r\n\r\n", "x|a")
	f(": comment\n\nid: 1\nretry: 5\ndata: a\ndata: b\n\n", "|a\nb")
	f("event: lost\n\ndata: a\n\n", "|a")
	f("data\n\n", "|")
	f("data: cut", []string{}...)
	f("data: whole line, no end\n")
	f("data: "+strings.Repeat("x", 100)+"\n\n"+"data: y\n\n"[0:9], "|"+strings.Repeat("x", 100), "|y")
}

func TestTooLong(t *testing.T) {
	for _, in := range []string{"data: " + strings.Repeat("x", 2000), strings.Repeat("data: x\n", 2000)} {
		if _, err := read(t, in, 64, 1000); err != ErrTooLong {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add("event: a\ndata: b\r\n\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		small, err1 := read(t, in, 16, 500)
		large, err2 := read(t, in, 4096, 500)
		if err1 == io.EOF && err2 == io.EOF && strings.Join(small, "\n") != strings.Join(large, "\n") {
			t.Errorf("buffers of two sizes read %q and %q", small, large)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	in := strings.Repeat(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}`+"\n\n", 1000)
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(bufio.NewReaderSize(strings.NewReader(in), 8192), 1<<20)
		for n := 0; n < 1000; n++ {
			if _, _, err := r.Next(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}
