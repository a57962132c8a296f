//go:build !race

package filter

import (
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// TestEventsAllocateNothing: events of a stream that is under way cost no
// garbage, whether something is hidden in them or not.
func TestEventsAllocateNothing(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", ""), native1(t, s, "length", `{"max_answer_chars":1000000000}`)}
	f := func(d wire.Dialect, event string) {
		t.Helper()
		x := s.Begin(newCall(wire.OpChat, d, "{}"), chain, nil)
		defer x.Release()
		_ = x.Expect()
		var dst []byte
		for range 10 {
			dst, _ = x.Events(dst[:0], []byte(event))
		}
		data := []byte(event)
		if n := testing.AllocsPerRun(500, func() {
			var err *wire.Error
			if dst, err = x.Events(dst[:0], data); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations for %s", d, n, event)
		}
	}
	for _, text := range []string{"plain words", "held", "I am jo@example.com, ", `esc\"aped `} {
		f(wire.OpenAIChat, `data: {"id":"c","choices":[{"index":0,"delta":{"content":"`+text+`"},"finish_reason":null}]}`+"\n\n")
		f(wire.AnthropicMessages, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\""+text+"\"}}\n\n")
		f(wire.OpenAIResponses, "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"output_index\":0,\"content_index\":0,\"delta\":\""+text+"\"}\n\n")
		f(wire.GeminiGenerate, `data: {"candidates":[{"content":{"parts":[{"text":"`+text+`"}]},"index":0}]}`+"\n\n")
	}
}

// TestRequestsAllocateNothing: a chain over a prompt that stays as it is costs
// no garbage once screens are there.
func TestRequestsAllocateNothing(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	c := newCall(wire.OpChat, wire.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":"some words"},{"role":"user","content":[{"type":"text","text":"more"}]}]}`)
	if n := testing.AllocsPerRun(200, func() {
		x := s.Begin(c, chain, nil)
		if _, err := x.Request(); err != nil {
			t.Fatal(err)
		}
		x.Release()
	}); n > 1 {
		t.Errorf("%v allocations; want none but now and then a screen", n)
	}
}
