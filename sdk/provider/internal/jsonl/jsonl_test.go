package jsonl

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLines(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		r := NewReader(bufio.NewReaderSize(iotest.HalfReader(strings.NewReader(in)), 16), 100)
		for _, w := range want {
			if _, line, err := r.Next(); err != nil || string(line) != w {
				t.Errorf("%q: got %q, %v; want %q", in, line, err, w)
			}
		}
		if _, line, err := r.Next(); err != io.EOF {
			t.Errorf("%q: got %q, %v; want EOF", in, line, err)
		}
	}
	f("")
	f("\n\r\n")
	f("{}\n{\"a\":1}\r\n\n[]\n", "{}", `{"a":1}`, "[]")
	f("{}\n{\"a\":1}", "{}", `{"a":1}`) // the last line may lack its end
	long := strings.Repeat("x", 60)
	f(long+"\n"+long+"\n", long, long)
}

func TestRefused(t *testing.T) {
	f := func(in io.Reader, want error) {
		t.Helper()
		if _, _, err := NewReader(bufio.NewReaderSize(in, 16), 100).Next(); !errors.Is(err, want) {
			t.Errorf("got %v; want %v", err, want)
		}
	}
	f(strings.NewReader(strings.Repeat("x", 200)+"\n"), ErrTooLong)
	f(io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF)
}

func TestWaiting(t *testing.T) {
	r := NewReader(bufio.NewReader(strings.NewReader("1\n2\n3")), 100)
	for _, want := range []bool{true, false, false} {
		if _, _, err := r.Next(); err != nil || r.Waiting() != want {
			t.Errorf("got %v, waiting %v; want %v", err, r.Waiting(), want)
		}
	}
}
