//go:build !race

package wire

import "testing"

// TestUpstreamEventsDoNotAllocate: the events of which a stream has many.
func TestUpstreamEventsDoNotAllocate(t *testing.T) {
	type event struct{ name, data string }
	f := func(from, to Dialect, events ...event) {
		t.Helper()
		st := fixed(t, from, to).Stream("alias", true)
		buf := make([]byte, 0, 4096)
		for _, e := range events {
			if _, err := st.Event(buf, e.name, []byte(e.data)); err != nil {
				t.Fatal(err)
			}
		}
		last := events[len(events)-1]
		raw := []byte(last.data)
		if n := testing.AllocsPerRun(200, func() { _, _ = st.Event(buf, last.name, raw) }); n != 0 {
			t.Errorf("%s for %s: %s allocates %v times; want 0", to, from, last.data, n)
		}
	}
	for _, from := range []Dialect{OpenAIChat, AnthropicMessages} {
		start := event{"messageStart", `{"role":"assistant"}`}
		f(from, BedrockConverse, start, event{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"word "},"p":"abcdefgh"}`})
		f(from, BedrockConverse, start, event{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm "}},"p":"abc"}`})
		f(from, BedrockConverse, start, event{"contentBlockStart", `{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}`},
			event{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"toolUse":{"input":"1"}},"p":"abc"}`})
		begin := event{"message-start", `{"type":"message-start","id":"a","delta":{"message":{"role":"assistant"}}}`}
		f(from, CohereChat, begin, event{"content-delta", `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"word "}}}}`})
		f(from, CohereChat, begin, event{"content-delta", `{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"hm "}}}}`})
	}
}

func BenchmarkBedrockTextDelta(b *testing.B) {
	st := fixed(b, OpenAIChat, BedrockConverse).Stream("alias", true)
	buf := make([]byte, 0, 4096)
	if _, err := st.Event(buf, "messageStart", []byte(`{"role":"assistant"}`)); err != nil {
		b.Fatal(err)
	}
	raw := []byte(`{"contentBlockIndex":0,"delta":{"text":"word "},"p":"abcdefgh"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := st.Event(buf, "contentBlockDelta", raw); err != nil {
			b.Fatal(err)
		}
	}
}
