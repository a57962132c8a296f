package policy

import "time"

const (
	checkEvery = 16   // calls of Cancelled between two looks at the clock
	busySteps  = 1024 // what no sane decision takes
	starvation = 4    // how many deadlines a decision may take that has hardly run
)

// deadline ends an evaluation from inside: topdown asks Cancelled at every
// step, so no goroutine and no timer is needed. It is used by one goroutine.
//
// A decision that has taken few steps when its time is up was not looping: the
// machine has not let it run. It gets up to four times as long, because the
// alternative is to refuse good requests whenever the machine is busy.
type deadline struct {
	end, last time.Time
	steps     int
	over      bool
}

func newDeadline(limit time.Duration) *deadline {
	now := time.Now()
	return &deadline{end: now.Add(limit), last: now.Add(starvation * limit)}
}

// Cancel implements topdown.Cancel.
func (d *deadline) Cancel() { d.over = true }

// Cancelled implements topdown.Cancel.
func (d *deadline) Cancelled() bool {
	if d.steps++; d.steps%checkEvery == 0 && !d.over {
		now := time.Now()
		d.over = now.After(d.last) || d.steps >= busySteps && now.After(d.end)
	}
	return d.over
}
