package dispatch

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// beside is the step that the plan wants beside step while that one is silent,
// -1 if there is none. What creates something is never sent twice.
func (r *run) beside(step int) int {
	c, next := r.c, step+1
	if next >= c.Plan.N || c.Plan.Attempts[next].Hedge <= 0 || r.left <= 0 || r.dead&(1<<next) != 0 ||
		c.Upload != nil || c.Op == wire.OpRealtime || !repeatable(c) {
		return -1
	}
	return next
}

// noticed says that something of the answer has come.
func (r *run) noticed() {
	if r.racing != nil {
		r.racing.Store(true)
	}
}

// carried is a streamed answer that a race may end with, or without.
type carried interface {
	// adopt makes the answer one of r's call.
	adopt(r *run)
	// discard ends the answer and tells what it has consumed, nil: nobody knows.
	discard() *Consumed
}

func (x *exchange) adopt(r *run) {
	x.c.Gone.Free()
	x.run = r
	r.c.Gone.Hold(x.cn.nc) // one who has left is seen before the next read
}

// race is several attempts beside each other.
type race struct {
	*run
	running []*lane
	done    chan *lane
	begun   int         // lanes that were started
	timer   *time.Timer // until the next one starts, nil: there is none
	final   *failure    // after which nothing else is to be tried
	broken  *lane       // one that has panicked
	winner  *lane       // whose answer is the caller's, nil: none's, or the call has it
}

// race makes the attempt of step, and those beside it that the plan wants while
// nothing is heard. The first usable answer is the caller's; the others are
// ended, and what they have cost is noted. r.step is then the last of them.
func (r *run) race(step int) (call.Answer, bool) {
	begun := time.Now()
	pass, ok := r.c.Enter(r.c.Target, begun.UnixMilli())
	if !ok {
		r.notTaken(r.c.Target, begun)
		return call.Answer{}, false
	}
	if r.c.Header != nil {
		asked := r.c.Header
		r.c.Header = &sharedHeader{header: asked}
		defer func() { r.c.Header = asked }()
	}
	rc := &race{run: r, done: make(chan *lane, r.left+1)}
	defer rc.abandon()
	rc.begin(step, pass, begun)
	rc.winner = rc.wait()
	rc.stop()
	r.c.Upstream += time.Since(begun)
	winner := rc.winner
	if l := rc.broken; l != nil { // all have stopped: now it is the handler's
		if winner != nil {
			rc.winner = nil
			rc.lost(winner)
		}
		r.opt.Log.Error("BUG: an attempt panicked", "request", r.c.ID, "target", l.cand.Target.Name, "stack", string(l.stack))
		panic(l.panicked)
	}
	if winner == nil {
		if rc.final != nil {
			r.last = *rc.final
		}
		return call.Answer{}, false
	}
	rc.adopt(winner)
	ans := winner.res.ans
	r.answered(winner.cand, &winner.res)
	rc.winner = nil
	winner.free()
	return ans, true
}

// abandon ends what a panic beside the lanes has left of the race.
func (rc *race) abandon() {
	if len(rc.running) == 0 && rc.winner == nil {
		return
	}
	rc.leave()
	for len(rc.running) > 0 {
		l := <-rc.done
		rc.returned(l)
		l.quit()
	}
	if rc.winner != nil {
		rc.winner.quit()
	}
}

// begin starts a lane, and the clock for the one after it.
func (rc *race) begin(step int, pass call.Pass, now time.Time) {
	l := rc.newLane(step, pass)
	l.hedge = rc.begun > 0
	rc.running = append(rc.running, l)
	rc.begun++
	rc.step = step
	if rc.timer != nil {
		rc.timer.Stop()
		rc.timer = nil
	}
	if next := rc.beside(step); next >= 0 {
		rc.timer = time.NewTimer(rc.c.Plan.Attempts[next].Hedge)
	}
	l.start(now, rc.done)
}

// restHedge is the least time after which a hedge is thought of again whose
// targets were all resting or full.
const restHedge = 10 * time.Millisecond

// hedge starts the next lane, if all are silent and none has settled the call,
// at the first target of those to come that takes it.
func (rc *race) hedge() {
	rc.timer = nil
	if rc.final != nil {
		return
	}
	for _, l := range rc.running {
		if l.heard.Load() {
			return
		}
	}
	first := rc.beside(rc.step)
	for step := first; step >= 0; step = rc.beside(step) {
		if done := rc.join(step); done {
			return
		}
	}
	if first >= 0 {
		rc.timer = time.NewTimer(max(rc.c.Plan.Attempts[first].Hedge, restHedge))
	}
}

// join starts the lane of step. It reports whether that is the end of it: the
// lane runs, or no hedge may, since the reservation does not cover it beside
// those that run.
func (rc *race) join(step int) (done bool) {
	cand, now := &rc.c.Candidates[rc.c.Plan.Attempts[step].Index], time.Now()
	if !now.Before(rc.deadline) {
		return true
	}
	if cand.Target.Resting(now.UnixMilli()) > 0 {
		return false
	}
	pass, ok := rc.c.Enter(cand.Target, now.UnixMilli())
	if !ok {
		return false
	}
	begun := false
	defer func() {
		if !begun {
			pass.Leave()
		}
	}()
	bound := cand.Most()
	for _, l := range rc.running {
		bound = bound.Plus(l.cand.Most())
	}
	if rc.account.Cover(rc.c, bound) != nil {
		return true
	}
	rc.left--
	begun = true
	rc.begin(step, pass, now)
	return true
}

// wait returns the first lane whose answer is the caller's, nil if there is none.
func (rc *race) wait() *lane {
	left := rc.c.Gone.Done()
	for len(rc.running) > 0 {
		var tick <-chan time.Time
		if rc.timer != nil {
			tick = rc.timer.C
		}
		select {
		case <-tick:
			rc.hedge()
		case <-left:
			left = nil
			rc.leave()
		case l := <-rc.done:
			rc.returned(l)
			if l.panicked != nil {
				return nil
			}
			if l.res.fail == nil && (l.res.flaw == "" || len(rc.running) == 0 && !rc.another(l.step)) {
				return l
			}
			rc.spent(l)
			if rc.final != nil && own(rc.final.class) {
				return nil // the request is at fault, whoever answers it
			}
		}
	}
	return nil
}

// leave ends what runs, and lets nothing else begin.
func (rc *race) leave() {
	if rc.timer != nil {
		rc.timer.Stop()
		rc.timer = nil
	}
	for _, l := range rc.running {
		l.call.Gone.Leave()
	}
}

// returned takes a lane that has stopped out of those that run.
func (rc *race) returned(l *lane) {
	for i := range rc.running {
		if rc.running[i] == l {
			rc.running = append(rc.running[:i], rc.running[i+1:]...)
			break
		}
	}
	rc.c.SentUp = rc.c.SentUp || l.call.SentUp
	if l.panicked != nil {
		rc.broken = l
	}
}

// spent notes a lane that has stopped without a usable answer, while others may
// go on.
func (rc *race) spent(l *lane) {
	rc.adopt(l)
	if l.res.fail == nil {
		rc.reject(l.cand, &l.res)
	} else {
		rc.failed(l.cand, &l.res)
	}
	if rc.begun == 1 && rc.final == nil {
		l.free()
		return // the loop over the plan judges it, as if there had been no race
	}
	_ = rc.judge(l.cand.Target, l.step) // another of its credentials would come late
	if rc.last.final && rc.final == nil {
		last := rc.last
		rc.final = &last
	}
	l.free()
}

// stop ends the lanes that still run, and notes what they have cost.
func (rc *race) stop() {
	rc.leave()
	for len(rc.running) > 0 {
		l := <-rc.done
		if rc.returned(l); l.panicked == nil {
			rc.lost(l)
		}
	}
}

// lost notes a lane that was ended for another's sake.
func (rc *race) lost(l *lane) {
	defer l.free()
	fail, t := l.res.fail, l.cand.Target
	if fail != nil && fail.status > 0 { // it had failed by itself
		last := rc.last
		rc.failed(l.cand, &l.res)
		rc.last = last
		return
	}
	att := rc.noted(l.cand, &l.res)
	att.Lost = true
	used := &Consumed{Usage: l.call.Usage, Provenance: l.call.Provenance, Bytes: int64(len(l.call.Buf))}
	if fail != nil {
		used = fail.used
	} else if s, ok := l.res.ans.Stream.(carried); ok {
		used = s.discard()
	}
	if fail == nil || fail.spent {
		rc.charge(&att, l.cand, used)
	}
	rc.c.Attempts = append(rc.c.Attempts, att)
	if fail != nil && float64(l.res.took.Milliseconds()) > t.State.TTFT() {
		t.State.Observe(false, l.res.took, 0) // it takes that long at least
	}
}

// adopt takes over what a lane's attempt has made of its call.
func (rc *race) adopt(l *lane) {
	c, k := rc.c, &l.call
	c.Buf, k.Buf = k.Buf, c.Buf
	c.Dropped = append(c.Dropped[:0], k.Dropped...)
	c.Target, c.Usage, c.Provenance = k.Target, k.Usage, k.Provenance
	c.Streamed, c.Events, c.FirstByte = k.Streamed, k.Events, k.FirstByte
	if s, ok := l.res.ans.Stream.(carried); ok {
		s.adopt(rc.run)
	}
}
