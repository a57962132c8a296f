package dispatch_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// asked is an upstream that says when it was asked, and when it was let go.
type asked struct {
	begun, ended chan struct{}
	times        atomic.Int32
}

func newAsked() *asked { return &asked{begun: make(chan struct{}, 9), ended: make(chan struct{}, 9)} }

// then notes the request and goes on with h, nil: it stays silent until it is let go.
func (a *asked) then(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.ReadAll(req.Body)
		a.times.Add(1)
		a.begun <- struct{}{}
		defer func() { a.ended <- struct{}{} }()
		if h == nil {
			<-req.Context().Done()
			return
		}
		h(w, req)
	}
}

// after waits for other to have been asked before it goes on with h.
func after(other *asked, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) { <-other.begun; h(w, req) }
}

// hedged makes every step but the first one a hedge.
func (r *rig) hedged(body string) *call.Call {
	c := r.call(body)
	for i := 1; i < c.Plan.N; i++ {
		c.Plan.Attempts[i].Hedge = time.Millisecond
	}
	return c
}

// quiet fails the test if any target still has something in flight.
func (r *rig) quiet() {
	r.t.Helper()
	for _, tgt := range r.targets {
		if n := tgt.State.InFlight.Load(); n != 0 {
			r.t.Errorf("%s has %d requests in flight", tgt.Name, n)
		}
	}
}

// marks is what attempts came to, in short.
func marks(c *call.Call) string {
	var out []string
	for _, a := range c.Attempts {
		m := a.Target.Provider.Name
		if a.Hedge {
			m += "+"
		}
		switch {
		case a.Lost:
			m += ":lost"
		case a.Rejected != "":
			m += ":" + a.Rejected
		case a.Class != wire.ClassNone:
			m += ":" + a.Class.String()
		}
		if a.Cost > 0 {
			m += "$"
		}
		out = append(out, m)
	}
	return strings.Join(out, " ")
}

// named is an answer that says whose it is.
func named(name string) string { return strings.Replace(jsonAnswer, `"x"`, `"`+name+`"`, 1) }

// TestHedge: what fails at the same moment as the other answers may be taken for
// lost, so there are two accounts of such races.
func TestHedge(t *testing.T) {
	f := func(name string, first, second func(a, b *asked) http.HandlerFunc, wantBody, wantMarks string, wantStatus int) {
		t.Helper()
		r := newRig(t, dispatch.Options{Attempts: 2})
		a, b := newAsked(), newAsked()
		r.target("a", a.then(first(a, b)))
		r.target("b", b.then(second(a, b)))
		c := r.hedged(jsonCall)
		body, err, _ := r.do(c)
		status := 200
		if err != nil {
			status = err.Status
		}
		if body != wantBody || status != wantStatus || !strings.Contains(wantMarks, "|"+marks(c)+"|") {
			t.Errorf("%s: %d (%v) %q, attempts %q; want %d, %q", name, status, err, body, marks(c), wantStatus, wantMarks)
		}
		for range a.times.Load() {
			<-a.ended
		}
		for range b.times.Load() {
			<-b.ended
		}
		r.quiet()
		if r.account.covered != 2 {
			t.Errorf("%s: covered %d times", name, r.account.covered)
		}
	}
	silent := func(_, _ *asked) http.HandlerFunc { return nil }
	say := func(code int, body string) func(_, _ *asked) http.HandlerFunc {
		return func(_, _ *asked) http.HandlerFunc { return status(code, body) }
	}
	afterSecond := func(code int, body string) func(_, _ *asked) http.HandlerFunc {
		return func(_, b *asked) http.HandlerFunc { return after(b, status(code, body)) }
	}
	f("a silent first one loses", silent, say(200, named("b")), named("b"), "|a:lost$ b+|", 200)
	f("a first one that speaks at last wins", afterSecond(200, named("a")), silent, named("a"), "|b+:lost$ a|", 200)
	f("a hedge that is rate limited does no harm", func(_, b *asked) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			<-b.ended
			b.ended <- struct{}{}
			status(200, named("a"))(w, req)
		}
	}, say(429, `{}`), named("a"), "|b+:rate_limit a|b+:lost$ a|", 200)
	f("a hedge saves what fails", afterSecond(500, `{}`), func(a, _ *asked) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			<-a.ended
			a.ended <- struct{}{}
			status(200, named("b"))(w, req)
		}
	}, named("b"), "|a:server b+|a:lost$ b+|", 200)
	refusal := `{"error":{"message":"bad temperature"}}`
	f("a request at fault is not asked to the end", afterSecond(400, refusal), silent, refusal, "|a:invalid_request b+:lost$|", 400)
}

func TestHedgeAndFirstFail(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 2})
	b := newAsked()
	r.target("a", after(b, status(500, `{}`)))
	r.target("b", b.then(status(503, `{}`)))
	c := r.hedged(jsonCall)
	_, err, _ := r.do(c)
	if got := marks(c); err == nil || err.Status < 502 || got != "a:server b+:overloaded" && got != "b+:overloaded a:server" {
		t.Errorf("got %v, attempts %q", err, got)
	}
	r.quiet()
}

func TestHedgedStreams(t *testing.T) {
	f := func(name string, first, second func(a, b *asked) http.HandlerFunc, want, wantMarks string) {
		t.Helper()
		r := newRig(t, dispatch.Options{Attempts: 2})
		a, b := newAsked(), newAsked()
		r.target("a", a.then(first(a, b)))
		r.target("b", b.then(second(a, b)))
		c := r.hedged(streamCall)
		out, err, werr := r.do(c)
		if err != nil || werr != nil || !strings.HasPrefix(out, want) || !strings.Contains(wantMarks, "|"+marks(c)+"|") {
			t.Errorf("%s: %v, %v, %q, attempts %q; want %q", name, err, werr, out, marks(c), wantMarks)
		}
		<-a.ended
		<-b.ended
		r.quiet()
		if c.FirstByte <= 0 || r.account.finished != 1 {
			t.Errorf("%s: first byte after %s, finished %d times", name, c.FirstByte, r.account.finished)
		}
	}
	pings := func(_, _ *asked) http.HandlerFunc { return events(": ping\n\n", "HANG") }
	stream := func(text string) func(_, _ *asked) http.HandlerFunc {
		return func(_, _ *asked) http.HandlerFunc { return events(delta(text), finish, usage, doneEvent) }
	}
	f("keep-alives are silence", pings, stream("b"), delta("b"), "|a:lost$ b+|")
	f("the first event decides", func(_, b *asked) http.HandlerFunc {
		return after(b, events(delta("a"), finish, usage, doneEvent))
	}, pings, delta("a"), "|b+:lost$ a|")
	f("a hedge that breaks off before its first event", func(_, b *asked) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			<-b.ended
			b.ended <- struct{}{}
			events(delta("a"), finish, doneEvent)(w, req)
		}
	}, func(_, _ *asked) http.HandlerFunc { return status(502, `{}`) }, delta("a"), "|b+:server a|b+:lost$ a|")
}

// TestHedgesGoOn: as long as all are silent each step of the plan may start the
// next, within the attempt budget.
func TestHedgesGoOn(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 3})
	var silent [3]*asked
	for i, name := range []string{"a", "b", "c"} {
		silent[i] = newAsked()
		h := http.HandlerFunc(nil)
		if name == "c" {
			h = status(200, named("c"))
		}
		r.target(name, silent[i].then(h))
	}
	r.target("d", answer)
	c := r.hedged(jsonCall)
	body, err, _ := r.do(c)
	if err != nil || body != named("c") || len(c.Attempts) != 3 || !c.Attempts[0].Lost || !c.Attempts[1].Lost {
		t.Errorf("%q, %v, attempts %q", body, err, marks(c))
	}
	r.quiet()
}

// TestRestingTargetsAreNoHedges: the next one that is well takes the place.
func TestRestingTargetsAreNoHedges(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.target("a", newAsked().then(nil))
	b := newAsked()
	tgt := r.target("b", b.then(answer))
	tgt.State.CooldownUntil.Store(time.Now().Add(time.Hour).UnixMilli())
	r.target("c", status(200, named("c")))
	c := r.hedged(jsonCall)
	body, err, _ := r.do(c)
	if err != nil || body != named("c") || marks(c) != "a:lost$ c+" || b.times.Load() != 0 {
		t.Errorf("%q, %v, attempts %q", body, err, marks(c))
	}
	r.quiet()
}

// till is an account whose money is short: it covers so many attempts and says
// when it refuses one.
type till struct {
	ledger
	covers  int
	refused chan struct{}
	bounds  []int64
}

func (a *till) Cover(_ *call.Call, bound call.Bound) *wire.Error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bounds = append(a.bounds, bound.USD)
	if a.covered++; a.covered <= a.covers {
		return nil
	}
	close(a.refused)
	return wire.Errorf(402, "budget_exceeded", "x")
}

func TestHedgeThatIsNotCoveredIsNotMade(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	account := &till{covers: 1, refused: make(chan struct{})}
	r.d = dispatch.New(dispatch.Options{}, account)
	b := newAsked()
	r.target("a", func(w http.ResponseWriter, req *http.Request) { <-account.refused; answer(w, req) })
	r.target("b", b.then(answer))
	c := r.hedged(jsonCall)
	body, err, _ := r.do(c)
	if err != nil || body != jsonAnswer || b.times.Load() != 0 || marks(c) != "a" {
		t.Errorf("%q, %v, b was asked %d times, attempts %q", body, err, b.times.Load(), marks(c))
	}
	if len(account.bounds) != 2 || account.bounds[0] != 10 || account.bounds[1] != 20 {
		t.Errorf("bounds %v were to be covered; want those of both attempts for the second", account.bounds)
	}
	r.quiet()
}

func TestCallerLeavesDuringBoth(t *testing.T) {
	for _, body := range []string{jsonCall, streamCall} {
		r := newRig(t, dispatch.Options{})
		a, b := newAsked(), newAsked()
		r.target("a", a.then(nil))
		r.target("b", b.then(nil))
		c := r.hedged(body)
		go func() { <-a.begun; <-b.begun; c.Gone.Leave() }()
		_, err, _ := r.do(c)
		<-a.ended
		<-b.ended
		if err == nil || err.Status != 499 || len(c.Attempts) != 2 || c.Attempts[0].Cost != 10 || c.Attempts[1].Cost != 10 {
			t.Errorf("got %v, attempts %+v", err, c.Attempts)
		}
		r.quiet()
	}
}

// TestPanicReleasesTargets: whatever panics, and where, nothing stays in flight.
func TestPanicReleasesTargets(t *testing.T) {
	f := func(name string, hedged, last bool) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		a := newAsked()
		r.target("a", a.then(nil))
		bad := &call.Target{Name: "bad/m", State: call.NewTargetState()} // no provider
		r.targets = append(r.targets, bad)
		if !last {
			r.targets[0], r.targets[1] = r.targets[1], r.targets[0]
		}
		c := r.call(jsonCall)
		if hedged {
			c = r.hedged(jsonCall)
		}
		defer func() {
			if recover() == nil {
				t.Errorf("%s: there was no panic", name)
			}
			r.quiet()
		}()
		_, _, _ = r.do(c)
	}
	f("an attempt", false, false)
	f("the first of two", true, false)
	f("a hedge", true, true)
}

// TestHedgesUnderLoad: many hedged calls at a time, streamed and whole, whose
// upstreams race each other, get whole answers of one target each.
func TestHedgesUnderLoad(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 3})
	var n atomic.Int32
	for _, name := range []string{"a", "b"} {
		r.target(name, func(w http.ResponseWriter, req *http.Request) {
			b, _ := io.ReadAll(req.Body)
			if !bytes.Contains(b, []byte(`"m-`+name+`"`)) {
				t.Errorf("%s was asked for %s", name, b)
			}
			if n.Add(1)%3 == 0 {
				<-req.Context().Done() // one in three says nothing
				return
			}
			if bytes.Contains(b, []byte(`"stream":true`)) {
				events(delta(name), finish, doneEvent)(w, req)
				return
			}
			status(200, named(name))(w, req)
		})
	}
	r.d = dispatch.New(dispatch.Options{Attempts: 3, Timeouts: call.Timeouts{FirstByte: 200 * time.Millisecond}}, &r.account)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				body := jsonCall
				if i%2 == 0 {
					body = streamCall
				}
				c := r.hedged(body)
				out, err, werr := r.do(c)
				if err != nil {
					continue // all were silent
				}
				name := c.Target.Provider.Name
				if whole := out == named(name) || strings.HasPrefix(out, delta(name)+finish); werr != nil || !whole {
					t.Errorf("%q of %s, %v", out, name, werr)
				}
				last := c.Attempts[len(c.Attempts)-1]
				if last.Lost || last.Class != wire.ClassNone || last.Target != c.Target {
					t.Errorf("the last attempt is %+v", last)
				}
				c.Reset()
			}
		}()
	}
	wg.Wait()
	r.quiet()
}

// TestNoHedgeAfterTheEnd: once a failure has ended the call, as a refused
// credential does, no other provider is asked; what runs already may answer.
func TestNoHedgeAfterTheEnd(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 3, Timeouts: call.Timeouts{FirstByte: time.Second}})
	b, third := newAsked(), newAsked()
	r.target("a", after(b, status(401, `{}`)))
	r.target("b", b.then(nil))
	r.target("c", third.then(answer))
	c := r.hedged(jsonCall)
	c.Plan.Attempts[2].Hedge = 500 * time.Millisecond
	_, err, _ := r.do(c)
	if err == nil || err.Code != "provider_credentials" || third.times.Load() != 0 {
		t.Errorf("got %v, attempts %q", err, marks(c))
	}
	r.quiet()
}

// fragile is an account that panics: at the nth attempt that it is to cover, or
// when it is to price one.
type fragile struct {
	ledger
	at      int
	pricing bool
	begun   <-chan struct{} // is waited for before
}

func (a *fragile) Cover(c *call.Call, bound call.Bound) *wire.Error {
	if err := a.ledger.Cover(c, bound); a.covered == a.at {
		<-a.begun
		panic("the money is gone")
	} else {
		return err
	}
}

func (a *fragile) Price(*call.Call, *call.Candidate, *dispatch.Consumed) (int64, call.Provenance) {
	if a.pricing {
		panic("the price list is gone")
	}
	return 0, call.CostNone
}

// TestPanicEndsTheRace: what panics beside the attempts leaves none of them
// running, for they refer to the caller's bytes, and no place taken.
func TestPanicEndsTheRace(t *testing.T) {
	f := func(name string, at int, pricing bool, second http.HandlerFunc) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		a, b := newAsked(), newAsked()
		account := &fragile{at: at, pricing: pricing, begun: a.begun}
		r.d = dispatch.New(dispatch.Options{}, account)
		r.target("a", a.then(nil))
		if second != nil {
			second = after(a, second)
		}
		r.target("b", b.then(second))
		c := r.hedged(jsonCall)
		c.Plan.Attempts[1].Flags = call.AttemptCheck
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: there was no panic", name)
				}
			}()
			_, _, _ = r.do(c)
		}()
		r.quiet()
		<-a.ended
		if pricing {
			<-b.ended
		}
	}
	f("money for a hedge", 2, false, nil)
	f("the price of a rejected answer", 0, true, status(200, `{"choices":[]}`))
}
