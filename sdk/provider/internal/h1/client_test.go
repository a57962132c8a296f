package h1

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

func TestRequestIsAsAsked(t *testing.T) {
	got := make(chan string, 1)
	p := newPeer(t, func(_ int, c net.Conn, in *bufio.Reader) {
		b := make([]byte, 4096)
		n, _ := in.Read(b)
		got <- string(b[:n])
		_, _ = io.WriteString(c, hello)
	})
	if _, answer, err := p.post(t.Context(), "{}"); err != nil || answer != "hello" {
		t.Errorf("got %q, %v", answer, err)
	}
	want := "POST /v1?a=b HTTP/1.1\r\nHost: " + p.client.addr + "\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	if g := <-got; g != want {
		t.Errorf("got %q; want %q", g, want)
	}
	for _, f := range []Field{{"x", "a\r\nb: c"}, {"x", "a\x00"}, {"x y", "a"}, {"x:", "a"}, {"", "a"}, {"ü", "a"}} {
		if _, err := p.client.Post(t.Context(), "/", []Field{f}, nil); err == nil || !strings.Contains(err.Error(), "invalid header") {
			t.Errorf("%q: got %v", f, err)
		}
	}
	for _, target := range []string{"", "v1", "/a b", "/a\r\nb: c", "/ü"} {
		if _, err := p.client.Post(t.Context(), target, nil, nil); err == nil || !strings.Contains(err.Error(), "invalid target") {
			t.Errorf("%q: got %v", target, err)
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	f := func(text string, status int, want string, conns int32) {
		t.Helper()
		p := newPeer(t, answers(text))
		for range 3 {
			if s, answer, err := p.post(t.Context(), "{}"); err != nil || s != status || answer != want {
				t.Errorf("%q: got %d %q, %v", text, s, answer, err)
			}
		}
		if _, _, err := p.post(t.Context(), big[:1<<20]); err != nil { // one that is written meanwhile
			t.Error(err)
		}
		if n := p.conns.Load(); n != conns {
			t.Errorf("%q: got %d connections; want %d", text, n, conns)
		}
	}
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f(hello, 200, "hello", 1)
	f("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 500, "", 1)
	f("HTTP/1.1 204 No Content\r\n\r\n", 204, "", 1)
	f("HTTP/1.1 307 Elsewhere\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 307, "", 1)
	f(chunked+"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", 200, "hello", 1)
	f(chunked+"5\r\nhello\r\n0\r\nX-Usage: 1\r\nX-More: 2\r\n\r\n", 200, "hello", 1)
	f("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+hello, 200, "hello", 1)
	f("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", 4)
	f("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", 4)
	f(hello+"more", 200, "hello", 4) // what nobody asked for must not answer the next request
}

func TestUnreadAnswersAreNotKept(t *testing.T) {
	p := newPeer(t, answers(hello))
	r, err := p.client.Post(t.Context(), "/", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.Read(make([]byte, 2))
	r.Close()
	r.Close()
	if _, err := r.Read(make([]byte, 2)); err != errClosed || p.client.kept() != 0 {
		t.Errorf("got %v, %d connections kept", err, p.client.kept())
	}
}

func TestStaleConnections(t *testing.T) {
	f := func(body string, wait time.Duration, closeUnasked bool) {
		t.Helper()
		p := newPeer(t, func(n int, c net.Conn, in *bufio.Reader) {
			request(in)
			_, _ = io.WriteString(c, hello)
			if n == 1 && !closeUnasked {
				_, _ = in.Peek(1) // the next request comes, and the connection goes
			}
		})
		for range 2 {
			if _, answer, err := p.post(t.Context(), body); err != nil || answer != "hello" {
				t.Errorf("got %q, %v", answer, err)
			}
			time.Sleep(wait)
		}
		if n := p.conns.Load(); n != 2 {
			t.Errorf("got %d connections; want 2", n)
		}
	}
	f("{}", 0, false)
	f(big[:1<<20], 0, false)
	f("{}", 2*checkAfter, true)
	f("{}", 0, true)
}

func TestFreshConnectionsAreTriedOnce(t *testing.T) {
	p := newPeer(t, once(""))
	if _, _, err := p.post(t.Context(), "{}"); err == nil {
		t.Error("no error")
	}
	if n := p.conns.Load(); n != 1 {
		t.Errorf("got %d connections; want 1", n)
	}
}

func TestBegunAnswersAreNotAskedForAgain(t *testing.T) {
	p := newPeer(t, func(_ int, c net.Conn, in *bufio.Reader) {
		request(in)
		_, _ = io.WriteString(c, hello)
		request(in)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-")
	})
	_, _, err1 := p.post(t.Context(), "{}")
	_, _, err2 := p.post(t.Context(), "{}")
	if err1 != nil || !errors.Is(err2, io.ErrUnexpectedEOF) || p.conns.Load() != 1 {
		t.Errorf("got %v, %v, %d connections", err1, err2, p.conns.Load())
	}
}

func TestCutBodies(t *testing.T) {
	f := func(text, want string, cut error) {
		t.Helper()
		p := newPeer(t, once(text))
		if _, answer, err := p.post(t.Context(), "{}"); answer != want || !errors.Is(err, cut) {
			t.Errorf("%q: got %q, %v; want %q, %v", text, answer, err, want, cut)
		}
		if p.client.kept() != 0 {
			t.Errorf("%q: the connection was kept", text)
		}
	}
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f(chunked+"5\r\nhello\r\n", "hello", io.ErrUnexpectedEOF)
	f(chunked+"5\r\nhello", "hello", io.ErrUnexpectedEOF)
	f(chunked+"5\r\nhel", "hel", io.ErrUnexpectedEOF)
	f(chunked+"5\r\nhello\r\n0\r\n", "hello", io.ErrUnexpectedEOF)
	f(chunked+"5\r\nhello\r\n0\r\nX-Usage: 1\r\n", "hello", io.ErrUnexpectedEOF)
	f("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "hello", io.ErrUnexpectedEOF)
	f("HTTP/1.1 200 OK\r\n\r\nhello", "hello", nil)
}

func TestHeads(t *testing.T) {
	f := func(text string, status int, says string) {
		t.Helper()
		s, _, err := newPeer(t, once(text)).post(t.Context(), "{}")
		if s != status || (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("got %d, %v; want %d, %q", s, err, status, says)
		}
	}
	large := func(n int) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Large: " + strings.Repeat("x", n) + "\r\n\r\n"
	}
	f(large(8<<10), 200, "")
	f(large(15<<10), 200, "")
	f(large(17<<10), 0, "longer than 16384 bytes")
	f("SSH-2.0-OpenSSH_9\r\n\r\n", 0, "malformed HTTP answer")
	f("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, "malformed HTTP answer")
	f("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", 0, "switches protocols")
	f(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20), 0, "informational")
}

var errLeft = errors.New("left")

func TestCancelWhileWaiting(t *testing.T) {
	for _, body := range []string{"{}", big} {
		ctx, cancel := context.WithCancelCause(t.Context())
		p := newPeer(t, func(_ int, _ net.Conn, in *bufio.Reader) {
			if body != big { // a large one is interrupted while it is written
				request(in)
			}
			cancel(errLeft)
			time.Sleep(20 * time.Millisecond)
			_, _ = io.Copy(io.Discard, in)
		})
		if _, _, err := p.post(ctx, body); !errors.Is(err, errLeft) || p.client.kept() != 0 || p.conns.Load() != 1 {
			t.Errorf("got %v, %d connections kept", err, p.client.kept())
		}
		if _, _, err := p.post(ctx, body); !errors.Is(err, errLeft) || p.conns.Load() != 1 {
			t.Errorf("got %v, %d connections", err, p.conns.Load())
		}
	}
}

func TestCancelWhileStreaming(t *testing.T) {
	gone := make(chan struct{})
	p := newPeer(t, func(_ int, c net.Conn, in *bufio.Reader) {
		request(in)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		_, _ = in.Peek(1)
		close(gone)
	})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errLeft)
	defer cancel()
	if _, answer, err := p.post(ctx, "{}"); !errors.Is(err, errLeft) || answer != "hello" || p.client.kept() != 0 {
		t.Errorf("got %q, %v, %d connections kept", answer, err, p.client.kept())
	}
	<-gone
}

// TestEarlyAnswer has an answer come before the request is written.
func TestEarlyAnswer(t *testing.T) {
	f := func(stay bool) {
		t.Helper()
		done := make(chan struct{})
		p := newPeer(t, func(_ int, c net.Conn, in *bufio.Reader) {
			_, _ = in.Peek(1)
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
			if stay {
				<-done // and reads nothing
			} else {
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.CopyN(io.Discard, in, 1<<20)
			}
		})
		if status, answer, err := p.post(t.Context(), big); status != 413 || answer != "large" || err != nil || p.client.kept() != 0 {
			t.Errorf("got %d %q, %v, %d connections kept", status, answer, err, p.client.kept())
		}
		close(done)
	}
	f(true)
	f(false)
}

func TestTLS(t *testing.T) {
	var conns atomic.Int32
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.NegotiatedProtocol != "http/1.1" || r.TLS.Version < tls.VersionTLS12 {
			t.Errorf("got protocol %q", r.TLS.NegotiatedProtocol)
		}
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strings.Repeat("y", int(n)))
	}))
	up.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	up.Config.ErrorLog = log.New(io.Discard, "", 0)
	up.StartTLS()
	defer up.Close()
	p := &peer{client: clientOf(t, up.URL)}
	if _, _, err := p.post(t.Context(), "{}"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	p.client.tls.RootCAs = x509.NewCertPool()
	p.client.tls.RootCAs.AddCert(up.Certificate())
	conns.Store(0)
	for _, n := range []int{1, 2, 1 << 20, 3} {
		if _, answer, err := p.post(t.Context(), big[:n]); err != nil || len(answer) != n {
			t.Errorf("got %d bytes, %v", len(answer), err)
		}
	}
	time.Sleep(2 * checkAfter)
	if _, _, err := p.post(t.Context(), "{}"); err != nil || conns.Load() != 1 {
		t.Errorf("got %v, %d connections", err, conns.Load())
	}
}

func TestReap(t *testing.T) {
	p := newPeer(t, answers(hello))
	if _, _, err := p.post(t.Context(), "{}"); err != nil || p.client.kept() != 1 {
		t.Fatalf("got %v, %d connections kept", err, p.client.kept())
	}
	p.client.reap()
	if p.client.kept() != 1 {
		t.Error("a warm connection was closed")
	}
	p.client.mu.Lock()
	p.client.idle[0].since = time.Now().Add(-2 * idleTimeout)
	p.client.mu.Unlock()
	p.client.reap()
	if p.client.kept() != 0 || p.client.reaper != nil {
		t.Error("a cold connection was kept")
	}
}
