package budget

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Left tells what the tightest of ch's limits on money leaves that can refuse,
// and of how much; ok is false where there is none. It asks nobody: of an
// account that this node has not used yet, all is left. What is leased to other
// nodes counts as spent.
func (p *Pool) Left(ch *Chain, now time.Time) (left int64, of call.Limit, ok bool) {
	if !ch.Bounds(call.UnitUSD) {
		return 0, of, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range ch.limits {
		b := &ch.limits[i]
		if !b.hasHard || b.counter.unit != call.UnitUSD {
			continue
		}
		n := b.limit.Max
		if a := b.counter.now; a != nil && a.row != 0 && now.Unix() < a.end && !p.closed {
			n = max(0, n-p.spent(a))
		}
		if !ok || n < left {
			left, of, ok = n, b.limit, true
		}
	}
	return left, of, ok
}

// Room is the most of each unit that ch's limits leave to t or, where t holds
// no reservation, to a new one. What other nodes hold and do not use counts as
// left: they hand it back.
func (p *Pool) Room(ch *Chain, now time.Time) (room Amounts) {
	room = Amounts{unlimited, unlimited, unlimited}
	if ch == nil {
		return room
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range ch.limits {
		b := &ch.limits[i]
		n := b.limit.Max
		if a := b.counter.now; a != nil && a.row != 0 && now.Unix() < a.end && !p.closed {
			n = max(0, n-p.spent(a)+a.others.held)
		}
		room[b.counter.unit] = min(room[b.counter.unit], n)
	}
	return room
}

// Dry is what a reservation of amounts would be refused with since one of ch's
// limits has nothing left at all, nil: none is known to. It asks nobody and
// reserves nothing; what other nodes may hand back counts as left.
func (p *Pool) Dry(ch *Chain, now time.Time, amounts Amounts) *Denied {
	if ch == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range ch.limits {
		b := &ch.limits[i]
		if !b.hasHard || amounts[b.counter.unit] <= 0 {
			continue
		}
		left, d := b.limit.Max, Denied{Scope: b.limit.Scope, Limit: b.limit}
		if a := b.counter.now; a != nil && a.row != 0 && now.Unix() < a.end && !p.closed && !p.elsewhere(a) {
			left -= p.spent(a)
			if a.end != never {
				d.Until = time.Unix(a.end, 0)
			}
		}
		if left <= 0 {
			p.stats.Denied++
			return &d
		}
	}
	return nil
}

// Line is how a counter stands in its current window, as this node knows it.
type Line struct {
	Scope, Window string // Window without the unit
	Unit          call.Unit
	Hard, Soft    *call.Limit // nil: there is none
	Used          int64       // spent, reserved, and held here
	Held          int64       // of Used: leased to this node and not reserved
}

// Lines are the counters that this node has counted with, at most n of them.
func (p *Pool) Lines(now time.Time, n int) (lines []Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.counters {
		a := c.now
		if a == nil || a.row == 0 || now.Unix() >= a.end || p.closed {
			continue
		}
		if len(lines) == n {
			break
		}
		l := Line{Scope: c.scope, Window: c.window.name, Unit: c.unit, Used: max(0, a.granted-a.others.held), Held: max(0, p.avail(a))}
		if c.limit.hasHard {
			hard := c.limit.limit
			l.Hard = &hard
		}
		if c.limit.hasSoft {
			soft := c.limit.soft
			l.Soft = &soft
		}
		lines = append(lines, l)
	}
	return lines
}

// Lease is what a node has of an account beside what it has spent.
type Lease struct{ Held, Reserved int64 }

// Leases are this node's, as they stand, by the bank's row.
func (p *Pool) Leases() map[int64]Lease {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[int64]Lease, len(p.byRow))
	if p.closed {
		return out
	}
	for row, a := range p.byRow {
		out[row] = Lease{p.avail(a), a.reserved}
	}
	return out
}
