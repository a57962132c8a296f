package host

import (
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/queue"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

const (
	// mostBytes is a length that no prompt's tokens are beyond on average: what
	// is longer than a model's context by that does not fit for sure.
	mostBytes = 32
	// requeues is how often a call waits again, when those that it was let to
	// have been filled by others meanwhile.
	requeues = 3
)

// breakerOf is c as targets have it; nil never opens.
func breakerOf(c config.Breaker) *call.Breaker {
	if c.Errors <= 0 {
		return nil
	}
	b := call.Breaker(c)
	return &b
}

// admit leaves those of f's candidates that can take it now. While none can,
// the call waits for its turn.
func (h *Host) admit(f *flight) *wire.Error {
	if err := f.fit(); err != nil {
		return err
	}
	if f.inner != nil && f.inner.Once || f.open(f.Received.UnixMilli()) {
		return nil
	}
	return h.wait(f)
}

// fit leaves out the candidates whose context is too small for the prompt.
func (f *flight) fit() *wire.Error {
	least := f.tokens() * call.BytesPerToken / mostBytes
	kept, widest := f.Candidates[:0], int64(0)
	for _, cand := range f.Candidates {
		if p := cand.Target.Price; p != nil && p.Context > 0 && least > p.Context {
			widest = max(widest, p.Context)
			continue
		}
		kept = append(kept, cand)
	}
	if f.Candidates = kept; len(kept) > 0 {
		return nil
	}
	e := wire.Errorf(400, "context_length_exceeded", "the prompt of %d bytes is longer than the %d tokens that any of the model's targets takes: shorten it", f.Facts.Size, widest)
	e.Class = wire.ClassContextLength
	return e
}

// tokens is what the prompt comes to, as far as its size tells: of other than
// text it does not.
func (f *flight) tokens() int64 {
	if f.Facts.In&(scan.Image|scan.Audio|scan.File) != 0 || f.Op != wire.OpChat && f.Op != wire.OpCompletions {
		return 0
	}
	return int64(f.Facts.Size) / call.BytesPerToken
}

// open leaves the candidates that take a request at nowMS; false: none does,
// and all are left.
func (f *flight) open(nowMS int64) bool {
	var shut uint64 // by index: there are 64 at most
	n, tokens := 0, f.tokens()
	for i := range f.Candidates {
		if !f.takes(f.Candidates[i].Target, tokens, nowMS) {
			shut |= 1 << i
			n++
		}
	}
	switch n {
	case 0:
		return true
	case len(f.Candidates):
		return false
	}
	f.eligible = append(f.eligible[:0], f.Candidates...)
	kept := f.Candidates[:0]
	for i, cand := range f.eligible {
		if shut&(1<<i) == 0 {
			kept = append(kept, cand)
		}
	}
	f.Candidates = kept
	return true
}

// takes reports whether t takes f now: those who wait for it come first.
func (f *flight) takes(t *call.Target, tokens, nowMS int64) bool {
	return f.Place.At(t) || t.Resting(nowMS) == 0 && !t.Full() && !t.State.Awaited() && t.Takes(tokens, nowMS)
}

// wait lets the call wait until one of its candidates takes it.
func (h *Host) wait(f *flight) *wire.Error {
	begin := time.Now()
	a := queue.Ask{Model: f.Model.Name, Class: classOf(&f.Call), Key: f.Principal.KeyID, Tokens: f.tokens(),
		Until: f.Received.Add(f.gen.cfg.Limits.Deadline), Gone: f.Gone.Done(), Targets: make([]*call.Target, len(f.Candidates))}
	for i := range f.Candidates {
		a.Targets[i] = f.Candidates[i].Target
	}
	place, refused := h.queue.Wait(&a)
	now := time.Now()
	f.Upstream += now.Sub(begin) // it is for them that it has waited
	if refused != nil {
		return turnedAway(f, refused, now)
	}
	f.Place = place
	f.open(now.UnixMilli()) // one at least
	return nil
}

// turnedAway says why a call is not served now, by the target that will take
// requests first.
func turnedAway(f *flight, r *queue.Refusal, now time.Time) *wire.Error {
	switch r.Reason {
	case queue.Left:
		e := wire.Errorf(499, "client_closed_request", "the caller closed the connection while the request waited")
		e.Class = wire.ClassNetwork
		return e
	case queue.Stopped:
		e := wire.Errorf(503, "shutting_down", "the gateway is being stopped: try again")
		e.RetryAfter = r.RetryAfter
		return e
	}
	first, soonest := f.Candidates[0].Target, int64(-1)
	for _, cand := range f.Candidates {
		if ms := cand.Target.Resting(now.UnixMilli()); soonest < 0 || ms < soonest {
			first, soonest = cand.Target, ms
		}
	}
	e := call.NotTaken(first, now.UnixMilli())
	e.RetryAfter = max(e.RetryAfter, r.RetryAfter)
	return e
}

// classOf is how urgent c is: as its key says, or less where the caller does.
func classOf(c *call.Call) queue.Class {
	class, ok := queue.ParseClass(c.Principal.Attrs["priority"])
	if !ok {
		class = queue.Normal
	}
	if c.Header == nil {
		return class
	}
	if own, ok := queue.ParseClass(c.Header.Peek("X-Signalbox-Priority")); ok {
		class = max(class, own)
	}
	return class
}

// do sends the call along its plan. Where others have filled what it was let
// to, it waits again.
func (h *Host) do(f *flight) (call.Answer, *wire.Error) {
	for waits := 0; ; waits++ {
		ans, err := h.dispatch.Do(&f.Call)
		f.Place.Leave() // the plan may have had better
		if err != nil && f.refused != nil && notTaken(err) {
			return ans, f.refused
		}
		if err == nil || waits == requeues || len(f.Attempts) > 0 || f.inner != nil && f.inner.Once || !notTaken(err) {
			return ans, err
		}
		if err := h.readmit(f); err != nil {
			return call.Answer{}, err
		}
	}
}

// notTaken reports whether err is that of a target that takes no request.
func notTaken(err *wire.Error) bool { return err.Code == "saturated" || err.Code == "provider_resting" }

func (h *Host) readmit(f *flight) *wire.Error {
	if len(f.eligible) > 0 {
		f.Candidates = append(f.Candidates[:0], f.eligible...)
	}
	if !f.open(time.Now().UnixMilli()) {
		if err := h.wait(f); err != nil {
			return err
		}
	}
	return f.gen.plan(f)
}
