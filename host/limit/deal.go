package limit

import (
	"context"
	"strconv"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// depth is how much a round looks after.
type depth int

const (
	usual    depth = iota // what is asked for
	thorough              // leases that are over go back, and places are renewed
	final                 // all goes back
)

// deal is a round: what is asked, and on whose behalf. It is asked again, by the
// same name, until there is an answer: it may have been carried out, and is not
// carried out twice.
type deal struct {
	order
	seq  string
	at   int64      // ns, when it was made
	away int64      // the banker's then
	last bool       // the node leaves
	who  []*counter // of the keys; nil: nothing comes of it
	done chan struct{}
}

// add appends a key with what is to be done, on behalf of c.
func (d *deal) add(c *counter, key string, args ...int64) {
	d.order.add(key, args...)
	d.who = append(d.who, c)
}

// deal makes one round, or makes the last one again that there was no answer to.
func (b *banker) deal(how depth) {
	if !b.up() {
		b.release()
		return
	}
	d := b.open
	if d == nil {
		if d = b.compose(how); d == nil {
			return
		}
		b.open = d
	}
	got, err := b.ask(d)
	if err != nil {
		b.failed.Add(1)
		if b.up() {
			b.awake()
		} else {
			b.release()
		}
		return
	}
	b.open = nil
	b.away.CompareAndSwap(d.away, 0)
	b.learn(got)
	for i, c := range d.who {
		if c != nil {
			b.granted(c, got[(i+1)*opResults:][:opResults], d.at)
		}
	}
	close(d.done)
	b.mu.Lock()
	more := len(b.queue) > 0 || b.away.Load() != 0
	b.mu.Unlock()
	if more {
		b.awake()
	}
}

// release lets all that wait go: what nodes share is gone.
func (b *banker) release() {
	b.away.Add(1)
	b.mu.Lock()
	queue, done := b.queue, b.round
	b.queue, b.round = nil, make(chan struct{})
	b.mu.Unlock()
	for _, c := range queue {
		c.mu.Lock()
		c.share.queued, c.share.demand = false, 0
		c.mu.Unlock()
	}
	close(done)
	if d := b.open; d != nil {
		close(d.done)
		d.done = make(chan struct{})
	}
}

// compose is the next round, nil if there is nothing to be said. What the others
// are to hear comes before what is asked of them.
func (b *banker) compose(how depth) *deal {
	d := &deal{at: b.l.at(time.Now()), last: how == final, away: b.away.Load()}
	b.mu.Lock()
	queue, debts := b.queue, b.debts
	b.queue, b.debts = nil, nil
	d.done, b.round = b.round, make(chan struct{})
	for f, by := range b.fixes {
		if len(d.who) == maxReports {
			break
		}
		delete(b.fixes, f)
		d.add(nil, f.key, opCorrect, f.step, f.at, by, 0, 0)
	}
	b.mu.Unlock()
	for _, c := range debts {
		b.report(d, c)
	}
	for _, c := range queue {
		b.want(d, c)
	}
	if how != usual {
		b.renew(d, how == final)
	}
	if how == thorough {
		b.peek(d)
	}
	if len(d.who) == 0 && how == usual && b.memory != 0 && d.away == 0 {
		close(d.done)
		return nil
	}
	b.rounds++
	d.seq = strconv.FormatInt(b.rounds, 10)
	return d
}

// ask carries d out, or learns that it was.
func (b *banker) ask(d *deal) ([]int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.l.opt.Timeout)
	defer cancel()
	back := "0"
	switch {
	case d.last:
		back = "-1"
	case b.away.Load() != 0 && b.memory != 0:
		back = "1"
	}
	keys := append([]string{prefix + nodesKey, prefix + roundKey + b.l.opt.Node, prefix + stateKey}, d.keys...)
	args := append([]string{strconv.Itoa(remoteCells), b.l.opt.Node, strconv.FormatInt(b.nodes(), 10), d.seq, strconv.FormatInt(b.memory, 10), back}, d.args...)
	b.asked.Add(1)
	got, err := b.l.opt.Remote.Run(ctx, round, keys, args)
	if err == nil && len(got) != (len(d.who)+1)*opResults {
		err = errShort
	}
	return got, err
}

// learn takes what a round tells of the nodes. Where what they share has lost
// its memory they tell it what they know.
func (b *banker) learn(got []int64) {
	if grace := got[3] == 1; got[0] > 0 && (!grace || got[0] >= b.members.Load()) { // the others are about to come back
		b.members.Store(got[0])
		b.rank.Store(got[1])
	}
	b.heard.Store(b.l.at(time.Now()))
	lost := b.memory != 0 && b.memory != got[2]
	b.memory = got[2]
	if lost {
		b.retell()
	}
}

// retell tells all that this node has let in: nobody knows of it any more.
func (b *banker) retell() {
	b.away.Add(1)
	b.mu.Lock()
	b.fixes = map[fix]int64{}
	b.mu.Unlock()
	b.l.counters.mu.Lock()
	all := make([]*counter, 0, len(b.l.counters.m))
	for _, c := range b.l.counters.m {
		all = append(all, c)
	}
	b.l.counters.mu.Unlock()
	at := b.l.at(time.Now())
	for _, c := range all {
		c.mu.Lock()
		if c.unit != call.UnitConcurrent && !c.dead {
			c.share.leases, c.share.alone = [2]lease{}, 0
			c.window.turn(at)
			b.mu.Lock()
			c.window.each(func(age, n int64) {
				b.note(fix{c.key, c.window.step / 1e6, -1 - max(age-1, 0)}, n) // the clocks' cells do not begin together
			})
			b.mu.Unlock()
		}
		c.mu.Unlock()
	}
}

// report tells the others what was let in of c without them, as far as it still
// counts.
func (b *banker) report(d *deal, c *counter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.share
	c.window.turn(d.at)
	n := min(s.alone, c.window.sum)
	if s.debtor = false; n > 0 && len(d.who) >= maxReports {
		b.owe(c, 0)
		return
	}
	if s.alone = 0; n > 0 && !c.dead {
		d.add(nil, c.key, opCorrect, c.window.step/1e6, -1, n, 0, 0)
	}
}

// want appends what is asked for on behalf of c.
func (b *banker) want(d *deal, c *counter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.share
	least, demand := s.leastOr(0), s.demand
	s.queued, s.demand, s.asked, s.deal = false, 0, least, d
	if c.unit == call.UnitConcurrent {
		needed := c.running + demand
		s.slots = min(s.slots, needed) // nobody takes meanwhile what goes back
		d.add(c, c.key, opSlots, slotTime/1e6, needed, needed/4, s.limit, c.running)
		return
	}
	d.add(c, c.key, opLease, c.window.step/1e6, least, demand, s.ahead(), s.limit)
}

// renew gives back leases that are over, or all, and says again which places
// are used.
func (b *banker) renew(d *deal, all bool) {
	for c := range b.held {
		c.mu.Lock()
		s := &c.share
		for i := range s.leases {
			if l := &s.leases[i]; l.left > 0 && (all || d.at >= l.end) {
				d.add(nil, c.key, opCorrect, c.window.step/1e6, l.cell, -l.left, 0, 0)
				*l = lease{}
			}
		}
		needed := max(c.running, s.peak)
		s.peak = c.running
		if all {
			needed = 0
		}
		if s.slots > 0 && !s.queued && (needed < s.slots || d.at > s.slotsEnd-slotTime/2) && s.deal != d {
			s.slots = min(s.slots, needed)
			d.add(c, c.key, opSlots, slotTime/1e6, needed, 0, s.limit, c.running)
		}
		if s.idle() {
			delete(b.held, c)
		}
		c.mu.Unlock()
	}
}

// peek asks how some of the counters stand that are in use, so that this node
// knows its part when the others are out of reach.
func (b *banker) peek(d *deal) {
	n := 0
	for c := range b.watched {
		if n++; n > maxPeeks {
			break
		}
		c.mu.Lock()
		s := &c.share
		switch {
		case c.unit == call.UnitConcurrent || c.dead || d.at-s.wanted > c.window.step*remoteCells:
			s.watched = false
			delete(b.watched, c)
		case s.deal != d:
			s.asked, s.deal = 0, d
			d.add(c, c.key, opLease, c.window.step/1e6, 0, 0, 0, s.limit)
		}
		c.mu.Unlock()
	}
}

// granted takes what a round made at at has brought for c.
func (b *banker) granted(c *counter, r []int64, at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.share
	if r[0] == unsettled {
		s.loneUntil = b.l.at(time.Now()) + dryTime
		return
	}
	if c.unit == call.UnitConcurrent {
		s.slots, s.slotsEnd = r[0], at+slotTime
		if r[0] <= c.running {
			s.dryFrom, s.dryUntil, s.wait = 0, at+dryTime, 0
		}
	} else if r[0] > 0 {
		if back := s.grant(lease{left: r[0], end: at + leaseTime, cell: r[3]}); back.left > 0 {
			b.correct(c, back.cell, -back.left)
		}
	} else if s.asked > 0 {
		s.dryFrom, s.wait = s.asked, r[2]*1e6
		s.dryUntil = b.l.at(time.Now()) + min(s.wait, dryTime)
	}
	s.told(c, r[1], s.limit, at)
	b.held[c] = true
	b.watched[c], s.watched = true, true
}
