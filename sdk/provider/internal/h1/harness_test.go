package h1

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is an upstream whose connections are played by hand.
type peer struct {
	client *Client
	conns  atomic.Int32
}

// newPeer serves each connection, the number of which counts from 1, by play;
// the connection is closed after it.
func newPeer(t testing.TB, play func(n int, c net.Conn, in *bufio.Reader)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{client: clientOf(t, "http://"+l.Addr().String()+"/v1?a=b")}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(p.conns.Add(1))
			go func() {
				defer c.Close()
				play(n, c, bufio.NewReader(c))
			}()
		}
	}()
	return p
}

func clientOf(t testing.TB, raw string) *Client {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	c := New(u, nil)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// request reads one request whole; ok is false at the connection's end.
func request(in *bufio.Reader) (body string, ok bool) {
	r, err := http.ReadRequest(in)
	if err != nil {
		return "", false
	}
	raw, err := io.ReadAll(r.Body)
	return string(raw), err == nil
}

// answers answers every request of a connection by text.
func answers(text string) func(int, net.Conn, *bufio.Reader) {
	return func(_ int, c net.Conn, in *bufio.Reader) {
		for {
			if _, ok := request(in); !ok {
				return
			}
			_, _ = io.WriteString(c, text)
		}
	}
}

// once answers one request of a connection by text and closes it.
func once(text string) func(int, net.Conn, *bufio.Reader) {
	return func(_ int, c net.Conn, in *bufio.Reader) {
		request(in)
		_, _ = io.WriteString(c, text)
	}
}

func (p *peer) post(ctx context.Context, body string) (status int, answer string, err error) {
	r, err := p.client.Post(ctx, "/v1?a=b", []Field{{"Content-Type", "application/json"}}, []byte(body))
	if err != nil {
		return 0, "", err
	}
	defer r.Close()
	status = r.Status()
	raw, err := io.ReadAll(r)
	return status, string(raw), err
}

func (c *Client) kept() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}

var big = strings.Repeat("x", 8<<20)
