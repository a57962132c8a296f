package wasm

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// HostCall is a call of counter_add and what it answered: the one thing that a
// guest learns beside its record.
type HostCall struct {
	Counter uint32
	Delta   int64
	Value   int64
}

// Recording is all that a call's answer follows from, and the answer. Nothing
// in it is larger than the ABI's limits.
type Recording struct {
	Record []byte
	Calls  []HostCall
	Answer []byte // empty when the guest declined or failed
}

// Keep copies what the last call of in asked the host, and its answer, to r,
// whose room is used again. The record must be kept before the call: the guest
// may write over it.
func (r *Recording) Keep(in *Instance, answer []byte) {
	r.Calls = append(r.Calls[:0], in.asked...)
	r.Answer = append(r.Answer[:0], answer...)
}

var (
	errOutside = errors.New("counter_add outside of a call: what a new instance learned so could not be replayed")
	errTooMany = fmt.Errorf("counter_add more than %d times in a call", abi.MaxHostResults)
	errCounter = errors.New("counter does not exist")
)

// counterAdd is counter_add, recorded, or answered from a recording.
func (in *Instance) counterAdd(id uint32, delta int64) int64 {
	n := len(in.asked)
	switch {
	case !in.deciding:
		panic(errOutside)
	case id >= numCounters:
		panic(errCounter)
	case n == abi.MaxHostResults:
		panic(errTooMany)
	}
	call := HostCall{Counter: id, Delta: delta}
	if in.replay == nil {
		call.Value = in.version.module.State.counters[id].Add(delta)
	} else {
		call.Value = in.replay.value(n, call)
	}
	in.asked = append(in.asked, call)
	return call.Value
}

// value is what the nth host call answered, which must have been the same call.
func (r *Recording) value(n int, call HostCall) int64 {
	if n >= len(r.Calls) || r.Calls[n].Counter != call.Counter || r.Calls[n].Delta != call.Delta {
		panic(fmt.Errorf("%w: host call %d was another", ErrDiverged, n))
	}
	return r.Calls[n].Value
}

// Replay repeats a recorded call on so many fresh instances, twice on each, and
// returns the answer. Nothing outside of them changes: host calls are answered
// from the recording, logs and metrics are dropped. Where answers differ, the
// guest keeps state or asks the host for something else than it did: the error
// answers errors.Is(err, ErrDiverged). Whether the answer is r's is for the
// caller to see, as v need not be what r was recorded on.
func (v *Version) Replay(r *Recording, instances int) ([]byte, error) {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return nil, errRetired
	}
	v.live++ // it drains after this
	v.mu.Unlock()
	defer v.gone()

	first, err := v.repeat(r)
	for range instances - 1 {
		again, errAgain := v.repeat(r)
		switch {
		case errors.Is(errAgain, ErrDiverged):
			return nil, errAgain
		case FaultOf(err) != FaultOf(errAgain):
			return nil, fmt.Errorf("%w: one instance ends with %v, another with %v", ErrDiverged, err, errAgain)
		case !bytes.Equal(first, again):
			return nil, fmt.Errorf("%w: two instances answer %d and %d bytes that differ", ErrDiverged, len(first), len(again))
		}
	}
	return first, err
}

// repeat runs r twice on one fresh instance.
func (v *Version) repeat(r *Recording) ([]byte, error) {
	in, err := newInstance(v, r)
	if err != nil {
		return nil, err
	}
	defer in.close()
	first, err := in.again()
	if err != nil {
		return nil, err
	}
	second, err := in.again()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the second call on an instance fails: %w", ErrDiverged, err)
	case !bytes.Equal(first, second):
		return nil, fmt.Errorf("%w: an instance answers %d bytes, then %d that differ: it keeps state", ErrDiverged, len(first), len(second))
	}
	return first, nil
}

// again runs the recording once and returns a copy of the answer.
func (in *Instance) again() ([]byte, error) {
	r := in.replay
	b, err := in.Buffer(len(r.Record))
	if err != nil {
		return nil, err
	}
	copy(b, r.Record)
	answer, err := in.Call(len(r.Record))
	switch {
	case err != nil:
		return nil, err
	case len(in.asked) != len(r.Calls):
		return nil, fmt.Errorf("%w: %d host calls of %d", ErrDiverged, len(in.asked), len(r.Calls))
	}
	return bytes.Clone(answer), nil
}
