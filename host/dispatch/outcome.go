package dispatch

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// broken makes the failure of an attempt that ended without a whole answer.
// sent says that bytes of the request had left: then a timeout or a broken
// connection leaves open whether the upstream did the work.
func (x *exchange) broken(err error, sent bool) *failure {
	x.c.Gone.Free()
	f := &failure{class: wire.ClassNetwork, spent: sent, cause: err}
	var ne net.Error
	switch {
	case x.c.Gone.Left():
		f.final = true
		f.err = leftError(x.c)
	case errors.Is(err, errAddress):
		f.final, f.spent = true, false
		f.err = wire.Errorf(502, "address_not_allowed", "provider %q resolves to an address that is not allowed: list it in its hosts", x.t.Provider.Name)
	case errors.Is(err, errTooLarge):
		f.final = true
		f.err = wire.Errorf(502, "answer_too_large", "the answer of %s is larger than limits.max_answer allows: raise it or stream", x.t.Name)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		f.class = wire.ClassTimeout
		f.final = !time.Now().Before(x.deadline)
	case errors.Is(err, syscall.ECONNREFUSED), !sent:
		f.spent = false
	}
	x.opt.Log.Debug("attempt failed", "request", x.c.ID, "target", x.t.Name, "class", f.class, "err", err)
	return f
}

// refused makes the failure of an attempt that was answered with an error status.
func (x *exchange) refused(status int) *failure {
	c := x.c
	f := &failure{status: status, body: c.Buf}
	f.class = x.classify(status, c.Buf)
	f.retryAfter = retryAfter(x.cn.head.Peek("Retry-After"), time.Now())
	if f.retryAfter == 0 {
		f.retryAfter = wire.RetryDelay(c.Buf)
	}
	f.tried = x.cred != nil
	return f
}

func (x *exchange) classify(status int, body []byte) wire.Class {
	if named := wire.ParseClass(string(x.cn.head.Peek(proto.HeaderErrorClass))); named != wire.ClassNone {
		return named
	}
	e, _ := wire.ReadError(body) // of what cannot be read, the status says enough
	if class := leased(x.ep.Errors, status, e); class != wire.ClassNone {
		return class
	}
	return e.Class(status)
}

// leased is the class that the lease's own rules give, ClassNone if none fits.
func leased(rules []call.ErrorRule, status int, e wire.ErrorBody) wire.Class {
	for i := range rules {
		rule := &rules[i]
		if rule.Status != 0 && rule.Status != status {
			continue
		}
		if rule.Code == "" || strings.EqualFold(rule.Code, e.Code) || strings.EqualFold(rule.Code, e.Type) ||
			strings.Contains(e.Message, rule.Code) {
			return rule.Class
		}
	}
	return wire.ClassNone
}

// benchCredential takes a credential that was refused or limited out of use.
func (r *run) benchCredential(cred *call.Credential, f *failure, now time.Time) {
	if cred == nil {
		return
	}
	switch f.class {
	case wire.ClassAuth:
		cred.Bench(now)
		r.opt.Log.Warn("provider refused a credential: it is benched", "provider", r.c.Target.Provider.Name, "credential", cred.Name, "status", f.status)
	case wire.ClassQuota:
		cred.CooldownUntil.Store(now.Add(max(f.retryAfter, time.Minute)).UnixMilli())
	case wire.ClassRateLimit:
		if len(r.c.Target.Provider.Credentials) > 1 {
			cred.CooldownUntil.Store(now.Add(max(f.retryAfter, time.Second)).UnixMilli())
		}
	}
}

func (r *run) noCredential(t *call.Target) *failure {
	if t.Provider.Awaiting && len(t.Provider.Credentials) == 0 {
		return &failure{class: wire.ClassAuth, err: wire.Errorf(502, "provider_credentials",
			"provider %q has no credential yet: the operator can add one with signalbox credential add", t.Provider.Name)}
	}
	unminted := false
	for _, c := range t.Provider.Credentials {
		now := time.Now().UnixMilli()
		if !c.Ready(now) {
			unminted = true
		} else if c.BenchedUntil.Load() <= now {
			return &failure{class: wire.ClassRateLimit, err: wire.Errorf(429, "provider_rate_limited",
				"all credentials of provider %q are rate limited for now", t.Provider.Name)}
		}
	}
	if unminted {
		return &failure{class: wire.ClassNetwork, err: wire.Errorf(503, "provider_token",
			"provider %q has no token for now: its adapter could not make one of the credential, the gateway's log says why", t.Provider.Name)}
	}
	return &failure{class: wire.ClassAuth, final: true, err: wire.Errorf(502, "provider_credentials",
		"provider %q has refused all its credentials: the operator must renew them", t.Provider.Name)}
}

// maxRetryAfter is the longest pause that an upstream is believed to need: a
// wild value must not take a target or a credential out of use for days.
const maxRetryAfter = time.Hour

// retryAfter reads the header: seconds, or a date.
func retryAfter(h []byte, now time.Time) time.Duration {
	if len(h) == 0 {
		return 0
	}
	if s, err := strconv.ParseFloat(string(h), 64); err == nil && s >= 0 {
		return time.Duration(min(s, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := time.Parse(time.RFC1123, string(h)); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}

// give turns the last failure into what the caller sees: the upstream's own
// words where the request is at fault, else one error that lists what was tried.
func (r *run) give() (call.Answer, *wire.Error) {
	f, c := &r.last, r.c
	switch {
	case r.spare != nil && !c.Gone.Left():
		return r.giveSpare(), nil
	case c.Gone.Left() && f.err == nil:
		return call.Answer{}, wire.Errorf(499, "client_closed_request", "the caller closed the connection before the answer was complete")
	case f.err != nil:
		return call.Answer{}, f.err
	case f.status > 0 && own(f.class) && len(f.body) > 0 && bytes.HasPrefix(bytes.TrimSpace(f.body), []byte("{")):
		e := wire.Errorf(f.status, f.class.String(), "the provider refused the request")
		e.Class = f.class
		return call.Answer{Status: f.status, ContentType: "application/json", Body: f.body}, e
	}
	return call.Answer{}, r.exhausted()
}

// own reports whether a failure of class is about the request itself.
func own(class wire.Class) bool {
	switch class {
	case wire.ClassInvalid, wire.ClassContentFilter, wire.ClassContextLength, wire.ClassModelNotFound:
		return true
	}
	return false
}

// Consumed is what an attempt has consumed whose answer is not the caller's.
type Consumed struct {
	Usage      wire.Usage
	Provenance call.Provenance // of Usage; CostNone: nothing was reported
	Events     int64           // of a stream, as far as it came
	Bytes      int64           // of an answer that came whole
}

// Pricing is an Account that can price what attempts have consumed.
type Pricing interface {
	// Price is what used costs at cand, in nano-dollars, and how far that can be
	// trusted. An estimate is at most cand.Bound.
	Price(c *call.Call, cand *call.Candidate, used *Consumed) (int64, call.Provenance)
}

// charge notes what an attempt has taken: its bound where nothing is known of it.
func (r *run) charge(att *call.Attempt, cand *call.Candidate, used *Consumed) {
	att.Cost, att.Provenance = r.price(cand, used)
	if att.Tokens = cand.Tokens; used != nil && used.Provenance != call.CostNone && cand.Tokens > 0 {
		att.Tokens = used.Usage.Total()
	}
}

// price is what an attempt has cost: its bound where nothing is known of it.
func (r *run) price(cand *call.Candidate, used *Consumed) (int64, call.Provenance) {
	if a, ok := r.account.(Pricing); ok && used != nil {
		return a.Price(r.c, cand, used)
	}
	if cand.Bound == 0 {
		return 0, call.CostNone
	}
	return cand.Bound, call.CostEstimated
}

func (r *run) exhausted() *wire.Error {
	f := &r.last
	status, code := 502, "upstream_error"
	if own(f.class) && f.status >= 400 {
		status, code = f.status, f.class.String()
	}
	switch f.class {
	case wire.ClassRateLimit:
		status, code = 429, "provider_rate_limited"
	case wire.ClassOverloaded:
		status, code = 503, "provider_overloaded"
	case wire.ClassTimeout:
		status, code = 504, "upstream_timeout"
	case wire.ClassAuth:
		code = "provider_credentials"
	case wire.ClassQuota:
		code = "provider_quota"
	case wire.ClassNone:
		status, code = 503, "no_target"
	}
	var b strings.Builder
	for i := range r.c.Attempts {
		a := &r.c.Attempts[i]
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(a.Target.Name + ": " + a.Class.String())
		if a.Status > 0 {
			b.WriteString(" (" + strconv.Itoa(a.Status) + ")")
		}
	}
	e := wire.Errorf(status, code, "no target answered after %d attempts: %s", len(r.c.Attempts), b.String())
	e.Class, e.RetryAfter = f.class, f.retryAfter
	return e
}
