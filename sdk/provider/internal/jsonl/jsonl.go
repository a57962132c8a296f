// Package jsonl reads streams of one JSON text a line.
package jsonl

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// ErrTooLong is returned for a line above the reader's limit.
var ErrTooLong = errors.New("jsonl: a line is longer than the limit")

// Reader reads lines one by one.
type Reader struct {
	in    *bufio.Reader
	limit int
	line  []byte // one that is longer than in's buffer
}

// NewReader reads from in; limit bounds the bytes of one line.
func NewReader(in *bufio.Reader, limit int) *Reader { return &Reader{in: in, limit: limit} }

// Next returns the next line that is not empty, valid until the following
// call; events of this kind have no name. The last line may lack its end.
func (r *Reader) Next() (name string, data []byte, err error) {
	for {
		line, err := r.readLine()
		if line = bytes.TrimSpace(line); len(line) > 0 && (err == nil || err == io.EOF) {
			return "", line, nil
		}
		if err != nil {
			return "", nil, err
		}
	}
}

func (r *Reader) readLine() ([]byte, error) {
	r.line = r.line[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if err == nil && len(r.line) == 0 {
			return part, nil
		}
		r.line = append(r.line, part...)
		switch {
		case len(r.line) > r.limit:
			return nil, ErrTooLong
		case err == bufio.ErrBufferFull:
		default:
			return r.line, err
		}
	}
}

// Waiting reports whether a whole line has been received already.
func (r *Reader) Waiting() bool {
	b, _ := r.in.Peek(r.in.Buffered())
	return bytes.IndexByte(b, '\n') >= 0
}
