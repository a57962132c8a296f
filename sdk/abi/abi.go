// Package abi is the one schema of the records that pass between the gateway
// and its modules, ABI sb/1. The host takes offsets from these structs, Go
// guests lay them over the bytes, and go generate writes the layouts of the other
// languages' SDKs and the tables of docs/routing-authors.md from them. The number
// before each field's comment is its offset.
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

//go:generate go run ./gen ../..

// Version is what a guest's sb_abi answers: the major version in the upper 16 bits.
const (
	Major   = 1                 // another one cannot be run
	Minor   = 1                 // fields have been appended so often
	Version = Major<<16 | Minor // both
)

// Magics of the records, as little-endian numbers.
const (
	MagicRequest     = 'S' | 'B'<<8 | 'R'<<16 | '1'<<24 // "SBR1"
	MagicPlan        = 'S' | 'B'<<8 | 'P'<<16 | '1'<<24 // "SBP1"
	MagicConfig      = 'S' | 'B'<<8 | 'C'<<16 | '1'<<24 // "SBC1"
	MagicWindow      = 'S' | 'B'<<8 | 'W'<<16 | '1'<<24 // "SBW1"
	MagicVerdict     = 'S' | 'B'<<8 | 'V'<<16 | '1'<<24 // "SBV1"
	MagicObservation = 'S' | 'B'<<8 | 'O'<<16 | '1'<<24 // "SBO1"
)

// MaxReason is how many bytes of a plan's or verdict's reason the host keeps.
const MaxReason = 128

// MaxHostResults is how often a call may use counter_add; once more ends it.
const MaxHostResults = 256

// MaxCounters is how many counters, and how many metrics, a module has: they
// are numbered from 0.
const MaxCounters = 64

// MaxLog is how many bytes of a line the host logs.
const MaxLog = 1 << 10

// Levels of what a module logs.
const (
	LevelDebug = iota // shown where the gateway logs in detail
	LevelInfo         // and what a module prints
	LevelWarn
	LevelError
)

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
	Tags       Str    // 32: names of the tags' bits, lowest first, a line each; since minor version 1
}

// ConfigSize is part of the ABI: a change does not compile.
const ConfigSize = int(unsafe.Sizeof(Config{}))

var _ = [1]struct{}{}[ConfigSize-40]

// Kinds of request: package wire's operations, by the same numbers.
const (
	KindUnknown       = iota
	KindChat          // messages in, a message out
	KindEmbeddings    // texts in, vectors out
	KindCompletions   // legacy: a prompt in, text out
	KindCountTokens   // of a chat request
	KindImages        // text in, images out
	KindImageEdits    // images and text in, images out
	KindSpeech        // text in, audio out
	KindTranscription // audio in, text out
	KindTranslation   // audio in, English text out
	KindModeration    // text in, a judgement out
	KindRerank        // a query and documents in, their order out
	KindFiles         // upload, list, get, delete
	KindBatches       // create, list, get, cancel
	KindRealtime      // a WebSocket
	KindPass          // the provider's own API as it is
)

// Errors of an attempt: what kind of failure it was. They are package wire's
// classes, by the same numbers.
const (
	ErrorNone          = iota // it did not fail
	ErrorInvalid              // the caller's mistake
	ErrorAuth                 // the provider refused the credential
	ErrorRateLimit            // too many requests or tokens for now
	ErrorQuota                // the account has no money or quota left
	ErrorOverloaded           // the provider is too busy
	ErrorServer               // the provider failed
	ErrorTimeout              // to connect, until the first byte, between two, or in all
	ErrorNetwork              // no connection, or it broke
	ErrorContextLength        // the prompt does not fit the model
	ErrorModelNotFound        // the provider does not know the model
	ErrorContentFilter        // the provider refused the content
	ErrorPolicy               // the gateway's own policy, budget or limits refused it
)
