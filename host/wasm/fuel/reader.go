package fuel

import "fmt"

// reader reads the binary format. The first error sticks: reads after it
// return zeros, and the offset stands at the end so that loops finish.
type reader struct {
	b   []byte
	off int
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.off = len(r.b)
}

func (r *reader) done() bool { return r.off >= len(r.b) }

func (r *reader) byte() byte {
	if r.done() {
		r.fail("unexpected end at offset %d", r.off)
		return 0
	}
	r.off++
	return r.b[r.off-1]
}

// bytes returns the next n bytes, which alias the input.
func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.off) {
		r.fail("unexpected end at offset %d", r.off)
		return nil
	}
	r.off += int(n)
	return r.b[r.off-int(n) : r.off]
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if v>>32 != 0 {
				r.fail("number at offset %d is larger than 32 bits", r.off)
				return 0
			}
			return uint32(v)
		}
	}
	r.fail("number at offset %d is longer than 5 bytes", r.off)
	return 0
}

// count reads the length of a vector whose elements take at least one byte each.
func (r *reader) count() int {
	n := r.u32()
	if uint64(n) > uint64(len(r.b)-r.off) {
		r.fail("vector at offset %d has more elements than bytes", r.off)
		return 0
	}
	return int(n)
}

// skipSigned passes a signed LEB128 of at most max bytes; its value is left to
// the engine's own validation.
func (r *reader) skipSigned(max int) {
	for range max {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail("number at offset %d is longer than %d bytes", r.off, max)
}

// appendU32 appends v as unsigned LEB128.
func appendU32(dst []byte, v uint32) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// appendS64 appends v as signed LEB128.
func appendS64(dst []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(dst, c)
		}
		dst = append(dst, c|0x80)
	}
}

func appendName(dst []byte, name string) []byte {
	return append(appendU32(dst, uint32(len(name))), name...)
}
