//go:build !race

package server_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// reusing is a stage that pools its calls, as the host does.
type reusing struct {
	stage
	calls sync.Pool
}

func (r *reusing) New() *call.Call   { return r.calls.Get().(*call.Call) }
func (r *reusing) Done(c *call.Call) { c.Reset(); r.calls.Put(c) }

// TestJSONRequestsAllocateNothing: but for what fasthttp needs to look for
// bytes that a handler has not read.
func TestJSONRequestsAllocateNothing(t *testing.T) {
	st := &reusing{calls: sync.Pool{New: func() any { return &call.Call{} }}}
	st.handle = func(c *call.Call, _ []byte) (call.Answer, *wire.Error) {
		c.Buf = append(c.Buf[:0], `{"a":"`...)
		c.Buf = append(append(c.Buf, c.Facts.Model...), `"}`...)
		return call.Answer{Status: 200, ContentType: "application/json", Body: c.Buf}, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nc := dial(t, serve(t, server.New(server.Options{}, st, st), ln))
	request := []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n" + `{"model":"m"}`)
	buf := make([]byte, 4<<10)
	ask := func() {
		if _, err := nc.Write(request); err != nil {
			t.Fatal(err)
		}
		for n := 0; !bytes.HasSuffix(buf[:n], []byte(`{"a":"m"}`)); {
			m, err := nc.Read(buf[n:])
			if n += m; err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		ask()
	}
	if n := testing.AllocsPerRun(500, ask); n > 1 {
		t.Errorf("a request allocates %v times, want 1", n)
	}
}
