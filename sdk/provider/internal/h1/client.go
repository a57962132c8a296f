// Package h1 posts to one host over HTTP/1.1. It does what a bridge needs of
// net/http's client, without a proxy, for a third of the time.
package h1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	connectTimeout = 10 * time.Second // of the connection, and again of its TLS
	maxHead        = 16 << 10         // of an answer
	// smallBody is up to what size a body is copied behind its head, so that
	// both leave in one write that no socket's buffer blocks. A larger one is
	// written while the answer is waited for, as that may come early.
	smallBody = 32 << 10
	// maxInterim bounds the informational answers (1xx) before the one that counts.
	maxInterim = 8
)

var (
	errMalformed = errors.New("malformed HTTP answer")
	errHead      = fmt.Errorf("the head of the answer is longer than %d bytes", maxHead)
	errInterim   = errors.New("the upstream sends nothing but informational answers, or switches protocols")
)

// Field is one header of a request.
type Field struct{ Name, Value string }

// Client keeps the connections to one host. It follows no redirects.
type Client struct {
	base   string // scheme and host, for errors
	proto  string // what follows the target in the request line, and Host
	addr   string
	tls    *tls.Config
	dialer net.Dialer

	mu     sync.Mutex
	idle   []*conn // the warmest last
	reaper *time.Timer
}

// New makes a client of u's host; u's scheme must be http or https. control, if
// not nil, sees every address before it is connected to.
func New(u *url.URL, control func(network, address string, c syscall.RawConn) error) *Client {
	c := &Client{
		base:   u.Scheme + "://" + u.Host,
		proto:  " HTTP/1.1\r\nHost: " + strings.TrimSuffix(u.Host, ":") + "\r\n",
		dialer: net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second, Control: control},
	}
	port := u.Port()
	if u.Scheme == "https" {
		c.tls = &tls.Config{
			ServerName: u.Hostname(), MinVersion: tls.VersionTLS12,
			NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(16),
		}
		if port == "" {
			port = "443"
		}
	} else if port == "" {
		port = "80"
	}
	c.addr = net.JoinHostPort(u.Hostname(), port)
	return c
}

// Post sends body to a target, which is an escaped path with its query, if any,
// and returns the answer once its head has come; its body must be closed.
// Canceling ctx ends the exchange at any point. body is read until Post fails or
// the answer is closed.
func (c *Client) Post(ctx context.Context, target string, header []Field, body []byte) (*Response, error) {
	r, err := c.post(ctx, target, header, body)
	if err != nil {
		return nil, &url.Error{Op: "Post", URL: c.base + target, Err: err} // as net/http says it
	}
	return r, nil
}

func (c *Client) post(ctx context.Context, target string, header []Field, body []byte) (*Response, error) {
	if target == "" || target[0] != '/' || strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("invalid target %q", target)
	}
	for i := range header {
		if err := header[i].check(); err != nil {
			return nil, err
		}
	}
	for kept := true; ; kept = false {
		cn, err := c.get(ctx, kept)
		if err == nil {
			var r *Response
			if r, err = cn.exchange(ctx, target, header, body); err == nil {
				return r, nil
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		// The peer may close a kept connection just when it is used again. It
		// has not looked at the request then, which one more try is fair for.
		if cn == nil || !cn.reused || cn.begun || !stale(err) {
			return nil, err
		}
	}
}

// stale reports whether err is what a connection gives that the peer had
// closed while it lay idle.
func stale(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || // the latter under TLS
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// longAgo is a deadline that wakes whoever reads or writes.
var longAgo = time.Unix(1, 0)

// exchange sends a request and waits for the answer's head. When it fails, the
// connection is closed.
func (cn *conn) exchange(ctx context.Context, target string, header []Field, body []byte) (*Response, error) {
	r := &Response{conn: cn, ctx: ctx}
	nc := cn.nc
	r.stop = context.AfterFunc(ctx, func() { _ = nc.SetDeadline(longAgo) }) // fails only on a closed one
	out := append(append(append(cn.out[:0], "POST "...), target...), cn.client.proto...)
	for i := range header {
		out = append(append(append(append(out, header[i].Name...), ": "...), header[i].Value...), "\r\n"...)
	}
	out = strconv.AppendInt(append(out, "Content-Length: "...), int64(len(body)), 10)
	out = append(out, "\r\n\r\n"...)
	var unsent error
	if len(body) <= smallBody {
		out = append(out, body...)
		_, unsent = nc.Write(out)
		r.spoiled = unsent != nil
	} else {
		written := make(chan error, 1)
		r.written = written
		parts := net.Buffers{out, body}
		go func() {
			_, err := parts.WriteTo(nc)
			written <- err
		}()
	}
	cn.out = out
	// Even a connection that takes no more of the request may hold an answer.
	if err := cn.readHead(); err != nil {
		r.spoiled = true
		r.release()
		if unsent != nil {
			err = unsent
		}
		return nil, err
	}
	r.frame()
	return r, nil
}

// readHead reads the head of the answer. The first byte is waited for apart:
// fasthttp hides what kept it from coming.
func (cn *conn) readHead() error {
	for range maxInterim {
		if _, err := cn.br.Peek(1); err != nil {
			return err
		}
		cn.begun = true
		var small *fasthttp.ErrSmallBuffer
		var netErr net.Error
		err := cn.head.Read(cn.br)
		switch {
		case err == nil:
		case errors.As(err, &small):
			return errHead
		case errors.As(err, &netErr):
			return netErr
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return io.ErrUnexpectedEOF
		default:
			return errMalformed // fasthttp's own text quotes the answer
		}
		if status := cn.head.StatusCode(); status >= 200 {
			return nil
		} else if status == http.StatusSwitchingProtocols {
			break
		}
	}
	return errInterim
}

// check refuses what would end a header early.
func (f *Field) check() error {
	if f.Name == "" || strings.ContainsFunc(f.Name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
		return fmt.Errorf("invalid header field name %q", f.Name)
	}
	for i := range len(f.Value) {
		if b := f.Value[i]; b < ' ' && b != '\t' || b == 0x7f {
			return fmt.Errorf("invalid header field value for %q", f.Name)
		}
	}
	return nil
}
