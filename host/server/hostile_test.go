package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestPanicCostsOneRequest: whatever a stage does, the process goes on, and
// the call is given back.
func TestPanicCostsOneRequest(t *testing.T) {
	st := &stage{done: make(chan *call.Call, 1)}
	st.handle = func(c *call.Call, _ []byte) (call.Answer, *wire.Error) { panic("BUG: planted") }
	url := "http://" + start(t, server.Options{}, st)
	resp, body := post(t, url+"/v1/chat/completions", `{"model":"m"}`, "Authorization", "Bearer k")
	if resp.StatusCode != 500 || !strings.Contains(body, "internal_error") || strings.Contains(body, "planted") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	<-st.done
}

type bomb struct{}

func (bomb) WriteTo(io.Writer) (int64, error) { panic("BUG: planted") }
func (bomb) Close() error                     { return nil }

func TestPanicInAStreamCutsIt(t *testing.T) {
	st := &stage{done: make(chan *call.Call, 1)}
	st.handle = func(*call.Call, []byte) (call.Answer, *wire.Error) {
		return call.Answer{Status: 200, ContentType: "text/event-stream", Stream: bomb{}}, nil
	}
	addr := start(t, server.Options{}, st)
	nc := dial(t, addr)
	fmt.Fprint(nc, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n"+`{"model":"m"}`)
	b, _ := io.ReadAll(nc)
	if bytes.Contains(b, []byte("0\r\n\r\n")) {
		t.Errorf("the stream looks whole: %q", b)
	}
	<-st.done
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// flaky is a listener whose Accept fails for a while, as it does when the
// process is out of file descriptors.
type flaky struct {
	net.Listener
	fails int
}

func (l *flaky) Accept() (net.Conn, error) {
	if l.fails > 0 {
		l.fails--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestServingOutlivesAShortageOfFiles(t *testing.T) {
	st := &stage{handle: func(*call.Call, []byte) (call.Answer, *wire.Error) {
		return call.Answer{Status: 200, ContentType: "application/json", Body: []byte(`{}`)}, nil
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + startOn(t, server.Options{}, st, &flaky{ln, 3})
	if resp, _ := post(t, url+"/v1/chat/completions", `{"model":"m"}`); resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// TestSlowReaderOfALargeAnswerGetsAllOfIt: the limit on a write is about
// callers who take nothing, not about slow ones.
func TestSlowReaderOfALargeAnswerGetsAllOfIt(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 16<<20)
	st := &stage{handle: func(*call.Call, []byte) (call.Answer, *wire.Error) {
		return call.Answer{Status: 200, ContentType: "application/json", Body: bytes.Clone(big)}, nil
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nc := dial(t, startOn(t, server.Options{Stall: 500 * time.Millisecond}, st, narrow{ln}))
	if err := nc.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(nc, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n"+`{"model":"m"}`)
	resp, err := http.ReadResponse(bufio.NewReaderSize(slow{nc}, 64<<10), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != int64(len(big)) {
		t.Errorf("read %d of %d bytes: %v", n, len(big), err)
	}
}

// narrow gives connections small send buffers: large ones hide slow readers.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		err = nc.(*net.TCPConn).SetWriteBuffer(32 << 10)
	}
	return nc, err
}

// slow takes more than a second for 16 MB.
type slow struct{ net.Conn }

func (s slow) Read(p []byte) (int, error) {
	<-time.After(2 * time.Millisecond)
	return s.Conn.Read(p)
}

// TestFraming: no two readers may disagree on where a request ends.
func TestFraming(t *testing.T) {
	st := &stage{handle: func(c *call.Call, _ []byte) (call.Answer, *wire.Error) {
		return call.Answer{Status: 200, ContentType: "application/json", Body: []byte(`"` + string(c.Facts.Model) + `"`)}, nil
	}}
	addr := start(t, server.Options{}, st)
	f := func(name, request string, want ...string) {
		t.Helper()
		nc := dial(t, addr)
		fmt.Fprint(nc, request)
		var b []byte
		answers := func() (got []string) {
			for _, part := range strings.Split(string(b), "HTTP/1.1 ")[1:] {
				got = append(got, part[:min(3, len(part))])
			}
			return got
		}
		read := func(patience time.Duration) error {
			_ = nc.SetReadDeadline(time.Now().Add(patience))
			var some [4096]byte
			n, err := nc.Read(some[:])
			b = append(b, some[:n]...)
			return err
		}
		for len(answers()) < len(want) && read(time.Minute) == nil {
		}
		for read(300*time.Millisecond) == nil { // the rest, and what must not come
		}
		got := answers()
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %v, want %v: %q", name, got, want, b)
		}
	}
	const head, body = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n", `{"model":"m"}`
	one := head + "Content-Length: 13\r\n\r\n" + body
	f("pipelined", one+one+one, "200", "200", "200")
	f("two lengths", head+"Content-Length: 13\r\nContent-Length: 12\r\n\r\n"+body+one, "400")
	f("length and chunked", head+"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n"+body+"\r\n0\r\n\r\n"+one, "200")
	f("chunked twice", head+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n"+body+"\r\n0\r\n\r\n", "400")
	f("other coding", head+"Transfer-Encoding: gzip, chunked\r\n\r\nd\r\n"+body+"\r\n0\r\n\r\n", "400")
	f("expect", head+"Expect: 100-continue\r\nContent-Length: 13\r\n\r\n"+body, "100", "200")
	f("double slash", strings.Replace(one, "/v1/", "//v1/", 1), "404")
	f("trailing slash", strings.Replace(one, "completions", "completions/", 1), "404")
	f("encoded", strings.Replace(one, "chat", "ch%61t", 1), "404")
	f("dots", strings.Replace(one, "/v1/", "/v1/../v1/", 1), "404")
	f("HEAD", strings.Replace(one, "POST", "HEAD", 1), "405")
}

// TestPassedHeadersHoldNoLineBreaks: a header that goes upstream must stay one.
func TestPassedHeadersHoldNoLineBreaks(t *testing.T) {
	st := &stage{handle: func(c *call.Call, _ []byte) (call.Answer, *wire.Error) {
		if v := c.Header.Peek("anthropic-beta"); bytes.ContainsAny(v, "\r\n\x00") {
			t.Errorf("a header holds %q", v)
		}
		return call.Answer{Status: 200, ContentType: "application/json", Body: []byte(`{}`)}, nil
	}}
	addr := start(t, server.Options{}, st)
	for _, v := range []string{"a\r\n X-Evil: b", "a\r\n\tX-Evil: b", "a\rX-Evil: b", "a\x00b", "a\nX-Evil: b", "a\r\rX: b"} {
		nc := dial(t, addr)
		fmt.Fprint(nc, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAnthropic-Beta: "+v+"\r\nContent-Length: 13\r\nConnection: close\r\n\r\n"+`{"model":"m"}`)
		_, _ = io.ReadAll(nc)
	}
}
