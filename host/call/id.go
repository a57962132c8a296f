package call

import (
	"sync/atomic"
	"time"
)

// ID names a request. It is made here, never taken from the caller, grows with
// time and serves as the ledger's key: milliseconds since 2026 in the upper 41
// bits (of 63), a node number in 10, a sequence in 12.
type ID int64

const (
	idEpoch    = 1767225600000 // 2026-01-01 UTC, Unix ms
	idAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	idPrefix   = "req_"
	idDigits   = 13
)

// IDs makes the ids of one node.
type IDs struct {
	node int64
	last atomic.Int64
}

// NewIDs returns a source for the node (0–1023) whose ids are all above after:
// the last id that an earlier run is known to have used, 0 if none.
func NewIDs(node int, after ID) *IDs {
	s := &IDs{node: int64(node&1023) << 12}
	s.last.Store(int64(after))
	return s
}

// Next returns an id above every earlier one, also when the clock steps back.
func (s *IDs) Next(now time.Time) ID {
	fresh := (now.UnixMilli()-idEpoch)<<22 | s.node
	for {
		last := s.last.Load()
		next := max(fresh, s.after(last))
		if s.last.CompareAndSwap(last, next) {
			return ID(next)
		}
	}
}

// after is the lowest id of this node above last, which may be another node's:
// more ids than a millisecond has come from the next one.
func (s *IDs) after(last int64) int64 {
	const sequence = 1<<12 - 1
	first := last>>22<<22 | s.node
	switch {
	case last < first:
		return first
	case last-first < sequence:
		return last + 1
	}
	return (last>>22+1)<<22 | s.node
}

// Time is when id was made, to the millisecond.
func (id ID) Time() time.Time { return time.UnixMilli(int64(id)>>22 + idEpoch) }

// FirstID is the smallest id that can be made at t: ids order like time.
func FirstID(t time.Time) ID { return ID((t.UnixMilli() - idEpoch) << 22) }

// Append appends the text form, "req_" and 13 base-32 digits that sort like the number.
func (id ID) Append(dst []byte) []byte {
	dst = append(dst, idPrefix...)
	for i := idDigits - 1; i >= 0; i-- {
		dst = append(dst, idAlphabet[int64(id)>>(5*i)&31])
	}
	return dst
}

// String returns the text form.
func (id ID) String() string { return string(id.Append(make([]byte, 0, len(idPrefix)+idDigits))) }

// ParseID reads the text form; ok is false when s is not one.
func ParseID(s string) (id ID, ok bool) {
	if len(s) != len(idPrefix)+idDigits || s[:len(idPrefix)] != idPrefix {
		return 0, false
	}
	for _, c := range []byte(s[len(idPrefix):]) {
		d := digit(c)
		if d < 0 || id>>58 != 0 {
			return 0, false
		}
		id = id<<5 | ID(d)
	}
	return id, true
}

func digit(c byte) int {
	for i := range len(idAlphabet) {
		if idAlphabet[i] == c {
			return i
		}
	}
	return -1
}
