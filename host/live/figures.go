package live

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// numShards is over how many places requests are counted, by their ids: those
// of one millisecond follow each other, so that the busier it is the more they
// spread.
const numShards = 8

// The counters of a sum.
const (
	requests = iota
	failures
	refused
	cached
	input
	output
	cost
	numCounters
)

// Times are counted in buckets of 1/16 of a power of two, from a microsecond to
// more than an hour: what is read from them is at most 1/32 off.
const (
	subBits    = 4
	numBuckets = (32 - subBits + 1) << subBits
)

func bucket(us int64) int {
	v := uint64(min(max(us, 0), 1<<32-1))
	n := bits.Len64(v)
	if n <= subBits {
		return int(v)
	}
	shift := n - subBits - 1
	return (shift+1)<<subBits | int(v>>shift)&(1<<subBits-1)
}

// middle is the time that stands for a bucket.
func middle(b int) time.Duration {
	if b < 1<<subBits {
		return time.Duration(b) * time.Microsecond
	}
	shift := b>>subBits - 1
	low := int64(1<<subBits|b&(1<<subBits-1)) << shift
	return time.Duration(low)*time.Microsecond + time.Duration(int64(1)<<shift-1)*time.Microsecond/2
}

// shard counts up, for ever.
type shard struct {
	counters [numCounters]atomic.Int64
	duration [numBuckets]atomic.Uint32
	overhead [numBuckets]atomic.Uint32
}

func (s *shard) add(r *call.Record) {
	n := r.Requests()
	failed := r.Status >= 400 || r.Class != wire.ClassNone
	away := failed && (r.Class == wire.ClassPolicy || r.Target == "")
	if failed {
		s.counters[failures].Add(n)
	}
	if away {
		s.counters[refused].Add(n)
	} else {
		s.duration[bucket(r.DurationUS)].Add(1)
		s.overhead[bucket(r.OverheadUS)].Add(1)
	}
	if r.Cached != call.CacheNone {
		s.counters[cached].Add(n)
	}
	s.count(input, r.Usage.Prompt())
	s.count(output, r.Usage.Completion())
	s.count(cost, r.Cost)
	s.counters[requests].Add(n) // last: see Hub.requests
}

func (s *shard) count(what int, n int64) {
	if n != 0 {
		s.counters[what].Add(n)
	}
}

// sums are what requests come to.
type sums struct {
	counters [numCounters]int64
	duration [numBuckets]uint32
	overhead [numBuckets]uint32
}

// into adds what s has counted to all.
func (s *shard) into(all *sums) {
	for i := range s.counters {
		all.counters[i] += s.counters[i].Load()
	}
	for i := range s.duration {
		all.duration[i] += s.duration[i].Load()
		all.overhead[i] += s.overhead[i].Load()
	}
}

// grow adds what there is in now and was not in before.
func (s *sums) grow(now, before *sums) {
	for i := range s.counters {
		s.counters[i] += now.counters[i] - before.counters[i]
	}
	for i := range s.duration {
		s.duration[i] += now.duration[i] - before.duration[i]
		s.overhead[i] += now.overhead[i] - before.overhead[i]
	}
}

func (s *sums) passed(from time.Time, running int64) call.Passed {
	c := &s.counters
	return call.Passed{
		From: from, Running: running, Requests: c[requests], Errors: c[failures], Refused: c[refused], Cached: c[cached],
		Input: c[input], Output: c[output], Cost: c[cost],
		P50: quantile(&s.duration, .5), P95: quantile(&s.duration, .95), Overhead: quantile(&s.overhead, .5),
	}
}

// quantile is the time that the share q of all has not exceeded, 0: there are none.
func quantile(counts *[numBuckets]uint32, q float64) time.Duration {
	var all uint64
	for _, n := range counts {
		all += uint64(n)
	}
	rank, below := uint64(math.Ceil(q*float64(all))), uint64(0)
	for b, n := range counts {
		if below += uint64(n); n > 0 && below >= rank {
			return middle(b)
		}
	}
	return 0
}
