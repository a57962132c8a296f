package decision

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/wasm"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Entry is what is kept of one request: what its route was decided from, what
// was decided and what came of it. It holds no text of prompts or answers and
// no secrets; the one part that callers write themselves is metadata, within
// the record of a module that has asked for it. Texts are cut at 255 bytes.
type Entry struct {
	ID       call.ID
	Received time.Time
	Op       wire.Op
	Dialect  wire.Dialect
	Stream   bool

	KeyID, KeyName, Org, Team string

	Asked string // the model as the caller named it
	Route string // by its name in the configuration, "": the built-in order
	Lane  string // of a route's versions that decided: "active", "canary", "" if none did
	Rule  int    // of the model's rules, from 1, that sent the request elsewhere; 0: none did

	Policy Policy
	Input  []byte // JSON: what policy saw, so that another bundle can be tried on it; nil: it was too large

	// Module is the label of the version that was asked, "" if none was. The
	// recording is what it was asked and answered; where none was, the record
	// that one would have been shown.
	Module string
	wasm.Recording
	Plan *call.Plan // nil: the request ended before there was one

	Attempts []Attempt

	Target     string // that answered or was tried last
	Usage      wire.Usage
	Cost       int64 // nano-dollars
	Reserved   int64 // nano-dollars
	Provenance call.Provenance
	Status     int
	Class      wire.Class
	Code       string // of the error, "" if there was none
	TTFT       time.Duration
	Duration   time.Duration
	Overhead   time.Duration // of the gateway itself

	Verdicts []call.Verdict // of filters
}

// Policy is what was decided before the route.
type Policy struct {
	Revision   string
	Allow      bool
	Code       string // of the first reason, when it was refused
	MaxTokens  int64
	Restricted bool // to Targets
	Targets    []string
	Filters    []string
	Dry        string // code of the first reason for which a unit in a dry run would have refused it
}

// Attempt is one try at one target.
type Attempt struct {
	Target     string
	Credential string        // by name
	Start      time.Duration // from Received
	FirstByte  time.Duration // from Start, 0: none came
	Duration   time.Duration
	Status     int
	Class      wire.Class
	Hedge      bool
	Lost       bool
	Rejected   string // why the answer was not taken
	Cost       int64  // nano-dollars, of one that failed
}

// Reset readies e for another request; it keeps the room of its slices.
func (e *Entry) Reset() {
	*e = Entry{
		Input:     e.Input[:0],
		Recording: wasm.Recording{Record: e.Record[:0], Calls: e.Calls[:0], Answer: e.Answer[:0]},
		Attempts:  e.Attempts[:0], Verdicts: e.Verdicts[:0],
	}
}
