package route

import "github.com/signalbox-ai/signalbox/sdk/abi"

// Rank orders targets as the gateway does by itself: a lower class comes
// first, and within a class each place is drawn at random by weight. The same
// seed gives the same order everywhere. The zero Rank is empty.
type Rank struct {
	n       int
	entries [abi.MaxTargets]entry
}

type entry struct {
	class  uint64
	weight uint32
	index  uint32
}

// Add appends the next target; a weight of 0 counts as 1.
func (r *Rank) Add(class uint64, weight uint32) {
	e := entry{class: class, weight: max(weight, 1), index: uint32(r.n)}
	i := r.n
	for ; i > 0 && r.entries[i-1].class > class; i-- { // mostly sorted already
		r.entries[i] = r.entries[i-1]
	}
	r.entries[i] = e
	r.n++
}

// Len is the number of targets.
func (r *Rank) Len() int { return r.n }

// At returns the target at a place.
func (r *Rank) At(place int) int { return int(r.entries[place].index) }

// Reset empties r.
func (r *Rank) Reset() { r.n = 0 }

// Draw orders the targets within each class.
func (r *Rank) Draw(seed uint64) {
	for from := 0; from < r.n; {
		to, sum := from, uint64(0)
		for ; to < r.n && r.entries[to].class == r.entries[from].class; to++ {
			sum += uint64(r.entries[to].weight)
		}
		for ; from < to-1; from++ {
			seed += 0x9e3779b97f4a7c15
			left := Mix(seed) % sum
			at := from
			for left >= uint64(r.entries[at].weight) {
				left -= uint64(r.entries[at].weight)
				at++
			}
			sum -= uint64(r.entries[at].weight)
			r.entries[from], r.entries[at] = r.entries[at], r.entries[from]
		}
		from = to
	}
}

// Mix is the output function of SplitMix64: a random-looking bijection.
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Class is what the gateway's own order ranks by: targets that rest come last,
// and before that priority counts.
func Class(priority uint32, resting bool) uint64 {
	if resting {
		return 1<<32 | uint64(priority)
	}
	return uint64(priority)
}

// Resting reports whether t should not be used while others are there: it
// asked for a pause, or its breaker is open.
func Resting(t *Target) bool { return t.RetryAfterMS > 0 || t.Circuit == abi.CircuitOpen }
