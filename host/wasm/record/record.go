// Package record writes and reads what passes between the gateway and a module,
// as package abi lays it out: what every kind of module needs, and the windows
// and verdicts of filters. Records for routing are written by package route.
package record

import (
	"encoding/binary"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

var le = binary.LittleEndian

// Layouts that offsets are taken from.
var (
	config      abi.Config
	window      abi.Window
	verdict     abi.Verdict
	observation abi.Observation
	outcome     abi.Outcome
)

// Strings appends strings behind the fixed parts of a record.
type Strings struct {
	Record []byte
	At     int // where the next one goes
}

// Put copies text and writes where it is to ref, which has 8 bytes.
func (s *Strings) Put(ref []byte, text string) {
	le.PutUint64(ref, uint64(len(text))<<32|uint64(s.At))
	s.At += copy(s.Record[s.At:], text)
}

// PutBytes is Put.
func (s *Strings) PutBytes(ref, text []byte) {
	le.PutUint64(ref, uint64(len(text))<<32|uint64(s.At))
	s.At += copy(s.Record[s.At:], text)
}

// head writes what all records begin with.
func head(b []byte, magic uint32, size int) {
	le.PutUint32(b[unsafe.Offsetof(config.Magic):], magic)
	le.PutUint16(b[unsafe.Offsetof(config.Version):], abi.Minor)
	le.PutUint16(b[unsafe.Offsetof(config.HeaderSize):], uint16(size))
	le.PutUint32(b[unsafe.Offsetof(config.Total):], uint32(len(b)))
}

// text reads a string that ref, of 8 bytes, refers to; ok is false when it lies
// outside of b.
func text(b, ref []byte) (s []byte, ok bool) {
	at, length := uint64(le.Uint32(ref)), uint64(le.Uint32(ref[4:]))
	if at+length > uint64(len(b)) {
		return nil, false
	}
	return b[at : at+length], true
}

// Config is what sb_configure gets: the module's name, its JSON, and what the
// bits of tags are called, a line each.
func Config(name string, json []byte, tags string) []byte {
	b := make([]byte, abi.ConfigSize+len(name)+len(json)+len(tags))
	head(b, abi.MagicConfig, abi.ConfigSize)
	s := Strings{Record: b, At: abi.ConfigSize}
	s.Put(b[unsafe.Offsetof(config.Name):], name)
	s.Put(b[unsafe.Offsetof(config.Data):], string(json))
	s.Put(b[unsafe.Offsetof(config.Tags):], tags)
	return b
}
