// Package sse reads server-sent events.
package sse

import (
	"bufio"
	"bytes"
	"errors"
)

// ErrTooLong is returned for an event above the reader's limit.
var ErrTooLong = errors.New("sse: an event is longer than the limit")

// Reader reads events one by one.
type Reader struct {
	in    *bufio.Reader
	limit int
	line  []byte // of a line longer than in's buffer
	data  []byte
	name  string
	last  string // name that was made last: most events of a stream share a few
}

// NewReader reads from in; limit bounds the bytes of one event.
func NewReader(in *bufio.Reader, limit int) *Reader { return &Reader{in: in, limit: limit} }

// Next returns the next event: its name, "" if it has none, and its data,
// valid until the following call. Comments and events without data are
// skipped. It returns io.EOF at the end of the stream; an event that the end
// cuts off is dropped, as the specification wants it.
func (r *Reader) Next() (name string, data []byte, err error) {
	r.data, r.name = r.data[:0], ""
	seen := false
	for {
		line, err := r.readLine()
		if err != nil {
			return "", nil, err
		}
		if len(line) == 0 {
			if seen {
				return r.name, r.data, nil
			}
			r.name = ""
			continue
		}
		field, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(field) {
		case "data":
			if seen {
				r.data = append(r.data, '\n')
			}
			r.data, seen = append(r.data, value...), true
			if len(r.data) > r.limit {
				return "", nil, ErrTooLong
			}
		case "event":
			if r.last != string(value) {
				r.last = string(value)
			}
			r.name = r.last
		}
	}
}

// Waiting reports whether a whole event has been received already.
func (r *Reader) Waiting() bool {
	b, _ := r.in.Peek(r.in.Buffered())
	return bytes.Contains(b, []byte("\n\n")) || bytes.Contains(b, []byte("\n\r\n"))
}

// readLine returns a line without its end, valid until the next read.
func (r *Reader) readLine() ([]byte, error) {
	r.line = r.line[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			r.line = append(r.line, part...)
			if len(r.line) > r.limit {
				return nil, ErrTooLong
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(r.line) > 0 {
			r.line = append(r.line, part...)
			part = r.line
		}
		return bytes.TrimRight(part, "\r\n"), nil
	}
}
