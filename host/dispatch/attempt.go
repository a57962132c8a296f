package dispatch

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// failure is why an attempt did not answer.
type failure struct {
	class      wire.Class
	status     int         // upstream's, 0: none
	err        *wire.Error // the gateway's own words, nil: class and status say it all
	body       []byte      // upstream's error body, in the caller's dialect
	retryAfter time.Duration
	tried      bool      // a credential was offered and refused
	spent      bool      // the upstream may charge for it
	used       *Consumed // as far as that is known, nil: it is not
	final      bool      // nothing else is to be tried
	cause      error     // of an answer that did not come, nil: one came, or err says it
}

// result is what came of one attempt.
type result struct {
	ans   call.Answer
	fail  *failure // nil: ans is good
	flaw  string   // why ans is not good enough, where the plan has it checked
	start time.Time
	took  time.Duration
	first time.Time // when the first byte came, zero: none did
	cred  string    // name of the credential
	hedge bool      // it ran beside another
	span  call.SpanID
}

// attempt tries one target once. On failure it fills r.last.
func (r *run) attempt(cand *call.Candidate, p *call.PlannedAttempt) (call.Answer, bool) {
	start := time.Now()
	pass, ok := r.c.Enter(cand.Target, start.UnixMilli())
	if !ok {
		r.notTaken(cand.Target, start)
		return call.Answer{}, false
	}
	res := r.once(cand.Target, p, pass, start)
	r.c.Upstream += res.took
	switch {
	case res.fail != nil:
		r.failed(cand, &res)
		return call.Answer{}, false
	case res.flaw != "" && r.another(r.step):
		r.reject(cand, &res)
		return call.Answer{}, false
	}
	r.answered(cand, &res)
	return res.ans, true
}

// once makes the attempt and tells the breaker of it. It leaves the target,
// also where it panics; of a streamed answer the stream does.
func (r *run) once(t *call.Target, p *call.PlannedAttempt, pass call.Pass, start time.Time) (res result) {
	defer pass.Leave()
	res.start = start
	r.try(t, p, pass, &res)
	now := time.Now()
	res.took = now.Sub(start)
	if res.fail == nil {
		pass.Judge(wire.ClassNone, now.UnixMilli())
		if res.ans.Stream != nil {
			pass = call.Pass{}
		}
	} else if r.blames(res.fail, res.took) {
		pass.Judge(res.fail.class, now.UnixMilli())
	}
	return res
}

// answered notes the attempt whose answer the caller gets.
func (r *run) answered(cand *call.Candidate, res *result) {
	r.c.Attempts = append(r.c.Attempts, r.noted(cand, res))
	if res.ans.Stream == nil {
		cand.Target.State.Observe(false, res.took, 0)
	}
}

// failed notes an attempt that did not answer, and what that says of the target.
func (r *run) failed(cand *call.Candidate, res *result) {
	t, fail := cand.Target, res.fail
	r.last = *fail
	att := r.noted(cand, res)
	att.Class = fail.class
	if fail.spent {
		r.charge(&att, cand, fail.used)
	}
	r.c.Attempts = append(r.c.Attempts, att)
	if !own(fail.class) && fail.class != wire.ClassPolicy && !r.c.Gone.Left() {
		t.State.Observe(true, 0, 0)
	}
	// Of several credentials it is the limited one alone that rests.
	if fail.class == wire.ClassRateLimit && len(t.Provider.Credentials) <= 1 || fail.class == wire.ClassOverloaded {
		t.State.CooldownUntil.Store(res.start.Add(max(fail.retryAfter, time.Second)).UnixMilli())
	}
}

// noted is an attempt as the record has it.
func (r *run) noted(cand *call.Candidate, res *result) call.Attempt {
	att := call.Attempt{Target: cand.Target, Status: res.ans.Status, Duration: res.took,
		Start: res.start.Sub(r.c.Received), Credential: res.cred, Hedge: res.hedge, Span: res.span}
	if !res.first.IsZero() {
		att.FirstByte = res.first.Sub(res.start)
	}
	if res.fail != nil {
		att.Status = res.fail.status
	}
	return att
}

// blames reports whether a failure says something of the target: it was sent
// the request, and the call's own time did not run out first.
func (r *run) blames(fail *failure, took time.Duration) bool {
	late := fail.class == wire.ClassTimeout && fail.final && took < r.opt.Deadline/2
	return (fail.status > 0 || fail.err == nil) && !late && !r.c.Gone.Left()
}

// notTaken notes that t took no attempt: it has as many requests as it may
// have, or its breaker is open. What an attempt before it found out is the
// better reason to give.
func (r *run) notTaken(t *call.Target, now time.Time) {
	r.left++ // it was none
	r.skipped = true
	if len(r.c.Attempts) == 0 {
		r.last = failure{class: wire.ClassOverloaded, err: call.NotTaken(t, now.UnixMilli())}
	}
}

// try fills res with the answer of t or why there is none.
func (r *run) try(t *call.Target, p *call.PlannedAttempt, pass call.Pass, res *result) {
	now := res.start
	if !now.Before(r.deadline) {
		res.fail = &failure{class: wire.ClassTimeout, final: true}
		return
	}
	var ep *call.Endpoint
	if ep, res.fail = r.endpoint(t, now); res.fail != nil {
		return
	}
	cred, ok := t.Provider.PickCredential(now)
	if !ok {
		ep.Process.Release()
		res.fail = r.noCredential(t)
		return
	}
	x := exchange{run: r, t: t, ep: ep, cred: cred, pass: pass, tr: ep.Transport.(*transport), timeouts: r.timeouts(t, p),
		start: now, check: p.Flags&call.AttemptCheck != 0}
	defer x.leave()
	res.ans, res.fail = x.do(now)
	res.first, res.flaw, res.span = x.first, x.flaw, x.span
	if cred == nil {
		return
	}
	res.cred = cred.Name
	if res.fail == nil {
		cred.Accepted()
	} else if res.fail.status > 0 {
		r.benchCredential(cred, res.fail, now)
	}
}

// endpoint loads where the target is served now. An adapter that is just being
// restarted is waited for while no other target is left to go to.
func (r *run) endpoint(t *call.Target, now time.Time) (*call.Endpoint, *failure) {
	const patience = 3 * time.Second // a restart takes milliseconds; a second crash backs off
	until := now.Add(patience)
	if until.After(r.deadline) {
		until = r.deadline
	}
	p := t.Provider
	for {
		ep := p.Endpoint(r.c.Op, r.c.Dialect)
		if ep != nil && ep.Process.Acquire() {
			return ep, nil
		}
		changed := p.Changed()
		again, up := p.Serving(r.c.Op, r.c.Dialect)
		switch {
		case again != ep: // retired between load and acquire, or just there
		case ep == nil && up:
			return nil, &failure{class: wire.ClassModelNotFound, err: unsupported(r.c, t)}
		case r.alive() > 1 || !r.waitFor(changed, until):
			return nil, &failure{class: wire.ClassNetwork, err: wire.Errorf(503, "provider_down",
				"provider %q is being restarted: try again", p.Name)}
		}
	}
}

func (r *run) waitFor(ch <-chan struct{}, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ch:
		return true
	case <-timer.C:
	case <-r.c.Gone.Done():
	}
	return false
}

func unsupported(c *call.Call, t *call.Target) *wire.Error {
	return wire.Errorf(404, "operation_not_supported", "provider %q does not serve %s in dialect %s: ask for another model",
		t.Provider.Name, c.Op, c.Dialect)
}

func (r *run) timeouts(t *call.Target, p *call.PlannedAttempt) call.Timeouts {
	to, own := r.opt.Timeouts, t.Provider.Timeouts
	if own.Connect > 0 {
		to.Connect = own.Connect
	}
	if own.FirstByte > 0 {
		to.FirstByte = own.FirstByte
	}
	if own.Idle > 0 {
		to.Idle = own.Idle
	}
	if p.Timeout > 0 {
		to.FirstByte = p.Timeout
	}
	return to
}
