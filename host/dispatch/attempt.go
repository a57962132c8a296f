package dispatch

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/provider/proto"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// failure is why an attempt did not answer.
type failure struct {
	class      wire.Class
	status     int         // upstream's, 0: none
	err        *wire.Error // the gateway's own words, nil: class and status say it all
	body       []byte      // upstream's error body, in the caller's dialect
	retryAfter time.Duration
	tried      bool // a credential was offered and refused
	spent      bool // the upstream may charge for it
	final      bool // nothing else is to be tried
}

// attempt tries one target once. On failure it fills r.last.
func (r *run) attempt(cand *call.Candidate, p *call.PlannedAttempt) (call.Answer, bool) {
	start := time.Now()
	c, t := r.c, cand.Target
	t.State.InFlight.Add(1)
	ans, fail := r.try(t, p, start)
	took := time.Since(start)
	c.Upstream += took
	if fail == nil {
		c.Attempts = append(c.Attempts, call.Attempt{Target: t, Status: ans.Status, Duration: took})
		if ans.Stream == nil {
			t.State.InFlight.Add(-1)
			t.State.Observe(false, took, 0)
		}
		return ans, true
	}
	t.State.InFlight.Add(-1)
	r.last = *fail
	att := call.Attempt{Target: t, Status: fail.status, Class: fail.class, Duration: took}
	if fail.spent {
		att.Cost = cand.Bound
	}
	c.Attempts = append(c.Attempts, att)
	if !own(fail.class) && fail.class != wire.ClassPolicy && !c.Gone.Left() {
		t.State.Observe(true, 0, 0)
	}
	if fail.class == wire.ClassRateLimit || fail.class == wire.ClassOverloaded {
		t.State.CooldownUntil.Store(start.Add(max(fail.retryAfter, time.Second)).UnixMilli())
	}
	return call.Answer{}, false
}

func (r *run) try(t *call.Target, p *call.PlannedAttempt, now time.Time) (call.Answer, *failure) {
	if !now.Before(r.deadline) {
		return call.Answer{}, &failure{class: wire.ClassTimeout, final: true}
	}
	ep, fail := r.endpoint(t, now)
	if fail != nil {
		return call.Answer{}, fail
	}
	cred, ok := t.Provider.PickCredential(now)
	if !ok {
		ep.Process.Release()
		return call.Answer{}, r.noCredential(t)
	}
	x := exchange{run: r, t: t, ep: ep, cred: cred, tr: ep.Transport.(*transport), timeouts: r.timeouts(t, p)}
	ans, fail := x.do(now)
	if fail == nil && cred != nil {
		cred.Accepted()
	}
	if fail != nil && fail.status > 0 {
		r.benchCredential(cred, fail, now)
	}
	if ans.Stream == nil {
		ep.Process.Release()
	}
	return ans, fail
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

// exchange is one request and answer on one connection.
type exchange struct {
	*run
	t        *call.Target
	ep       *call.Endpoint
	cred     *call.Credential
	tr       *transport
	cn       *conn
	timeouts call.Timeouts
	asked    bool // the upstream reports usage on the gateway's account
}

func (x *exchange) do(now time.Time) (call.Answer, *failure) {
	model := x.t.Model
	if m, ok := x.ep.Models[model]; ok {
		model = m
	}
	if !x.tr.head.path.fixed() && !segmentSafe(model) {
		return call.Answer{}, &failure{class: wire.ClassModelNotFound, err: wire.Errorf(404, "model_not_found", "no model of provider %q can be called %q", x.t.Provider.Name, model)}
	}
	dropped, restore := x.native()
	if restore != nil {
		defer restore()
	}
	var rw rewrite
	x.asked = rw.plan(x.c, x.ep, model)
	if fail := x.ask(&rw, model, now); fail != nil {
		return call.Answer{}, fail
	}
	ans, fail := x.read()
	x.report(dropped)
	if ans.Stream == nil {
		x.c.Gone.Free()
		x.done(fail)
	}
	return ans, fail
}

// ask sends the request and reads the head of the answer. A connection that
// proves to have been closed while idle is replaced, without counting as an
// attempt: no byte of an answer came, and the peer had hung up before.
func (x *exchange) ask(rw *rewrite, model string, now time.Time) *failure {
	c := x.c
	// What creates something is not trusted to a connection that may be closed
	// already: nobody could tell then whether it had been.
	for kept := repeatable(c); ; kept = false {
		until := now.Add(x.timeouts.Connect)
		if until.After(x.deadline) {
			until = x.deadline
		}
		cn, err := x.tr.get(&c.Gone, now, until, kept)
		if err != nil {
			return x.broken(err, false)
		}
		x.cn = cn
		sent, err := x.offer(rw, model, now)
		if err == nil {
			length := cn.head.ContentLength()
			if status := cn.head.StatusCode(); status == 101 || status == 204 || status == 304 {
				length = 0
			}
			cn.body.reset(cn.br, length)
			x.observe()
			return nil
		}
		c.Gone.Free()
		cn.close()
		x.cn = nil
		// What comes later is not about a connection that had been closed before.
		if cn.reused && !cn.begun && stale(err) && time.Since(now) < staleWithin && !c.Gone.Left() {
			now = time.Now()
			continue
		}
		return x.broken(err, sent)
	}
}

const staleWithin = time.Second

// offer sends the request on x.cn and reads the head of the answer. sent tells
// whether bytes may have left.
func (x *exchange) offer(rw *rewrite, model string, now time.Time) (sent bool, err error) {
	c, cn := x.c, x.cn
	if err := cn.wait(now, x.timeouts.FirstByte, x.deadline); err != nil {
		return false, err
	}
	if !c.Gone.Hold(cn.nc) {
		return false, os.ErrDeadlineExceeded
	}
	x.account.Sent(c)
	c.SentUp = true
	if err = x.send(rw, model); err != nil {
		cn.spoiled = true
		if c.Upload == nil && len(c.Body) <= smallBody {
			return true, err
		}
	}
	// A refusal of a large body may come before all of it was written.
	if herr := cn.readHead(); herr == nil || err == nil {
		err = herr
	}
	return true, err
}

// done returns the connection to the pool if it can serve again.
func (x *exchange) done(fail *failure) {
	cn := x.cn
	if cn == nil {
		return
	}
	x.cn = nil
	clean := cn.body.done && cn.body.framing != byClose && !cn.head.ConnectionClose() && !cn.spoiled
	if clean && cn.br.Buffered() == 0 && !x.c.Gone.Left() {
		x.tr.put(cn, time.Now())
		return
	}
	cn.close()
}

func (x *exchange) read() (call.Answer, *failure) {
	cn := x.cn
	status := cn.head.StatusCode()
	kind := cn.head.ContentType()
	x.c.Dropped = append(x.c.Dropped[:0], cn.head.Peek(proto.HeaderDropped)...)
	answers := status >= 200 && status < 300
	switch {
	case status == 101:
		return x.upgraded()
	case answers && x.c.Op == wire.OpRealtime:
		return call.Answer{}, &failure{class: wire.ClassServer, err: wire.Errorf(502, "bad_upgrade", "%s answered the WebSocket handshake with status %d", x.t.Name, status)}
	case answers && x.passes(kind):
		return x.raw(status, contentType(kind))
	case answers && isEvents(kind) && !x.c.Whole:
		return x.stream(status)
	}
	err := x.readAll()
	if err == nil && answers && cn.body.framing == byClose && !json.Valid(x.c.Buf) {
		err = io.ErrUnexpectedEOF // nothing else tells the end from a cut
	}
	switch {
	case err != nil && (answers || x.c.Gone.Left()):
		return call.Answer{}, x.broken(err, true)
	case answers:
		x.meterJSON()
		x.stored(x.c.Buf)
		return call.Answer{Status: status, ContentType: contentType(kind), Body: x.c.Buf}, nil
	}
	f := x.refused(status)
	if err != nil {
		f.body = nil // the status says enough, a part of the words does not
	}
	return call.Answer{}, f
}

func contentType(kind []byte) string {
	if string(kind) == "application/json" || len(kind) == 0 {
		return "application/json"
	}
	return string(kind)
}

func (x *exchange) readAll() error {
	cn, c := x.cn, x.c
	c.Buf = c.Buf[:0]
	var err error
	for err == nil {
		if !cn.body.ready() {
			if err := x.renew(); err != nil {
				return err
			}
		}
		c.Buf, err = cn.body.read(c.Buf, x.opt.MaxAnswer+1-len(c.Buf))
		if len(c.Buf) > x.opt.MaxAnswer {
			return errTooLarge
		}
	}
	if err != io.EOF {
		return err
	}
	return nil
}

var errTooLarge = errors.New("the answer is larger than the gateway buffers")

// renew sets the idle deadline of the next read and notices a caller that left
// meanwhile.
func (x *exchange) renew() error {
	if err := x.cn.wait(time.Now(), x.timeouts.Idle, x.deadline); err != nil {
		return err
	}
	if x.c.Gone.Left() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// meterJSON reads usage from a complete answer.
func (x *exchange) meterJSON() {
	c := x.c
	if h := x.cn.head.Peek(proto.HeaderUsage); len(h) > 0 && !x.ep.Direct() {
		setUsage(c, h)
		return
	}
	if free(c.Op) {
		return
	}
	if u, ok := wire.ReadUsage(c.Dialect, c.Buf); ok {
		c.Usage, c.Provenance = u, call.CostComputed
	}
}

// free reports whether answers of op speak of usage that is not consumption.
func free(op wire.Op) bool {
	return op == wire.OpCountTokens || op == wire.OpFiles || op == wire.OpBatches
}

// observe hands what the upstream says of its rate limit to whoever asked.
func (x *exchange) observe() {
	if x.tr.rated && x.opt.Observe != nil && x.cred != nil {
		x.opt.Observe(x.cred, x.ep, x.cn.peek)
	}
}

// setUsage takes the usage that an adapter reports of a translated answer.
func setUsage(c *call.Call, header []byte) {
	if u, ok := proto.ParseUsage(string(header)); ok {
		c.Usage, c.Provenance = u, call.CostComputed
	}
}
