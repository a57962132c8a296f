package mcp_test

import (
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

	"github.com/signalbox-ai/signalbox/host/call"
)

// BenchmarkCall tells what a call of a tool takes of this process, which is all
// but the tool server's own, what decides, and the connection of the caller.
//
//	go test ./host/mcp -run '^$' -bench Call -benchtime 5000x
func BenchmarkCall(b *testing.B) {
	p := open(b, command(b, "one", "plain"))
	p.ready("one")
	body := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one__echo","arguments":{"text":"over and out ` + strings.Repeat("and so on ", 50) + `"}}}`)
	h := &fasthttp.RequestHeader{}
	for name, v := range map[string]string{"Host": "localhost", "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": "2025-06-18"} {
		h.Set(name, v)
	}
	c := &call.Call{}
	once := func() {
		c.Reset()
		c.Method, c.Header, c.Body, c.Principal = "POST", h, body, &call.Principal{Auth: "key", KeyID: "ann"}
		ans, err := p.door.Serve(c)
		if err != nil {
			b.Fatal(err)
		}
		said := string(ans.Body)
		if ans.Stream != nil {
			var all strings.Builder
			_, werr := ans.Stream.WriteTo(&all)
			if cerr := ans.Stream.Close(); werr != nil || cerr != nil {
				b.Fatal(werr, cerr)
			}
			said = all.String()
		}
		if !strings.Contains(said, "over and out") {
			b.Fatal(said)
		}
	}
	for range 100 {
		once()
	}
	b.ReportAllocs()
	before := spent(b)
	for b.Loop() {
		once()
	}
	b.ReportMetric(float64(spent(b)-before)/float64(b.N)/1000, "cpu-µs/call")
}

// spent is the processor time of this process, in nanoseconds.
func spent(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
