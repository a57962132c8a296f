package host

import (
	"math"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const (
	// leastAnswer is the shortest answer that is worth a request: some providers
	// take no lower max_tokens.
	leastAnswer = 16
	// mostAnswer is longer than any answer.
	mostAnswer = 1 << 22
	// stepTokens is by how much the reservation of a stream grows.
	stepTokens = 512
)

// lower makes f's answer fit into what its limits leave, in the way of the one
// that has refused it: shorter, or reserved step by step while it streams. One
// that does not stream is made shorter instead. It reports whether it can fit.
func (h *Host) lower(f *flight, cand *call.Candidate, way call.OnExceed) bool {
	if f.Op != wire.OpChat && f.Op != wire.OpCompletions || way != call.OnClamp && way != call.OnStream {
		return false
	}
	room := h.budget.Room(f.chain, f.Received)
	if f.covered {
		room.Add(f.reserved)
	} else if room[call.UnitRequests] < 1 {
		return false
	}
	room[call.UnitUSD] -= f.spent
	room[call.UnitTokens] -= f.tookTokens()
	if way == call.OnStream && f.Facts.Stream && f.Facts.N <= 1 {
		f.step = h.longest(f, cand, &f.step, stepTokens, &room)
		f.Stepped = f.step > 0
		return f.Stepped && h.rebound(f)
	}
	f.MaxTokens = h.longest(f, cand, &f.MaxTokens, mostAnswer, &room)
	return f.MaxTokens > 0 && h.rebound(f)
}

// longest is the longest answer of up to most tokens that fits into room at
// cand, where *limit bounds it, 0: none is long enough.
func (h *Host) longest(f *flight, cand *call.Candidate, limit *int64, most int64, room *budget.Amounts) int64 {
	before := *limit
	defer func() { *limit = before }()
	fits := func(n int64) bool {
		*limit = n
		b, err := h.bound(f, cand.Target)
		return err == nil && b.USD <= room[call.UnitUSD] && b.Tokens <= room[call.UnitTokens]
	}
	if before > 0 {
		most = min(most, before)
	}
	if !fits(min(leastAnswer, most)) {
		return 0
	}
	low, high := min(leastAnswer, most), most // low fits
	for low < high {
		if mid := low + (high-low+1)/2; fits(mid) {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}

// rebound computes the candidates' bounds anew. One whose is not known any more
// keeps the one that it had.
func (h *Host) rebound(f *flight) bool {
	for i := range f.Candidates {
		cand := &f.Candidates[i]
		if b, err := h.bound(f, cand.Target); err == nil {
			cand.Bound, cand.Tokens = b.USD, b.Tokens
		}
	}
	return true
}

// Flow implements dispatch.Flowing: it reserves the next step of an answer that
// has come to said tokens and returns how many are covered.
func (h *Host) Flow(c *call.Call) (covered int64) {
	f := c.Owner.(*flight)
	cand := f.candidate(c.Target)
	if f.step == 0 || cand == nil {
		return math.MaxInt64
	}
	was, before := f.step, cand.Most()
	for n := int64(stepTokens); n >= leastAnswer; n /= 2 {
		f.step = was + n
		b, err := h.bound(f, cand.Target)
		if err != nil {
			break
		}
		if b == before { // it cannot become any longer
			return math.MaxInt64
		}
		more := budget.Amounts{b.USD - before.USD, b.Tokens - before.Tokens}
		if f.ticket.Extend(more) == nil {
			f.reserved.Add(more)
			c.Reserved = f.reserved[call.UnitUSD]
			cand.Bound, cand.Tokens = b.USD, b.Tokens
			return f.step
		}
	}
	f.step = was
	return was
}
