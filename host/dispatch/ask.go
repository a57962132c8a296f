package dispatch

import (
	"os"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// exchange is one request and answer on one connection.
type exchange struct {
	*run
	t        *call.Target
	ep       *call.Endpoint
	cred     *call.Credential
	tr       *transport
	cn       *conn
	pass     call.Pass // left when a streamed answer has been carried to the caller
	timeouts call.Timeouts
	start    time.Time
	first    time.Time   // when the first byte of the answer came; of a stream, its first event
	asked    bool        // the upstream reports usage on the gateway's account
	check    bool        // the plan wants the answer checked
	flaw     string      // what the check has found
	span     call.SpanID // that the target was told of
	handed   bool        // a streamed answer has it all now
}

func (x *exchange) do(now time.Time) (call.Answer, *failure) {
	model := x.ep.Upstream(x.t.Model)
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

// leave gives up what the attempt holds, unless a streamed answer has it.
func (x *exchange) leave() {
	if x.handed {
		return
	}
	if x.cn != nil { // it has panicked
		x.c.Gone.Free()
		x.cn.close()
	}
	x.ep.Process.Release()
}

// hand gives it to a streamed answer.
func (x *exchange) hand() {
	x.cn, x.handed = nil, true
	x.c.Streamed = true
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
			x.first = time.Now()
			x.ep.Process.Answered()
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
