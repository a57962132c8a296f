// Package guest is what the Go SDKs for modules share: the records' frame, the
// configuration, and the way to the host and back.
package guest

import (
	"encoding/binary"
	"errors"
	"strings"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Head lays a structure of package abi over a record's header, nil when it is
// not one. A host that knows fewer fields has written a shorter one, which is
// copied to short: what it lacks reads as zero. The record must be aligned to 8
// bytes.
func Head[T any](record []byte, magic uint32, short *T) *T {
	if len(record) < 8 || uintptr(unsafe.Pointer(&record[0]))%8 != 0 {
		return nil
	}
	size := int(binary.LittleEndian.Uint16(record[6:]))
	if binary.LittleEndian.Uint32(record) != magic || size > len(record) {
		return nil
	}
	if size >= int(unsafe.Sizeof(*short)) {
		return (*T)(unsafe.Pointer(&record[0]))
	}
	clear(bytesOf(short))
	copy(bytesOf(short), record[:size])
	return short
}

// bytesOf is a structure as it lies in memory.
func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// Parts are the structures that follow a header, one every stride bytes.
type Parts[T any] struct {
	record []byte
	off    uint32
	stride uint32
	short  []T // used only for a host that knows shorter ones
}

// Load finds n parts in a record, at most as many as short has room for.
func (p *Parts[T]) Load(record []byte, off, stride, n uint32, short []T) bool {
	p.record, p.off, p.stride, p.short = record, off, stride, nil
	if int(n) > len(short) || uint64(off)+uint64(n)*uint64(stride) > uint64(len(record)) || (off|stride)%8 != 0 {
		return false
	}
	if uintptr(stride) >= unsafe.Sizeof(short[0]) {
		return true
	}
	p.short = short
	for i := range n {
		clear(bytesOf(&short[i]))
		copy(bytesOf(&short[i]), record[off+i*stride:][:stride])
	}
	return true
}

// At returns part i, which must exist; it is valid as long as the record.
func (p *Parts[T]) At(i int) *T {
	if p.short != nil {
		return &p.short[i]
	}
	at := int(p.off) + i*int(p.stride)
	b := p.record[at:][:p.stride]
	return (*T)(unsafe.Pointer(&b[0])) // aligned: Load has checked it
}

// Bytes returns a string of a record, nil when it lies outside. It is valid as
// long as the record.
func Bytes(record []byte, s abi.Str) []byte {
	end := uint64(s.Off) + uint64(s.Len)
	if end > uint64(len(record)) || s.Len == 0 {
		return nil
	}
	return record[s.Off:end:end]
}

// Text is Bytes as a string.
func Text(record []byte, s abi.Str) string {
	b := Bytes(record, s)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Config is what an instance is configured with before its first call.
type Config struct {
	Name string   // of the module in the gateway's configuration
	JSON []byte   // the module's own configuration, empty if it has none
	Tags []string // what the bits of tags are called, the lowest first
}

// Tag returns the bit of a tag, 0 for one that no target has.
func (c Config) Tag(name string) uint64 {
	for i, tag := range c.Tags {
		if tag == name {
			return 1 << i
		}
	}
	return 0
}

var (
	errConfig   = errors.New("record is not a configuration")
	errNoConfig = errors.New("this module takes no configuration")
)

// OnConfig is what reads the configuration, nil if nothing does.
var OnConfig func(Config) error

// Configure gives OnConfig an encoded configuration, aligned to 8 bytes. Where
// nothing reads it, only an empty one is accepted.
func Configure(record []byte) error {
	head := Head(record, abi.MagicConfig, new(abi.Config))
	switch {
	case head == nil:
		return errConfig
	case OnConfig == nil && head.Data.Len > 0:
		return errNoConfig
	case OnConfig == nil:
		return nil
	}
	c := Config{Name: strings.Clone(Text(record, head.Name)), JSON: append([]byte(nil), Bytes(record, head.Data)...)}
	if tags := strings.Clone(Text(record, head.Tags)); tags != "" {
		c.Tags = strings.Split(tags, "\n")
	}
	return OnConfig(c)
}
