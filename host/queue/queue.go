// Package queue lets requests wait while no target of theirs takes one: each
// until a place at one of them is free and its turn has come.
package queue

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Options bound what waits.
type Options struct {
	Size int           // requests of one model; 0: none waits
	Wait time.Duration // at most
}

// Class is how urgent a request is; a lower number is served first.
type Class uint8

// The classes.
const (
	High Class = iota
	Normal
	Low
	numClasses
)

// ClassNames are the names of classes.
var ClassNames = [numClasses]string{"high", "normal", "low"}

// ParseClass reads the name of a class; ok is false where it is none.
func ParseClass[T ~string | ~[]byte](name T) (c Class, ok bool) {
	for i, n := range ClassNames {
		if string(name) == n {
			return Class(i), true
		}
	}
	return Normal, false
}

// Ask is a request that wants to wait.
type Ask struct {
	Model   string // its queue
	Class   Class
	Key     string // whose it is: those of one class take turns
	Targets []*call.Target
	Tokens  int64           // what its prompt takes of a token limit
	Until   time.Time       // its own deadline
	Gone    <-chan struct{} // closed when the caller leaves
}

// Reason is why a request is not served.
type Reason uint8

// The reasons.
const (
	Full     Reason = iota // as many wait as may
	Hopeless               // it would wait longer than it may
	Late                   // it has
	Pushed                 // a more urgent one has taken its place
	Left                   // its caller has gone
	Stopped                // the gateway ends
	numReasons
)

// ReasonNames are the names of reasons in metrics.
var ReasonNames = [numReasons]string{"full", "hopeless", "late", "pushed", "left", "stopped"}

// Refusal says that a request is not served, and when to come back.
type Refusal struct {
	Reason     Reason
	RetryAfter time.Duration
}

const (
	// look is how often at least it is looked whether a target takes requests
	// again: not everything that lets it do so tells.
	look = time.Second
	// patience is for how many parts of the longest wait a request stays in its
	// class before it comes into the next better one.
	patience = 4
)

// Room is where requests wait. All methods may be called at once.
type Room struct {
	self  call.Waker
	freed atomic.Bool // something has changed since the last look

	mu      sync.Mutex
	opt     Options
	stopped bool
	seq     uint64
	classes [numClasses]class
	lines   map[string]*line
	doors   map[*call.Target]*door
	states  map[*call.TargetState]int // requests that wait for each
	timer   *time.Timer

	stats struct {
		waits  int64
		waited time.Duration
		sheds  [numReasons]int64
	}
}

// New returns an empty room.
func New(opt Options) *Room {
	r := &Room{opt: opt, lines: map[string]*line{}, doors: map[*call.Target]*door{}, states: map[*call.TargetState]int{}}
	r.self = r
	for i := range r.classes {
		r.classes[i] = class{list.New(), map[string]*list.Element{}, list.New()}
	}
	r.timer = time.AfterFunc(time.Hour, r.tick)
	r.timer.Stop() // nobody waits yet
	return r
}

// Configure replaces the bounds. What waits already stays.
func (r *Room) Configure(opt Options) {
	r.mu.Lock()
	r.opt = opt
	r.unlock()
}

// Wait returns a place at one of a's targets, or why there is none. The caller
// must leave the place.
func (r *Room) Wait(a *Ask) (call.Pass, *Refusal) {
	now := time.Now()
	w, refused := r.join(a, now)
	if refused != nil {
		return call.Pass{}, refused
	}
	timer := time.NewTimer(w.until.Sub(now))
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
		r.drop(w, Late)
	case <-a.Gone:
		r.drop(w, Left)
	}
	return w.pass, w.refused
}

// join lets a wait, unless that is in vain.
func (r *Room) join(a *Ask, now time.Time) (*waiter, *Refusal) {
	r.mu.Lock()
	defer r.unlock()
	l := r.lines[a.Model]
	if l == nil {
		l = &line{}
	}
	longest := min(r.opt.Wait, a.Until.Sub(now))
	pace := min(l.interval, r.opt.Wait) // who is next is never hopeless for it: else nobody would measure it again
	expected := max(rest(a.Targets, now), pace*time.Duration(r.ahead(a, l)+1))
	switch {
	case r.stopped:
		return nil, r.shed(Stopped, 0)
	case r.opt.Size == 0, expected > longest:
		return nil, r.shed(Hopeless, expected)
	case l.n >= r.opt.Size && !r.makeRoom(a, l, expected):
		return nil, r.shed(Full, expected)
	}
	w := &waiter{Ask: *a, born: a.Class, since: now, until: now.Add(longest), line: l, done: make(chan struct{})}
	r.lines[a.Model] = l
	r.enter(w, now)
	r.freed.Store(true) // looked for in unlock, now that it can be seen
	return w, nil
}

// shed counts a refusal.
func (r *Room) shed(why Reason, after time.Duration) *Refusal {
	r.stats.sheds[why]++
	return &Refusal{why, max(after, time.Second)}
}

// rest is how long it takes until one of targets may be used again.
func rest(targets []*call.Target, now time.Time) time.Duration {
	soonest := int64(-1)
	for _, t := range targets {
		if ms := t.Resting(now.UnixMilli()); soonest < 0 || ms < soonest {
			soonest = ms
		}
	}
	return time.Duration(max(soonest, 0)) * time.Millisecond
}

// ahead is how many of the line are served before a: all of better classes, and
// of each other key of its own class as many as of its own.
func (r *Room) ahead(a *Ask, l *line) (n int) {
	for c := range a.Class {
		for e := r.classes[c].byAge.Front(); e != nil; e = e.Next() {
			if e.Value.(*waiter).line == l {
				n++
			}
		}
	}
	cl, own := &r.classes[a.Class], 0
	if at := cl.byKey[a.Key]; at != nil {
		own = at.Value.(*turn).of(l)
	}
	for e := cl.keys.Front(); e != nil; e = e.Next() {
		if t := e.Value.(*turn); t.key != a.Key {
			n += min(t.of(l), own+1)
		}
	}
	return n + own
}

func (t *turn) of(l *line) (n int) {
	for e := t.waiters.Front(); e != nil; e = e.Next() {
		if e.Value.(*waiter).line == l {
			n++
		}
	}
	return n
}

// makeRoom refuses the newest of the least urgent ones of l, if a is more urgent.
func (r *Room) makeRoom(a *Ask, l *line, expected time.Duration) bool {
	var victim *waiter
	for i := range r.classes {
		for e := r.classes[i].byAge.Front(); e != nil; e = e.Next() {
			w := e.Value.(*waiter)
			if w.line == l && w.born > a.Class && (victim == nil || w.born > victim.born || w.born == victim.born && w.seq > victim.seq) {
				victim = w
			}
		}
	}
	if victim == nil {
		return false
	}
	victim.refused = r.shed(Pushed, expected)
	r.leave(victim)
	close(victim.done)
	return true
}

// drop takes w out since it waits no longer; what it was given meanwhile it
// gives back.
func (r *Room) drop(w *waiter, why Reason) {
	r.mu.Lock()
	if !w.out {
		w.refused = r.shed(why, rest(w.Targets, time.Now()))
		r.leave(w)
	}
	r.unlock()
	if why == Left && w.pass.Held() {
		w.pass.Leave()
		w.refused = &Refusal{Reason: Left}
	}
}

// Stop refuses all that wait and all that come.
func (r *Room) Stop() {
	r.mu.Lock()
	r.stopped = true
	r.timer.Stop()
	for i := range r.classes {
		for e := r.classes[i].byAge.Front(); e != nil; e = r.classes[i].byAge.Front() {
			w := e.Value.(*waiter)
			w.refused = r.shed(Stopped, 0)
			r.leave(w)
			close(w.done)
		}
	}
	r.unlock()
}
