package scan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestRequestFacts(t *testing.T) {
	f := func(body string, want string) {
		t.Helper()
		var facts scan.Facts
		if err := scan.Request(&facts, []byte(body)); err != nil {
			t.Errorf("Request(%s): %v", body, err)
			return
		}
		var tools []string
		for _, tool := range facts.Tools {
			tools = append(tools, string(tool))
		}
		got := fmt.Sprintf("%s stream=%t usage=%t max=%d n=%d tools=%v in=%d msgs=%d unbounded=%t cache=%t tier=%s",
			facts.Model, facts.Stream, facts.IncludeUsage, facts.MaxTokens, facts.N, tools, facts.In, facts.Messages,
			facts.Unbounded, facts.CacheControl, facts.ServiceTier)
		if got != want {
			t.Errorf("Request(%s)\n got %s\nwant %s", body, got, want)
		}
		if body[facts.End] != '}' {
			t.Errorf("End of %s is at %q", body, body[facts.End:])
		}
		if raw := body[facts.ModelAt.From:facts.ModelAt.To]; !bytes.Contains([]byte(body), []byte(`"`+raw+`"`)) {
			t.Errorf("ModelAt of %s covers %q", body, raw)
		}
	}
	f(`{"model":"a/b","messages":[{"role":"user","content":"hi"}]}`,
		"a/b stream=false usage=false max=0 n=1 tools=[] in=1 msgs=1 unbounded=false cache=false tier=")
	f(` {"stream" : true , "stream_options":{"include_usage":true},"n":3,"max_tokens":5,"max_completion_tokens":7,"model":"m\u00e9","service_tier":"flex"} `,
		"mé stream=true usage=true max=7 n=3 tools=[] in=0 msgs=0 unbounded=false cache=false tier=flex")
	f(`{"model":"m","tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object","name":"no"}}},{"name":"b","input_schema":{}}]}`,
		"m stream=false usage=false max=0 n=1 tools=[a b] in=0 msgs=0 unbounded=false cache=false tier=")
	f(`{"model":"m","tools":[{"type":"web_search_20250305","name":"web_search"}]}`,
		"m stream=false usage=false max=0 n=1 tools=[web_search] in=0 msgs=0 unbounded=true cache=false tier=")
	f(`{"model":"m","messages":[{"content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}]}`,
		"m stream=false usage=false max=0 n=1 tools=[] in=3 msgs=1 unbounded=false cache=true tier=")
	f(`{"model":"m","messages":[{"content":[{"type":"image_url","image_url":{"url":"https://x"}}]},{"content":null}]}`,
		"m stream=false usage=false max=0 n=1 tools=[] in=2 msgs=2 unbounded=true cache=false tier=")
	f(`{"model":"m","messages":[{"content":[{"type":"tool_result","content":[{"type":"image","source":{"type":"url","url":"u"}}]}]}]}`,
		"m stream=false usage=false max=0 n=1 tools=[] in=3 msgs=1 unbounded=true cache=false tier=")
	f(`{"model":"m","messages":[{"content":[{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"url","url":"u"}}]}}]}]}`,
		"m stream=false usage=false max=0 n=1 tools=[] in=10 msgs=1 unbounded=true cache=false tier=")
	const unbounded = "m stream=false usage=false max=0 n=1 tools=[] in=0 msgs=%d unbounded=%t cache=false tier="
	f(`{"model":"m","messages":[{"content":{"type":"image_url","image_url":"https://x"}}]}`, fmt.Sprintf(unbounded, 1, true))
	f(`{"model":"m","messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}`, fmt.Sprintf(unbounded, 1, true))
	f(`{"model":"m","messages":[{"role":"assistant","audio":null}]}`, fmt.Sprintf(unbounded, 1, false))
	f(`{"model":"m","plugins":[{"id":"web"}]}`, fmt.Sprintf(unbounded, 0, true))
	f(`{"model":"m","search_parameters":{"mode":"on"},"models":null}`, fmt.Sprintf(unbounded, 0, true))
	f(`{"model":"e","input":["a","b"]}`, "e stream=false usage=false max=0 n=1 tools=[] in=1 msgs=2 unbounded=false cache=false tier=")
	f(`{"model":"e","input":[1,2,3]}`, "e stream=false usage=false max=0 n=1 tools=[] in=1 msgs=1 unbounded=false cache=false tier=")
	f(`{"model":"m","metadata":{"model":"x","Model":"y","model":"z"},"stream":null,"max_tokens":null}`,
		"m stream=false usage=false max=0 n=1 tools=[] in=0 msgs=0 unbounded=false cache=false tier=")
}

func TestRequestRefuses(t *testing.T) {
	f := func(body, code string) {
		t.Helper()
		var facts scan.Facts
		err := scan.Request(&facts, []byte(body))
		if err == nil || err.Code != code || err.Status != 400 {
			t.Errorf("Request(%.80q) = %v, want code %s", body, err, code)
		}
	}
	f(``, "invalid_json")
	f(`[]`, "invalid_json")
	f(`{"model":"m"} x`, "invalid_json")
	f(`{"model":"m"}{}`, "invalid_json")
	f(`{"model":"m",}`, "invalid_json")
	f(`{"model":"a\xb"}`, "invalid_json")
	f("{\"model\":\"a\nb\"}", "invalid_json")
	f(`{"x":01}`, "invalid_json")
	f(`{"x":`+strings.Repeat("[", 100_000), "invalid_json")
	f(`{"x":`+strings.Repeat(`{"a":`, 100_000), "invalid_json")
	f(`{"model":"cheap","model":"dear"}`, "duplicate_member")
	f(`{"model":"cheap","mod\u0065l":"dear"}`, "lookalike_member")
	f(`{"model":"cheap","Model":"dear"}`, "lookalike_member")
	f(`{"model":"cheap","ſtream":true}`, "lookalike_member")
	f(`{"model":"cheap","max_to`+"\u212a"+`ens":1}`, "lookalike_member")
	f(`{"model":"m","stream_options":{"include_usage":true,"INCLUDE_USAGE":false}}`, "lookalike_member")
	f(`{"model":"m","messages":[{"content":[{"type":"text","type":"image"}]}]}`, "duplicate_member")
	f(`{"model":"m","models":["dear"]}`, "unsupported_member")
	f(`{"model":"m","Models":["dear"]}`, "lookalike_member")
	f(`{"model":"m","stream_options":"x"}`, "invalid_type")
	f(`{"model":1}`, "invalid_type")
	f(`{"model":"m","stream":"yes"}`, "invalid_type")
	f(`{"model":"m","max_tokens":1.5}`, "invalid_type")
	f(`{"model":"m","max_tokens":-1}`, "invalid_type")
	f(`{"model":"m","max_tokens":99999999999999999999999999}`, "invalid_type")
	f(`{"model":"m","n":0}`, "invalid_type")
	f(`{"model":"m","messages":"hi"}`, "invalid_type")
}

// TestResetForgetsLargeRequests: facts are pooled.
func TestResetForgetsLargeRequests(t *testing.T) {
	var facts scan.Facts
	body := `{"model":"m","tools":[` + strings.Repeat(`{"name":"a"},`, 100_000) + `{"name":"b"}]}`
	if err := scan.Request(&facts, []byte(body)); err != nil {
		t.Fatal(err)
	}
	if facts.Reset(); cap(facts.Tools) > 1<<10 {
		t.Errorf("room for %d tools is kept", cap(facts.Tools))
	}
}

func TestRequestAllocatesNothing(t *testing.T) {
	body := sample(1 << 10)
	var facts scan.Facts
	if n := testing.AllocsPerRun(100, func() {
		if err := scan.Request(&facts, body); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Request allocates %v times, want 0", n)
	}
}

// FuzzRequest holds the scanner against encoding/json: it accepts nothing that
// the standard parser refuses, and where both accept they read the same model.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}],"n":2,"stream":true}`))
	f.Add([]byte(`{"mod\u0065l":"a","tools":[{"name":"b"}],"max_tokens":1e3}`))
	f.Add(sample(300))
	f.Fuzz(func(t *testing.T, body []byte) {
		var facts scan.Facts
		if err := scan.Request(&facts, body); err != nil {
			return
		}
		var std struct{ Model *string }
		if err := json.Unmarshal(body, &std); err != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", body, err)
		}
		if std.Model != nil && *std.Model != strings.ToValidUTF8(string(facts.Model), "\ufffd") && !strings.Contains(*std.Model, "\ufffd") {
			t.Fatalf("read model %q of %q, encoding/json reads %q", facts.Model, body, *std.Model)
		}
	})
}

func BenchmarkRequest(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 128 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			body := sample(size)
			var facts scan.Facts
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := scan.Request(&facts, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func sample(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"openai/gpt-4o-mini","temperature":0.7,"max_tokens":256,"messages":[{"role":"system","content":"Be brief."}`)
	for b.Len() < size-60 {
		b.WriteString(`,{"role":"user","content":"The quick brown fox jumps over the lazy dog.\nAnd then it said: \"again\"."}`)
	}
	b.WriteString(`],"stream":false,"user":"u-1"}`)
	return b.Bytes()
}
