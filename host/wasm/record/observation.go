package record

import (
	"math"
	"unsafe"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// Outcome is how one attempt ended; package abi documents the fields.
type Outcome struct {
	ID        uint64
	EndMS     int64
	Target    string
	Model     string
	Tenant    string
	TTFTMS    float64
	TotalMS   float64
	Cost      int64
	InTokens  uint32
	OutTokens uint32
	Kind      uint32
	Error     uint32
	Attempt   uint32
	Flags     uint32
}

// Observation is a batch of outcomes, ≤ abi.MaxOutcomes, oldest first.
type Observation struct {
	Dropped  uint64
	NowMS    int64
	Seed     uint64
	Outcomes []Outcome
}

// Size is the size of the encoded observation.
func (o *Observation) Size() int {
	size := abi.ObservationSize + len(o.Outcomes)*abi.OutcomeSize
	for i := range o.Outcomes {
		size += len(o.Outcomes[i].Target) + len(o.Outcomes[i].Model) + len(o.Outcomes[i].Tenant)
	}
	return size
}

// Encode writes the record over dst, which has Size bytes, every one of them.
func (o *Observation) Encode(dst []byte) {
	n := len(o.Outcomes)
	if n > abi.MaxOutcomes {
		panic("BUG: more outcomes than the ABI allows")
	}
	b := (*[abi.ObservationSize]byte)(dst)
	head(dst, abi.MagicObservation, abi.ObservationSize)
	le.PutUint32(b[unsafe.Offsetof(observation.Flags):], 0)
	le.PutUint64(b[unsafe.Offsetof(observation.Dropped):], o.Dropped)
	le.PutUint64(b[unsafe.Offsetof(observation.NowMS):], uint64(o.NowMS))
	le.PutUint64(b[unsafe.Offsetof(observation.Rand):], o.Seed)
	le.PutUint32(b[unsafe.Offsetof(observation.Outcomes):], uint32(n))
	le.PutUint32(b[unsafe.Offsetof(observation.OutcomeOff):], uint32(abi.ObservationSize))
	le.PutUint32(b[unsafe.Offsetof(observation.OutcomeSize):], uint32(abi.OutcomeSize))
	le.PutUint32(b[unsafe.Offsetof(observation.Reserved):], 0)
	s := Strings{Record: dst, At: abi.ObservationSize + n*abi.OutcomeSize}
	for i := range o.Outcomes {
		o.Outcomes[i].encode((*[abi.OutcomeSize]byte)(dst[abi.ObservationSize+i*abi.OutcomeSize:]), &s)
	}
}

func (o *Outcome) encode(b *[abi.OutcomeSize]byte, s *Strings) {
	le.PutUint64(b[unsafe.Offsetof(outcome.ID):], o.ID)
	le.PutUint64(b[unsafe.Offsetof(outcome.EndMS):], uint64(o.EndMS))
	s.Put(b[unsafe.Offsetof(outcome.Target):], o.Target)
	s.Put(b[unsafe.Offsetof(outcome.Model):], o.Model)
	s.Put(b[unsafe.Offsetof(outcome.Tenant):], o.Tenant)
	le.PutUint64(b[unsafe.Offsetof(outcome.TTFTMS):], math.Float64bits(o.TTFTMS))
	le.PutUint64(b[unsafe.Offsetof(outcome.TotalMS):], math.Float64bits(o.TotalMS))
	le.PutUint64(b[unsafe.Offsetof(outcome.Cost):], uint64(o.Cost))
	le.PutUint32(b[unsafe.Offsetof(outcome.InTokens):], o.InTokens)
	le.PutUint32(b[unsafe.Offsetof(outcome.OutTokens):], o.OutTokens)
	le.PutUint32(b[unsafe.Offsetof(outcome.Kind):], o.Kind)
	le.PutUint32(b[unsafe.Offsetof(outcome.Error):], o.Error)
	le.PutUint32(b[unsafe.Offsetof(outcome.Attempt):], o.Attempt)
	le.PutUint32(b[unsafe.Offsetof(outcome.Flags):], o.Flags)
}
