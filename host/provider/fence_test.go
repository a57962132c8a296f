package provider

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// adapterEnd speaks to a fence as an adapter would.
type adapterEnd struct {
	t *testing.T
	f *fence
	c *net.UnixConn
}

func newAdapterEnd(t *testing.T, hosts ...string) *adapterEnd {
	t.Helper()
	f, child, err := newFence(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	c, err := net.FileConn(child)
	child.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	f.proxy = func(*url.URL) (*url.URL, error) { return nil, nil }
	if hosts != nil {
		allowed, err := egress.Parse(hosts)
		if err != nil {
			t.Fatal(err)
		}
		f.hosts.Store(allowed)
	}
	return &adapterEnd{t, f, c.(*net.UnixConn)}
}

// ask returns the connection that it is given, or the reason why not.
func (a *adapterEnd) ask(addr string) (net.Conn, string) {
	a.t.Helper()
	if _, err := a.c.Write([]byte("7 " + addr)); err != nil {
		a.t.Fatal(err)
	}
	packet, rights := make([]byte, egress.MaxPacket), make([]byte, unix.CmsgSpace(4))
	n, rn, _, _, err := a.c.ReadMsgUnix(packet, rights)
	if err != nil {
		a.t.Fatal(err)
	}
	id, reason, refused := strings.Cut(string(packet[:n]), " ")
	if id != "7" || refused != (rn == 0) {
		a.t.Fatalf("got %q with %d bytes of rights", packet[:n], rn)
	}
	if refused {
		return nil, reason
	}
	messages, _ := unix.ParseSocketControlMessage(rights[:rn])
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		a.t.Fatalf("got %v, %v", fds, err)
	}
	file := os.NewFile(uintptr(fds[0]), "granted")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		a.t.Fatal(err)
	}
	return c, ""
}

func (a *adapterEnd) refuses(addr, want string) {
	a.t.Helper()
	c, reason := a.ask(addr)
	if c != nil {
		c.Close()
	}
	if c != nil || !strings.Contains(reason, want) {
		a.t.Errorf("%s: got %v, %q; want %q", addr, c, reason, want)
	}
}

func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

func TestFence(t *testing.T) {
	up := echo(t)
	newAdapterEnd(t).refuses(up, "before it is configured")
	a := newAdapterEnd(t, up, "api.example.com", "[::1]:9")
	c, reason := a.ask(up)
	if c == nil {
		t.Fatal(reason)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	a.refuses("[::1]:9", "refused")
	a.refuses("api.example.com:80", "not among")
	a.refuses("API.example.com.:8443", "not among")
	a.refuses("api.example.com:https", "not a number")
	a.refuses("api.example.com:443@evil.example:443", "want host:port")
	a.refuses("evil.example\x00api.example.com:443", "not ASCII")
	a.refuses("evil.example/api.example.com:443", "not among")
	a.refuses("", "want host:port")
	a.refuses(strings.Repeat("x", 600)+":443", "not among")
	if n := a.f.granted.Load(); n != 1 {
		t.Errorf("%d were granted", n)
	}
}

// TestFenceAndRebinding lets an allowed name mean an address of this machine.
func TestFenceAndRebinding(t *testing.T) {
	_, port, _ := net.SplitHostPort(echo(t))
	for _, address := range [][4]byte{{127, 0, 0, 1}, {10, 0, 0, 1}, {169, 254, 169, 254}} {
		a := newAdapterEnd(t, "rebound.example:"+port)
		a.f.resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nameServer(address), nil }}
		a.refuses("rebound.example:"+port, "is private")
	}
}

// nameServer answers every question for an IPv4 address with one.
func nameServer(address [4]byte) net.Conn {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		in := bufio.NewReader(server)
		for {
			var size [2]byte
			if _, err := io.ReadFull(in, size[:]); err != nil {
				return
			}
			raw := make([]byte, int(size[0])<<8|int(size[1]))
			if _, err := io.ReadFull(in, raw); err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(raw) != nil {
				return
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: address}}}
			}
			packed, err := m.Pack()
			if err != nil {
				return
			}
			if _, err := server.Write(append([]byte{byte(len(packed) >> 8), byte(len(packed))}, packed...)); err != nil {
				return
			}
		}
	}()
	return client
}

func TestFenceByProxy(t *testing.T) {
	up := echo(t)
	asked := make(chan string, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answers := make(chan string, 1)
	answers <- "HTTP/1.1 200 OK\r\nX: y\r\n\r\nfirst bytes"
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			asked <- r.Method + " " + r.Host + " " + r.Header.Get("Proxy-Authorization")
			_, _ = io.WriteString(c, <-answers)
			c.Close()
		}
	}()
	a := newAdapterEnd(t, up, "api.example.com")
	proxy := &url.URL{Scheme: "http", Host: l.Addr().String(), User: url.UserPassword("u", "p")}
	a.f.proxy = func(*url.URL) (*url.URL, error) { return proxy, nil }
	c, reason := a.ask("api.example.com:443")
	if c == nil {
		t.Fatal(reason)
	}
	defer c.Close()
	if got, want := <-asked, "CONNECT api.example.com:443 Basic dTpw"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if got, _ := io.ReadAll(c); string(got) != "first bytes" {
		t.Errorf("got %q", got)
	}
	answers <- "HTTP/1.1 403 Forbidden\r\n\r\n"
	a.refuses("api.example.com:443", "403")
	<-asked
	answers <- "HTTP/1.1 200 " + strings.Repeat("x", 2*maxConnect)
	a.refuses("api.example.com:443", "too long")
	<-asked
	proxy = &url.URL{Scheme: "socks5", Host: "127.0.0.1:1"}
	a.refuses("api.example.com:443", "only http works")
	a.refuses("evil.example:443", "not among")
}

// TestFenceOfOneWhoDoesNotRead: the gateway must neither block nor hoard.
func TestFenceOfOneWhoDoesNotRead(t *testing.T) {
	up := echo(t)
	a := newAdapterEnd(t, up)
	_ = a.c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	sent := 0
	for ; sent < 5000; sent++ {
		if _, err := fmt.Fprintf(a.c, "%d %s", sent, up); err != nil {
			break
		}
	}
	if sent == 5000 {
		t.Error("all was taken")
	}
	if n := a.f.granted.Load(); n > 100 {
		t.Errorf("%d connections wait to be fetched", n)
	}
}

func FuzzFence(f *testing.F) {
	f.Add([]byte("1 api.example.com:443"))
	f.Add([]byte("18446744073709551616 x:1"))
	f.Add([]byte("1 [::ffff:127.0.0.1]:80"))
	allowed, err := egress.Parse([]string{"api.example.com", "127.0.0.1:80"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		fe := &fence{}
		fe.hosts.Store(allowed)
		_, addr, _ := bytes.Cut(packet, []byte(" "))
		u, err := fe.admit(string(addr))
		if err != nil {
			return
		}
		host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
		if host != "api.example.com" && !strings.HasSuffix(host, "127.0.0.1") && !net.ParseIP(host).Equal(net.IPv4(127, 0, 0, 1)) {
			t.Errorf("%q is let through to %q", addr, host)
		}
	})
}
