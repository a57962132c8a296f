package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// gate is the gateway's end of an egress socket, played by hand.
func gate(t *testing.T, play func(c *net.UnixConn, id, addr string)) *fence {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFence(os.NewFile(uintptr(fds[0]), "egress"))
	if err != nil {
		t.Fatal(err)
	}
	mine := os.NewFile(uintptr(fds[1]), "gate")
	c, err := net.FileConn(mine)
	mine.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, MaxPacket)
		for {
			n, err := c.Read(buf)
			if err != nil || n == 0 {
				return
			}
			id, addr, _ := strings.Cut(string(buf[:n]), " ")
			play(c.(*net.UnixConn), id, addr)
		}
	}()
	return f
}

// grant sends a connection to addr.
func grant(c *net.UnixConn, id, addr string) {
	d, err := net.Dial("tcp", addr)
	if err != nil {
		_, _ = fmt.Fprintf(c, "%s %v", id, err)
		return
	}
	defer d.Close()
	raw, _ := d.(*net.TCPConn).SyscallConn()
	_ = raw.Control(func(fd uintptr) { _, _, _ = c.WriteMsgUnix([]byte(id), syscall.UnixRights(int(fd)), nil) })
}

func TestFenceGrants(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, c.RemoteAddr().String())
			c.Close()
		}
	}()
	f := gate(t, func(c *net.UnixConn, id, addr string) {
		if addr == "no.example:443" {
			_, _ = fmt.Fprintf(c, "%s not among the hosts", id)
			return
		}
		_, _ = io.WriteString(c, "999999 nobody asked this")
		grant(c, id, addr)
	})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			c, err := f.dial(t.Context(), l.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if got, err := io.ReadAll(c); err != nil || string(got) != c.LocalAddr().String() {
				t.Errorf("got %q, %v; want %s", got, err, c.LocalAddr())
			}
			if _, err := f.dial(t.Context(), "no.example:443"); err == nil || err.Error() != "not among the hosts" {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
}

func TestFenceThatIsLeftOrLeaves(t *testing.T) {
	asked := make(chan *net.UnixConn, 1)
	f := gate(t, func(c *net.UnixConn, _, _ string) { asked <- c })
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("left")
	go func() { <-asked; cancel(left) }()
	if _, err := f.dial(ctx, "a.example:443"); !errors.Is(err, left) {
		t.Errorf("got %v", err)
	}
	go func() { (<-asked).Close() }()
	if _, err := f.dial(t.Context(), "a.example:443"); err == nil || !strings.Contains(err.Error(), "has closed") {
		t.Errorf("got %v", err)
	}
	if _, err := f.dial(t.Context(), "a.example:443"); err == nil {
		t.Error("a closed fence was asked")
	}
}

func TestDialWithoutAFence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Dial(t.Context(), &net.Dialer{Timeout: time.Second}, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
