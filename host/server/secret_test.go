package server_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// lockedBuffer is a log that several write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestKeysAreNeverTold sends a key in every place, with requests that go wrong
// in many ways: neither an answer nor a log has it, nor a part of its secret.
func TestKeysAreNeverTold(t *testing.T) {
	const key, secret = "sb-0123456789-abcdefghjkmnpqrstvwxyz0123", "ghjkmnpqrst"
	var log lockedBuffer
	st := &stage{handle: func(c *call.Call, key []byte) (call.Answer, *wire.Error) {
		if c.Op == wire.OpEmbeddings {
			panic(fmt.Sprintf("BUG: planted at %s", c.Remote))
		}
		return call.Answer{}, wire.Errorf(401, "invalid_api_key", "not known")
	}}
	addr := start(t, server.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, st)
	f := func(raw string) {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, strings.ReplaceAll(strings.ReplaceAll(raw, "KEY", key), "\n", "\r\n"))
		_ = c.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(c)
		if len(answer) == 0 && !strings.Contains(raw, "cut off") {
			t.Errorf("%q: no answer", raw)
		}
		if strings.Contains(string(answer), secret) {
			t.Errorf("%q is answered with the key: %s", raw, answer)
		}
	}
	body := "Content-Length: 15\n\n{\"model\": \"m\"} "
	for _, head := range []string{"Authorization: Bearer KEY", "Authorization: KEY", "Authorization: Basic KEY", "X-Api-Key: KEY", "X-Goog-Api-Key: KEY", "Cookie: key=KEY"} {
		f("POST /v1/chat/completions HTTP/1.1\nHost: x\n" + head + "\n" + body)
		f("POST /v1/embeddings HTTP/1.1\nHost: x\n" + head + "\n" + body)
		f("POST /nowhere HTTP/1.1\nHost: x\n" + head + "\n" + body)
		f("POST /v1/chat/completions HTTP/1.1\nHost: x\n" + head + "\nContent-Length: x\n\n")
		f("POST /v1/chat/completions HTTP/1.1\nHost: x\n" + head + "\nbroken\n\n")
		f("POST /v1/chat/completions HTTP/1.1\nHost: x\n" + head + "\nX-Long: " + strings.Repeat("x", 9<<10) + "\n\n")
		f("BREW /v1/chat/completions HTTP/1.1\nHost: x\n" + head + "\n\n")
		f("POST /v1/chat/completions HTTP/1.1\nHost: x\n" + head + "\ncut off")
	}
	for _, path := range []string{"/v1beta/models/m:generateContent?key=KEY", "/v1beta/models/m:streamGenerateContent?key=KEY", "/v1/files/f?key=KEY&a=\"", "/v1/pass/p/x?%6bey=KEY", "/v1/realtime?key=KEY", "/nowhere?key=KEY"} {
		f("POST " + path + " HTTP/1.1\nHost: x\n" + body)
		f("GET " + path + " HTTP/1.1\nHost: x\n\n")
	}
	if text := log.String(); strings.Contains(text, secret) || !strings.Contains(text, "BUG: planted") {
		t.Errorf("the log has the key, or not the panic: %s", text)
	}
}
