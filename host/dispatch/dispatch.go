// Package dispatch sends a call along its plan: one attempt after another
// under one deadline and one attempt budget, until a target answers or nothing
// is left to try. It owns the connections to upstreams and adapters.
package dispatch

import (
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Account is what dispatch needs of money and records.
type Account interface {
	// Cover makes sure that the reservation covers one more attempt at c.Target
	// beside those that run, which take at most bound. It may lower what its
	// candidate's answer can have (c.MaxTokens), and the bound with it.
	Cover(c *call.Call, bound call.Bound) *wire.Error
	// Sent says that bytes of the request are about to leave for an upstream.
	Sent(c *call.Call)
	// Finish settles the call and writes its record. It is called exactly once
	// for an answer that dispatch returned, before the answer's end reaches the
	// caller; c.Err tells an answer that failed underway.
	Finish(c *call.Call)
}

// Options bound what a call may take. Zero fields get defaults.
type Options struct {
	Attempts  int           // over all targets; default 3
	Deadline  time.Duration // of the whole call; default 10 minutes
	Timeouts  call.Timeouts // of an attempt; default 10 s, 5 minutes, 2 minutes
	Backoff   time.Duration // first bound of the full-jitter wait; default 200 ms
	MaxWait   time.Duration // largest bound of a wait, Retry-After included; default 10 s
	MaxAnswer int           // bytes of a JSON answer; default 64 MiB
	Session   time.Duration // longest realtime session; default 1 hour
	Strict    bool          // adapters refuse what would have to drop parameters, for every caller
	Log       *slog.Logger
	// Observe hears what an upstream says of its rate limit: header reads the
	// answer's headers, which ep names, or proto.HeaderRate of an adapter. nil:
	// nobody does.
	Observe func(cred *call.Credential, ep *call.Endpoint, header func(name string) []byte)
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = 64 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	def(&o.Deadline, 10*time.Minute)
	def(&o.Timeouts.Connect, 10*time.Second)
	def(&o.Timeouts.FirstByte, 5*time.Minute)
	def(&o.Timeouts.Idle, 2*time.Minute)
	def(&o.Backoff, 200*time.Millisecond)
	def(&o.MaxWait, 10*time.Second)
	def(&o.Session, time.Hour)
	return o
}

// Dispatcher runs attempts. It is safe for concurrent use.
type Dispatcher struct {
	options atomic.Pointer[Options]
	account Account
	drains  drains
}

// New returns a dispatcher that accounts to account.
func New(opt Options, account Account) *Dispatcher {
	d := &Dispatcher{account: account}
	d.Configure(opt)
	return d
}

// Configure sets what bounds the calls that begin from now on.
func (d *Dispatcher) Configure(opt Options) {
	opt = opt.withDefaults()
	d.options.Store(&opt)
}

// run is the state of one call's attempts.
type run struct {
	*Dispatcher
	opt      *Options
	c        *call.Call
	deadline time.Time
	left     int    // attempts
	dead     uint64 // steps of the plan that are not worth another try
	round    int    // times that the plan was gone through
	step     int    // of the plan that is being tried
	skipped  bool   // the last target took no attempt, or its answer was not good enough
	spare    *spare // an answer that was not, nil: there is none
	last     failure
	racing   *atomic.Bool // this is one of several beside each other; set once it is heard of
}

// begin is a run of c within the bounds of now.
func (d *Dispatcher) begin(c *call.Call) run {
	opt := d.options.Load()
	return run{Dispatcher: d, opt: opt, c: c, deadline: c.Received.Add(opt.Deadline), left: opt.Attempts}
}

// Do sends c along its plan. On success the answer is the caller's; otherwise
// the error says what was tried. c.Target, c.Attempts and c.Status are filled.
func (d *Dispatcher) Do(c *call.Call) (call.Answer, *wire.Error) {
	r := d.begin(c)
	if c.Once || !repeatable(c) {
		r.left = 1
	}
	prev := -1
	for r.step = r.next(-1); r.step >= 0; r.step = r.next(r.step) {
		p := &c.Plan.Attempts[r.step]
		cand := &c.Candidates[p.Index]
		if prev >= 0 && !r.pause(p, cand.Target, r.step == prev) {
			break
		}
		ans, ok := r.target(cand, p, r.step)
		prev = r.step // another one than before where several ran beside each other
		if ok {
			return ans, nil
		}
		if r.last.final || r.left <= 0 || c.Gone.Left() {
			break
		}
		if r.last.retryAfter > r.opt.MaxWait {
			r.dead |= 1 << r.step // if no other is left the caller is told when to come back
		}
		r.replan()
	}
	return r.give()
}

// next returns the step of the plan after step that may be tried, wrapping
// around, or -1.
func (r *run) next(step int) int {
	n := r.c.Plan.N
	for range n {
		if step++; step == n {
			step, r.round = 0, r.round+1
		}
		if r.dead&(1<<step) == 0 {
			return step
		}
	}
	return -1
}

// target tries one target with its credentials until one is accepted.
func (r *run) target(cand *call.Candidate, p *call.PlannedAttempt, step int) (call.Answer, bool) {
	c := r.c
	c.Target = cand.Target
	for r.left > 0 {
		if err := r.account.Cover(c, cand.Most()); err != nil {
			r.last = failure{class: wire.ClassPolicy, err: err, final: true}
			return call.Answer{}, false
		}
		r.left--
		var ans call.Answer
		var ok bool
		if r.beside(step) >= 0 {
			ans, ok = r.race(step)
		} else {
			ans, ok = r.attempt(cand, p)
		}
		if ok {
			return ans, true
		}
		if r.step != step || !r.judge(cand.Target, step) {
			return call.Answer{}, false
		}
	}
	return call.Answer{}, false
}

// judge says what the last failure, of t, means for the plan. It reports
// whether another of t's credentials is to be tried.
func (r *run) judge(t *call.Target, step int) (again bool) {
	if r.skipped {
		r.skipped = false
		r.dead |= 1 << step
		return false
	}
	switch r.last.class {
	case wire.ClassAuth, wire.ClassQuota, wire.ClassRateLimit:
		if r.last.tried && hasAnother(t.Provider, time.Now()) {
			return true
		}
		if r.last.class != wire.ClassRateLimit {
			// A refused credential never falls through to another provider.
			r.last.final = r.last.class == wire.ClassAuth
			r.dead |= 1 << step
		}
	case wire.ClassContextLength, wire.ClassModelNotFound:
		r.dead |= 1 << step // another model may do
	case wire.ClassInvalid, wire.ClassContentFilter, wire.ClassPolicy:
		r.last.final = true
	}
	return false
}

// pause waits before an attempt that goes to a target tried before: full
// jitter, or what the target asked for if that is longer. A fresh target is
// tried at once. False means there is no time left to wait.
func (r *run) pause(p *call.PlannedAttempt, t *call.Target, same bool) bool {
	if r.round == 0 && !same {
		return true
	}
	base, limit := r.opt.Backoff, r.opt.MaxWait
	if p.Backoff > 0 {
		base = p.Backoff
	}
	if p.BackoffMax > 0 {
		limit = min(limit, p.BackoffMax)
	}
	bound := min(base<<min(r.round, 10), limit)
	wait := rand.N(bound) + 1
	if same {
		wait = max(wait, r.last.retryAfter)
	} else {
		resting := time.Duration(t.Resting(time.Now().UnixMilli())) * time.Millisecond
		wait = max(wait, min(resting, r.opt.MaxWait))
	}
	if time.Until(r.deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.c.Gone.Done():
		return false
	}
}

// alive is how many steps of the plan may still be tried.
func (r *run) alive() int { return r.c.Plan.N - bits.OnesCount64(r.dead) }

// hasAnother reports whether p has a credential beside the one that was just
// put to rest.
func hasAnother(p *call.Provider, now time.Time) bool {
	_, ok := p.PickCredential(now)
	return ok && len(p.Credentials) > 1
}
