package queue

import (
	"container/list"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// class holds the waiters of one class.
type class struct {
	keys  *list.List // of *turn, the next one first
	byKey map[string]*list.Element
	byAge *list.List // of *waiter, by when they came into the class
}

// turn is a key with waiters in a class.
type turn struct {
	key     string
	waiters *list.List
}

// line is what waits for one model, and how fast it is served.
type line struct {
	n        int
	interval time.Duration // moving average between two that are served, 0: unknown
	last     time.Time     // when one was, zero: not since the line was empty
}

// door is a target that is waited for.
type door struct {
	target  *call.Target
	waiters int
	open    bool // during a look: it may take one more
}

type waiter struct {
	Ask
	seq     uint64
	born    Class // the class that it came with
	since   time.Time
	until   time.Time
	entered time.Time     // into its class
	turn    *list.Element // in class.keys
	inTurn  *list.Element
	inAge   *list.Element
	line    *line
	done    chan struct{} // closed when it is served or refused
	pass    call.Pass
	refused *Refusal
	out     bool // it is in no list any more
}

// enter puts w into all that it is looked up by.
func (r *Room) enter(w *waiter, now time.Time) {
	r.seq++
	w.seq = r.seq
	r.place(w, now)
	if w.line.n++; w.line.n == 1 {
		w.line.last = now
	}
	for _, t := range w.Targets {
		d := r.doors[t]
		if d == nil {
			d = &door{target: t}
			r.doors[t] = d
		}
		d.waiters++
		if r.states[t.State]++; r.states[t.State] == 1 {
			t.State.Watch(&r.self)
		}
	}
}

// leave takes w out of all that it is looked up by.
func (r *Room) leave(w *waiter) {
	w.out = true
	r.unplace(w)
	if w.line.n--; w.line.n == 0 {
		w.line.last = time.Time{}
		if w.line.interval == 0 || len(r.lines) > maxLines {
			delete(r.lines, w.Model)
		}
	}
	for _, t := range w.Targets {
		if d := r.doors[t]; d.waiters == 1 {
			delete(r.doors, t)
		} else {
			d.waiters--
		}
		if r.states[t.State]--; r.states[t.State] == 0 {
			delete(r.states, t.State)
			t.State.Watch(nil)
		}
	}
}

// maxLines bounds the models whose pace is remembered while nobody waits.
const maxLines = 1024

// place puts w into its class.
func (r *Room) place(w *waiter, now time.Time) {
	c := &r.classes[w.Class]
	w.turn = c.byKey[w.Key]
	if w.turn == nil {
		w.turn = c.keys.PushBack(&turn{w.Key, list.New()})
		c.byKey[w.Key] = w.turn
	}
	w.entered = now
	w.inTurn = w.turn.Value.(*turn).waiters.PushBack(w)
	w.inAge = c.byAge.PushBack(w)
}

func (r *Room) unplace(w *waiter) {
	c := &r.classes[w.Class]
	t := w.turn.Value.(*turn)
	t.waiters.Remove(w.inTurn)
	c.byAge.Remove(w.inAge)
	if t.waiters.Len() == 0 {
		c.keys.Remove(w.turn)
		delete(c.byKey, t.key)
	}
}
