package plug

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
)

// CheckPeer reports an error unless the other end of a unix socket is process
// pid of this user.
func CheckPeer(raw syscall.RawConn, pid int) error {
	var cred *unix.Ucred
	var err error
	if e := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil {
		return e
	}
	if err != nil {
		return fmt.Errorf("cannot read the peer's identity: %w", err)
	}
	if int(cred.Pid) != pid || int(cred.Uid) != os.Getuid() {
		return fmt.Errorf("peer is process %d of user %d; want the gateway, process %d", cred.Pid, cred.Uid, pid)
	}
	return nil
}

// peerOnly lets the gateway alone speak gRPC to the adapter. It changes
// nothing on the wire.
type peerOnly struct {
	pid     int
	printed *printing
}

type peerInfo struct{ credentials.CommonAuthInfo }

func (peerInfo) AuthType() string { return "peer process" }

func (p peerOnly) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, nil, fmt.Errorf("connection is %T, not a unix socket", c)
	}
	raw, err := u.SyscallConn()
	if err == nil {
		err = CheckPeer(raw, p.pid)
	}
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	p.printed.direct() // whoever serves a request comes after
	return c, peerInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

func (peerOnly) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, fmt.Errorf("the adapter's side only")
}

func (peerOnly) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peer"}
}
func (p peerOnly) Clone() credentials.TransportCredentials { return p }
func (peerOnly) OverrideServerName(string) error           { return nil }
