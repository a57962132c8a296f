package dispatch

import (
	"bufio"
	"bytes"
	"testing"
	"testing/iotest"
)

// FuzzFrame: a head is read alike at once and byte by byte, it never claims
// more than a frame may hold, and what is written is read back.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{0x81, 0x85, 1, 2, 3, 4, 'h', 'e', 'l', 'l', 'o'})
	f.Add([]byte{0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Add([]byte{0x88, 0x02, 0x03, 0xe8})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err := parseFrame(b)
		if whole.length < 0 || whole.length > maxFrame || whole.size > maxFrameHead || whole.size > len(b) {
			t.Fatalf("%x reads as %+v", b, whole)
		}
		slow, serr := peekFrame(bufio.NewReader(iotest.OneByteReader(bytes.NewReader(b))))
		if err == nil && whole.size > 0 && (serr != nil || slow != whole) || err != nil && serr == nil {
			t.Fatalf("%x reads as %+v, %v at once and as %+v, %v by bytes", b, whole, err, slow, serr)
		}
		for _, masked := range []bool{false, true} {
			out := appendFrame(nil, opBinary, b, masked)
			back, err := parseFrame(out)
			if err != nil || back.masked != masked || back.length != int64(len(b)) || back.size+len(b) != len(out) {
				t.Fatalf("%d bytes are written as %x: %+v, %v", len(b), out, back, err)
			}
		}
	})
}
