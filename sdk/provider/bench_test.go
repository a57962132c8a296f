package provider

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// benchmark sends one request after the other over one connection and hands
// each answer, up to what ends it, to nobody. Half of the cost is the client's
// system calls.
func benchmark(b *testing.B, h HandlerFunc, end string) {
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
	body := strings.Repeat("x", 1024)
	req := fmt.Appendf(nil, "POST /chat/openai-chat HTTP/1.1\r\nHost: adapter\r\nContent-Type: application/json\r\nx-signalbox-request-id: req_1\r\nx-signalbox-model: m\r\nx-signalbox-credential: sk-1\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	in := bufio.NewReaderSize(c, 64<<10)
	b.ReportAllocs()
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
}

func BenchmarkJSON(b *testing.B) {
	answer := []byte(`{"x":"` + strings.Repeat("y", 512) + "\"}\nend\n")
	benchmark(b, func(r *Request, w *Writer) error {
		w.Usage(wire.Usage{Input: 100, Output: 10})
		return w.JSON(answer)
	}, "end")
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
	}, "X-Signalbox-Usage")
}
