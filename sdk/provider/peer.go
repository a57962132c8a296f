package provider

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"

	"github.com/signalbox-ai/signalbox/sdk/provider/internal/plug"
)

// listen opens the data socket at path, for connections of the process peer alone.
func listen(path string, peer int) (net.Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot open data socket %q: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot protect data socket %q: %w", path, err)
	}
	return &peerListener{UnixListener: l, peer: peer}, nil
}

// peerListener accepts connections of one process.
type peerListener struct {
	*net.UnixListener
	peer int
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
		err = pc.admit(l.peer)
		if err == nil {
			return pc, nil
		}
		slog.Warn("connection to the data socket refused", "error", err.Error())
		c.Close()
	}
}

func (c *peerConn) admit(peer int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) { c.fd = int32(fd) }); err != nil {
		return err
	}
	return plug.CheckPeer(raw, peer)
}

var _ syscall.Conn = (*peerConn)(nil)
