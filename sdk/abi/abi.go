// Package abi is the one schema of the records that pass between the gateway
// and its modules, ABI sb/1. The host takes offsets from these structs, Go
// guests lay them over the bytes, and the Rust crate's layout is generated from
// them (go generate). The number before each field's comment is its offset.
//
// Records are little-endian and naturally aligned. Offsets count from the start
// of the record; strings are {offset, length} and lie behind the fixed parts.
// A minor version appends fields: a reader takes sizes and strides from the
// header, skips what it does not know, and reads a missing tail as zero. Zero
// means "unknown" in every field that does not say otherwise. A major version
// changes the magic and Version.
//
// Exports of a module, beside memory; what takes (ptr, len) gets one record:
//
//	sb_abi() i32                  Version
//	sb_buf(least i32) i64         ptr<<32|cap of a buffer for records, at a multiple of 16; 0 refuses
//	sb_configure(ptr, len i32) i32  Config; once per instance, optional; 0 accepts
//	sb_route(ptr, len i32) i64    Request; answers ptr<<32|len of a Plan, 0 declines
//	sb_filter(ptr, len i32) i64   Window; answers ptr<<32|len of a Verdict, never 0
//	sb_observe(ptr, len i32)      Observation; off the path of requests, optional
//
// Imports, from "sb", all optional: log(level, ptr, len i32), metric(id i32,
// value f64) and counter_add(id i32, delta i64) i64, the new value of one of 64
// counters that all instances of a module share. counter_add is for sb_route,
// sb_filter and sb_observe, at most MaxHostResults times a call: what it
// answers is recorded, so that a decision can be repeated bit for bit.
package abi

import "unsafe"

//go:generate go run ./gen ../rust/src/layout.rs

// Version is what a guest's sb_abi answers: the major version in the upper 16 bits.
const (
	Major   = 1
	Minor   = 0
	Version = Major<<16 | Minor
)

// Magics of the records, as little-endian numbers.
const (
	MagicRequest     = 'S' | 'B'<<8 | 'R'<<16 | '1'<<24
	MagicPlan        = 'S' | 'B'<<8 | 'P'<<16 | '1'<<24
	MagicConfig      = 'S' | 'B'<<8 | 'C'<<16 | '1'<<24
	MagicWindow      = 'S' | 'B'<<8 | 'W'<<16 | '1'<<24
	MagicVerdict     = 'S' | 'B'<<8 | 'V'<<16 | '1'<<24
	MagicObservation = 'S' | 'B'<<8 | 'O'<<16 | '1'<<24
)

// MaxReason is how many bytes of a plan's or verdict's reason the host keeps.
const MaxReason = 128

// MaxHostResults is how often a call may use counter_add; once more ends it.
const MaxHostResults = 256

// Str refers to a string within the same record.
type Str struct {
	Off uint32 // 0: from the start of the record
	Len uint32 // 4: bytes
}

// Config is the header of the record that sb_configure gets.
type Config struct {
	Magic      uint32 // 0: MagicConfig
	Version    uint16 // 4: minor version of the writer
	HeaderSize uint16 // 6: of this struct as the writer knows it
	Total      uint32 // 8: bytes of the whole record
	Flags      uint32 // 12: reserved
	Name       Str    // 16: of the module in the gateway's configuration
	Data       Str    // 24: the module's own configuration, JSON, empty if none
}

// ConfigSize is part of the ABI: a change does not compile.
const ConfigSize = int(unsafe.Sizeof(Config{}))

var _ = [1]struct{}{}[ConfigSize-32]

// Kinds of request.
const (
	KindUnknown = iota
	KindChat
	KindEmbeddings
)

// Errors of an attempt: what kind of failure it was.
const (
	ErrorNone = iota
	ErrorInvalid
	ErrorAuth
	ErrorRateLimit
	ErrorQuota
	ErrorOverloaded
	ErrorServer
	ErrorTimeout
	ErrorNetwork
	ErrorContextLength
	ErrorModelNotFound
	ErrorContentFilter
	ErrorPolicy
)
