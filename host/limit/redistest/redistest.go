// Package redistest runs a Redis of its own for a test.
package redistest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/door"
)

// Server is a redis-server on a socket that no other process knows.
type Server struct {
	t      testing.TB
	socket string
	cmd    *exec.Cmd
}

// Start starts a server, which ends with the test. Without redis-server the test fails.
func Start(t testing.TB) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		s.Stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s.Run()
	return s
}

// Run starts the server, after Stop anew: it remembers nothing.
func (s *Server) Run() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(s.socket))
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("cannot start redis-server: %v: on Debian it is in the package redis-server", err)
	}
	for until := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("unix", s.socket)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(until) {
			s.t.Fatalf("redis-server does not answer: %v", err)
		}
		time.Sleep(5 * time.Millisecond) // until the process has got there
	}
}

// Stop ends the server at once, as a crash does.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // killed
	_ = os.Remove(s.socket)
	s.cmd = nil
}

// URL is the server's address.
func (s *Server) URL() string { return "unix://" + s.socket }

// Door opens a door to s, which is gone with the test.
func (s *Server) Door() *door.Door {
	s.t.Helper()
	return door.New(s.t, "unix", s.socket)
}

// Client talks to s as redis-cli does, and returns what it prints.
func (s *Server) Client(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("redis-cli", append([]string{"-s", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("redis-cli %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
