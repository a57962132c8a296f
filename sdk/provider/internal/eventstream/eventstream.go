// Package eventstream reads AWS's event stream encoding
// (application/vnd.amazon.eventstream).
//
// A message is: its length, the length of its headers and a CRC-32 of these
// two; the headers; the payload; a CRC-32 of all before. Source:
// https://smithy.io/2.0/aws/amazon-eventstream.html, as of November 2026.
package eventstream

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
)

var (
	// ErrTooLong is returned for a message above the reader's limit.
	ErrTooLong = errors.New("eventstream: a message is longer than the limit")
	// ErrCorrupt is returned for what is not a message, or not a whole one.
	ErrCorrupt = errors.New("eventstream: a message is corrupt")
)

const (
	preludeLen = 12
	crcLen     = 4
)

// Reader reads messages one by one.
type Reader struct {
	in      *bufio.Reader
	limit   int
	message []byte // one that is longer than in's buffer
	name    string
}

// NewReader reads from in; limit bounds the bytes of one message.
func NewReader(in *bufio.Reader, limit int) *Reader { return &Reader{in: in, limit: limit} }

// Next returns the next message: its event type, or what kind of exception it
// is, and its payload, valid until the following call. A message of the type
// error, which has no payload, is an event "error" with a payload
// {"type":…,"message":…}. Next returns io.EOF at the end of the stream.
func (r *Reader) Next() (name string, data []byte, err error) {
	prelude, err := r.in.Peek(preludeLen)
	if err != nil {
		if err == io.EOF && len(prelude) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return "", nil, err
	}
	total, headers := binary.BigEndian.Uint32(prelude), binary.BigEndian.Uint32(prelude[4:])
	switch {
	case crc32.ChecksumIEEE(prelude[:8]) != binary.BigEndian.Uint32(prelude[8:]):
		return "", nil, ErrCorrupt
	case total > uint32(r.limit):
		return "", nil, ErrTooLong
	case total < preludeLen+crcLen || headers > total-preludeLen-crcLen:
		return "", nil, ErrCorrupt
	}
	message, err := r.take(int(total))
	if err != nil {
		return "", nil, err
	}
	body := message[:total-crcLen]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(message[total-crcLen:]) {
		return "", nil, ErrCorrupt
	}
	return r.read(body[preludeLen:preludeLen+headers], body[preludeLen+headers:])
}

// take takes n bytes, without a copy if they fit the buffer.
func (r *Reader) take(n int) ([]byte, error) {
	if n <= r.in.Size() {
		b, err := r.in.Peek(n)
		if err != nil {
			return nil, unexpected(err)
		}
		_, err = r.in.Discard(n) // the bytes stand until more are read
		return b, err
	}
	if cap(r.message) < n {
		r.message = make([]byte, n)
	}
	_, err := io.ReadFull(r.in, r.message[:n])
	return r.message[:n], unexpected(err)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Waiting reports whether a whole message has been received already.
func (r *Reader) Waiting() bool {
	n := r.in.Buffered()
	if n < preludeLen {
		return false
	}
	prelude, err := r.in.Peek(4)
	return err == nil && uint64(binary.BigEndian.Uint32(prelude)) <= uint64(n)
}

// heads are the headers that matter.
type heads struct{ kind, event, exception, code, message []byte }

func (r *Reader) read(headers, payload []byte) (string, []byte, error) {
	var h heads
	if !h.read(headers) {
		return "", nil, ErrCorrupt
	}
	name := h.event
	switch string(h.kind) {
	case "exception":
		name = h.exception
	case "error":
		payload, _ = json.Marshal(map[string]string{"type": string(h.code), "message": string(h.message)}) // strings always can be
		name = []byte("error")
	}
	if r.name != string(name) {
		r.name = string(name)
	}
	return r.name, payload, nil
}

// sizes are those of a header's value by its type; bytes (6) and strings (7)
// tell theirs in front.
var sizes = [...]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 6: -1, 7: -1, 8: 8, 9: 16}

const stringType = 7

func (h *heads) read(b []byte) bool {
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || len(b) < n+2 || int(b[n+1]) >= len(sizes) {
			return false
		}
		name, typ := b[1:n+1], b[n+1]
		b = b[n+2:]
		size := sizes[typ]
		if size < 0 {
			if len(b) < 2 {
				return false
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if len(b) < size {
			return false
		}
		if typ == stringType {
			h.set(name, b[:size])
		}
		b = b[size:]
	}
	return true
}

func (h *heads) set(name, value []byte) {
	switch string(name) {
	case ":message-type":
		h.kind = value
	case ":event-type":
		h.event = value
	case ":exception-type":
		h.exception = value
	case ":error-code":
		h.code = value
	case ":error-message":
		h.message = value
	}
}
