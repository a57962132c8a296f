// Package abi is the one schema of the records that pass between the gateway
// and a routing module, ABI sb/1. The host takes offsets from these structs, Go
// guests lay them over the bytes, and the Rust crate's layout is generated from
// them (go generate).
//
// Records are little-endian and naturally aligned. Offsets count from the start
// of the record; strings are {offset, length} and lie behind the fixed parts.
// A minor version appends fields: a reader takes sizes and strides from the
// header, skips what it does not know, and reads a missing tail as zero. Zero
// means "unknown" in every field that does not say otherwise. A major version
// changes the magic and Version.
package abi

import "unsafe"

//go:generate go run ./gen ../../rust/src/layout.rs

// Version is what a guest's sb_abi answers: the major version in the upper 16 bits.
const (
	Major   = 1
	Minor   = 0
	Version = Major<<16 | Minor
)

// Magics of the records, as little-endian numbers.
const (
	MagicRequest = 'S' | 'B'<<8 | 'R'<<16 | '1'<<24
	MagicPlan    = 'S' | 'B'<<8 | 'P'<<16 | '1'<<24
	MagicConfig  = 'S' | 'B'<<8 | 'C'<<16 | '1'<<24
)

// MaxTargets is the most targets of a request, and attempts of a plan.
const MaxTargets = 64

// MaxReason is how many bytes of a plan's reason the host keeps.
const MaxReason = 128

// Str refers to a string within the same record.
type Str struct{ Off, Len uint32 }

// Request is the header of the record that sb_route gets.
type Request struct {
	Magic      uint32 // MagicRequest
	Version    uint16 // minor version of the writer
	HeaderSize uint16 // of this struct as the writer knows it
	Total      uint32 // bytes of the whole record
	Flags      uint32 // Flag…
	ID         uint64 // of the request
	NowMS      uint64 // Unix ms: the request's one clock reading
	Rand       uint64 // the request's one random number
	Model      Str    // as the caller named it
	Tenant     Str    // organisation, else team, else the key's public id
	Kind       uint32 // Kind…: what is asked for
	Priority   uint32 // of the request, 0: normal
	InTokens   uint32 // estimate for the prompt, from its size
	OutTokens  uint32 // the most that the caller allows, 0: not said
	DeadlineMS uint32 // time left, 0: the gateway's default
	Attempt    uint32 // attempts that have failed already
	Budget     int64  // nano-dollars left to the caller, 0: unknown
	NeedTags   uint64 // targets need all of these
	DenyTags   uint64 // and none of these
	Targets    uint32 // number of targets
	TargetOff  uint32 // offset of the first
	TargetSize uint32 // stride, ≥ the size of Target as the writer knows it
	LastError  uint32 // Error… of the attempt that failed last
	Objective  uint32 // Objective…: what the operator wants most
	Size       uint32 // bytes of the request's body
}

// Target is a place that the request may go to, with its live state. All of
// them are eligible: policy, operation and price have been looked at.
type Target struct {
	ID           Str     // "openai/gpt-4o-mini"
	Region       Str     // as configured
	Tags         uint64  // as configured, one bit each
	PriceIn      int64   // nano-dollars per thousand input tokens
	PriceOut     int64   // nano-dollars per thousand output tokens
	TTFTMS       float64 // moving average until the first token
	TokenMS      float64 // moving average per token after it
	ErrorRate    float64 // moving share of failed attempts, 0–1
	InFlight     uint32  // requests there now, from this node
	MaxInFlight  uint32  // 0: no limit
	Circuit      uint32  // Circuit…: state of the breaker
	RequestsLeft int32   // before the provider's own limit, -1: unknown
	TokensLeft   int32   // before the provider's own limit, -1: unknown
	RetryAfterMS uint32  // the target asked not to be used for so long
	Context      uint32  // tokens of prompt and answer together
	Weight       uint32  // relative share among equals, ≥ 1
	Quality      float64 // as configured
	Priority     uint32  // lower comes first
	Capabilities uint32  // reserved
}

// Plan is the header of what sb_route answers, followed by attempts.
type Plan struct {
	Magic       uint32 // MagicPlan
	Version     uint16 // minor version of the writer
	HeaderSize  uint16 // of this struct as the writer knows it; attempts follow it
	Attempts    uint32 // number of attempts
	AttemptSize uint32 // stride, ≥ the size of Attempt as the writer knows it
	Code        uint32 // not 0: refuse the request, with this code
	Flags       uint32 // reserved
	Reason      Str    // for the decision log
}

// Attempt is one step of a plan. Zero durations leave the choice to the gateway.
type Attempt struct {
	Target       uint32 // index into the request's targets, each at most once
	TimeoutMS    uint32
	Weight       uint32 // for the decision log: what the module thought of it
	BackoffMS    uint32 // wait before it, at least
	BackoffMaxMS uint32 // and at most
	HedgeMS      uint32 // start it beside the one before when that is silent for so long
	Flags        uint32 // reserved
	Reserved     uint32
}

// Config is the header of the record that sb_configure gets, once per instance.
type Config struct {
	Magic      uint32 // MagicConfig
	Version    uint16 // minor version of the writer
	HeaderSize uint16 // of this struct as the writer knows it
	Total      uint32 // bytes of the whole record
	Flags      uint32 // reserved
	Name       Str    // of the module in the gateway's configuration
	Data       Str    // the module's own configuration, JSON, empty if none
}

// Sizes of the records' parts.
const (
	RequestSize = int(unsafe.Sizeof(Request{}))
	TargetSize  = int(unsafe.Sizeof(Target{}))
	PlanSize    = int(unsafe.Sizeof(Plan{}))
	AttemptSize = int(unsafe.Sizeof(Attempt{}))
	ConfigSize  = int(unsafe.Sizeof(Config{}))
)

// The sizes are part of the ABI: a change does not compile.
var (
	_ = [1]struct{}{}[RequestSize-128]
	_ = [1]struct{}{}[TargetSize-112]
	_ = [1]struct{}{}[PlanSize-32]
	_ = [1]struct{}{}[AttemptSize-32]
	_ = [1]struct{}{}[ConfigSize-32]
)

// Flags of a request.
const (
	FlagStream = 1 << iota
	FlagTools
	FlagImages
	FlagAudio
	FlagFiles
	FlagCacheControl
)

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

// States of a target's breaker.
const (
	CircuitClosed   = iota // in use
	CircuitHalfOpen        // a probe may go there
	CircuitOpen            // not to be used
)

// Objectives.
const (
	ObjectiveNone = iota
	ObjectiveCost
	ObjectiveLatency
	ObjectiveQuality
)
