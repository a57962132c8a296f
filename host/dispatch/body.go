package dispatch

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
)

// body reads an answer strictly: it knows whether the whole of it came. A
// chunked answer without its last chunk, or one shorter than announced, ends
// in io.ErrUnexpectedEOF and never looks complete.
type body struct {
	br      *bufio.Reader
	framing framing
	left    int64 // of the body or of the current chunk
	crlf    bool  // the end of a chunk's data is still to be read
	done    bool
	usage   []byte // the trailer in which an adapter reports usage
}

type framing uint8

const (
	byLength framing = iota
	byChunks
	byClose // whole only as far as the dialect's own last event says so
)

var errChunk = errors.New("malformed chunked encoding")

const maxChunkLine = 4 << 10

func (b *body) reset(br *bufio.Reader, contentLength int) {
	*b = body{br: br, usage: b.usage[:0]}
	switch {
	case contentLength >= 0:
		b.left = int64(contentLength)
		b.done = contentLength == 0
	case contentLength == -1:
		b.framing = byChunks
	default:
		b.framing = byClose
	}
}

// ready reports whether read will not wait.
func (b *body) ready() bool {
	if b.framing == byChunks && b.left == 0 && !b.done {
		return b.lineBuffered()
	}
	return b.done || b.br.Buffered() > 0
}

// await waits until read will not, or the connection has ended.
func (b *body) await() error {
	for !b.ready() {
		if _, err := b.br.Peek(b.br.Buffered() + 1); err == io.EOF {
			return nil // read says what that means
		} else if err != nil {
			return err
		}
	}
	return nil
}

// read appends what has arrived to dst, waiting only while that is nothing. It
// returns io.EOF with the last bytes or after them.
func (b *body) read(dst []byte, limit int) ([]byte, error) {
	start := len(dst)
	for len(dst)-start < limit {
		if b.done {
			return dst, io.EOF
		}
		got := len(dst) > start
		if b.framing == byChunks && b.left == 0 {
			if got && !b.lineBuffered() {
				return dst, nil
			}
			if err := b.nextChunk(); err != nil {
				return dst, err
			}
			continue
		}
		if got && b.br.Buffered() == 0 {
			return dst, nil
		}
		var err error
		if dst, err = b.take(dst, limit-(len(dst)-start)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// take moves buffered bytes of the current chunk or body to dst.
func (b *body) take(dst []byte, limit int) ([]byte, error) {
	if _, err := b.br.Peek(1); err != nil {
		if err == io.EOF && b.framing == byClose {
			b.done = true
			return dst, nil
		}
		return dst, unexpected(err)
	}
	n := min(b.br.Buffered(), limit)
	if b.framing != byClose {
		n = int(min(int64(n), b.left))
		b.left -= int64(n)
		b.crlf = b.framing == byChunks && b.left == 0
		b.done = b.framing == byLength && b.left == 0
	}
	p, _ := b.br.Peek(n)
	dst = append(dst, p...)
	_, _ = b.br.Discard(n) // all of it is buffered
	return dst, nil
}

// lineBuffered reports whether the next chunk's size can be read without waiting.
func (b *body) lineBuffered() bool {
	p, _ := b.br.Peek(b.br.Buffered())
	if b.crlf {
		if len(p) < 2 {
			return false
		}
		p = p[2:]
	}
	return bytes.IndexByte(p, '\n') >= 0
}

func (b *body) nextChunk() error {
	if b.crlf {
		p, err := b.br.Peek(2)
		if err != nil {
			return unexpected(err)
		}
		if p[0] != '\r' || p[1] != '\n' {
			return errChunk
		}
		_, _ = b.br.Discard(2)
		b.crlf = false
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	size, ok := hexSize(line)
	if !ok {
		return errChunk
	}
	if b.left = size; size == 0 {
		return b.trailers()
	}
	return nil
}

func (b *body) line() ([]byte, error) {
	line, err := b.br.ReadSlice('\n')
	if err != nil {
		return nil, unexpected(err)
	}
	if len(line) > maxChunkLine {
		return nil, errChunk
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func (b *body) trailers() error {
	for {
		line, err := b.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			b.done = true
			return nil
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte(proto.HeaderUsage)) {
			b.usage = append(b.usage[:0], bytes.TrimSpace(value)...)
		}
	}
}

func hexSize(line []byte) (size int64, ok bool) {
	digits := 0
	for _, c := range line {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		case digits > 0 && (c == ';' || c == ' ' || c == '\t'):
			return size, true
		default:
			return 0, false
		}
		if digits++; digits > 15 {
			return 0, false
		}
		size = size<<4 | int64(c)
	}
	return size, digits > 0
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
