package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// FDVar names the environment variable that announces the egress socket: the
// number of a SOCK_SEQPACKET descriptor. An adapter that has one cannot open
// internet sockets of its own. It sends
//
//	<id> <host>:<port>
//
// in one packet, with a number of its choice for id, and is answered in any
// order, in one packet each:
//
//	<id>             and with it one descriptor (SCM_RIGHTS): a connected TCP socket
//	<id> <reason>    it is not to be had
const FDVar = "SIGNALBOX_EGRESS_FD"

// MaxPacket bounds a packet of the egress socket.
const MaxPacket = 1024

// Dial connects to addr, host:port, through the egress socket where the
// gateway has announced one, which then decides whether addr may be reached;
// else by d.
func Dial(ctx context.Context, d *net.Dialer, addr string) (net.Conn, error) {
	f, err := announced()
	switch {
	case err != nil:
		return nil, err
	case f == nil:
		return d.DialContext(ctx, "tcp", addr)
	}
	return f.dial(ctx, addr)
}

var announced = sync.OnceValues(func() (*fence, error) {
	text := os.Getenv(FDVar)
	if text == "" {
		return nil, nil
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 0 {
		return nil, fmt.Errorf("cannot use the egress socket: %s=%q is not a descriptor", FDVar, text)
	}
	syscall.CloseOnExec(fd)
	return newFence(os.NewFile(uintptr(fd), "egress"))
})

// fence is the adapter's end of the egress socket.
type fence struct {
	conn *net.UnixConn

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan answer
	broken  error
}

type answer struct {
	conn net.Conn
	err  error
}

func newFence(f *os.File) (*fence, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("cannot use the egress socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("cannot use the egress socket: it is a %T", c)
	}
	fe := &fence{conn: u, waiting: map[uint64]chan answer{}}
	go fe.read()
	return fe, nil
}

func (f *fence) dial(ctx context.Context, addr string) (net.Conn, error) {
	id, ch, err := f.enlist()
	if err != nil {
		return nil, err
	}
	if _, err := f.conn.Write(append(strconv.AppendUint(nil, id, 10), " "+addr...)); err != nil {
		f.forget(id)
		return nil, fmt.Errorf("cannot ask for a connection to %s: %w", addr, err)
	}
	select {
	case a := <-ch:
		return a.conn, a.err
	case <-ctx.Done():
		if f.forget(id) {
			return nil, context.Cause(ctx)
		}
		if a := <-ch; a.conn != nil { // it came at the same time
			a.conn.Close()
		}
		return nil, context.Cause(ctx)
	}
}

func (f *fence) enlist() (uint64, chan answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return 0, nil, f.broken
	}
	ch := make(chan answer, 1)
	f.last++
	f.waiting[f.last] = ch
	return f.last, ch, nil
}

// forget reports whether nobody had been answered yet.
func (f *fence) forget(id uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.waiting[id]
	delete(f.waiting, id)
	return ok
}

func (f *fence) take(id uint64) chan answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	ch := f.waiting[id]
	delete(f.waiting, id)
	return ch
}

// read hands out answers until the gateway closes its end.
func (f *fence) read() {
	defer f.conn.Close()
	packet, rights := make([]byte, MaxPacket), make([]byte, syscall.CmsgSpace(4))
	for {
		n, rn, _, _, err := f.conn.ReadMsgUnix(packet, rights)
		if err != nil || n == 0 && rn == 0 {
			f.fail()
			return
		}
		conn, connErr := received(rights[:rn])
		text, reason, refused := strings.Cut(string(packet[:n]), " ")
		id, err := strconv.ParseUint(text, 10, 64)
		ch := f.take(id)
		if err != nil || ch == nil {
			if conn != nil {
				conn.Close()
			}
			continue
		}
		if refused {
			connErr = errors.New(reason)
		} else if conn == nil && connErr == nil {
			connErr = errors.New("the gateway sent no connection")
		}
		ch <- answer{conn, connErr}
	}
}

func (f *fence) fail() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = errors.New("cannot ask for a connection: the gateway has closed the egress socket")
	for id, ch := range f.waiting {
		delete(f.waiting, id)
		ch <- answer{err: f.broken}
	}
}

// received makes a connection of the descriptor that came along, if one did.
func received(rights []byte) (net.Conn, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("cannot receive the connection: %v", err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("cannot receive the connection: %v", err)
	}
	file := os.NewFile(uintptr(fds[0]), "connection")
	defer file.Close() // FileConn has a descriptor of its own
	return net.FileConn(file)
}
