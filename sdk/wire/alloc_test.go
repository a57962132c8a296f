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
