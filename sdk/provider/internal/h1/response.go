package h1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"time"
)

// Response is an answer; reading it reads its body. What is cut short ends in
// io.ErrUnexpectedEOF and never looks complete.
type Response struct {
	conn    *conn // nil once closed
	ctx     context.Context
	stop    func() bool  // of ctx's hold on the connection
	written <-chan error // of a request body that is written meanwhile; nil for small ones
	spoiled bool         // the connection cannot be used again

	chunks  io.Reader // of a chunked body
	left    int64     // of a body whose length is announced
	toClose bool      // the body ends with the connection
	done    bool
}

// Status is the status code.
func (r *Response) Status() int { return r.conn.head.StatusCode() }

// Header returns the first header called name, "" if there is none. It must
// not be called after Close.
func (r *Response) Header(name string) string { return string(r.conn.head.Peek(name)) }

// frame decides by the head how long the body is.
func (r *Response) frame() {
	h := &r.conn.head
	n, status := h.ContentLength(), h.StatusCode()
	switch {
	case status == http.StatusNoContent, status == http.StatusNotModified, n == 0:
		r.done = true
	case n > 0:
		r.left = int64(n)
	case n == -1:
		r.chunks = httputil.NewChunkedReader(r.conn.br)
	default:
		r.toClose = true
	}
}

var errClosed = errors.New("read of a closed answer")

// Read implements io.Reader.
func (r *Response) Read(p []byte) (int, error) {
	if r.conn == nil {
		return 0, errClosed
	}
	if r.done {
		return 0, io.EOF
	}
	n, err := r.read(p)
	if err != nil && err != io.EOF {
		r.spoiled = true
		if r.ctx.Err() != nil {
			err = context.Cause(r.ctx)
		}
	}
	return n, err
}

func (r *Response) read(p []byte) (n int, err error) {
	switch {
	case r.chunks != nil:
		n, err = r.chunks.Read(p)
		if err == io.EOF {
			if err = r.trailers(); err == nil {
				r.done, err = true, io.EOF
			}
		}
	case r.toClose:
		n, err = r.conn.br.Read(p)
		if err == io.EOF {
			r.done, r.spoiled = true, true
		}
	default:
		n, err = r.conn.br.Read(p[:min(int64(len(p)), r.left)])
		r.left -= int64(n)
		r.done = r.left == 0
		err = unexpected(err)
	}
	return n, err
}

// maxTrailers bounds what follows the last chunk.
const maxTrailers = 64

// trailers skips what follows the last chunk, up to and with the empty line.
func (r *Response) trailers() error {
	for range maxTrailers {
		line, err := r.conn.br.ReadSlice('\n')
		if err != nil {
			return unexpected(err)
		}
		if len(line) == 1 || len(line) == 2 && line[0] == '\r' {
			return nil
		}
	}
	return errMalformed
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close ends the exchange. The connection is kept if the whole request was
// sent and the whole answer read.
func (r *Response) Close() error {
	if r.conn != nil {
		r.release()
	}
	return nil
}

// writeGrace is for a writer that has written all but not come to say so; one
// whose request was answered early is not worth waiting for.
const writeGrace = 20 * time.Millisecond

func (r *Response) release() {
	cn := r.conn
	r.conn, r.chunks = nil, nil
	keep := r.done && !r.spoiled && !cn.head.ConnectionClose() && cn.br.Buffered() == 0
	sent := r.written == nil
	if !sent && keep {
		grace := time.NewTimer(writeGrace)
		select {
		case err := <-r.written:
			sent, keep = true, err == nil
		case <-grace.C:
			keep = false
		}
		grace.Stop()
	}
	// A hold that cannot be stopped sets, or has set, its deadline.
	if r.stop() && keep {
		cn.client.put(cn)
		return
	}
	_ = cn.nc.Close()
	if !sent {
		<-r.written // the body is the caller's again
	}
}
