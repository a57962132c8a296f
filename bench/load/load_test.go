package load

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// serve answers every request on one address with the bytes of answer and
// closes the connection after it when last.
func serve(t *testing.T, answer string, last bool) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			converse(c, answer, last)
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func converse(c net.Conn, answer string, last bool) {
	defer c.Close()
	for buf := make([]byte, 1024); ; {
		if _, err := c.Read(buf); err != nil {
			return
		}
		if _, err := io.WriteString(c, answer); err != nil || last {
			return
		}
	}
}

const (
	jsonHead   = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
	streamHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// run sends a few requests and returns what came of them.
func run(t *testing.T, answer string, last bool, want Check) (Result, error) {
	t.Helper()
	return Run(Job{Addr: serve(t, answer, last), Requests: []Request{{Bytes: []byte("GET / HTTP/1.1\r\n\r\n"), Path: "/"}},
		Conns: 1, Total: 5, Timeout: 5 * time.Second, Check: want})
}

func TestGoodAnswers(t *testing.T) {
	f := func(answer string, want Check) {
		t.Helper()
		r, err := run(t, answer, false, want)
		if err != nil || r.Requests != 5 || r.Failed != 0 || r.Latency(0.5) <= 0 {
			t.Errorf("got %+v, %v", r, err)
		}
		if want.Events > 0 && r.FirstEvent(0.5) <= 0 {
			t.Error("no time of a first event")
		}
	}
	f(jsonHead+`{"a":"x"}`, Check{Marker: []byte("x"), Exact: []byte(`{"a":"x"}`)})
	f(streamHead+"9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\n\r\n", Check{Marker: []byte("b"), Events: 2, Exact: []byte("data: a\n\ndata: b\n\n")})
	f(streamHead+"9\r\ndata: a\n\n\r\n5\r\n: c\n\n\r\n9\r\ndata: b\n\n\r\n0\r\nX-Trailer: t\r\n\r\n", Check{Events: 2, Exact: []byte("data: a\n\ndata: b\n\n")})
}

func TestBadAnswersAreErrors(t *testing.T) {
	f := func(answer string, want Check, says string) {
		t.Helper()
		r, err := run(t, answer, true, want)
		if err == nil || !strings.Contains(err.Error(), says) || r.Requests != 0 {
			t.Errorf("%q: got %+v, %v; want an error that says %q", answer, r, err, says)
		}
	}
	f("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}", Check{}, "status 500")
	f("what", Check{}, "EOF")
	f("SMTP ready and waiting\r\n", Check{}, "not a status line")
	f(jsonHead+`{"a":`, Check{}, "EOF")
	f(jsonHead+`{"a":"y"}`, Check{Marker: []byte("x")}, "not whole")
	f(jsonHead+`{"a":"y"}`, Check{Exact: []byte(`{"a":"x"}`)}, "changed at byte 6")
	f(jsonHead+`<html>abc`, Check{}, "not a JSON answer")
	f(streamHead+"9\r\ndata: a\n\n\r\n", Check{Events: 1}, "the stream was cut")
	f(streamHead+"9\r\ndata: a\n\n\r\n0\r\n\r\n", Check{Events: 2}, "1 events; want 2")
	f(streamHead+"zz\r\n", Check{Events: 1}, "the stream was cut")
}

func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	if _, err := Run(Job{Addr: addr, Conns: 1, Total: 1}); err == nil {
		t.Error("a load on nobody succeeds")
	}
}

func TestWithoutComments(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := withoutComments([]byte(in)); string(got) != want {
			t.Errorf("%q becomes %q; want %q", in, got, want)
		}
	}
	f("", "")
	f("data: a\n\n", "data: a\n\n")
	f(": c\n\ndata: a\n\n: d {}\n\n: e\n\ndata: b\n\n", "data: a\n\ndata: b\n\n")
	f("data: a\n\n: cut", "data: a\n\n")
	f("data: a: b\n\n", "data: a: b\n\n")
}

func FuzzConn(f *testing.F) {
	f.Add([]byte(jsonHead + `{"a":"x"}`))
	f.Add([]byte(streamHead + "9\r\ndata: a\n\n\r\n0\r\n\r\n"))
	f.Add([]byte(streamHead + "ffffff\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		near, far := net.Pipe()
		near.Close()
		c := newConn(far, 0)
		c.buf.Reset(bytes.NewReader(b))
		if c.receive(Check{}) == nil && !bytes.Contains(b, []byte("HTTP/1.1 200")) {
			t.Fatalf("%q passes for a good answer", b)
		}
	})
}
