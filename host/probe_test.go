package host

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// TestDue: a target is probed where nothing was heard of it for so long, or its
// breaker waits for someone to look, by one probe at a time.
func TestDue(t *testing.T) {
	tgt := &call.Target{Name: "p/m", State: call.NewTargetState(),
		Breaker: &call.Breaker{Errors: .5, Attempts: 1, Window: time.Minute, Rest: 4 * time.Second, MaxRest: time.Minute}}
	pr := &probe{tgt, 10 * time.Second}
	p := &prober{asked: map[*call.TargetState]*asking{}}
	now := time.Now()
	f := func(after time.Duration, want bool) {
		t.Helper()
		now = now.Add(after)
		a := p.due(pr, now)
		if (a != nil) != want {
			t.Errorf("due: %v; want %v", a != nil, want)
		}
		if a != nil && p.due(pr, now) != nil {
			t.Error("two at a time are due")
		}
		if a != nil {
			a.running = false
		}
	}
	attempt := func(class wire.Class) {
		pass, _ := tgt.Enter(now.UnixMilli())
		pass.Judge(class, now.UnixMilli())
		pass.Leave()
	}
	f(0, false) // it has just been seen
	f(9*time.Second, false)
	f(time.Second, true)
	f(time.Second, false)
	attempt(wire.ClassNone)
	f(9500*time.Millisecond, false) // somebody else has asked
	f(time.Second, true)
	attempt(wire.ClassServer)
	f(3*time.Second, false) // it is open
	f(time.Second, true)
	pass, _ := tgt.Enter(now.UnixMilli())
	f(2*time.Second, false) // someone looks already
	pass.Leave()
	f(0, true)
}

// TestProbeOf: there is a smallest request for whatever a provider serves.
func TestProbeOf(t *testing.T) {
	for _, form := range probeForms {
		p := &call.Provider{Name: "p"}
		p.Publish(call.NewEndpoints([]*call.Endpoint{{Op: form.op, Dialect: form.dialect, MaxTokens: "max_completion_tokens"}}))
		in, ok := probeOf(&call.Target{Name: "p/m", Model: "m", Provider: p})
		var facts scan.Facts
		if !ok || !json.Valid(in.Body) || in.Op != form.op || in.Dialect != form.dialect || !in.Once {
			t.Fatalf("%s: got %+v, %v", form.dialect, in, ok)
		}
		if err := scan.Operation(&facts, in.Op, in.Dialect, in.Body); err != nil || facts.Stream || form.op == wire.OpChat && facts.MaxTokens == 0 || len(in.Body) > 150 {
			t.Errorf("%s: %s has %+v, %v", form.dialect, in.Body, facts, err)
		}
	}
	none := &call.Provider{Name: "p"}
	none.Publish(call.NewEndpoints([]*call.Endpoint{{Op: wire.OpSpeech, Dialect: wire.OpenAISpeech}}))
	if _, ok := probeOf(&call.Target{Provider: none}); ok {
		t.Error("a probe of what serves neither chats nor embeddings")
	}
}
