package lane

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Outcome is how a request ended that a version had planned.
type Outcome struct {
	Failed bool
	Cost   int64         // nano-dollars
	TTFT   time.Duration // 0: nothing was answered
	Total  time.Duration
	Left   bool // the caller did not wait for the end
}

// Guard says how much worse than the active version a canary may do. A bound
// of 0 is not looked at.
type Guard struct {
	Min    int64   `json:"min_requests"` // of the canary, and of the active version where they are compared
	Faults float64 `json:"faults"`       // share of its calls that fail
	Errors float64 `json:"errors"`       // share of failed requests beyond the active version's
	Cost   float64 `json:"cost"`         // mean, as a multiple of the active version's
	TTFT   float64 `json:"ttft"`         // mean, as a multiple of the active version's
}

// DefaultGuard is the guard of canaries that ask for no other.
var DefaultGuard = Guard{Min: 50, Faults: 0.01, Errors: 0.05, Cost: 1.5, TTFT: 2}

// Validate finds bounds that are none.
func (g Guard) Validate() error {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	factor := func(v float64) bool { return v == 0 || v >= 1 && v < 1e6 }
	switch {
	case g.Min < 1 || g.Min > 1e9:
		return fmt.Errorf("min_requests is %d: give 1 or more", g.Min)
	case !share(g.Faults) || !share(g.Errors):
		return errors.New("faults and errors are shares: give 0 to 1, 0 to look away")
	case !factor(g.Cost) || !factor(g.TTFT):
		return errors.New("cost and ttft are multiples: give 1 or more, 0 to look away")
	}
	return nil
}

// ttftFloor is what a mean may differ by whatever the multiple: below it, noise
// of the machine is larger than what an upstream takes.
const ttftFloor = 5 * time.Millisecond

// alone is how many times the least number of requests a canary has served by
// the time that it is judged without the active version to compare it with.
const alone = 10

// Tally sums up what one version of a trial has done.
type Tally struct {
	Calls    int64 `json:"calls"`    // of the module
	Faults   int64 `json:"faults"`   // of them
	Requests int64 `json:"requests"` // that ended
	Failed   int64 `json:"failed"`
	Cost     int64 `json:"cost"`     // nano-dollars
	First    int64 `json:"answered"` // or waited for in vain, until the caller left
	TTFT     int64 `json:"ttft_us"`  // sum over First
}

// Trial is a canary beside the active version, since the canary began.
type Trial struct {
	Canary Tally `json:"canary"`
	Active Tally `json:"active"`
}

func (t Tally) failing() float64 { return share(t.Failed, t.Requests) }
func (t Tally) cost() float64    { return share(t.Cost, t.Requests) }
func (t Tally) ttft() float64    { return share(t.TTFT, t.First) }

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// judge names the rule that the canary breaks, "" for none, with the figures.
func (g *Guard) judge(t Trial) (rule, why string) {
	c, a := t.Canary, t.Active
	if faults := share(c.Faults, c.Calls); g.Faults > 0 && c.Calls >= g.Min && faults > g.Faults {
		return "faults", fmt.Sprintf("%d of %d calls failed (%.1f %%; allowed are %.1f %%)", c.Faults, c.Calls, 100*faults, 100*g.Faults)
	}
	if c.Requests < g.Min || a.Requests < g.Min && c.Requests < alone*g.Min {
		return "", ""
	}
	if a.Requests < g.Min { // it gets next to all requests: nobody would ever end it
		if g.Errors > 0 && c.failing() > g.Errors {
			return "errors", fmt.Sprintf("%d of %d requests failed (%.1f %%; allowed are %.1f %% where the active version serves too few to compare with, which are %d)",
				c.Failed, c.Requests, 100*c.failing(), 100*g.Errors, a.Requests)
		}
		return "", ""
	}
	switch {
	case g.Errors > 0 && c.failing() > a.failing()+g.Errors:
		return "errors", fmt.Sprintf("%d of %d requests failed (%.1f %%), of the active version's %d of %d (%.1f %%; allowed are %.1f points more)",
			c.Failed, c.Requests, 100*c.failing(), a.Failed, a.Requests, 100*a.failing(), 100*g.Errors)
	case g.Cost > 0 && a.cost() > 0 && c.cost() > a.cost()*g.Cost:
		return "cost", fmt.Sprintf("%d requests cost %.6f USD on average, the active version's %d cost %.6f (%.2f times; allowed is %.2f)",
			c.Requests, c.cost()/1e9, a.Requests, a.cost()/1e9, c.cost()/a.cost(), g.Cost)
	case g.TTFT > 0 && c.First >= g.Min && a.First >= g.Min && c.ttft() > a.ttft()*g.TTFT && c.ttft()-a.ttft() > float64(ttftFloor.Microseconds()):
		return "ttft", fmt.Sprintf("%d answers began after %.1f ms on average, the active version's %d after %.1f ms (%.2f times; allowed is %.2f)",
			c.First, c.ttft()/1000, a.First, a.ttft()/1000, c.ttft()/a.ttft(), g.TTFT)
	}
	return "", ""
}

// tally is a Tally that requests add to.
type tally struct{ calls, faults, requests, failed, cost, first, ttft atomic.Int64 }

func (t *tally) add(o Outcome) {
	t.requests.Add(1)
	if o.Failed {
		t.failed.Add(1)
	}
	t.cost.Add(o.Cost)
	switch {
	case o.TTFT > 0:
		t.first.Add(1)
		t.ttft.Add(o.TTFT.Microseconds())
	case o.Left: // an answer would have begun later still
		t.first.Add(1)
		t.ttft.Add(o.Total.Microseconds())
	}
}

func (t *tally) snapshot() Tally {
	return Tally{Calls: t.calls.Load(), Faults: t.faults.Load(), Requests: t.requests.Load(), Failed: t.failed.Load(),
		Cost: t.cost.Load(), First: t.first.Load(), TTFT: t.ttft.Load()}
}

type trial struct {
	guard          atomic.Pointer[Guard]
	canary, active tally
	watch          watch // of the canary; the set's mutex guards it
}

func (t *trial) snapshot() Trial {
	return Trial{Canary: t.canary.snapshot(), Active: t.active.snapshot()}
}

// Called counts a call of v, which v's view picked, and whether it failed.
func (v *View) Called(which *Version, failed bool) {
	if v.trial == nil {
		return
	}
	t := &v.trial.active
	switch which {
	case v.Canary:
		t = &v.trial.canary
	case v.Active:
	default:
		return
	}
	t.calls.Add(1)
	if failed {
		t.faults.Add(1)
	}
}

// Outcome counts how a request ended that the version called label had planned,
// and ends a canary that does too badly.
func (s *Set) Outcome(label string, o Outcome) {
	v := s.View()
	if v.trial == nil {
		return
	}
	switch label {
	case v.Canary.Label:
		v.trial.canary.add(o)
		s.judge(v)
	case v.Active.label():
		v.trial.active.add(o)
	}
}

// judge ends v's canary if it breaks a rule.
func (s *Set) judge(v *View) {
	rule, why := v.trial.guard.Load().judge(v.trial.snapshot())
	if rule == "" {
		return
	}
	s.mu.Lock()
	now := s.View()
	if now.Canary != v.Canary || now.trial != v.trial {
		s.mu.Unlock()
		return
	}
	l := now.lanes
	l.Canary, l.Share = nil, 0
	s.rollbacks[rule]++
	s.put(l)
	s.mu.Unlock()
	s.log.Error("canary does worse than the active version and is out of use", "version", v.Canary.Label, "rule", rule, "figures", why)
	s.notify(Notice{Name: s.name, Kind: RolledBack, Label: v.Canary.Label, To: now.Active.label(), Why: rule + ": " + why})
}
