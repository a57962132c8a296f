package server

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func limited(d wire.Dialect) *call.Call {
	return &call.Call{Dialect: d, Received: time.Date(2026, 5, 20, 10, 0, 0, 1, time.UTC), Rates: call.RateStates{
		Requests: call.RateState{Set: true, Limit: 60, Left: 59, Reset: 61500 * time.Millisecond},
		Tokens:   call.RateState{Set: true, Limit: 150_000, Left: 149_984, Reset: 6 * time.Minute},
	}}
}

func TestRateHeaders(t *testing.T) {
	f := func(c *call.Call, want map[string]string) {
		t.Helper()
		var h fasthttp.ResponseHeader
		rates(&h, c)
		n := 0
		for range h.All() {
			n++
		}
		if base := 1; n != len(want)+base { // the date
			t.Errorf("there are %d headers; want %d and the date: %s", n, len(want), h.String())
		}
		for name, value := range want {
			if got := string(h.Peek(name)); got != value {
				t.Errorf("%s is %q; want %q", name, got, value)
			}
		}
	}
	openAI := map[string]string{"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1m1.5s",
		"x-ratelimit-limit-tokens": "150000", "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s"}
	f(limited(wire.OpenAIChat), openAI)
	f(limited(wire.OpenAIResponses), openAI)
	f(limited(wire.GeminiGenerate), openAI)
	f(limited(wire.AnthropicMessages), map[string]string{"anthropic-ratelimit-requests-limit": "60", "anthropic-ratelimit-requests-remaining": "59",
		"anthropic-ratelimit-requests-reset": "2026-05-20T10:01:02Z", "anthropic-ratelimit-tokens-limit": "150000",
		"anthropic-ratelimit-tokens-remaining": "149984", "anthropic-ratelimit-tokens-reset": "2026-05-20T10:06:01Z"})
	one := limited(wire.OpenAIChat)
	one.Rates.Tokens = call.RateState{}
	f(one, map[string]string{"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1m1.5s"})
	f(&call.Call{}, nil)
}

// TestDurations: what is told is read as Go reads durations, and is never too short.
func TestDurations(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := string(appendDuration(nil, d)); got != want {
			t.Errorf("%s is told as %s; want %s", d, got, want)
		}
	}
	f(0, "0s")
	f(1, "1ms")
	f(20*time.Millisecond, "20ms")
	f(time.Second, "1s")
	f(6*time.Minute, "6m0s")
	f(time.Hour+2*time.Minute+3500*time.Millisecond, "1h2m3.5s")
	f(time.Hour, "1h0m0s")
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		ms := time.Duration(rnd.Int64N(1e9)) * time.Millisecond
		f(ms, ms.String())
	}
}

func TestRateHeadersAllocateNothing(t *testing.T) {
	for _, d := range []wire.Dialect{wire.OpenAIChat, wire.AnthropicMessages} {
		c := limited(d)
		var h fasthttp.ResponseHeader
		rates(&h, c)
		if n := testing.AllocsPerRun(1000, func() { rates(&h, c) }); n != 0 {
			t.Errorf("%s: %v allocations", d, n)
		}
	}
}

func benchmarkRates(b *testing.B, d wire.Dialect, on bool) {
	c := limited(d)
	if !on {
		c.Rates = call.RateStates{}
	}
	var h fasthttp.ResponseHeader
	for b.Loop() {
		h.Reset()
		for _, name := range [][]byte{hRequestID, hProvider, hModel, hAttempts, hRoute, hPolicy} {
			h.SetCanonical(name, name)
		}
		rates(&h, c)
	}
}

func BenchmarkHeadersAlone(b *testing.B)   { benchmarkRates(b, wire.OpenAIChat, false) }
func BenchmarkRatesOpenAI(b *testing.B)    { benchmarkRates(b, wire.OpenAIChat, true) }
func BenchmarkRatesAnthropic(b *testing.B) { benchmarkRates(b, wire.AnthropicMessages, true) }
