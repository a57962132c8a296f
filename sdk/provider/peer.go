package provider

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"

	"github.com/signalbox-ai/signalbox/sdk/provider/internal/plug"
)

// listen opens the data socket at path, for its owner alone.
func listen(path string) (net.Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot open data socket %q: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot protect data socket %q: %w", path, err)
	}
	return &peerListener{UnixListener: l, parent: os.Getppid()}, nil
}

// peerListener accepts connections of the process that started this one.
type peerListener struct {
	*net.UnixListener
	parent int
}

// peerConn knows its file descriptor, which the watch polls.
type peerConn struct {
	*net.UnixConn
	fd int32
}

// Accept drops what others open.
func (l *peerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		pc := &peerConn{UnixConn: c}
		err = pc.admit(l.parent)
		if err == nil {
			return pc, nil
		}
		slog.Warn("connection to the data socket refused", "error", err.Error())
		c.Close()
	}
}

func (c *peerConn) admit(parent int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) { c.fd = int32(fd) }); err != nil {
		return err
	}
	return plug.CheckPeer(raw, parent)
}

var _ syscall.Conn = (*peerConn)(nil)
