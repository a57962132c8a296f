package wire

import (
	"fmt"
	"strings"
	"testing"
)

// TestManyCallsInRequest: what a caller can make a translation match is bounded.
func TestManyCallsInRequest(t *testing.T) {
	body := func(n int) []byte {
		var calls, results strings.Builder
		for i := range n {
			fmt.Fprintf(&calls, `%s{"type":"tool_use","id":"c%d","name":"f%d","input":{}}`, strings.Repeat(",", min(i, 1)), i, i)
			fmt.Fprintf(&results, `%s{"type":"tool_result","tool_use_id":"c%d","content":"ok"}`, strings.Repeat(",", min(i, 1)), i)
		}
		return fmt.Appendf(nil, `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[%s]},{"role":"user","content":[%s]}]}`, &calls, &results)
	}
	for _, to := range []Dialect{OpenAIChat, BedrockConverse, GeminiGenerate} {
		tr, ok := Translate(AnthropicMessages, to)
		if !ok {
			t.Fatalf("there is no translation to %s", to)
		}
		if _, _, err := tr.Request(nil, body(maxAskedCalls/2), "m"); err != nil {
			t.Errorf("%s: %v", to, err)
		}
		if _, _, err := tr.Request(nil, body(maxAskedCalls/2+1), "m"); err == nil || !strings.Contains(err.Error(), "tool calls and results") {
			t.Errorf("%s: got %v", to, err)
		}
	}
}
