package trace

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Stage is a part of a request's way that has a span of its own.
type Stage uint8

// The stages, in the order of the way.
const (
	Policy Stage = iota
	Filters
	Queue
	Route
	NumStages
)

var stageNames = [NumStages]string{"policy", "filters", "queue", "route"}

// Step is when a stage began and ended, from the request's arrival.
type Step struct{ From, To time.Duration }

// Steps are those of all stages.
type Steps [NumStages]Step

// Item is a finished request as spans are made of it. Its strings may refer to
// immutable configuration, not to the call.
type Item struct {
	Record   call.Record
	Trace    call.Trace
	Received time.Time
	Model    *call.Model
	Target   *call.Target // that answered, or was tried last
	Steps    Steps
	Rule     int
	Verdicts []call.Verdict
	Events   int64
	Answered bool // by the last of the attempts
	Limits   Limits
	Said     Said
}

// Limits are what a request allows its answer.
type Limits struct {
	MaxTokens int64 // 0: it does not say
	Choices   int64
}

// Event implements call.Tap: the answer streams.
func (it *Item) Event(data []byte) { it.Said.Answer(data) }

// attempts takes a copy of those of a call, which is pooled.
func (it *Item) attempts(from []call.Attempt) {
	it.Record.Attempts = append(it.Record.Attempts[:0], from...)
}

// Fill copies what spans need of c, whose record is r.
func (it *Item) Fill(c *call.Call, r *call.Record) {
	kept := it.Record.Attempts
	it.Record = *r
	it.Record.Attempts = kept
	it.attempts(c.Attempts)
	it.Trace, it.Received, it.Model, it.Target, it.Rule, it.Events = c.Trace, c.Received, c.Model, c.Target, c.Rule, c.Events
	it.Verdicts = append(it.Verdicts[:0], c.Verdicts...)
	it.Limits = Limits{MaxTokens: c.Facts.MaxTokens, Choices: c.Facts.N}
	n := len(c.Attempts)
	it.Answered = n > 0 && c.Attempts[n-1].Class == 0 && !c.Attempts[n-1].Lost && c.Attempts[n-1].Rejected == ""
}

func (it *Item) reset() {
	attempts, verdicts := it.Record.Attempts, it.Verdicts
	clear(attempts)
	clear(verdicts)
	*it = Item{Verdicts: verdicts[:0]}
	it.Record.Attempts = attempts[:0]
}
