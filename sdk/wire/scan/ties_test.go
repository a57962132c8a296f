package scan

import (
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestTies(t *testing.T) {
	f := func(d wire.Dialect, body string, want ...string) {
		t.Helper()
		got := ReadTies(d, []byte(body))
		for i, v := range [...][]byte{got.Session, got.Previous, got.User, got.Metadata, got.Tools, got.System, got.First} {
			w := ""
			if i < len(want) {
				w = want[i]
			}
			if string(v) != w {
				t.Errorf("%s: field %d is %q; want %q", body, i, v, w)
			}
		}
	}
	f(wire.OpenAIChat, `{}`)
	f(wire.OpenAIChat, `{"user":"u","prompt_cache_key":"k","messages":[{"role":"user","content":"hi"}]}`, "k", "", "u", "", "", "", `{"role":"user","content":"hi"}`)
	f(wire.OpenAIChat, `{"session_id":"s","prompt_cache_key":"k"}`, "s")
	f(wire.OpenAIChat, `{"messages":[ {"role":"system","content":"a"} , {"content":"b","role":"user"},{"role":"user","content":"c"}],"tools":[1]}`,
		"", "", "", "", "[1]", "", `{"role":"system","content":"a"} , {"content":"b","role":"user"}`)
	f(wire.OpenAIChat, `{"messages":[]}`)
	f(wire.OpenAIChat, `{"messages":null,"input":"x"}`, "", "", "", "", "", "", "null")
	f(wire.AnthropicMessages, `{"system":[{"type":"text"}],"metadata":{"user_id":"u1"}}`, "", "", "u1", `{"user_id":"u1"}`, "", `[{"type":"text"}]`)
	f(wire.OpenAIResponses, `{"previous_response_id":"resp_1","input":"hi","instructions":"be \"kind\"","metadata":{"session_id":"s\u0031","n":1}}`,
		"s1", "resp_1", "", `{"session_id":"s\u0031","n":1}`, "", `"be \"kind\""`, `"hi"`)
	f(wire.OpenAIResponses, `{"conversation":{"id":"conv_1"},"previous_response_id":"resp_1"}`, "", "conv_1")
	f(wire.OpenAIResponses, `{"conversation":"conv_1"}`, "", "conv_1")
	f(wire.GeminiGenerate, `{"contents":[{"parts":[{"text":"a"}]},{"parts":[]}],"systemInstruction":{"parts":[]}}`,
		"", "", "", "", "", `{"parts":[]}`, `{"parts":[{"text":"a"}]}`)
	f(wire.OpenAICompletions, `{"prompt":"once"}`, "", "", "", "", "", "", `"once"`)
	f(wire.OpenAIChat, `{"user":7,"session_id":null,"metadata":"x"}`)
	f(wire.OpenAIChat, `not json`)
	f(wire.OpenAIChat, `{"user":"u","messages":[{"role":"system"}`, "", "", "u")
}

func TestTiesOfLongOpenings(t *testing.T) {
	body := `{"messages":[` + strings.Repeat(`{"role":"system"},`, 100) + `{"role":"user"}],"user":"u"}`
	got := ReadTies(wire.OpenAIChat, []byte(body))
	if n := strings.Count(string(got.First), "system"); n != maxOpening || string(got.User) != "u" {
		t.Errorf("%d messages, user %q", n, got.User)
	}
}

func FuzzTies(f *testing.F) {
	f.Add([]byte(`{"user":"u","messages":[{"role":"system"},{"role":"user"}],"metadata":{"a":"b"},"conversation":{"id":"c"}}`))
	f.Add([]byte(`{"input":[{"role":"user","content":"\u00e9"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range [...]wire.Dialect{wire.OpenAIChat, wire.OpenAIResponses, wire.OpenAICompletions} {
			got := ReadTies(d, body)
			got.EachMetadata(func(_, _ []byte) {})
			if len(got.First) > len(body) {
				t.Error("longer than the body")
			}
		}
	})
}

func BenchmarkTies(b *testing.B) {
	body := []byte(`{"model":"m","messages":[{"role":"system","content":"` + strings.Repeat("be kind. ", 500) + `"},` +
		strings.Repeat(`{"role":"user","content":"some question of a usual length, and a little more"},{"role":"assistant","content":"an answer"},`, 50) +
		`{"role":"user","content":"x"}],"user":"u"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		ReadTies(wire.OpenAIChat, body)
	}
}
