//go:build !race

package wire

import "testing"

func TestNoAllocations(t *testing.T) {
	f := func(name string, run func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, run); n != 0 {
			t.Errorf("%s allocates %v times; want 0", name, n)
		}
	}
	buf := make([]byte, 0, 4096)
	e := &Error{Status: 429, Class: ClassRateLimit, Code: "rate_limited", Message: "too many requests: wait \"2\" s", Param: "model"}
	f("AppendError openai", func() { AppendError(buf, OpenAIChat, e, "req_1") })
	f("AppendError anthropic", func() { AppendError(buf, AnthropicMessages, e, "req_1") })
	f("AppendErrorEvent", func() { AppendErrorEvent(buf, AnthropicMessages, e, "req_1") })
	for _, data := range [][]byte{[]byte(openAIChunk), []byte(openAIUsage0), []byte(anthropicDelta)} {
		f("ReadUsage", func() { sinkUsage, _ = ReadUsage(OpenAIChat, data) })
		f("ReadUsageEvent", func() { ReadUsageEvent(AnthropicMessages, data, &sinkUsage) })
	}
}

func TestStreamEventsDoNotAllocate(t *testing.T) {
	f := func(from, to Dialect, data string, begin ...string) {
		t.Helper()
		st := fixed(t, from, to).Stream("alias", true)
		buf := make([]byte, 0, 4096)
		for _, e := range append(begin, data) {
			if _, err := st.Event(buf, "", []byte(e)); err != nil {
				t.Fatal(err)
			}
		}
		raw := []byte(data)
		if n := testing.AllocsPerRun(200, func() { _, _ = st.Event(buf, "", raw) }); n != 0 {
			t.Errorf("%s allocates %v times; want 0", data, n)
		}
	}
	f(OpenAIChat, AnthropicMessages, benchTextDelta, benchStart)
	f(OpenAIChat, AnthropicMessages, benchThinking, benchStart)
	f(OpenAIChat, AnthropicMessages, benchToolDelta, benchStart, benchToolStart)
	f(AnthropicMessages, OpenAIChat, openAIChunk)
	f(AnthropicMessages, OpenAIChat, benchCallDelta, benchCall)
}
