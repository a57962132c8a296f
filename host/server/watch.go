package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// watcher sees callers leave. Every accepted connection is registered once
// with an epoll instance for EPOLLRDHUP, which also tells of a leaving caller
// behind TLS, behind pipelined bytes and while the upstream is silent. The
// instance itself is waited on by the runtime's poller, so this costs neither a
// thread nor anything per request.
//
// A half-closed connection counts as left: see docs/RATIONALE.md.
type watcher struct {
	file *os.File
	raw  syscall.RawConn
	mu   sync.Mutex
	next uint64
	byID map[uint64]*conn
	done chan struct{}
}

func newWatcher() (*watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot create epoll instance: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("cannot set up epoll instance: %w", err)
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "epoll"), byID: map[uint64]*conn{}, done: make(chan struct{})}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, fmt.Errorf("cannot wait on epoll instance: %w", err)
	}
	go w.run()
	return w, nil
}

func (w *watcher) run() {
	defer close(w.done)
	events := make([]unix.EpollEvent, 128)
	for {
		n := 0
		err := w.raw.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		if err != nil {
			return // closed
		}
		for _, ev := range events[:max(n, 0)] {
			id := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
			w.mu.Lock()
			c := w.byID[id]
			w.mu.Unlock()
			if c != nil {
				c.peerLeft()
			}
		}
	}
}

// stop ends the watch; connections that are open stay open.
func (w *watcher) stop() {
	_ = w.file.Close()
	<-w.done
}

// add registers c. Without it the caller's leaving is noticed at the next write.
func (w *watcher) add(c *conn) error {
	w.mu.Lock()
	w.next++
	c.id = w.next
	w.byID[c.id] = c
	w.mu.Unlock()
	ev := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(uint32(c.id)), Pad: int32(uint32(c.id >> 32))}
	var addErr error
	raw, err := c.TCPConn.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Control(func(fd uintptr) {
		cerr := w.raw.Control(func(ep uintptr) {
			addErr = unix.EpollCtl(int(ep), unix.EPOLL_CTL_ADD, int(fd), &ev)
		})
		addErr = errors.Join(addErr, cerr)
	})
	return errors.Join(err, addErr)
}

func (w *watcher) remove(c *conn) {
	w.mu.Lock()
	delete(w.byID, c.id)
	w.mu.Unlock()
}

// recheck asks of all whose answers stream whether they may stay.
func (w *watcher) recheck(may func(*call.Principal) *wire.Error) {
	w.mu.Lock()
	conns := slices.Collect(maps.Values(w.byID))
	w.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		if c.gone != nil {
			c.gone.Recheck(may)
		}
		c.mu.Unlock()
	}
}

// conn is a caller's connection: it knows the call that runs on it, and ends
// when the caller does not take what is written.
type conn struct {
	*net.TCPConn
	watcher *watcher
	id      uint64
	stall   time.Duration // longest that one write may take
	until   time.Time     // write deadline that is set
	closing sync.Once
	abandon atomic.Pointer[func()] // ends a session that has not begun
	linger  atomic.Bool            // the caller may still be sending when it is closed

	mu   sync.Mutex // held while gone is told, so that it is never told too late
	left bool
	gone *call.Gone
}

func (c *conn) peerLeft() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	if c.gone != nil {
		c.gone.Leave()
	}
}

// running makes g hear when the caller leaves. nil ends that: what was told
// before may serve another call next, and hears nothing more.
func (c *conn) running(g *call.Gone) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = g
	if g != nil && c.left {
		g.Leave()
	}
}

// maxWrite is how much is written under one deadline.
const maxWrite = 256 << 10

// Write implements net.Conn with a deadline that is renewed as bytes go out:
// streams may take hours and large answers minutes, one part of them may not.
func (c *conn) Write(p []byte) (written int, err error) {
	for {
		if now := time.Now(); c.until.Sub(now) < c.stall*3/4 {
			c.until = now.Add(c.stall)
			if err := c.SetWriteDeadline(c.until); err != nil {
				return written, err
			}
		}
		n, err := c.TCPConn.Write(p[:min(len(p), maxWrite)])
		written += n
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.watcher.remove(c)
		if abandon := c.abandon.Load(); abandon != nil {
			go (*abandon)() // whoever closes may hold what it waits for
		}
		if c.linger.Load() {
			c.drain()
		}
	})
	return c.TCPConn.Close()
}

// lingerTime is how long a caller whose request was refused early may go on
// sending.
const lingerTime = 2 * time.Second

// drain reads on for a moment: bytes that nobody has read would reset the
// connection when it closes, and take the answer with them.
func (c *conn) drain() {
	if c.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, struct{ io.Reader }{c.TCPConn})
}

// listener wraps what it accepts.
type listener struct {
	net.Listener
	watcher *watcher
	stall   time.Duration
	log     *slog.Logger
}

// Accept implements net.Listener. An error from it would end the serving of
// all, so what passes, or concerns one connection, is none.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if shortage(err) {
			l.log.Error("cannot accept connections for now", "err", err)
			time.Sleep(acceptPause)
			continue
		}
		tcp, ok := nc.(*net.TCPConn)
		if err != nil || !ok {
			return nc, err
		}
		c := &conn{TCPConn: tcp, watcher: l.watcher, stall: l.stall}
		if err := l.watcher.add(c); err != nil {
			l.log.Warn("cannot watch connection: its caller's leaving is noticed late", "err", err)
		}
		return c, nil
	}
}

// acceptPause is waited while the system has no room for another connection.
const acceptPause = 50 * time.Millisecond

// shortage reports whether err passes when other connections end.
func shortage(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// connOf returns the caller's connection beneath TLS, nil if it is none of ours.
func connOf(nc net.Conn) *conn {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn()
	}
	c, _ := nc.(*conn)
	return c
}
