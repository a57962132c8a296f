package dispatch_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// meterAccount prices a token of whatever kind at one nano-dollar.
type meterAccount struct {
	ledger
	sum int64 // of what calls have cost
}

func (a *meterAccount) Price(_ *call.Call, cand *call.Candidate, used *dispatch.Consumed) (int64, call.Provenance) {
	if used.Provenance == call.CostNone {
		return min(used.Events, cand.Bound), call.CostEstimated
	}
	return used.Usage.Total(), used.Provenance
}

func (a *meterAccount) Finish(c *call.Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.finished++
	c.Cost = c.Usage.Total()
	for _, at := range c.Attempts {
		c.Cost += at.Cost
	}
	a.sum += c.Cost
}

// metered makes the rig account by what upstreams report.
func (r *rig) metered(opt dispatch.Options) *meterAccount {
	a := &meterAccount{}
	r.d = dispatch.New(opt, a)
	return a
}

func holding(c *call.Call, h call.Hold) *call.Call {
	c.Model = &call.Model{Name: "fast", Hold: h}
	return c
}

// pinging sends an event and then nothing but keep-alives.
func pinging(first string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, first)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			w.(http.Flusher).Flush()
			select {
			case <-req.Context().Done():
				return
			case <-tick.C:
				_, _ = io.WriteString(w, ": ping\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n")
			}
		}
	}
}

// TestHeldStreamsFailOver: what breaks off before the model's hold is over costs
// what had come of it, and the caller sees none of it.
func TestHeldStreamsFailOver(t *testing.T) {
	f := func(name string, h call.Hold, first http.HandlerFunc, wantCost int64, wantClass wire.Class) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		account := r.metered(dispatch.Options{Timeouts: call.Timeouts{Idle: 100 * time.Millisecond}})
		r.target("a", first)
		r.target("b", events(delta("b"), finish, usage, doneEvent))
		c := holding(r.call(streamCall), h)
		out, err, werr := r.do(c)
		if err != nil || werr != nil || !strings.HasPrefix(out, delta("b")) || len(c.Attempts) != 2 {
			t.Fatalf("%s: %v, %v, %q, attempts %q", name, err, werr, out, marks(c))
		}
		if a := c.Attempts[0]; a.Cost != wantCost || a.Class != wantClass {
			t.Errorf("%s: the first attempt cost %d, class %s; want %d, %s", name, a.Cost, a.Class, wantCost, wantClass)
		}
		if c.Usage != (wire.Usage{Input: 7, Output: 2}) || account.sum != 9+wantCost || c.Events != 4 {
			t.Errorf("%s: usage %+v, cost %d, %d events", name, c.Usage, account.sum, c.Events)
		}
		r.quiet()
	}
	three := call.Hold{Events: 3}
	f("a cut", three, events(delta("a"), delta("a"), "CUT"), 2, wire.ClassNetwork)
	f("a cut behind usage", call.Hold{Events: 9}, events(delta("a"), usage, "CUT"), 9, wire.ClassNetwork)
	f("an end that is none", three, events(delta("a"), delta("a")), 2, wire.ClassNetwork)
	f("an error event", three, events(delta("a"), `data: {"error":{"message":"x","type":"overloaded_error"}}`+"\n\n"), 2, wire.ClassOverloaded)
	f("silence", three, events(delta("a"), "HANG"), 1, wire.ClassTimeout)
	f("nothing but keep-alives", three, pinging(delta("a")), 1, wire.ClassTimeout)
	f("a cut within the time", call.Hold{Time: time.Hour}, events(delta("a"), "CUT"), 1, wire.ClassNetwork)
}

// got is a caller that says when it gets something.
type got struct {
	bytes.Buffer
	first chan struct{}
	once  sync.Once
}

func (g *got) Write(p []byte) (int, error) {
	g.once.Do(func() { close(g.first) })
	return g.Buffer.Write(p)
}

// TestHoldLetsGo: as soon as the rule holds, all that was held back goes out.
func TestHoldLetsGo(t *testing.T) {
	f := func(name string, h call.Hold, start string, rest ...string) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		g := &got{first: make(chan struct{})}
		r.target("a", func(w http.ResponseWriter, req *http.Request) {
			events(start)(w, req)
			if len(rest) > 0 {
				<-g.first // the caller has the start before there is more
			}
			for _, e := range rest {
				_, _ = io.WriteString(w, e)
			}
		})
		c := holding(r.call(streamCall), h)
		ans, err := r.d.Do(c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, werr := ans.Stream.WriteTo(g)
		_ = ans.Stream.Close()
		out, _, _ := strings.Cut(g.String(), ": signalbox")
		if want := strings.TrimSuffix(start+strings.Join(rest, ""), doneEvent); werr != nil || out != want {
			t.Errorf("%s: %v, the caller got %d bytes; want %d", name, werr, len(out), len(want))
		}
		at := c.Attempts[0]
		if at.FirstByte <= 0 || c.FirstByte < at.Start+at.FirstByte {
			t.Errorf("%s: the caller's first byte came after %s, the upstream's %s after %s", name, c.FirstByte, at.FirstByte, at.Start)
		}
		r.quiet()
	}
	f("so many events", call.Hold{Events: 2}, delta("a")+delta("b"), delta("c"), finish, doneEvent)
	f("so long", call.Hold{Time: 10 * time.Millisecond}, delta("a"), delta("c"), finish, doneEvent)
	f("whichever comes first", call.Hold{Time: time.Hour, Events: 1}, delta("a"), delta("c"), finish, doneEvent)
	f("more than is held", call.Hold{Events: 1 << 20}, strings.Repeat(delta("a word or two"), 1000), delta("c"), finish, doneEvent)
	f("the end", call.Hold{Events: 100}, delta("a")+finish+doneEvent)
	f("a plain end", call.Hold{Events: 100}, delta("a")+finish)
}

func TestHeldBackLongerThanAllowed(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	a := newAsked()
	r.target("a", a.then(events(delta("a"), "HANG")))
	c := holding(r.call(streamCall), call.Hold{Events: 5})
	go func() { <-a.begun; c.Gone.Leave() }()
	_, err, _ := r.do(c)
	if err == nil || err.Status != 499 || len(c.Attempts) != 1 || c.Attempts[0].Cost != 10 {
		t.Errorf("got %v, attempts %q", err, marks(c))
	}
	<-a.ended
	r.quiet()
}

// TestKeepAlivesAloneAreAStall: a stream that has begun and then sends nothing
// but comments and pings is cut like one that is silent.
func TestKeepAlivesAloneAreAStall(t *testing.T) {
	r := newRig(t, dispatch.Options{Timeouts: call.Timeouts{Idle: 50 * time.Millisecond, FirstByte: 5 * time.Second}})
	r.target("a", pinging(delta("a")))
	c := r.call(streamCall)
	out, err, werr := r.do(c)
	if err != nil || werr == nil || !strings.Contains(out, "stream_timeout") || c.Err == nil || c.Err.Code != "stream_timeout" {
		t.Errorf("%v, %v, the caller got %q", err, werr, out)
	}
	if c.Events != 1 {
		t.Errorf("%d events are counted; keep-alives are none", c.Events)
	}
	r.quiet()
}

// TestDrain: what is still read of an answer whose caller has left, and what the
// call is accounted for with.
func TestDrain(t *testing.T) {
	one := func(name string, limit time.Duration, rest http.HandlerFunc, wantUsage wire.Usage, wantProvenance call.Provenance, waiting bool) {
		t.Helper()
		r := newRig(t, dispatch.Options{})
		ended := make(chan struct{})
		var c *call.Call
		r.target("a", func(w http.ResponseWriter, req *http.Request) {
			defer close(ended)
			events(delta("a"))(w, req)
			<-c.Gone.Done()
			rest(w, req)
		}, func(_ *call.Endpoint, p *call.Provider) { p.Drain = limit })
		c = r.call(streamCall)
		ans, err := r.d.Do(c)
		if err != nil {
			t.Fatal(err)
		}
		var w io.Writer = leaver{c}
		if waiting { // the caller leaves while the upstream is waited for, or a little before
			g := &got{first: make(chan struct{})}
			go func() { <-g.first; c.Gone.Leave() }()
			w = g
		}
		_, werr := ans.Stream.WriteTo(w)
		_ = ans.Stream.Close()
		<-ended
		whole := waiting && werr == nil && c.Err == nil // the rest came while the caller was leaving
		if r.account.finished != 1 || !whole && (werr == nil || c.Err == nil || c.Err.Status != 499) {
			t.Errorf("%s: WriteTo = %v, finished %d, err %v", name, werr, r.account.finished, c.Err)
		}
		if c.Usage != wantUsage || c.Provenance != wantProvenance {
			t.Errorf("%s: usage %+v, %s; want %+v, %s", name, c.Usage, c.Provenance, wantUsage, wantProvenance)
		}
		r.quiet()
	}
	f := func(name string, limit time.Duration, rest http.HandlerFunc, wantUsage wire.Usage, wantProvenance call.Provenance) {
		t.Helper()
		one(name, limit, rest, wantUsage, wantProvenance, false)
		one(name, limit, rest, wantUsage, wantProvenance, true)
	}
	told := wire.Usage{Input: 7, Output: 2}
	f("read to the end", time.Minute, more(delta("b"), finish, usage, doneEvent), told, call.CostComputed)
	f("read to a plain end", time.Minute, more(finish, usage), told, call.CostComputed)
	f("past the limit", 20*time.Millisecond, more(delta("b"), "HANG"), wire.Usage{}, call.CostNone)
	f("cut behind usage", time.Minute, more(usage, "CUT"), told, call.CostEstimated)
	one("an upstream that has too much to say", time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		text := delta(strings.Repeat("x", 60<<10))
		for range 1000 {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
		}
		t.Error("all of 60 MB was read")
	}, wire.Usage{}, call.CostNone, false)
}

// TestStopEndsDrains: a dispatcher that is stopped reads nothing more.
func TestStopEndsDrains(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	var c *call.Call
	left := make(chan struct{})
	r.target("a", func(w http.ResponseWriter, req *http.Request) {
		events(delta("a"))(w, req)
		<-c.Gone.Done()
		close(left)
		<-req.Context().Done()
	}, func(_ *call.Endpoint, p *call.Provider) { p.Drain = time.Hour })
	c = r.call(streamCall)
	ans, err := r.d.Do(c)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-left; r.d.Stop() }()
	_, _ = ans.Stream.WriteTo(leaver{c})
	_ = ans.Stream.Close()
	r.d.Stop()
	if r.account.finished != 1 || c.Err == nil || c.Err.Status != 499 {
		t.Errorf("finished %d times, err %v", r.account.finished, c.Err)
	}
	r.quiet()
}

// TestCallerLeavesBeforeTheFirstEvent: an answer that is to be drained is so from
// its very beginning.
func TestCallerLeavesBeforeTheFirstEvent(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.metered(dispatch.Options{})
	var c *call.Call
	a := newAsked()
	r.target("a", a.then(func(w http.ResponseWriter, req *http.Request) {
		events(": wait\n\n")(w, req)
		<-c.Gone.Done()
		more(delta("a"), finish, usage, doneEvent)(w, req)
	}), func(_ *call.Endpoint, p *call.Provider) { p.Drain = time.Minute })
	c = r.call(streamCall)
	go func() { <-a.begun; c.Gone.Leave() }()
	_, err, _ := r.do(c)
	if err == nil { // the first event was there before that was noticed
		err = c.Err
	}
	if len(c.Attempts) != 1 || err != nil && err.Status != 499 {
		t.Fatalf("got %v, attempts %q", err, marks(c))
	}
	cost := c.Attempts[0].Cost
	if err != nil && (cost == 9 || cost == 10) { // 10: left before the head came, the bound
		cost = 0
	} else if c.Usage.Total() != 9 { // without an error all of the answer was there by then
		t.Errorf("usage %+v; want the upstream's 9, err %v", c.Usage, err)
	}
	if cost != 0 {
		t.Errorf("the attempt cost %d; want the upstream's 9", c.Attempts[0].Cost)
	}
	r.quiet()
}

// clumsy is a caller's connection that panics.
type clumsy struct{}

func (clumsy) Write([]byte) (int, error) { panic("clumsy") }

func TestPanicWithinAStream(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	r.target("a", events(delta("a"), "HANG"), func(_ *call.Endpoint, p *call.Provider) { p.Drain = time.Hour })
	c := r.call(streamCall)
	ans, err := r.d.Do(c)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = ans.Stream.WriteTo(clumsy{})
	}()
	_ = ans.Stream.Close()
	if r.account.finished != 1 || c.Err == nil || c.Err.Code != "internal_error" {
		t.Errorf("finished %d times, err %v", r.account.finished, c.Err)
	}
	r.quiet()
}
