//go:build !race

package wire

import "testing"

func TestGeminiDoesNotAllocate(t *testing.T) {
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
			t.Errorf("%s to %s allocates %v times; want 0", to, from, n)
		}
	}
	f(OpenAIChat, GeminiGenerate, benchGeminiText)
	f(AnthropicMessages, GeminiGenerate, benchGeminiText)
	f(AnthropicMessages, GeminiGenerate, benchGeminiThink)
	f(GeminiGenerate, OpenAIChat, openAIChunk)
	f(GeminiGenerate, AnthropicMessages, benchTextDelta, benchStart)
	e := &Error{Status: 429, Class: ClassRateLimit, Message: "wait", Param: "model", RetryAfter: 2}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(200, func() { AppendError(buf, GeminiGenerate, e, "req_1") }); n != 0 {
		t.Errorf("AppendError allocates %v times; want 0", n)
	}
}
