package provider

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// socket is a data socket for connections of this process.
type socket struct {
	net.Listener
	path string
}

func privateSocket(t testing.TB) *socket {
	t.Helper()
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "data")
	l, err := listen(path, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return &socket{l, path}
}

func (s *socket) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", s.path)
}

func TestDataSocketIsPrivate(t *testing.T) {
	s := privateSocket(t)
	defer s.Close()
	info, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("got mode %o; want 600", mode)
	}
}

func TestDataSocketRefusesOtherProcesses(t *testing.T) {
	s := privateSocket(t)
	s.Listener.(*peerListener).peer = os.Getppid() // as if somebody else were the gateway
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := s.Accept(); err == nil {
			t.Errorf("a connection of process %d was accepted", os.Getpid())
			c.Close()
		}
	}()
	c, err := s.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := c.Read(make([]byte, 1)); err == nil || n > 0 {
		t.Error("the connection is open")
	}
	s.Close()
	<-done
}
