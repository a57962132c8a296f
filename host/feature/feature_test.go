package feature

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func request(d wire.Dialect, body string, messages int) *call.Call {
	c := &call.Call{Op: wire.OpChat, Dialect: d, Body: []byte(body)}
	c.Facts.Messages = messages
	return c
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// prompt is a request with one message in OpenAI's form.
func prompt(text string) *call.Call {
	return request(wire.OpenAIChat, `{"messages":[{"role":"user","content":`+quoted(text)+`}]}`, 1)
}

func TestCounts(t *testing.T) {
	f := func(text string, want abi.Features) {
		t.Helper()
		got := Of(prompt(text))
		want.Messages, want.UserBytes = 1, uint32(len(quoted(text))-2)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%.40q: (-want +got)\n%s", text, diff)
		}
	}
	f("", abi.Features{})
	f("Hello!", abi.Features{Words: 1, Sentences: 1, Lines: 1, Easy: 1})
	f("Prove that 2 + 2 = 4. Why? I am serious", abi.Features{Words: 6, Sentences: 3, Questions: 1, Lines: 1, Numbers: 3, Signs: 2, Hard: 2})
	f("It costs 3.50 or 1,000 in v2.", abi.Features{Words: 5, Sentences: 1, Lines: 1, Numbers: 5})
	f("PROVE it, quickly; unquestionably.", abi.Features{Words: 4, LongWords: 1, Sentences: 1, Lines: 1, Hard: 1})
	f("do:\n\n- one\n* two\n  3. three\n12) four\n-five\n7 eight\n", abi.Features{Words: 7, Sentences: 2, Lines: 7, Items: 4, Numbers: 3})
	f("see\n```go\nprove := why\n\n// x\n```\nwhy", abi.Features{Words: 6, Sentences: 1, Lines: 6, CodeLines: 2, Signs: 1, Hard: 1})
	f("a < b && \"c\" > d\t\\alpha ≤ β²", abi.Features{Words: 6, Sentences: 1, Lines: 1, Signs: 5, Foreign: 3})
	f("Übersetze: ÉLÉPHANTS, пожалуйста. ДОКАЖИ", abi.Features{Words: 4, LongWords: 1, Sentences: 2, Lines: 1, Hard: 1, Easy: 1, Foreign: 19})
	f("证明这个定理。为什么？你好", abi.Features{Words: 5, Sentences: 3, Questions: 1, Lines: 1, Hard: 2, Easy: 1, Foreign: 13})
	f("naïve 😀 café", abi.Features{Words: 2, Sentences: 1, Lines: 1, Foreign: 3})
}

// TestEscapes: a text counts the same however JSON writes it.
func TestEscapes(t *testing.T) {
	f := func(plain, escaped string) {
		t.Helper()
		a := Of(request(wire.OpenAIChat, `{"messages":[{"role":"user","content":"`+plain+`"}]}`, 1))
		b := Of(request(wire.OpenAIChat, `{"messages":[{"role":"user","content":"`+escaped+`"}]}`, 1))
		b.UserBytes = a.UserBytes
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%q and %q: %s", plain, escaped, diff)
		}
	}
	f("why?", `\u0077h\u0059\u003F`)
	f("übersetze 1", `\u00fcbersetze\u0020\u0031`)
	f("证明", `\u8bc1\u660e`)
	f("a b", `a\tb`)
}

func TestDialects(t *testing.T) {
	f := func(d wire.Dialect, messages int, system, user uint32, body string) {
		t.Helper()
		got := Of(request(d, body, messages))
		if got.Messages != uint32(messages) || got.SystemBytes != system || got.UserBytes != user || got.Words != 2 || got.Hard != 1 {
			t.Errorf("dialect %v: got %+v", d, got)
		}
	}
	f(wire.OpenAIChat, 4, 8, 8, `{"model":"gpt","messages":[{"role":"system","content":"Be brief"},{"role":"user","content":"translate a list"},
		{"role":"assistant","content":"why why"},{"role":"user","content":[{"type":"text","text":"prove"},{"type":"image_url","image_url":{"url":"data:x"}},{"type":"text","text":"it!"}]}]}`)
	f(wire.OpenAIChat, 2, 0, 8, `{"messages":[{"role":"user","content":"prove it"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"why","arguments":"{\"why\":1}"}}]},
		{"role":"tool","tool_call_id":"1","content":"why why why"}],"other":"why why"}`)
	f(wire.OpenAIResponses, 1, 5, 8, `{"instructions":"Brief","input":"prove it"}`)
	f(wire.OpenAIResponses, 2, 0, 8, `{"input":[{"role":"user","content":"why why"},{"type":"message","role":"user","content":[{"type":"input_text","text":"prove it"}]}]}`)
	f(wire.AnthropicMessages, 3, 5, 8, `{"system":"Brief","messages":[{"role":"user","content":"why why"},{"role":"assistant","content":"list"},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"why why"},{"type":"text","text":"prove it"}]}]}`)
	f(wire.GeminiGenerate, 1, 5, 8, `{"systemInstruction":{"parts":[{"text":"Brief"}]},"contents":[{"role":"user","parts":[{"text":"prove it"}]}]}`)
}

// TestNothing: where there is no text to be found, the messages alone are counted.
func TestNothing(t *testing.T) {
	f := func(what string, c *call.Call) {
		t.Helper()
		if got := Of(c); got != (abi.Features{Messages: 3}) {
			t.Errorf("%s: got %+v", what, got)
		}
	}
	body := `{"messages":[{"role":"user","content":"prove it"}]}`
	c := request(wire.OpenAIChat, body, 3)
	c.Op = wire.OpEmbeddings
	f("embeddings", c)
	f("another dialect", request(0, body, 3))
	f("no JSON", request(wire.OpenAIChat, body[:30], 3))
	f("no user", request(wire.OpenAIChat, `{"messages":[{"role":"assistant","content":"prove it"}]}`, 3))
	f("a large body", request(wire.OpenAIChat, `{"messages":[{"role":"user","content":"`+strings.Repeat("x", MaxBody)+`"}]}`, 3))
}

// TestBound: of a long message the beginning counts, over all of its parts.
func TestBound(t *testing.T) {
	half := strings.Repeat("prove ", MaxText/6/2)
	body := fmt.Sprintf(`{"messages":[{"role":"user","content":[{"type":"text","text":%[1]q},{"type":"text","text":%[1]q},{"type":"text","text":%[1]q}]}]}`, half)
	got := Of(request(wire.OpenAIChat, body, 1))
	if most := uint32(MaxText/6 + 2); got.Hard > most || got.Hard < most-4 || got.UserBytes != uint32(3*len(half)) {
		t.Errorf("got %+v; want about %d words that count, and all bytes", got, most)
	}
}

func TestWordLists(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range strings.Fields(hardWords + " " + easyWords) {
		if seen[w] {
			t.Errorf("%q is there twice", w)
		}
		seen[w] = true
		if strings.ToLower(w) != w {
			t.Errorf("%q is not in lower case: it would never be found", w)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add(uint8(wire.OpenAIChat), prompt("Prove - it.\n```\nx\n```").Body)
	f.Add(uint8(wire.GeminiGenerate), []byte(`{"contents":[{"parts":[{"text":"\u12"}]}]}`))
	f.Fuzz(func(t *testing.T, d uint8, body []byte) {
		got := Of(&call.Call{Op: wire.OpChat, Dialect: wire.Dialect(d), Body: body})
		n := uint32(len(body))
		if got.UserBytes > n || got.Words > n || got.Lines > n || got.CodeLines+got.Items > got.Lines || got.LongWords > got.Words ||
			got.Hard+got.Easy > n || got.Foreign > n {
			t.Errorf("got %+v of %d bytes", got, n)
		}
	})
}
