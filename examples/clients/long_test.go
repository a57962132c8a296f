package clients

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

// A long answer whose events come faster than they are passed on arrives as it
// was sent, however the events fall into reads.
func TestLongStreamsArriveWhole(t *testing.T) {
	var b strings.Builder
	for i := range 2_000 {
		fmt.Fprintf(&b, "%s%d ", strings.Repeat("x", i%37), i)
	}
	long := b.String()
	eachWay(t, func(t *testing.T, way string) {
		question := openAIParams(way, long)
		question.MaxCompletionTokens = openai.Int(16_000)
		got, err := openAIStream(t, question)
		if err != nil {
			t.Fatal(err)
		}
		if text := got.Choices[0].Message.Content; text != long {
			t.Errorf("by openai-chat: %s", difference(text, long))
		}
		other := anthropicParams(way, long)
		other.MaxTokens = 16_000
		message, err := anthropicStream(t, other)
		if err != nil {
			t.Fatal(err)
		}
		if text := message.Content[0].Text; text != long {
			t.Errorf("by anthropic-messages: %s", difference(text, long))
		}
	})
}

// difference shows where got stops being want.
func difference(got, want string) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	return fmt.Sprintf("%d of %d bytes; at %d %q; want %q", len(got), len(want), at, got[at:min(at+60, len(got))], want[at:min(at+60, len(want))])
}
