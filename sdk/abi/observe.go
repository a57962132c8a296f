package abi

import "unsafe"

// MaxOutcomes is the most outcomes of one observation.
const MaxOutcomes = 128

// Observation is the header of the record that sb_observe gets, followed by
// outcomes: attempts that have ended since the last one, oldest first, on one
// of the module's instances. What it learns goes to counters.
type Observation struct {
	Magic       uint32 // 0: MagicObservation
	Version     uint16 // 4: minor version of the writer
	HeaderSize  uint16 // 6: of this struct as the writer knows it
	Total       uint32 // 8: bytes of the whole record
	Flags       uint32 // 12: reserved
	Dropped     uint64 // 16: outcomes that did not get into any observation since the last one
	NowMS       uint64 // 24: Unix ms: when the record was made
	Rand        uint64 // 32: the record's one random number
	Outcomes    uint32 // 40: number of outcomes
	OutcomeOff  uint32 // 44: offset of the first
	OutcomeSize uint32 // 48: stride, ≥ the size of Outcome as the writer knows it
	Reserved    uint32 // 52: 0
}

// Outcome is how one attempt ended.
type Outcome struct {
	ID        uint64  // 0: of the request
	EndMS     uint64  // 8: Unix ms: when it ended
	Target    Str     // 16: where it went: Target.ID
	Model     Str     // 24: as the caller named it
	Tenant    Str     // 32: as in Request
	TTFTMS    float64 // 40: until the first token, 0: none came
	TotalMS   float64 // 48: until the end
	Cost      int64   // 56: nano-dollars
	InTokens  uint32  // 64: as billed
	OutTokens uint32  // 68: as billed
	Kind      uint32  // 72: Kind…
	Error     uint32  // 76: Error…: how it failed, ErrorNone: it did not
	Attempt   uint32  // 80: attempts of the request before it
	Flags     uint32  // 84: Outcome…
}

// Flags of an outcome.
const (
	OutcomeStream = 1 << iota // the answer was streamed
	OutcomeHedge              // it ran beside another attempt
	OutcomeLost               // it was ended because the other was faster, or the caller left
)

// Sizes of the records' parts.
const (
	ObservationSize = int(unsafe.Sizeof(Observation{}))
	OutcomeSize     = int(unsafe.Sizeof(Outcome{}))
)

// The sizes are part of the ABI: a change does not compile.
var (
	_ = [1]struct{}{}[ObservationSize-56]
	_ = [1]struct{}{}[OutcomeSize-88]
)
