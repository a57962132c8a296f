package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Tried is what came of asking a provider whether a credential is good.
type Tried struct {
	Status int        // of the answer, 0: none came
	Class  wire.Class // ClassNone: the credential was taken
	Says   string     // in the provider's words, or what kept it from answering; secrets may stand in it
}

const (
	tryTimeout = 15 * time.Second
	tryAnswer  = 1 << 20 // bytes of a refusal
)

// Try asks p by wire.OpCredential with one credential, in the way of all other
// requests. ok is false where p does not serve that.
func Try(ctx context.Context, p *call.Provider, cred *call.Credential) (_ Tried, ok bool) {
	ep := p.Endpoint(wire.OpCredential, wire.Raw)
	if ep == nil || !ep.Process.Acquire() {
		return Tried{}, false
	}
	now := time.Now()
	d := New(Options{Deadline: tryTimeout, MaxAnswer: tryAnswer, Log: slog.New(slog.DiscardHandler)}, nobody{})
	c := &call.Call{Received: now, Op: ep.Op, Dialect: ep.Dialect, Method: "GET", Header: none{}}
	defer context.AfterFunc(ctx, c.Gone.Leave)()
	r := d.begin(c)
	t := &call.Target{Name: p.Name, Provider: p, State: call.NewTargetState()}
	x := exchange{run: &r, t: t, ep: ep, cred: cred, tr: ep.Transport.(*transport), timeouts: r.timeouts(t, &call.PlannedAttempt{}), start: now}
	defer x.leave()
	return x.tried(now), true
}

// tried asks and reads what is said against the credential.
func (x *exchange) tried(now time.Time) Tried {
	if fail := x.ask(&rewrite{}, "", now); fail != nil {
		if fail.err != nil {
			return Tried{Class: fail.class, Says: fail.err.Message}
		}
		return Tried{Class: fail.class, Says: words(fail.cause)}
	}
	out := Tried{Status: x.cn.head.StatusCode()}
	switch {
	case out.Status < 300:
	case out.Status < 400:
		out.Class, out.Says = wire.ClassInvalid, fmt.Sprintf("it leads elsewhere with status %d, where no credential follows", out.Status)
	default:
		_ = x.readAll() // what came says enough
		out.Class = x.classify(out.Status, x.c.Buf)
		said, _ := wire.ReadError(x.c.Buf)
		out.Says = or(or(said.Message, or(said.Code, said.Type)), string(x.c.Buf))
	}
	x.c.Gone.Free()
	x.cn.close() // an answer is not read to its end
	x.cn = nil
	return out
}

// words are an error's, where it has any that tell something.
func words(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before an answer came"
	}
	return err.Error()
}

// nobody is the account of what costs nothing.
type nobody struct{}

func (nobody) Cover(*call.Call, call.Bound) *wire.Error { return nil }
func (nobody) Sent(*call.Call)                          {}
func (nobody) Finish(*call.Call)                        {}

// none are the headers of a request that has no caller.
type none struct{}

func (none) Peek(string) []byte { return nil }
