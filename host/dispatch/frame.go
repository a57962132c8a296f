package dispatch

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // by RFC 6455
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// Opcodes of frames by RFC 6455.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// Codes of close frames.
const (
	closeGoingAway = 1001
	closePolicy    = 1008
	closeBroken    = 1011
)

// maxFrame bounds the payload of one frame: an event with a long recording in
// base64 fits.
const maxFrame = 64 << 20

var errFrame = errors.New("malformed WebSocket frame")

// frame is the head of a frame.
type frame struct {
	op     byte
	fin    bool
	masked bool
	length int64
	size   int // of the head itself
}

// parseFrame reads the head of a frame from b. size is 0 while b is too short.
// It refuses what no endpoint may send: reserved bits, as no extension was
// agreed on, unknown opcodes, control frames that are long or in parts, and
// lengths in more bytes than they need.
func parseFrame(b []byte) (f frame, err error) {
	if len(b) < 2 {
		return frame{}, nil
	}
	f = frame{op: b[0] & 15, fin: b[0]&0x80 != 0, masked: b[1]&0x80 != 0, length: int64(b[1] & 0x7f), size: 2}
	switch {
	case b[0]&0x70 != 0, f.op > opBinary && f.op < opClose, f.op > opPong:
		return frame{}, errFrame
	case f.op >= opClose && (!f.fin || f.length > 125):
		return frame{}, errFrame
	}
	switch f.length {
	case 126:
		if f.size = 4; len(b) < f.size {
			return frame{}, nil
		}
		if f.length = int64(binary.BigEndian.Uint16(b[2:])); f.length < 126 {
			return frame{}, errFrame
		}
	case 127:
		if f.size = 10; len(b) < f.size {
			return frame{}, nil
		}
		n := binary.BigEndian.Uint64(b[2:])
		if n <= 0xffff || n > maxFrame {
			return frame{}, errFrame
		}
		f.length = int64(n)
	}
	if f.masked {
		if f.size += 4; len(b) < f.size {
			return frame{}, nil
		}
	}
	return f, nil
}

// maxFrameHead is the longest head of a frame.
const maxFrameHead = 14

// peekFrame waits for the head of a frame, without taking it.
func peekFrame(br *bufio.Reader) (frame, error) {
	for n := 2; ; n = min(max(br.Buffered(), n+1), maxFrameHead) {
		b, err := br.Peek(n)
		f, ferr := parseFrame(b)
		if ferr != nil || f.size > 0 {
			return f, ferr
		}
		if err != nil {
			return frame{}, err
		}
	}
}

// appendFrame appends a whole frame, masked as what clients send must be.
func appendFrame(dst []byte, op byte, payload []byte, masked bool) []byte {
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, bit|byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(n))
	}
	if !masked {
		return append(dst, payload...)
	}
	var key [4]byte
	_, _ = rand.Read(key[:]) // it never fails
	dst = append(dst, key[:]...)
	for i, c := range payload {
		dst = append(dst, c^key[i&3])
	}
	return dst
}

// appendClose appends a close frame.
func appendClose(dst []byte, code uint16, reason string, masked bool) []byte {
	payload := binary.BigEndian.AppendUint16(nil, code)
	return appendFrame(dst, opClose, append(payload, reason[:min(len(reason), 120)]...), masked)
}

// newKey is a Sec-WebSocket-Key.
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// acceptOf is the Sec-WebSocket-Accept that answers key.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // by RFC 6455
	return base64.StdEncoding.EncodeToString(sum[:])
}
