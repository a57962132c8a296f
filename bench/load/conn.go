package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const readBuffer = 4 << 10 // small: thousands of these are held at once

var eventMark = []byte("data: ")

// conn is one connection with what it has measured.
type conn struct {
	net  net.Conn
	buf  *bufio.Reader
	body []byte
	turn int

	latency []time.Duration
	firsts  []time.Duration
	bytes   int64
	failed  int
	fatal   error

	sent  time.Time
	first time.Duration
}

func newConn(c net.Conn, turn int) *conn {
	return &conn{net: c, buf: bufio.NewReaderSize(c, readBuffer), turn: turn}
}

func (c *conn) close() { c.net.Close() }

func (c *conn) reset(n int) {
	c.latency = slicesOf(c.latency, n)
	c.firsts = c.firsts[:0]
	c.bytes, c.failed = 0, 0
}

func slicesOf(s []time.Duration, n int) []time.Duration {
	if cap(s) < n {
		return make([]time.Duration, 0, n)
	}
	return s[:0]
}

// once sends the next request and reads its answer to the end.
func (c *conn) once(j *Job) {
	q := &j.Requests[c.turn%len(j.Requests)]
	c.turn++
	err := c.send(q, j.Timeout)
	if err == nil {
		err = c.receive(j.Check)
	}
	took := time.Since(c.sent)
	if err != nil {
		c.failed++
		c.fatal = fmt.Errorf("%s of %s: %w", q.Path, j.Addr, err)
		return
	}
	c.latency = append(c.latency, took)
	if c.first > 0 {
		c.firsts = append(c.firsts, c.first)
	}
}

func (c *conn) send(q *Request, timeout time.Duration) error {
	c.first = 0
	c.sent = time.Now()
	if err := c.net.SetDeadline(c.sent.Add(timeout)); err != nil {
		return err
	}
	_, err := c.net.Write(q.Bytes)
	return err
}

func (c *conn) receive(want Check) error {
	h, err := c.head()
	if err != nil {
		return err
	}
	if c.body = c.body[:0]; h.chunked {
		err = c.chunks()
	} else {
		err = c.length(h.length)
	}
	if err != nil {
		return err
	}
	c.bytes += int64(len(c.body))
	return want.verify(h, c.body)
}

// verify reports how an answer differs from what it must be. It may change body.
func (want Check) verify(h head, body []byte) error {
	switch {
	case h.status != 200:
		return fmt.Errorf("status %d: %s", h.status, clip(body))
	case !bytes.Contains(body, want.Marker):
		return fmt.Errorf("the answer is not whole: %s", clip(body))
	case want.Events == 0 && (len(body) == 0 || body[0] != '{' || body[len(body)-1] != '}'):
		return fmt.Errorf("not a JSON answer: %s", clip(body))
	case want.Events > 0 && bytes.Count(body, eventMark) != want.Events:
		return fmt.Errorf("%d events; want %d: %s", bytes.Count(body, eventMark), want.Events, clip(body))
	}
	if want.Exact == nil {
		return nil
	}
	if want.Events > 0 {
		body = withoutComments(body)
	}
	if !bytes.Equal(body, want.Exact) {
		at := 0
		for at < len(body) && at < len(want.Exact) && body[at] == want.Exact[at] {
			at++
		}
		return fmt.Errorf("the answer was changed at byte %d of %d (want %d bytes): %q; want %q", at, len(body), len(want.Exact), around(body, at), around(want.Exact, at))
	}
	return nil
}

// withoutComments removes comment lines of a stream, each with its blank line.
func withoutComments(body []byte) []byte {
	for {
		at := 0
		if !bytes.HasPrefix(body, []byte(":")) {
			if at = bytes.Index(body, []byte("\n:")) + 1; at == 0 {
				return body
			}
		}
		end := bytes.Index(body[at:], []byte("\n\n"))
		if end < 0 {
			return body[:at]
		}
		body = append(body[:at], body[at+end+2:]...)
	}
}

func around(b []byte, at int) []byte { return b[max(at-40, 0):min(at+60, len(b))] }

func clip(b []byte) []byte {
	if len(b) > 400 {
		b = b[len(b)-400:]
	}
	return b
}

type head struct {
	status  int
	length  int
	chunked bool
}

func (c *conn) head() (h head, err error) {
	line, err := c.buf.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	if len(line) < 12 || string(line[:9]) != "HTTP/1.1 " {
		return h, fmt.Errorf("not a status line: %q", line)
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return h, err
	}
	for {
		line, err := c.buf.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return h, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("content-length")):
			if h.length, err = strconv.Atoi(string(value)); err != nil {
				return h, err
			}
		case len(name) == 17 && bytes.EqualFold(name, []byte("transfer-encoding")):
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
}

func (c *conn) length(n int) error {
	c.grow(n)
	c.body = c.body[:n]
	_, err := io.ReadFull(c.buf, c.body)
	return err
}

func (c *conn) grow(n int) {
	if need := len(c.body) + n; cap(c.body) < need {
		bigger := make([]byte, len(c.body), need*2)
		copy(bigger, c.body)
		c.body = bigger
	}
}

// chunks reads a chunked body and its trailers. A body without its terminal
// chunk is an error.
func (c *conn) chunks() error {
	for {
		n, err := c.chunk()
		if err != nil {
			return fmt.Errorf("the stream was cut: %w", err)
		}
		if n == 0 {
			return c.trailers()
		}
		if c.first == 0 && bytes.Contains(c.body, eventMark) {
			c.first = time.Since(c.sent)
		}
	}
}

func (c *conn) chunk() (int, error) {
	line, err := c.buf.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 24)
	if err != nil || n == 0 {
		return 0, err
	}
	c.grow(int(n))
	at := len(c.body)
	c.body = c.body[:at+int(n)]
	if _, err = io.ReadFull(c.buf, c.body[at:]); err == nil {
		_, err = c.buf.Discard(2)
	}
	return int(n), err
}

func (c *conn) trailers() error {
	for {
		line, err := c.buf.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return nil
		}
	}
}
