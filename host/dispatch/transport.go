package dispatch

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	headBuffer  = 8 << 10 // of an upstream connection; an answer's head must fit
	maxIdle     = 1024    // connections kept per endpoint
	idleTimeout = 60 * time.Second
	// checkAfter is how long a connection may lie idle before it is looked at
	// before use: one that was used a moment ago is taken to stand.
	checkAfter = 50 * time.Millisecond
)

var errAddress = errors.New("the address is private or not listed in the provider's hosts")

// transport keeps the connections to one endpoint, the warmest first.
type transport struct {
	ep     *call.Endpoint
	head   head
	rated  bool // answers may tell of a rate limit
	tls    *tls.Config
	dialer net.Dialer

	mu     sync.Mutex
	idle   []*conn
	reaper *time.Timer
	closed bool
}

// conn is one upstream connection.
type conn struct {
	nc     net.Conn
	raw    syscall.RawConn
	br     *bufio.Reader
	head   fasthttp.ResponseHeader
	peek   func(name string) []byte // of head
	body   body
	since  time.Time
	until  time.Time // the deadline that is set
	reused bool
	// Of the current request:
	begun   bool   // bytes of an answer have come
	spoiled bool   // not all of the request could be written
	wsKey   string // of a WebSocket handshake, "": it is none
}

// NewTransport makes the pool of connections to ep.
func NewTransport(ep *call.Endpoint) call.Transport {
	t := &transport{ep: ep, head: newHead(ep), rated: !ep.Direct() || ep.RateHeaders != [call.NumRateKinds]string{}}
	if ep.TLS {
		t.tls = &tls.Config{
			ServerName: ep.Host, MinVersion: tls.VersionTLS12,
			NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(16),
		}
		if host, _, err := net.SplitHostPort(ep.Host); err == nil {
			t.tls.ServerName = host
		}
	}
	if ep.AllowIP != nil {
		t.dialer.ControlContext = t.checkAddress
	}
	return t
}

// checkAddress runs between resolution and connection, so no second look-up
// can slip another address in.
func (t *transport) checkAddress(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("cannot parse address %q: %w", address, err)
	}
	if !t.ep.AllowIP(ap.Addr().Unmap().As16()) {
		return fmt.Errorf("cannot dial %s (%s): %w", address, t.ep.Host, errAddress)
	}
	return nil
}

// get returns a connection, an idle one if possible and kept ones will do.
func (t *transport) get(gone *call.Gone, now, deadline time.Time, kept bool) (*conn, error) {
	for {
		var c *conn
		if kept {
			c = t.pop()
		}
		if c == nil {
			return t.dial(gone, deadline)
		}
		if now.Sub(c.since) < checkAfter || c.alive() {
			c.reused, c.begun = true, false
			return c, nil
		}
		c.close()
	}
}

func (t *transport) pop() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.idle)
	if n == 0 {
		return nil
	}
	c := t.idle[n-1]
	t.idle[n-1] = nil
	t.idle = t.idle[:n-1]
	return c
}

// put takes c back once its answer has been read to the end.
func (t *transport) put(c *conn, now time.Time) {
	c.since = now
	t.mu.Lock()
	if t.closed || len(t.idle) >= maxIdle {
		t.mu.Unlock()
		c.close()
		return
	}
	t.idle = append(t.idle, c)
	if t.reaper == nil {
		t.reaper = time.AfterFunc(idleTimeout, t.reap)
	}
	t.mu.Unlock()
}

// reap closes what has been idle for long; the oldest lie first.
func (t *transport) reap() {
	t.mu.Lock()
	defer t.mu.Unlock()
	cut := time.Now().Add(-idleTimeout)
	n := 0
	for n < len(t.idle) && t.idle[n].since.Before(cut) {
		t.idle[n].close()
		n++
	}
	t.idle = append(t.idle[:0], t.idle[n:]...)
	clear(t.idle[len(t.idle):cap(t.idle)])
	if len(t.idle) > 0 && !t.closed {
		t.reaper.Reset(idleTimeout / 2)
	} else {
		t.reaper = nil
	}
}

// Close implements call.Transport: idle connections end now, those in use when
// they come back.
func (t *transport) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, c := range t.idle {
		c.close()
	}
	t.idle = nil
	if t.reaper != nil {
		t.reaper.Stop()
	}
}

func (t *transport) dial(gone *call.Gone, deadline time.Time) (*conn, error) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	left := gone.Done()
	go func() {
		select {
		case <-left:
			cancel()
		case <-ctx.Done():
		}
	}()
	nc, err := t.dialer.DialContext(ctx, t.ep.Network, t.ep.Addr)
	if err != nil {
		return nil, err
	}
	c := &conn{nc: nc, br: bufio.NewReaderSize(nil, headBuffer)}
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn() // nil only costs the look before reuse
	}
	if t.tls != nil {
		tc := tls.Client(nc, t.tls)
		if err := tc.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			return nil, err
		}
		c.nc = tc
	}
	c.br.Reset(c.nc)
	c.peek = c.head.Peek
	return c, nil
}

func (c *conn) close() { _ = c.nc.Close() }

// alive reports whether the peer has neither closed the idle connection nor
// sent anything on it.
func (c *conn) alive() bool {
	if c.br.Buffered() > 0 {
		return false
	}
	if c.raw == nil {
		return true
	}
	ok := false
	err := c.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ok = n < 0 && (errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK))
		return true
	})
	return err == nil && ok
}
