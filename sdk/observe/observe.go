// Package observe lets a Go module learn how attempts ended. Importing it is
// what makes the gateway tell: in batches, off the path of requests, on one
// instance of the module. What is learned goes to counters, which all instances
// share:
//
//	func init() { route.Handle(decide); observe.Handle(learn) }
//	func learn(b *observe.Batch) { route.CounterAdd(0, int64(b.Len())) }
package observe

import (
	"errors"

	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/internal/guest"
)

// Outcome is how one attempt ended; package abi documents its fields.
type Outcome = abi.Outcome

// Batch is some outcomes, oldest first. It is valid during the call only.
type Batch struct {
	*abi.Observation // the facts; package abi documents them

	record   []byte
	outcomes guest.Parts[Outcome]

	// Used only for a host that knows shorter ones.
	shortHead     abi.Observation
	shortOutcomes [abi.MaxOutcomes]Outcome
}

// Len is the number of outcomes.
func (b *Batch) Len() int { return int(b.Outcomes) }

// Outcome returns outcome i; the pointer is valid during the call only.
func (b *Batch) Outcome(i int) *Outcome { return b.outcomes.At(i) }

// Text returns a string of the record; it is valid during the call only.
func (b *Batch) Text(s abi.Str) string { return guest.Text(b.record, s) }

var errRecord = errors.New("record is not an observation")

// Load reads a record, which must be aligned to 8 bytes and stay unchanged as
// long as b is used.
func (b *Batch) Load(record []byte) error {
	b.record, b.Observation = record, guest.Head(record, abi.MagicObservation, &b.shortHead)
	if b.Observation == nil || !b.outcomes.Load(record, b.OutcomeOff, b.OutcomeSize, b.Outcomes, b.shortOutcomes[:]) {
		return errRecord
	}
	return nil
}

var (
	learn func(*Batch)
	batch Batch
)

// Handle sets what learns; call it in init.
func Handle(f func(*Batch)) { learn = f }

// Run learns from an encoded record, aligned to 8 bytes. The gateway's call
// ends here, and so may an author's test.
func Run(record []byte) {
	if learn != nil && batch.Load(record) == nil {
		learn(&batch)
	}
}
