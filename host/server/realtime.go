package server

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // by RFC 6455
	"encoding/base64"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// keyProtocol is what OpenAI's clients in browsers, which cannot set headers,
// put before their key among the subprotocols.
const keyProtocol = "openai-insecure-api-key."

const realtimePath = "/v1/realtime"

// noDeadline takes away what the reading of the request has set.
var noDeadline time.Time

// findRealtime reads a request for a realtime session.
func findRealtime(ctx *fasthttp.RequestCtx) (a asked, err *wire.Error) {
	a.endpoint = endpoint{op: wire.OpRealtime, dialect: wire.OpenAIRealtime, form: formAny}
	if err := methods(ctx, "GET"); err != nil {
		return a, err
	}
	h := &ctx.Request.Header
	key, kerr := base64.StdEncoding.DecodeString(string(h.Peek("Sec-WebSocket-Key")))
	if !listed(h.Peek("Upgrade"), "websocket") || !h.ConnectionUpgrade() || kerr != nil || len(key) != 16 {
		ctx.Response.Header.Set("Upgrade", "websocket")
		return a, wire.Errorf(426, "upgrade_required", "/v1/realtime is a WebSocket: connect with a WebSocket client")
	}
	if string(h.Peek("Sec-WebSocket-Version")) != "13" {
		ctx.Response.Header.Set("Sec-WebSocket-Version", "13")
		return a, wire.Errorf(426, "upgrade_required", "the WebSocket's version must be 13")
	}
	a.model = bytes.Clone(ctx.QueryArgs().Peek("model"))
	if len(a.model) == 0 {
		a.model = nil
	}
	return a, nil
}

// listed reports whether a header's list has word, in any case.
func listed(header []byte, word string) bool {
	for part := range strings.SplitSeq(string(header), ",") {
		if strings.EqualFold(strings.TrimSpace(part), word) {
			return true
		}
	}
	return false
}

// protocolKey is the key among the subprotocols, nil if there is none.
func protocolKey(ctx *fasthttp.RequestCtx) []byte {
	for part := range strings.SplitSeq(string(ctx.Request.Header.Peek("Sec-WebSocket-Protocol")), ",") {
		if key, ok := strings.CutPrefix(strings.TrimSpace(part), keyProtocol); ok {
			return []byte(key)
		}
	}
	return nil
}

// sessions are the realtime sessions that run.
type sessions struct {
	mu      sync.Mutex
	running map[*call.Call]net.Conn
	done    sync.WaitGroup
}

func (s *sessions) add(c *call.Call, nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		s.running = map[*call.Call]net.Conn{}
	}
	s.running[c] = nc
	s.done.Add(1)
}

func (s *sessions) remove(c *call.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, c)
	s.done.Done()
}

// stop waits until the sessions have ended, or ends them when ctx does.
func (s *sessions) stop(ctx context.Context) {
	ended := make(chan struct{})
	go func() { defer close(ended); s.done.Wait() }()
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c, nc := range s.running {
		c.Gone.Leave()
		_ = nc.Close()
	}
	s.mu.Unlock()
	<-ended
}

// upgrade agrees to a session and hands it the caller's connection.
func (s *Server) upgrade(in *incoming, ans call.Answer) {
	ctx, c := in.ctx, in.call
	s.headers(ctx, c)
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		acceptOf(ctx.Request.Header.Peek("Sec-WebSocket-Key")) + "\r\n")
	if listed(ctx.Request.Header.Peek("Sec-WebSocket-Protocol"), "realtime") {
		b = append(b, "Sec-WebSocket-Protocol: realtime\r\n"...)
	}
	for _, name := range [][]byte{hRequestID, hProvider, hModel, hAttempts, hRoute, hPolicy} {
		if v := ctx.Response.Header.PeekBytes(name); len(v) > 0 {
			b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
		}
	}
	b = append(b, "\r\n"...)
	nc := in.conn
	c.Header = nil
	in.release()
	s.sessions.add(c, ctx.Conn())
	var once sync.Once // run, or ended before it could
	end := func() {
		if nc != nil {
			nc.running(nil)
		}
		_ = ans.Stream.Close() // it has accounted for the session
		s.handler.Done(c)
		s.sessions.remove(c)
	}
	if nc != nil {
		abandon := func() { once.Do(end) }
		nc.abandon.Store(&abandon)
	}
	ctx.HijackSetNoResponse(true) // one that could not be written would leave the session alone
	ctx.Hijack(func(conn net.Conn) {
		once.Do(func() {
			defer end()
			_ = conn.SetDeadline(noDeadline)
			if _, err := conn.Write(b); err == nil {
				_, _ = ans.Stream.WriteTo(conn)
			}
		})
	})
}

func acceptOf(key []byte) string {
	sum := sha1.Sum([]byte(string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // by RFC 6455
	return base64.StdEncoding.EncodeToString(sum[:])
}
