package config

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestHeldLimits(t *testing.T) {
	c := mustLoad(t, `
providers: {demo: {adapter: demo}}
counters: {url: "redis://:secret@redis:6379/0", mode: exact, nodes: 3}
budgets: [{scope: team/core, usd: 0.1, window: {unit: day, tz: Europe/Berlin}}]
rates: [{scope: model/demo/echo, requests: 60, per: minute}, {scope: org/a, tokens: 5, per: {unit: hour, size: 2}, on_exceed: warn}]
keys: [{name: a, value: abcdefgh, rates: [{concurrent: 4}], budgets: [{usd: 1, window: day}, {tokens: 9, window: total, on_exceed: clamp}]}]
`)
	want := []call.Limit{
		{Scope: "team/core", Max: 100_000_000, Window: call.Window{Unit: "day", Size: 1, TZ: "Europe/Berlin"}},
		{Scope: "model/demo/echo", Unit: call.UnitRequests, Max: 60, Rate: true, Window: call.Window{Unit: "minute", Size: 1}},
		{Scope: "org/a", Unit: call.UnitTokens, Max: 5, Rate: true, OnExceed: call.OnWarn, Window: call.Window{Unit: "hour", Size: 2}},
	}
	got := c.Held()
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("limit %d is %+v; want %+v", i, got[i], want[i])
		}
	}
	p := c.Keys[0].Principal()
	if l := p.Budgets[len(p.Budgets)-1]; l != (call.Limit{Scope: "key/config-a", Unit: call.UnitTokens, Max: 9, OnExceed: call.OnClamp, Window: call.Window{Unit: "total", Size: 1}}) {
		t.Errorf("the key's budget of tokens is %+v", l)
	}
	if len(p.Budgets) != 3 || p.Budgets[0] != (call.Limit{Scope: "key/config-a", Unit: call.UnitConcurrent, Max: 4, Rate: true}) {
		t.Errorf("the key's limits are %+v", p.Budgets)
	}
	if c.Counters.Timeout.Milliseconds() != 100 || strings.Contains(c.Counters.URL.String(), "secret") {
		t.Errorf("counters are %+v", c.Counters)
	}
}

func TestHeldLimitsRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := loadText("providers: {demo: {adapter: demo}}\n" + text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
	f(`rates: [{scope: tem/core, requests: 1, per: minute}]`, `rates[0].scope: "tem/core" is not kind/name, did you mean "team"?`)
	f(`rates: [{scope: team/, requests: 1, per: minute}]`, `names no team`)
	f(`rates: [{requests: 1, per: minute}]`, `is not kind/name`)
	f(`rates: [{scope: team/a, requests: 1, window: day}]`, `put it under budgets`)
	f(`budgets: [{scope: team/a, requests: 1, per: day}]`, `put it under rates`)
	f(`keys: [{name: a, value: abcdefgh, budgets: [{requests: 1, per: day}]}]`, `keys[0].budgets[0]: is a rate`)
	f(`keys: [{name: a, value: abcdefgh, budgets: [{scope: team/a, requests: 1, window: day}]}]`, `keys[0].budgets[0].scope`)
	f(`keys: [{name: a, value: abcdefgh, budgets: [`+strings.Repeat("{usd: 1, window: day},", 9)+`]}]`, `keys[0].budgets: has 9 entries`)
	f(`budgets: [{scope: team/a, usd: 1, window: {unit: total, size: 2}}]`, `has no size`)
	f(`budgets: [{scope: team/a, usd: 1, window: dya}]`, `unit is "dya"`)
	f(`rates: [{scope: team/a, requests: 1, per: minute, burst: 3}]`, `burst`)
	f(`rates: [5]`, `not a limit`)
	f(`keys: [{name: a, value: abcdefgh, rates: [{scope: team/a, requests: 1, per: minute}]}]`, `a key's own limits have none`)
	f(`keys: [{name: a, value: abcdefgh, rates: [{requests: 1, window: day}]}]`, `keys[0].rates[0]: is a budget`)
	f(`counters: {url: "http://a"}`, `counters.url: is not that of a Redis`)
	f(`counters: {mode: exakt}`, `counters.mode`)
	f(`counters: {timeout: 10s}`, `counters.timeout`)
	f(`counters: {nodes: 5000}`, `counters.nodes`)
}
