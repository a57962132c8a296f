package limit

import (
	"math"

	"github.com/signalbox-ai/signalbox/host/call"
)

const (
	// leaseTime is how long what was leased of a rate may be taken, in ns. It is
	// no longer than the shortest cell: what a node takes late is then still
	// counted where nodes share it, which keeps a cell more for that.
	leaseTime = int64(1e9)
	// slotTime is how long places for requests at once are a node's without its
	// saying so again, in ns.
	slotTime = int64(10e9)
	// dryTime is the longest that a refusal by what nodes share is remembered:
	// others may give back what they have not used.
	dryTime = int64(50e6)
	// aloneWait is when to come back, in ns, where a node's part of a limit has no
	// place at all: the others may be within reach by then.
	aloneWait = int64(1e9)
)

// share is what a node holds of a counter that nodes share. The counter's lock
// guards it.
type share struct {
	leases    [2]lease // of a rate, the older one first
	slots     int64    // for requests at once
	slotsEnd  int64    // ns, until when
	peak      int64    // most requests at once since the last look
	demand    int64    // lacked by requests that wait
	least     int64    // of the smallest of them
	asked     int64    // least of the round that is underway
	deal      *deal    // that it was asked for in
	queued    bool
	limit     int64 // as the last request had it
	dryFrom   int64 // so much, or more, beyond what is leased was refused
	dryUntil  int64 // ns
	wait      int64 // ns, as the refusal had it
	left      int64 // of the limit, as was told last, below 0 if more was used
	leftOf    int64 // the limit then
	toldAt    int64 // ns
	mine      int64 // of what was used then: this node's, with what it had leased
	loneUntil int64 // ns, until when this node decides alone, as was told
	alone     int64 // let in without the others, of which they are to hear
	taken     int64 // since usedAt
	usedAt    int64
	rate      int64 // taken in the second before
	confirmed bool  // something was ever told
	debtor    bool  // the banker knows of alone
	wanted    int64 // ns, when a request wanted some of it last
	watched   bool  // by the banker
}

// lease is a part of a rate that may be taken until end.
type lease struct {
	left int64
	end  int64 // ns
	cell int64 // that it is counted in where nodes share it
}

func (s *share) idle() bool {
	return s.leases[0].left == 0 && s.leases[1].left == 0 && s.slots == 0 && s.demand == 0 && !s.queued
}

// avail is what may be taken of the leases.
func (s *share) avail(at int64) (n int64) {
	for i := range s.leases {
		if l := &s.leases[i]; at < l.end {
			n += l.left
		}
	}
	return n
}

// look tells whether need may be taken, and for how long not.
func (s *share) look(c *counter, at, need int64) (v verdict, wait int64) {
	lack := need
	if c.unit == call.UnitConcurrent {
		if at < s.slotsEnd && c.running < s.slots {
			return fits, 0
		}
	} else if lack -= s.avail(at); lack <= 0 {
		return fits, 0
	}
	if at < s.dryUntil && lack >= s.dryFrom {
		return over, s.wait
	}
	return short, 0
}

// take takes need of the leases, as far as it is there, and returns the cell
// that it is counted in.
func (s *share) take(b *banker, c *counter, at, need, limit int64) (cell int64) {
	s.limit = limit
	if c.unit == call.UnitConcurrent {
		s.peak = max(s.peak, c.running)
		return -1
	}
	if second := at - at%1e9; second > s.usedAt {
		s.rate, s.taken = s.taken, 0
		if second-s.usedAt > 1e9 {
			s.rate = 0
		}
		s.usedAt = second
	}
	s.taken, s.wanted = s.taken+need, at
	cell = -1
	for i := range s.leases {
		l := &s.leases[i]
		if n := min(need, l.left); at < l.end && n > 0 {
			l.left -= n
			need -= n
			cell = l.cell
		}
	}
	if s.avail(at) < s.ahead()/4 && at >= s.dryUntil {
		b.enqueue(c)
	}
	return cell
}

// ahead is what is worth leasing beyond what requests wait for: as much as was
// taken within a second.
func (s *share) ahead() int64 { return max(s.rate, s.taken) }

// ask notes that a request lacks some of need.
func (s *share) ask(c *counter, at, need, limit int64) {
	lack := need
	if c.unit != call.UnitConcurrent {
		lack -= s.avail(at)
	}
	s.least = min(lack, s.leastOr(math.MaxInt64))
	s.demand += lack
	s.limit, s.wanted = limit, at
}

func (s *share) leastOr(none int64) int64 {
	if s.demand == 0 {
		return none
	}
	return s.least
}

// seen is what is left of limit as far as this node knows.
func (s *share) seen(limit int64) int64 {
	if !s.confirmed {
		return limit
	}
	return s.left + limit - s.leftOf + s.leases[0].left + s.leases[1].left
}

// told notes what is left of limit over all nodes, and how much of the rest is
// this node's.
func (s *share) told(c *counter, left, limit, at int64) {
	s.left, s.leftOf, s.toldAt, s.confirmed = left, limit, at, true
	s.mine = s.slots
	if c.unit != call.UnitConcurrent {
		s.mine = c.window.sum - s.alone + s.leases[0].left + s.leases[1].left
	}
}

// part is what this node may have used of limit while the others are out of
// reach: what it had when it last heard of them, and its share of what was left
// then. Of all nodes the sum is the limit. What others had, they may let in again
// when it has left the window; after two windows, when all that is certain to
// have left, each has its share of the whole.
func (s *share) part(c *counter, limit, at int64, b *banker) int64 {
	equal, heard := b.portion(limit), b.heard.Load()
	window := slotTime
	if c.unit != call.UnitConcurrent {
		window = c.window.step * remoteCells
	}
	if !s.confirmed || heard-s.toldAt >= window || at-heard >= 2*window {
		return equal
	}
	had := s.mine + b.portion(max(limit-(s.leftOf-s.left), 0))
	if at-heard >= window {
		had = min(had, equal)
	}
	return min(had, limit)
}

// grant adds what was leased. What the node had two leases ago goes back.
func (s *share) grant(l lease) (back lease) {
	if s.leases[0].left == 0 {
		s.leases[0] = s.leases[1]
	} else if s.leases[1].left > 0 {
		back, s.leases[0] = s.leases[0], s.leases[1]
	}
	s.leases[1] = l
	return back
}
