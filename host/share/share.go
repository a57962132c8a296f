// Package share lets requests that are the same, and that run at the same time,
// have one answer: the first leads and asks for it, those that follow are given
// what it is given, as it comes.
package share

import (
	"sync"
	"sync/atomic"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Key names what is asked. Requests of one key are the same.
type Key [32]byte

// Leader is who asks for an answer that others wait for, too.
type Leader interface {
	// Again tells that the last of those who follow has gone.
	Again()
	// Left reports whether the answer is being ended, for want of anybody.
	Left() bool
}

// Table holds the groups whose answers are underway.
type Table struct {
	limit int // bytes that are kept of an answer

	mu sync.Mutex
	by map[Key]*Group

	led, followed, cut, failed, waiting atomic.Int64
}

// New returns a table that keeps up to limit bytes of an answer for those who
// come late, or read slowly.
func New(limit int) *Table { return &Table{limit: limit, by: map[Key]*Group{}} }

// Stats are a table's figures.
type Stats struct {
	Led      int64 // requests that others might have followed
	Followed int64 // requests that were given another's answer
	Cut      int64 // those that were too slow for it
	Failed   int64 // those whose leader had no answer for them
	Waiting  int64 // that follow just now
	Groups   int   // underway
}

// Stats returns the figures so far.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	n := len(t.by)
	t.mu.Unlock()
	return Stats{t.led.Load(), t.followed.Load(), t.cut.Load(), t.failed.Load(), t.waiting.Load(), n}
}

// Group is one answer with those who wait for it.
type Group struct {
	table     *Table
	key       Key
	following atomic.Int32

	ends sync.Mutex // held while the leader is told something, so that it is never told too late
	lead Leader     // nil: it has ended

	mu      sync.Mutex
	turn    chan struct{} // closed at the next change
	head    *Head         // nil: there is none yet
	base    int           // bytes of the answer that are kept no more
	log     []byte        // the rest of it, as far as it has come
	mark    int           // where followers put in what they have to say of themselves, -1: nowhere
	over    bool
	failure *Failure
	tail    Tail
}

// Head is the beginning of an answer.
type Head struct {
	Status int
	Type   string
	Stream bool
	Target string // by whom it is
	// Dropped are parameters that a translation could not carry.
	Dropped string
}

// Tail is what is known at an answer's end.
type Tail struct{ Cost int64 }

// Failure is why there is no answer, or no whole one.
type Failure struct {
	// Own: it is the leader's alone, such as its budget. Who follows asks anew.
	Own bool
	Err *wire.Error
}

// Join makes a request lead a group of k, or follow one that is underway. Who
// leads must end the group, who follows must leave it.
func (t *Table) Join(k Key, who Leader) (g *Group, leads bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g = t.by[k]; g != nil {
		if g.follow() {
			t.waiting.Add(1)
			return g, false
		}
		g.following.Add(-1) // its answer is going to break off: k is asked for anew
	}
	g = &Group{table: t, key: k, lead: who, turn: make(chan struct{}), mark: -1}
	t.by[k] = g
	t.led.Add(1)
	return g, true
}

// follow counts one more who follows; false: the leader has left just before.
func (g *Group) follow() bool {
	g.following.Add(1) // first: a leader that leaves now sees it, and stays
	g.ends.Lock()
	defer g.ends.Unlock()
	return g.lead == nil || !g.lead.Left()
}

// close lets nobody join any more.
func (g *Group) close() {
	g.table.mu.Lock()
	defer g.table.mu.Unlock()
	if g.table.by[g.key] == g {
		delete(g.table.by, g.key)
	}
}

// Followed reports whether somebody waits for the answer.
func (g *Group) Followed() bool { return g.following.Load() > 0 }

// change makes g what f makes it, and wakes all who wait.
func (g *Group) change(f func()) {
	g.mu.Lock()
	f()
	if g.Followed() { // whoever comes now sees what f did
		close(g.turn)
		g.turn = make(chan struct{})
	}
	g.mu.Unlock()
}

// Begin tells how the answer begins.
func (g *Group) Begin(h Head) { g.change(func() { g.head = &h }) }

// Write adds to the answer. It never waits: who reads too slowly loses it.
func (g *Group) Write(p []byte) {
	full := false
	g.change(func() {
		g.log = append(g.log, p...)
		if len(g.log) > g.table.limit {
			drop := len(g.log) - g.table.limit/2
			g.log = append(g.log[:0:0], g.log[drop:]...)
			g.base += drop
			full = true
		}
	})
	if full {
		g.close() // who came now would not get the beginning
	}
}

// Mark notes that followers speak of themselves here.
func (g *Group) Mark() { g.change(func() { g.mark = g.base + len(g.log) }) }

// End ends the answer whole. The leader hears nothing more.
func (g *Group) End(t Tail) { g.end(func() { g.tail, g.over = t, true }) }

// Fail ends the group without a whole answer; of a group that has ended it
// changes nothing.
func (g *Group) Fail(f Failure) { g.end(func() { g.failure, g.over = &f, true }) }

func (g *Group) end(how func()) {
	g.close()
	g.ends.Lock()
	g.lead = nil
	g.ends.Unlock()
	g.change(func() {
		if !g.over {
			how()
		}
	})
}

// Leave ends a follower's part. A leader whose own caller has gone is told when
// it was the last.
func (g *Group) Leave() {
	g.table.waiting.Add(-1)
	if g.following.Add(-1) > 0 {
		return
	}
	g.ends.Lock()
	defer g.ends.Unlock()
	if g.lead != nil {
		g.lead.Again()
	}
}
