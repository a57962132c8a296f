package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/host/server"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// purse is an account with room for some output tokens.
type purse struct {
	room     int64
	finished chan settled
}

// settled is what of a call was accounted for.
type settled struct {
	Usage      wire.Usage
	Err        *wire.Error
	Provenance call.Provenance
}

func (*purse) Cover(*call.Call, call.Bound) *wire.Error { return nil }
func (*purse) Sent(*call.Call)                          {}
func (p *purse) Finish(c *call.Call) {
	p.finished <- settled{c.Usage, c.Err, c.Provenance}
}

func (p *purse) Running(c *call.Call) *wire.Error {
	if c.Usage.Output > p.room {
		return wire.Errorf(402, "budget_exceeded", "the budget is used up")
	}
	return nil
}

// realtime serves sessions by way of an upstream that is h.
func realtime(t *testing.T, opt dispatch.Options, h http.HandlerFunc) (url string, p *purse) {
	t.Helper()
	up := httptest.NewServer(h)
	addr := strings.TrimPrefix(up.URL, "http://")
	ep := &call.Endpoint{Op: wire.OpRealtime, Dialect: wire.OpenAIRealtime, Network: "tcp", Addr: addr, Host: addr, Path: "/v1/realtime?model={model}",
		Headers: []call.HeaderTemplate{{Name: "Authorization", Prefix: "Bearer ", Credential: true}}}
	ep.Transport = dispatch.NewTransport(ep)
	provider := &call.Provider{Name: "up", Credentials: []*call.Credential{{Name: "main", Value: "sk-up"}}}
	provider.Publish(call.NewEndpoints([]*call.Endpoint{ep}))
	target := &call.Target{Name: "up/m", Provider: provider, Model: "m-up", State: call.NewTargetState()}
	t.Cleanup(func() { ep.Transport.Close(); up.CloseClientConnections(); up.Close() })

	p = &purse{room: 100, finished: make(chan settled, 1)}
	opt.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	opt.Attempts = 1
	d := dispatch.New(opt, p)
	st := &stage{handle: func(c *call.Call, key []byte) (call.Answer, *wire.Error) {
		if string(key) != "k" || string(c.Facts.Model) != "m" {
			return call.Answer{}, wire.Errorf(401, "invalid_api_key", "unknown key %q or model %q", key, c.Facts.Model)
		}
		c.Candidates = append(c.Candidates, call.Candidate{Target: target})
		c.Plan.N = 1
		return d.Do(c)
	}}
	return "ws://" + start(t, server.Options{}, st), p
}

func dialRealtime(t *testing.T, url string, opt *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url+"/v1/realtime?model=m", opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(8 << 20)
	return c
}

var withKey = &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer k"}}}

const spoke = `{"type":"response.done","response":{"usage":{"total_tokens":60,"input_tokens":20,"output_tokens":40,"input_token_details":{"text_tokens":15,"audio_tokens":5},"output_token_details":{"text_tokens":40,"audio_tokens":0}}}}`

// parrot repeats what it hears; to "respond" it answers with usage.
func parrot(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/v1/realtime?model=m-up" || r.Header.Get("Authorization") != "Bearer sk-up" || strings.Contains(r.Header.Get("Sec-WebSocket-Protocol"), "insecure") {
			t.Errorf("the upstream got %s, %v", r.RequestURI, r.Header)
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"realtime"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(8 << 20)
		for {
			kind, b, err := c.Read(r.Context())
			switch {
			case err != nil:
				return
			case string(b) == "leave":
				_ = c.Close(websocket.StatusNormalClosure, "bye")
				return
			case string(b) == "break":
				_ = c.CloseNow()
				return
			case string(b) == "respond":
				_ = c.Write(r.Context(), kind, []byte(`{"type":"response.created"}`))
				b = []byte(spoke)
			}
			if err := c.Write(r.Context(), kind, b); err != nil {
				return
			}
		}
	}
}

func exchange(t *testing.T, c *websocket.Conn, kind websocket.MessageType, say string, want ...string) {
	t.Helper()
	if err := c.Write(t.Context(), kind, []byte(say)); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if got, b, err := c.Read(t.Context()); err != nil || got != kind || string(b) != w {
			t.Fatalf("said %.50q, heard %d bytes %.80q, %v; want %.50q", say, len(b), b, err, w)
		}
	}
}

func TestRealtimeSession(t *testing.T) {
	url, p := realtime(t, dispatch.Options{}, parrot(t))
	c := dialRealtime(t, url, withKey)
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 3 << 20} {
		text := strings.Repeat("x", size)
		exchange(t, c, websocket.MessageText, text, text)
		exchange(t, c, websocket.MessageBinary, text, text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	read := c.CloseRead(ctx) // pongs are heard
	if err := c.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	_ = read
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
	if got := <-p.finished; got.Err != nil || got.Usage != (wire.Usage{}) || got.Provenance != call.CostComputed {
		t.Errorf("recorded %+v", got)
	}
}

func TestRealtimeUsageAndBudget(t *testing.T) {
	url, p := realtime(t, dispatch.Options{}, parrot(t))
	c := dialRealtime(t, url, &websocket.DialOptions{Subprotocols: []string{"realtime", "openai-insecure-api-key.k", "openai-beta.realtime-v1"}})
	if c.Subprotocol() != "realtime" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	const created = `{"type":"response.created"}`
	exchange(t, c, websocket.MessageText, "respond", created, spoke)
	exchange(t, c, websocket.MessageText, "respond", created, spoke)
	exchange(t, c, websocket.MessageText, "respond", created, spoke) // 120 > 100
	_, b, err := c.Read(t.Context())
	var event struct {
		Type  string
		Error struct{ Code string }
	}
	if json.Unmarshal(b, &event) != nil || event.Type != "error" || event.Error.Code != "budget_exceeded" {
		t.Errorf("heard %s, %v", b, err)
	}
	_, _, err = c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("closed with %v", err)
	}
	got := <-p.finished
	if got.Usage != (wire.Usage{Input: 45, AudioInput: 15, Output: 120}) || got.Err == nil || got.Err.Code != "budget_exceeded" {
		t.Errorf("recorded %+v, %v", got.Usage, got.Err)
	}
}

func TestRealtimeEndings(t *testing.T) {
	f := func(name, say string, want websocket.StatusCode, wantErr bool) {
		t.Helper()
		url, p := realtime(t, dispatch.Options{Session: 500 * time.Millisecond}, parrot(t))
		c := dialRealtime(t, url, withKey)
		if say == "gone" {
			_ = c.CloseNow()
		} else {
			if say != "" {
				exchange(t, c, websocket.MessageText, say)
			}
			var err error
			for err == nil {
				_, _, err = c.Read(t.Context())
			}
			if websocket.CloseStatus(err) != want {
				t.Errorf("%s: closed with %v", name, err)
			}
		}
		if got := <-p.finished; (got.Err != nil) != wantErr {
			t.Errorf("%s: recorded %v", name, got.Err)
		}
	}
	f("the upstream says good-bye", "leave", websocket.StatusNormalClosure, false)
	f("the upstream breaks", "break", websocket.StatusInternalError, true)
	f("the caller is gone", "gone", 0, false)
	f("the session is over", "", websocket.StatusPolicyViolation, true)
}

func TestRealtimeRefusals(t *testing.T) {
	var upgraded atomic.Bool
	hostile := func(head string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			upgraded.Store(true)
			nc, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			_, _ = io.WriteString(nc, head)
		}
	}
	f := func(name string, h http.HandlerFunc, opt *websocket.DialOptions, want int) {
		t.Helper()
		url, _ := realtime(t, dispatch.Options{}, h)
		_, resp, err := websocket.Dial(t.Context(), url+"/v1/realtime?model=m", opt)
		if err == nil || resp == nil || resp.StatusCode != want {
			t.Errorf("%s: %v, want status %d", name, err, want)
		}
	}
	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	f("no key", hostile(""), nil, 401)
	if upgraded.Load() {
		t.Error("an unknown caller reached the upstream")
	}
	f("an upstream that refuses", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, withKey, 429)
	f("an upstream that does not upgrade", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }, withKey, 502)
	f("no accept", hostile(head+"\r\n"), withKey, 502)
	f("a wrong accept", hostile(head+"Sec-WebSocket-Accept: AAAA\r\n\r\n"), withKey, 502)

	url, _ := realtime(t, dispatch.Options{}, hostile(""))
	if status, body := do(t, "GET", "http"+strings.TrimPrefix(url, "ws")+"/v1/realtime?model=m", ""); status != 426 || !strings.Contains(body, "upgrade_required") {
		t.Errorf("without an upgrade: %d %s", status, body)
	}
}

// TestMalformedFramesEndTheSession: whichever side sends them.
func TestMalformedFramesEndTheSession(t *testing.T) {
	url, p := realtime(t, dispatch.Options{}, parrot(t))
	f := func(name string, frame []byte) {
		t.Helper()
		nc, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_, _ = io.WriteString(nc, "GET /v1/realtime?model=m&key=k HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		_, _ = nc.Write(frame)
		b, err := io.ReadAll(nc)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(string(b), " 101 ") {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		<-p.finished
	}
	f("unmasked", []byte{0x81, 1, 'x'})
	f("reserved bits", []byte{0xc1, 0x80, 0, 0, 0, 0})
	f("unknown opcode", []byte{0x83, 0x80, 0, 0, 0, 0})
	f("long ping", append([]byte{0x89, 0xfe, 0, 200}, make([]byte, 204)...))
	f("ping in parts", []byte{0x09, 0x80, 0, 0, 0, 0})
	f("length in too many bytes", []byte{0x81, 0xfe, 0, 1, 0, 0, 0, 0, 'x'})
	f("beyond all bounds", []byte{0x81, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
}
