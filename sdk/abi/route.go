package abi

import "unsafe"

// MaxTargets is the most targets of a request, and attempts of a plan.
const MaxTargets = 64

// Request is the header of the record that sb_route gets, followed by targets.
type Request struct {
	Magic      uint32 // 0: MagicRequest
	Version    uint16 // 4: minor version of the writer
	HeaderSize uint16 // 6: of this struct as the writer knows it
	Total      uint32 // 8: bytes of the whole record
	Flags      uint32 // 12: Flag…
	ID         uint64 // 16: of the request
	NowMS      uint64 // 24: Unix ms: the request's one clock reading
	Rand       uint64 // 32: the request's one random number
	Model      Str    // 40: as the caller named it
	Tenant     Str    // 48: organisation, else team, else the key's public id
	Kind       uint32 // 56: Kind…: what is asked for
	Priority   uint32 // 60: of the request, 0: normal, 1: high, 2: low
	InTokens   uint32 // 64: estimate for the prompt, from its size
	OutTokens  uint32 // 68: the most that the caller allows, 0: not said
	DeadlineMS uint32 // 72: time left, 0: the gateway's default
	Attempt    uint32 // 76: attempts that have failed already
	Budget     int64  // 80: nano-dollars left to the caller, 0: unknown
	NeedTags   uint64 // 88: targets need all of these
	DenyTags   uint64 // 96: and none of these
	Targets    uint32 // 104: number of targets
	TargetOff  uint32 // 108: offset of the first
	TargetSize uint32 // 112: stride, ≥ the size of Target as the writer knows it
	LastError  uint32 // 116: Error… of the attempt that failed last
	Objective  uint32 // 120: Objective…: what the operator wants most
	Size       uint32 // 124: bytes of the request's body

	// Since minor version 1. What is grouped under a need is zero, or empty,
	// unless the module's manifest names that need.

	Session   uint64   // 128: hash of what ties requests together; need "session", 0: nothing does
	Prefix    uint64   // 136: hash of the prompt's beginning, which providers cache; need "session", 0: none
	BudgetMax int64    // 144: nano-dollars that Budget is what is left of; need "budget", 0: unknown
	Sticky    uint32   // 152: 1 + index of the target that answered the session last; need "session", 0: none of these
	Reserved  uint32   // 156: 0
	Key       Str      // 160: public id of the caller's key; need "identity"
	Team      Str      // 168: of the key; need "identity"
	User      Str      // 176: of the key; need "identity"
	Meta      Str      // 184: lines "name=value", sorted: the key's attributes and the request's metadata; need "metadata"
	Features  Features // 192: of the prompt's text; need "features"
}

// Features are counts over the text of a prompt: what the host finds in one
// pass, so that a module need not see the text.
type Features struct {
	Messages    uint32 // 0: of the conversation, instructions included
	SystemBytes uint32 // 4: of instructions
	UserBytes   uint32 // 8: of the last user message, as all that follows
	Words       uint32 // 12: of letters, digits and apostrophes
	LongWords   uint32 // 16: of ten letters and more
	Sentences   uint32 // 20: ended by . ! or ?
	Questions   uint32 // 24: question marks
	Lines       uint32 // 28: that are not empty
	CodeLines   uint32 // 32: of them, within fences
	Items       uint32 // 36: of them, that are items of a list
	Numbers     uint32 // 40: runs of digits
	Signs       uint32 // 44: mathematical: = + < > ^ ∑ √ and their like
	Hard        uint32 // 48: words that ask to reason: prove, derive, optimize, why
	Easy        uint32 // 52: words that ask for little: translate, list, hello
	Foreign     uint32 // 56: characters beyond ASCII
	Reserved    uint32 // 60: 0
}

// Target is a place that the request may go to, with its live state. All of
// them are eligible: policy, operation and price have been looked at.
type Target struct {
	ID           Str     // 0: "openai/gpt-4o-mini"
	Region       Str     // 8: as configured
	Tags         uint64  // 16: as configured, one bit each
	PriceIn      int64   // 24: nano-dollars per thousand input tokens
	PriceOut     int64   // 32: nano-dollars per thousand output tokens
	TTFTMS       float64 // 40: moving average until the first token
	TokenMS      float64 // 48: moving average per token after it
	ErrorRate    float64 // 56: moving share of failed attempts, 0–1
	InFlight     uint32  // 64: requests there now, from this node
	MaxInFlight  uint32  // 68: 0: no limit
	Circuit      uint32  // 72: Circuit…: state of the breaker
	RequestsLeft int32   // 76: before the provider's own limit, -1: unknown
	TokensLeft   int32   // 80: before the provider's own limit, -1: unknown
	RetryAfterMS uint32  // 84: the target asked not to be used for so long
	Context      uint32  // 88: tokens of prompt and answer together
	Weight       uint32  // 92: relative share among equals, ≥ 1
	Quality      float64 // 96: as configured
	Priority     uint32  // 104: lower comes first
	Capabilities uint32  // 108: reserved
}

// Plan is the header of what sb_route answers, followed by attempts.
type Plan struct {
	Magic       uint32 // 0: MagicPlan
	Version     uint16 // 4: minor version of the writer
	HeaderSize  uint16 // 6: of this struct as the writer knows it; attempts follow it
	Attempts    uint32 // 8: number of attempts
	AttemptSize uint32 // 12: stride, ≥ the size of Attempt as the writer knows it
	Code        uint32 // 16: not 0: refuse the request, with this code
	Flags       uint32 // 20: reserved
	Reason      Str    // 24: for the decision log
}

// Attempt is one step of a plan. Zero durations leave the choice to the gateway.
type Attempt struct {
	Target       uint32 // 0: index into the request's targets, each at most once
	TimeoutMS    uint32 // 4: for the whole attempt
	Weight       uint32 // 8: for the decision log: what the module thought of it
	BackoffMS    uint32 // 12: wait before it, at least
	BackoffMaxMS uint32 // 16: and at most
	HedgeMS      uint32 // 20: start it beside the one before when that is silent for so long
	Flags        uint32 // 24: Attempt…
	Reserved     uint32 // 28: 0
}

// Flags of an attempt.
const (
	AttemptCheck = 1 << iota // go on to the next one when the answer is empty, cut short or not of the form asked for
)

// Sizes of the records' parts.
const (
	RequestSize = int(unsafe.Sizeof(Request{}))
	TargetSize  = int(unsafe.Sizeof(Target{}))
	PlanSize    = int(unsafe.Sizeof(Plan{}))
	AttemptSize = int(unsafe.Sizeof(Attempt{}))
)

// The sizes are part of the ABI: a change does not compile.
var (
	_ = [1]struct{}{}[RequestSize-256]
	_ = [1]struct{}{}[TargetSize-112]
	_ = [1]struct{}{}[PlanSize-32]
	_ = [1]struct{}{}[AttemptSize-32]
)

// Flags of a request.
const (
	FlagStream       = 1 << iota // the answer is to be streamed
	FlagTools                    // tools are offered
	FlagImages                   // the prompt holds images
	FlagAudio                    // the prompt holds audio
	FlagFiles                    // the prompt holds files
	FlagCacheControl             // the caller marks what providers are to cache
)

// States of a target's breaker.
const (
	CircuitClosed   = iota // in use
	CircuitHalfOpen        // a probe may go there
	CircuitOpen            // not to be used
)

// Objectives: what the operator wants most.
const (
	ObjectiveNone    = iota // not said
	ObjectiveCost           // the cheapest answer
	ObjectiveLatency        // the fastest answer
	ObjectiveQuality        // the best answer
)
