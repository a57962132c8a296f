package policy

import "time"

const (
	checkEvery = 16  // calls of Cancelled between two looks at the clock
	stallShare = 25  // a gap between two looks counts for at most limit/stallShare
	wallShare  = 200 // the most limits that may pass on the wall
)

// deadline ends an evaluation from inside: topdown asks Cancelled at every
// step, so no goroutine and no timer is needed. It is used by one goroutine.
//
// What counts is the time that the evaluation has had. Looks at the clock are
// some microseconds apart, so a long gap means that the machine has not let it
// run, and to charge it all would refuse good requests whenever the machine is
// busy. Gaps are charged up to a 25th of the limit.
type deadline struct {
	looked time.Time
	end    time.Time     // on the wall
	left   time.Duration // of the evaluation's own time
	stall  time.Duration // the most that a gap is charged
	steps  int
	over   bool
}

func newDeadline(limit time.Duration) *deadline {
	now := time.Now()
	return &deadline{looked: now, end: now.Add(wallShare * limit), left: limit, stall: limit / stallShare}
}

// Cancel implements topdown.Cancel.
func (d *deadline) Cancel() { d.over = true }

// Cancelled implements topdown.Cancel.
func (d *deadline) Cancelled() bool {
	if d.steps++; d.steps%checkEvery == 0 && !d.over {
		d.look(time.Now())
	}
	return d.over
}

func (d *deadline) look(now time.Time) {
	d.left -= min(now.Sub(d.looked), d.stall)
	d.looked = now
	d.over = d.left < 0 || now.After(d.end)
}
