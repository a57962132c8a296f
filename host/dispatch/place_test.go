package dispatch_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/dispatch"
)

var soon = &call.Breaker{Errors: .5, Attempts: 2, Window: time.Minute, Rest: time.Hour, MaxRest: time.Hour}

// TestStreamsHoldTheirPlace: a streamed answer counts in max_in_flight until it
// has been carried to the caller.
func TestStreamsHoldTheirPlace(t *testing.T) {
	r := newRig(t, dispatch.Options{})
	tgt := r.target("a", events(delta("a"), finish, usage, doneEvent))
	tgt.MaxInFlight = 1
	ans, err := r.d.Do(r.call(streamCall))
	if err != nil || !tgt.Full() {
		t.Fatalf("got %v; full: %v", err, tgt.Full())
	}
	c := r.call(streamCall)
	if _, err := r.d.Do(c); err == nil || err.Status != 429 || err.Code != "saturated" || len(c.Attempts) != 0 || r.account.sent != 1 {
		t.Errorf("beside it: got %v, %d attempts, %d sent", err, len(c.Attempts), r.account.sent)
	}
	var out bytes.Buffer
	if _, err := ans.Stream.WriteTo(&out); err != nil {
		t.Error(err)
	}
	if err := ans.Stream.Close(); err != nil || tgt.State.InFlight.Load() != 0 {
		t.Errorf("at its end: %v, %d in flight", err, tgt.State.InFlight.Load())
	}
}

// TestFullTargetGivesWay: the next of the plan is tried at once, and the place
// that a call has waited for is taken.
func TestFullTargetGivesWay(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 1})
	a, b := r.target("a", answer), r.target("b", answer)
	a.MaxInFlight, b.MaxInFlight = 1, 1
	other, _ := a.Enter(time.Now().UnixMilli())
	c := r.call(jsonCall)
	c.Place, _ = b.Enter(time.Now().UnixMilli())
	if _, err, _ := r.do(c); err != nil || c.Target != b || len(c.Attempts) != 1 || c.Place.Held() || b.State.InFlight.Load() != 0 {
		t.Errorf("got %v from %s after %d attempts", err, c.Target.Name, len(c.Attempts))
	}
	other.Leave()
}

// TestWhatOpensABreaker: failures of the target's own, answers that break off
// among them; not what its caller does.
func TestWhatOpensABreaker(t *testing.T) {
	f := func(name string, want call.Circuit, body string, h ...string) {
		t.Helper()
		r := newRig(t, dispatch.Options{Attempts: 1})
		tgt := r.target("a", events(h...))
		if len(h) == 2 && len(h[0]) == 3 {
			r = newRig(t, dispatch.Options{Attempts: 1})
			tgt = r.target("a", status(int(h[0][0]-'0')*100+int(h[0][1]-'0')*10+int(h[0][2]-'0'), h[1]))
		}
		tgt.Breaker = soon
		for range 2 {
			_, _, _ = r.do(r.call(body))
		}
		if got := tgt.Circuit(time.Now().UnixMilli()); got != want || tgt.State.InFlight.Load() != 0 {
			t.Errorf("%s: the circuit is %s, %d are in flight", name, got, tgt.State.InFlight.Load())
		}
	}
	f("500", call.CircuitOpen, jsonCall, "500", `{}`)
	f("503", call.CircuitOpen, jsonCall, "503", `{}`)
	f("400", call.CircuitClosed, jsonCall, "400", `{"error":{"message":"no"}}`)
	f("404", call.CircuitClosed, jsonCall, "404", `{"error":{"message":"no"}}`)
	f("429", call.CircuitClosed, jsonCall, "429", `{}`)
	f("401", call.CircuitClosed, jsonCall, "401", `{}`)
	f("cut before", call.CircuitOpen, streamCall, "CUT")
	f("cut underway", call.CircuitOpen, streamCall, delta("a"), "CUT")
	f("an error underway", call.CircuitOpen, streamCall, delta("a"), "data: {\"error\":{\"message\":\"overloaded\"}}\n\n")
	f("whole", call.CircuitClosed, streamCall, delta("a"), finish, doneEvent)

	r := newRig(t, dispatch.Options{Attempts: 1})
	tgt := r.target("a", events(delta("a"), "HANG"))
	tgt.Breaker = soon
	for range 2 {
		c := r.call(streamCall)
		ans, err := r.d.Do(c)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = ans.Stream.WriteTo(leaver{c})
		if err := ans.Stream.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := tgt.Circuit(time.Now().UnixMilli()); got != call.CircuitClosed {
		t.Errorf("callers who leave: the circuit is %s", got)
	}
}

// TestOpenBreakerIsNotAsked: neither by others nor by the call that opened it.
func TestOpenBreakerIsNotAsked(t *testing.T) {
	r := newRig(t, dispatch.Options{Attempts: 5})
	tgt := r.target("a", status(500, `{}`))
	tgt.Breaker = soon
	c := r.call(jsonCall)
	if _, err, _ := r.do(c); err == nil || err.Code != "upstream_error" || len(c.Attempts) != 2 {
		t.Errorf("got %v after %d attempts; want two", err, len(c.Attempts))
	}
	c = r.call(jsonCall)
	if _, err, _ := r.do(c); err == nil || err.Code != "provider_resting" || err.Status != 503 || err.RetryAfter < 59*time.Minute || len(c.Attempts) != 0 {
		t.Errorf("got %+v after %d attempts", err, len(c.Attempts))
	}
}
