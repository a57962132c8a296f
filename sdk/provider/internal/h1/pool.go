package h1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/provider/egress"
	"github.com/valyala/fasthttp"
)

const (
	maxIdle     = 256
	idleTimeout = 60 * time.Second
	// checkAfter is how long a connection may lie idle before it is looked at
	// before use: one that was used a moment ago is taken to stand.
	checkAfter = 50 * time.Millisecond
)

// conn is one connection, in use by one exchange at most.
type conn struct {
	client *Client
	nc     net.Conn
	raw    syscall.RawConn // nil only costs the look before reuse
	br     *bufio.Reader
	head   fasthttp.ResponseHeader
	out    []byte    // the request being written
	since  time.Time // when it became idle
	reused bool
	begun  bool // bytes of the current answer have come
}

// get returns a connection, a kept one if possible and if that will do.
func (c *Client) get(ctx context.Context, kept bool) (*conn, error) {
	for kept {
		cn := c.pop()
		if cn == nil {
			break
		}
		if time.Since(cn.since) < checkAfter || cn.alive() {
			cn.reused, cn.begun = true, false
			return cn, nil
		}
		_ = cn.nc.Close()
	}
	return c.dial(ctx)
}

func (c *Client) pop() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.idle)
	if n == 0 {
		return nil
	}
	cn := c.idle[n-1]
	c.idle[n-1] = nil
	c.idle = c.idle[:n-1]
	return cn
}

func (c *Client) put(cn *conn) {
	cn.since = time.Now()
	c.mu.Lock()
	if len(c.idle) >= maxIdle {
		c.mu.Unlock()
		_ = cn.nc.Close()
		return
	}
	c.idle = append(c.idle, cn)
	if c.reaper == nil {
		c.reaper = time.AfterFunc(idleTimeout, c.reap)
	}
	c.mu.Unlock()
}

// reap closes what has been idle for long; the oldest lie first.
func (c *Client) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaper == nil {
		return // stopped too late
	}
	cut, n := time.Now().Add(-idleTimeout), 0
	for n < len(c.idle) && c.idle[n].since.Before(cut) {
		_ = c.idle[n].nc.Close()
		n++
	}
	c.idle = append(c.idle[:0], c.idle[n:]...)
	clear(c.idle[len(c.idle):cap(c.idle)])
	if len(c.idle) == 0 {
		c.reaper = nil // a client that nobody uses any more can be collected
		return
	}
	c.reaper.Reset(idleTimeout / 2)
}

// CloseIdleConnections closes the connections that are not in use.
func (c *Client) CloseIdleConnections() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cn := range c.idle {
		_ = cn.nc.Close()
	}
	c.idle = nil
	if c.reaper != nil {
		c.reaper.Stop()
		c.reaper = nil
	}
}

func (c *Client) dial(ctx context.Context) (*conn, error) {
	nc, err := egress.Dial(ctx, &c.dialer, c.addr)
	if err != nil {
		return nil, err
	}
	cn := &conn{client: c, nc: nc}
	cn.head.SetNoDefaultContentType(true)
	if sc, ok := nc.(syscall.Conn); ok {
		cn.raw, _ = sc.SyscallConn()
	}
	if c.tls != nil {
		tc := tls.Client(nc, c.tls)
		shaking, cancel := context.WithTimeout(ctx, connectTimeout)
		err := tc.HandshakeContext(shaking)
		cancel()
		if err != nil {
			_ = nc.Close()
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("TLS handshake timeout: %w", err)
			}
			return nil, err
		}
		cn.nc = tc
	}
	cn.br = bufio.NewReaderSize(cn.nc, maxHead)
	return cn, nil
}

// alive reports whether the peer has neither closed the idle connection nor
// sent anything on it.
func (cn *conn) alive() bool {
	if cn.raw == nil {
		return true
	}
	ok := false
	err := cn.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ok = n < 0 && errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && ok
}
