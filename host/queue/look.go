package queue

import (
	"container/list"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// Freed implements call.Waker. It waits for nobody: who holds the lock looks
// again before it is done.
func (r *Room) Freed(*call.TargetState) {
	r.freed.Store(true)
	r.relook()
}

// unlock gives the lock back and looks at what has changed meanwhile. One that
// sets freed and finds the room locked can rely on it.
func (r *Room) unlock() {
	r.mu.Unlock()
	r.relook()
}

func (r *Room) relook() {
	for r.freed.Load() && r.mu.TryLock() {
		r.freed.Store(false)
		r.look(time.Now(), false)
		r.mu.Unlock()
	}
}

// tick looks by itself.
func (r *Room) tick() {
	r.mu.Lock()
	r.look(time.Now(), true)
	r.unlock()
}

// look gives out what places there are, in order. timed: it is a rest that has
// ended, which says nothing of how fast requests are served.
func (r *Room) look(now time.Time, timed bool) {
	if r.stopped || len(r.doors) == 0 {
		r.timer.Stop()
		return
	}
	r.promote(now)
	ms, open := now.UnixMilli(), 0
	for _, d := range r.doors {
		if d.open = !d.target.Full() && d.target.Resting(ms) == 0; d.open {
			open++
		}
	}
	for i := range r.classes {
		keys := r.classes[i].keys
		for e := keys.Front(); e != nil && open > 0; {
			next := e.Next()
			w, closed := r.serveOne(e.Value.(*turn), now)
			open -= closed
			if w != nil {
				if w.line.served(now, r.opt.Wait, timed); e.Value.(*turn).waiters.Len() > 0 {
					keys.MoveToBack(e) // the others first
					if next == nil {
						next = e
					}
				}
			}
			e = next
		}
	}
	r.arm(ms)
}

// serveOne serves the first of t's waiters that an open door takes. closed is
// how many doors have proved not to.
func (r *Room) serveOne(t *turn, now time.Time) (served *waiter, closed int) {
	ms := now.UnixMilli()
	for e := t.waiters.Front(); e != nil; e = e.Next() {
		w := e.Value.(*waiter)
		for _, target := range w.Targets {
			d := r.doors[target]
			if !d.open || !target.Takes(w.Tokens, ms) {
				continue
			}
			pass, ok := target.Enter(ms)
			if !ok {
				d.open = false
				closed++
				continue
			}
			w.pass = pass
			r.stats.waits++
			r.stats.waited += now.Sub(w.since)
			r.leave(w)
			close(w.done)
			return w, closed
		}
	}
	return nil, closed
}

// served notes that one of l has been served. A time longer than any may wait
// tells of a pause, not of the pace.
func (l *line) served(now time.Time, longest time.Duration, timed bool) {
	if !timed && !l.last.IsZero() {
		took := min(now.Sub(l.last), longest)
		if l.interval == 0 {
			l.interval = took
		}
		l.interval += (took - l.interval) / 5
	}
	if l.n > 0 {
		l.last = now
	}
}

// promote lets those who have waited for long into the next better class.
func (r *Room) promote(now time.Time) {
	for c := Normal; c < numClasses; c++ {
		ages := r.classes[c].byAge
		for e := ages.Front(); e != nil; e = ages.Front() {
			w := e.Value.(*waiter)
			if now.Sub(w.entered) < r.opt.Wait/patience {
				break
			}
			r.unplace(w)
			w.Class--
			r.place(w, now)
		}
	}
}

// arm sets the timer for the soonest end of a rest.
func (r *Room) arm(ms int64) {
	if len(r.doors) == 0 {
		r.timer.Stop()
		return
	}
	next := look.Milliseconds()
	for _, d := range r.doors {
		if rest := d.target.Resting(ms); rest > 0 {
			next = min(next, rest)
		}
	}
	r.timer.Reset(time.Duration(next) * time.Millisecond)
}

// Stats are a room's figures.
type Stats struct {
	Depth  [numClasses]int   // that wait now, by the class that they came with
	Waits  int64             // that were served
	Waited time.Duration     // by them, in sum
	Sheds  [numReasons]int64 // that were not, by reason
}

// Stats returns the figures.
func (r *Room) Stats() (s Stats) {
	r.mu.Lock()
	defer r.unlock()
	s.Waits, s.Waited, s.Sheds = r.stats.waits, r.stats.waited, r.stats.sheds
	for i := range r.classes {
		each(r.classes[i].byAge, func(w *waiter) { s.Depth[w.born]++ })
	}
	return s
}

func each(l *list.List, f func(*waiter)) {
	for e := l.Front(); e != nil; e = e.Next() {
		f(e.Value.(*waiter))
	}
}
