package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// Names of the headers that the protocol's transport has.
const (
	headerSession = "Mcp-Session-Id"
	headerPrefix  = "Mcp-"
)

// walker are headers that can be looked through.
type walker interface {
	All() iter.Seq2[[]byte, []byte]
}

// Serve answers a request for /mcp by a caller who is known. What it answers
// with a stream may go on for as long as c does.
func (d *Door) Serve(c *call.Call) (call.Answer, *wire.Error) {
	headers, err := headersOf(c)
	if err != nil {
		return call.Answer{}, err
	}
	if err := d.rules.check(headers.Get("Host"), headers.Get("Origin"), c.Remote); err != nil {
		return call.Answer{}, err
	}
	caller := &Caller{Call: c, Principal: c.Principal, Remote: c.Remote, TLS: c.TLS, Header: Header(headers), session: headers.Get(headerSession)}
	if caller.session != "" && !d.sessions.known(caller.session, caller.who(), time.Now()) {
		return call.Answer{}, wire.Errorf(404, "session_not_found", "there is no such session of this caller's: begin anew with initialize")
	}
	switch c.Method {
	case "GET":
		return d.listen(c, caller)
	case "DELETE":
		return call.Answer{Status: 204}, nil // nothing is kept of it
	}
	return d.post(c, caller)
}

// headersOf copies a request's headers. One of the protocol's own that comes
// twice could be read differently by who decides and by who acts.
func headersOf(c *call.Call) (http.Header, *wire.Error) {
	out := http.Header{}
	all, ok := c.Header.(walker)
	if !ok {
		return out, nil
	}
	for k, v := range all.All() {
		name := http.CanonicalHeaderKey(string(k))
		if len(out[name]) > 0 && (strings.HasPrefix(name, headerPrefix) || name == "Host" || name == "Origin" || name == "Content-Type") {
			return nil, wire.Errorf(400, "duplicate_header", "the header %s comes more than once: send it once", clip(name, maxName))
		}
		out[name] = append(out[name], string(v))
	}
	return out, nil
}

// listen opens a stream that tells of changes.
func (d *Door) listen(c *call.Call, caller *Caller) (call.Answer, *wire.Error) {
	if !strings.Contains(caller.Header.get("Accept"), "text/event-stream") {
		return call.Answer{}, wire.Errorf(406, "not_acceptable", "GET /mcp is a stream of events: send Accept: text/event-stream")
	}
	leave, ok := d.standing.enter(caller.who())
	if !ok {
		return call.Answer{}, wire.Errorf(429, "too_many_listeners", "this caller listens for changes %d times, as often as it may: end another one first", mostStanding)
	}
	return call.Answer{Status: 200, ContentType: "text/event-stream", Stream: &listener{standing: &d.standing, gone: &c.Gone, leave: leave}}, nil
}

// envelope is what the transport has to know of a message.
type envelope struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
}

// post hands a message to the SDK.
func (d *Door) post(c *call.Call, caller *Caller) (call.Answer, *wire.Error) {
	body := bytes.Clone(c.Body)
	var e envelope
	_ = json.Unmarshal(body, &e) // the SDK says what is wrong with it
	var p struct{ RequestID json.RawMessage }
	if e.Method == "notifications/cancelled" && caller.session != "" && json.Unmarshal(e.Params, &p) == nil {
		if name := cancelName(caller, string(p.RequestID)); !d.cancels.cancel(name) && d.opt.Cancel != nil {
			d.opt.Cancel(name)
		}
		return call.Answer{Status: 202}, nil
	}
	caller.request = string(e.ID)

	ctx, cancel := context.WithCancel(context.Background())
	caller.ctx, caller.end = context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(context.WithValue(ctx, callerKey{}, caller), http.MethodPost, "/mcp", bytes.NewReader(body))
	if err != nil {
		panic("BUG: cannot make a request; got " + err.Error())
	}
	for name, v := range caller.Header { // none of the caller's credentials
		if name == "Accept" || name == "Content-Type" || strings.HasPrefix(name, headerPrefix) && name != headerSession {
			r.Header[name] = v
		}
	}
	x := newExchange(caller, d.opt.Log, cancel)
	if e.Method == "initialize" {
		x.header.Set(headerSession, d.sessions.begin(caller.who(), time.Now()))
	}
	if p := d.plain(r.Header, body); p != nil {
		return x.run(p, r, &c.Gone), nil
	}
	return x.run(d.http, r, &c.Gone), nil
}

func (h Header) get(name string) string { return http.Header(h).Get(name) }
