package wasm

import (
	"errors"
	"sync/atomic"
)

// Slot is where the version in use is found. The zero Slot is empty.
type Slot struct{ current atomic.Pointer[Version] }

// Current returns the version in use, nil if there is none.
func (s *Slot) Current() *Version { return s.current.Load() }

// Swap puts v in use, nil for none, and returns what was, retired: close it, or
// keep it to swap it back in. Calls that run in it end there.
func (s *Slot) Swap(v *Version) *Version {
	if v != nil {
		v.revive()
	}
	old := s.current.Swap(v)
	if old != nil && old != v {
		old.retire()
	}
	return old
}

// Acquire returns an instance of the version in use, nil if there is none.
// Release must follow.
func (s *Slot) Acquire() (*Instance, error) {
	for {
		v := s.current.Load()
		if v == nil {
			return nil, nil
		}
		in, err := v.take()
		if !errors.Is(err, errRetired) {
			return in, err
		}
	}
}

// Release gives an instance back after a call that ended with err: what failed
// is closed, never used again.
func (in *Instance) Release(err error) {
	if err != nil {
		in.version.discard(in)
		return
	}
	in.version.put(in)
}

// Version is what in is an instance of.
func (in *Instance) Version() *Version { return in.version }
