package provider

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"golang.org/x/sys/unix"
)

// benchmark sends one request after the other over one connection and hands
// each answer, up to what ends it, to nobody. Half of the cost is the client's
// system calls.
func benchmark(b *testing.B, h HandlerFunc, body, end string) {
	s := newServer()
	rs, err := newRoutes([]Route{{Op: wire.OpChat, Dialect: wire.OpenAIChat, Handle: h}})
	if err != nil {
		b.Fatal(err)
	}
	s.routes.Store(rs)
	l := privateSocket(b)
	go func() { _ = s.listen(l) }()
	defer func() { _ = s.drain(b.Context()) }()
	c, err := net.Dial("unix", l.path)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	req := fmt.Appendf(nil, "POST /chat/openai-chat HTTP/1.1\r\nHost: adapter\r\nContent-Type: application/json\r\nx-signalbox-request-id: req_1\r\nx-signalbox-model: m\r\nx-signalbox-credential: sk-1\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	in := bufio.NewReaderSize(c, 64<<10)
	b.ReportAllocs()
	from := cpuTime(b)
	for b.Loop() {
		if _, err := c.Write(req); err != nil {
			b.Fatal(err)
		}
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if bytes.HasPrefix(line, []byte(end)) {
				break
			}
		}
		_, _ = io.CopyN(io.Discard, in, int64(in.Buffered()))
	}
	b.ReportMetric(float64(cpuTime(b)-from)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has consumed, its client and upstream included.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// kilobyte is a request's body for handlers that do not read it.
var kilobyte = strings.Repeat("x", 1024)

func BenchmarkJSON(b *testing.B) {
	answer := []byte(`{"x":"` + strings.Repeat("y", 512) + "\"}\nend\n")
	benchmark(b, func(r *Request, w *Writer) error {
		w.Usage(wire.Usage{Input: 100, Output: 10})
		return w.JSON(answer)
	}, kilobyte, "end")
}

func BenchmarkStream50(b *testing.B) {
	event := []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}`)
	benchmark(b, func(r *Request, w *Writer) error {
		return w.Stream(func(s *Stream) error {
			for range 50 {
				if err := s.Event("", event); err != nil {
					return err
				}
			}
			s.Usage(wire.Usage{Output: 50})
			return nil
		})
	}, kilobyte, "X-Signalbox-Usage")
}

// benchmarkBridge bridges to an upstream that costs little more than its
// system calls. The translation is that of tests, which costs next to nothing.
func benchmarkBridge(b *testing.B, request, answer, end string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(c, []byte(answer))
		}
	}()
	hosts, err := egress.Parse([]string{l.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	lease := &Lease{Op: wire.OpChat, Dialect: wire.OpenAIChat, URL: "http://" + l.Addr().String() + "/v1/chat",
		Headers: []Header{Bearer(), Static("x-version", "1")}, PassHeaders: []string{"x-pass"}}
	br := newBridge(lease, shout{}, upstream(lease.URL, hosts))
	defer br.client.CloseIdleConnections()
	benchmark(b, br.serve, request, end)
}

// answerAll answers every read that ends like the body of a request.
func answerAll(c net.Conn, answer []byte) {
	defer c.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if buf[n-1] != '}' {
			continue
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

func BenchmarkBridgeJSON(b *testing.B) {
	body := `{"x":"` + strings.Repeat("y", 512) + "\"}\nend\n"
	benchmarkBridge(b, `{"model":"m","x":"`+strings.Repeat("x", 1024)+`"}`, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"+
		"X-Request-Id: req_1\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: %d\r\n\r\n%s", len(body), body), "end")
}

func BenchmarkBridgeStream50(b *testing.B) {
	event := "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"}}]}\n\n"
	answer := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	for range 50 {
		answer += fmt.Sprintf("%x\r\n%s\r\n", len(event), event)
	}
	answer += "c\r\ndata: done\n\n\r\n0\r\n\r\n"
	benchmarkBridge(b, `{"model":"m","stream":true,"x":"`+strings.Repeat("x", 1024)+`"}`, answer, "X-Signalbox-Usage")
}
