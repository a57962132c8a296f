package limit

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tick is how often leases that were not used go back, and corrections out.
	tick = 250 * time.Millisecond
	// maxCorrections bounds those that wait; what is beyond stays as it was estimated.
	maxCorrections = 1 << 14
	// maxReports bounds what one round tells: Redis does nothing else meanwhile.
	maxReports = 1 << 10
	// maxPeeks bounds the counters that a round asks for without need.
	maxPeeks = 1 << 8
)

// banker deals with what nodes share on behalf of all requests of its node: in
// one round it asks for all that they lack.
type banker struct {
	l *Limits

	mu     sync.Mutex
	queue  []*counter
	debts  []*counter    // of which the others are to hear what was let in alone
	round  chan struct{} // closed when the round that is to come has ended
	fixes  map[fix]int64 // by how much
	closed bool

	wake  chan struct{}
	end   chan struct{}
	ended chan struct{}

	// The banker's alone:
	held    map[*counter]bool // that something is leased of
	watched map[*counter]bool // that were used within their window
	open    *deal             // what is not known to have been carried out
	rounds  int64             // begun
	memory  int64             // name of that which nodes share, 0: none was seen

	away    atomic.Int64 // changes, and is not 0, while the others have not heard of all that was let in
	members atomic.Int64 // nodes that there are
	rank    atomic.Int64 // of this one among them, from 0
	heard   atomic.Int64 // ns, when the others were heard of last

	lost, asked, failed, alone atomic.Int64
}

// fix is what a correction is of: a cell of a shared counter.
type fix struct {
	key      string
	step, at int64
}

func newBanker(l *Limits) *banker {
	b := &banker{l: l, round: make(chan struct{}), wake: make(chan struct{}, 1), end: make(chan struct{}), ended: make(chan struct{}),
		held: map[*counter]bool{}, watched: map[*counter]bool{}, fixes: map[fix]int64{}}
	b.members.Store(1)
	b.rank.Store(int64(l.opt.Nodes)) // none has one more before they know of each other
	go b.run()
	return b
}

func (b *banker) up() bool { return b.l.opt.Remote.Up() }

// nodes is by how many a limit is divided.
func (b *banker) nodes() int64 {
	if n := b.l.opt.Nodes; n > 0 {
		return int64(n)
	}
	return max(b.members.Load(), 1)
}

// portion is this node's of n. Those of all nodes are n: where that cannot be
// divided, the first ones have one more.
func (b *banker) portion(n int64) int64 {
	nodes := b.nodes()
	if b.rank.Load() < n%nodes {
		return n/nodes + 1
	}
	return n / nodes
}

// enqueue has the banker look at c. It is called with c locked.
func (b *banker) enqueue(c *counter) {
	if !c.share.queued {
		c.share.queued = true
		b.mu.Lock()
		b.queue = append(b.queue, c)
		b.mu.Unlock()
	}
	b.awake() // also for one that the round underway has not come to: its end is not what the caller waits for
}

func (b *banker) awake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// next is closed when what was enqueued before has been dealt with.
func (b *banker) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.round
}

// correct changes what nodes have counted of c in cell by n; what comes on top
// counts now.
func (b *banker) correct(c *counter, cell, n int64) {
	if n > 0 {
		cell = -1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(fix{c.key, c.window.step / 1e6, cell}, n)
}

// note keeps a correction until the next round. It is called with b.mu locked.
func (b *banker) note(f fix, n int64) {
	if _, there := b.fixes[f]; !there && len(b.fixes) >= maxCorrections {
		b.lost.Add(1)
		return
	}
	b.fixes[f] += n
}

// owe notes that n of c were let in, or given back, without the others, who are
// to hear of it. It is called with c locked.
func (b *banker) owe(c *counter, n int64) {
	s := &c.share
	if n > 0 {
		b.away.Add(1)
	}
	s.alone = max(s.alone+n, 0) // what they have been told of stays counted until it has left the window
	if s.debtor || s.alone == 0 {
		return
	}
	s.debtor = true
	b.mu.Lock()
	b.debts = append(b.debts, c)
	b.mu.Unlock()
}

func (b *banker) run() {
	defer close(b.ended)
	t := time.NewTicker(tick)
	defer t.Stop()
	b.deal(usual)
	for {
		select {
		case <-b.end:
			for i := 0; i < patience && b.open != nil; i++ {
				b.deal(usual)
			}
			b.deal(final)
			return
		case <-t.C:
			b.deal(thorough)
		case <-b.wake:
			b.deal(usual)
		}
	}
}

// stop ends the banker; its last round gives back what is leased.
func (b *banker) stop() {
	b.mu.Lock()
	closed := b.closed
	b.closed = true
	b.mu.Unlock()
	if !closed {
		close(b.end)
	}
	<-b.ended
}
