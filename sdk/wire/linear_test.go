package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestCallsWithoutIDs: they get ids of their own, which are the same when the
// same answer is read again.
func TestCallsWithoutIDs(t *testing.T) {
	const call = `{"type":"function","function":{"name":"f","arguments":"{}"}}`
	read := func(body string) []part {
		t.Helper()
		a, err := readOpenAIAnswer([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return a.parts
	}
	body := func(content string, n int) string {
		return `{"id":"x","choices":[{"index":0,"finish_reason":"tool_calls","message":{"content":"` + content + `","tool_calls":[` +
			strings.TrimSuffix(strings.Repeat(call+",", n), ",") + `]}}]}`
	}
	one, again, other := read(body("a", 3)), read(body("a", 3)), read(body("b", 3))
	seen := map[string]bool{}
	for i := range one {
		if one[i].kind != toolCallPart {
			continue
		}
		if !bytes.Equal(one[i].id, again[i].id) || bytes.Equal(one[i].id, other[i].id) || seen[string(one[i].id)] {
			t.Errorf("call %d: ids %s, %s and %s", i, one[i].id, again[i].id, other[i].id)
		}
		seen[string(one[i].id)] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d calls, want 3", len(seen))
	}
	read(body("c", 100_000)) // in one go over its bytes, else this takes an hour
}

// TestItemsThatNeverEnd: what a stream of responses leaves open is bounded.
func TestItemsThatNeverEnd(t *testing.T) {
	tr := fixed(t, OpenAIChat, OpenAIResponses)
	st := tr.Stream("m", false)
	var err error
	n := 0
	for ; n < 10_000 && err == nil; n++ {
		_, err = st.Event(nil, "", fmt.Appendf(nil, `{"type":"response.output_item.added","output_index":%d,"item":{"type":"message","id":"m"}}`, n))
	}
	if err == nil || n > maxCalls+1 {
		t.Errorf("%d items are open at a time: %v", n, err)
	}
}

// TestManyItemsOfAResponse: thoughts and text by turns, each an item of its own.
func TestManyItemsOfAResponse(t *testing.T) {
	st := fixed(t, OpenAIResponses, OpenAIChat).Stream("m", false)
	const turns = 50_000
	var out []byte
	var err error
	event := func(data string) {
		if out, err = st.Event(out[:0], "", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	for range turns {
		event(`{"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"a"}}]}`)
		event(`{"id":"c","choices":[{"index":0,"delta":{"content":"b"}}]}`)
	}
	event(`{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`)
	event(`[DONE]`)
	if n := bytes.Count(out, []byte(`"type":"message"`)); n < turns {
		t.Errorf("the last event has %d messages, want %d", n, turns)
	}
}
