package host

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

// TestWhichLimitsHold: one on a model or provider for requests that may go
// there, any other always, and what nobody can count is an error.
func TestWhichLimitsHold(t *testing.T) {
	h, _ := testHost(t)
	on := func(scope string) call.Limit {
		return call.Limit{Scope: scope, Window: call.Window{Unit: "day", Size: 1}, Max: 5}
	}
	openai, groq := &call.Provider{Name: "openai"}, &call.Provider{Name: "groq"}
	alias := &call.Model{Name: "fast", Targets: []*call.Target{{Name: "openai/gpt", Provider: openai}, {Name: "groq/llama", Provider: groq}}}
	direct := &call.Model{Name: "groq/llama", Targets: alias.Targets[1:]}
	f := func(m *call.Model, scope string, holds bool) {
		t.Helper()
		for range 2 { // nor is it another one from memory
			ch, err := h.chains.of(h.budget, &call.Principal{Limits: []call.Limit{on(scope)}}, &call.Decision{}, m)
			if err != nil || (ch != nil) != holds {
				t.Errorf("%s for %s: %v, %v; want it to hold: %t", scope, m.Name, ch, err, holds)
			}
		}
		_, err := h.chains.of(h.budget, &call.Principal{}, &call.Decision{Limits: []call.Limit{on(scope)}}, m)
		if (err == nil) != holds {
			t.Errorf("policy's %s for %s: %v", scope, m.Name, err)
		}
	}
	for _, scope := range []string{"key/k", "team/core", "env/prod", "model/fast", "model/openai/gpt", "model/groq/llama", "provider/openai", "provider/groq"} {
		f(alias, scope, true)
	}
	f(direct, "model/groq/llama", true)
	f(direct, "provider/groq", true)
	for _, scope := range []string{"model/fast", "model/openai/gpt", "provider/openai", "model/llama"} {
		f(direct, scope, false)
	}
	same := &call.Principal{Limits: []call.Limit{on("provider/openai")}}
	one, _ := h.chains.of(h.budget, same, &call.Decision{}, direct)
	if two, _ := h.chains.of(h.budget, same, &call.Decision{}, alias); one != nil || two == nil {
		t.Error("a caller's limits are remembered without the model")
	}
	g := func(scope, want string) {
		t.Helper()
		for _, m := range []*call.Model{nil, direct} { // at load, and at a request
			_, err := h.chains.of(h.budget, &call.Principal{Limits: []call.Limit{on(scope)}}, &call.Decision{}, m)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: got %v; want an error with %q", scope, err, want)
			}
		}
	}
	g("squad/x", "of kind")
	g("team/", "names no team")
	g("provider", "names no provider")
	g("", "scope is empty")
}
