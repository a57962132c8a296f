package filter

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/abi"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

// cacheDir keeps what was compiled: a Go guest takes seconds under the race detector.
var cacheDir string

func TestMain(m *testing.M) {
	var err error
	if cacheDir, err = os.MkdirTemp("", "filter"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(cacheDir)
		os.Exit(code)
	}))
}

func newSet(t testing.TB) *Set {
	t.Helper()
	s, err := New(Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// load puts a Go guest of testdata in use and links it to both sides.
func load(t testing.TB, s *Set, name, onError string) Link {
	t.Helper()
	if err := s.Load(name, lane.Source{Code: wasmtest.BuildGo(t, "testdata/"+name)}, onError); err != nil {
		t.Fatal(err)
	}
	return Link{Handle: s.Handle(name), Request: true, Answer: true}
}

func native1(t testing.TB, s *Set, name, config string) Link {
	t.Helper()
	n, err := NewNative(name, []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	s.PutNative(name, n)
	return Link{Handle: s.Handle(name), Request: true, Answer: true}
}

func newCall(op wire.Op, d wire.Dialect, body string) *call.Call {
	return &call.Call{ID: 1, Received: time.Now(), Op: op, Dialect: d, Body: []byte(body), Principal: &call.Principal{KeyID: "k-1"},
		Model: &call.Model{Name: "m"}}
}

func codeOf(err *wire.Error) string {
	if err == nil {
		return ""
	}
	return err.Code
}

func TestRequestIsRewritten(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	f := func(op wire.Op, d wire.Dialect, body, want string) {
		t.Helper()
		c := newCall(op, d, body)
		x := s.Begin(c, chain, nil)
		defer x.Release()
		got, err := x.Request()
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
		if (&got[0] == &c.Body[0]) != (body == want) {
			t.Error("the body is copied without need, or changed in place")
		}
	}
	f(wire.OpChat, wire.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":"hi \u00e9"}]}`, `{"model":"m","messages":[{"role":"user","content":"hi \u00e9"}]}`)
	f(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"I am joe@example.com, \"Joe\""},{"role":"user","content":[{"type":"text","text":"a\u0040b.org"}]}],"model":"m"}`,
		`{"messages":[{"role":"user","content":"I am [MAIL], \"Joe\""},{"role":"user","content":[{"type":"text","text":"[MAIL]"}]}],"model":"m"}`)
	f(wire.OpChat, wire.AnthropicMessages, `{"system":"x@y.com","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"to":"a\u0040b.org","n":1}}]}]}`,
		`{"system":"[MAIL]","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"to":"[MAIL]","n":1}}]}]}`)
	f(wire.OpEmbeddings, wire.OpenAIEmbeddings, `{"input":["a@b.org","c"]}`, `{"input":["[MAIL]","c"]}`)
	f(wire.OpChat, wire.GeminiGenerate, `{"contents":[{"parts":[{"text":"a@b.org"}]}]}`, `{"contents":[{"parts":[{"text":"[MAIL]"}]}]}`)
	long := strings.Repeat("ä word ", 3000)
	f(wire.OpModeration, wire.OpenAIModeration, `{"input":"`+long+`a@b.org"}`, `{"input":"`+long+`[MAIL]"}`)
}

func TestWhatIsRefused(t *testing.T) {
	s := newSet(t)
	mask := load(t, s, "mask", "")
	f := func(op wire.Op, d wire.Dialect, body, want string) {
		t.Helper()
		c := newCall(op, d, body)
		x := s.Begin(c, []Link{mask}, nil)
		defer x.Release()
		if _, err := x.Request(); codeOf(err) != want {
			t.Errorf("%s: got %v; want %s", body, err, want)
		} else if err != nil && (err.Status != 403 || err.Class != wire.ClassPolicy || !strings.Contains(err.Message, `"mask"`)) {
			t.Errorf("%s: got %+v", body, err)
		}
	}
	chat := func(s string) string { return `{"messages":[{"role":"user","content":"` + s + `"}]}` }
	f(wire.OpChat, wire.OpenAIChat, chat("(block)"), "content_blocked")
	f(wire.OpChat, wire.OpenAIChat, chat("(trap)"), "filter_failed")
	f(wire.OpChat, wire.OpenAIChat, chat("(loop)"), "filter_failed")
	f(wire.OpChat, wire.OpenAIChat, chat("(bad)"), "filter_failed")
	f(wire.OpChat, wire.OpenAIChat, chat("(ask)"), "content_blocked") // there is no guard
	f(wire.OpChat, wire.OpenAIChat, chat("fine"), "")
	f(wire.OpEmbeddings, wire.OpenAIEmbeddings, `{"input":[1,2]}`, "content_unreadable")
	f(wire.OpBatches, wire.OpenAIBatches, `{"input_file_id":"f"}`, "content_unreadable")
	f(wire.OpPass, wire.Raw, `{}`, "content_unreadable")
	st := s.Handle("mask").Stats()
	if st.Actions["block"] != 1 || st.Codes[7] != 1 || st.Faults["trap"] != 1 || st.Faults["fuel"] != 1 || st.Faults["bad_answer"] != 1 {
		t.Errorf("counted %+v", st)
	}
}

func TestOpenFilters(t *testing.T) {
	s := newSet(t)
	mask := load(t, s, "mask", "open")
	c := newCall(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"(trap)"},{"role":"user","content":"a@b.org"}]}`)
	x := s.Begin(c, []Link{mask}, nil)
	defer x.Release()
	got, err := x.Request()
	if err != nil || !strings.Contains(string(got), "[MAIL]") || !strings.Contains(string(got), "(trap)") {
		t.Errorf("got %s, %v", got, err)
	}
	if len(c.Verdicts) != 2 || c.Verdicts[0].Action != 0 || c.Verdicts[1].Action != abi.ActionReplace || c.Verdicts[1].Findings != 1 {
		t.Errorf("verdicts %+v", c.Verdicts)
	}
	if st := s.Handle("mask").Stats(); st.Opened != 1 {
		t.Errorf("opened %d; want 1", st.Opened)
	}
}

type guard func(text string) (bool, error)

func (g guard) Judge(_ context.Context, _ *call.Call, _ string, text []byte) (bool, error) {
	return g(string(text))
}

func TestEscalation(t *testing.T) {
	s := newSet(t)
	f := func(onError string, g guard, want string) {
		t.Helper()
		mask := load(t, s, "mask", onError)
		mask.Guard = "judge"
		c := newCall(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"(ask) me"}]}`)
		x := s.Begin(c, []Link{mask}, g)
		defer x.Release()
		if _, err := x.Request(); codeOf(err) != want {
			t.Errorf("got %v; want %q", err, want)
		}
	}
	f("closed", func(string) (bool, error) { return false, nil }, "")
	f("closed", func(text string) (bool, error) { return text == "(ask) me", nil }, "content_blocked")
	f("closed", func(string) (bool, error) { return false, errors.New("down") }, "filter_failed")
	f("open", func(string) (bool, error) { return false, errors.New("down") }, "")
}

// TestGuardsAreAskedSoOften: they cost money, and a request can have many texts.
func TestGuardsAreAskedSoOften(t *testing.T) {
	s := newSet(t)
	mask := load(t, s, "mask", "")
	mask.Guard = "judge"
	asked := 0
	f := func(messages int, want string) {
		t.Helper()
		body := `{"messages":[` + strings.Repeat(`{"role":"user","content":"(ask) me"},`, messages) + `{"role":"user","content":"x"}]}`
		asked = 0
		x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, body), []Link{mask}, guard(func(string) (bool, error) { asked++; return false, nil }))
		defer x.Release()
		if _, err := x.Request(); codeOf(err) != want {
			t.Errorf("%d messages: got %v; want %q", messages, err, want)
		}
	}
	f(maxJudged, "")
	f(maxJudged+1, "filter_failed")
	if asked != maxJudged {
		t.Errorf("asked %d times; want %d", asked, maxJudged)
	}
	f(maxJudged, "")
}

func TestAnswerIsRewritten(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	f := func(d wire.Dialect, contentType, body, want string) {
		t.Helper()
		x := s.Begin(newCall(wire.OpChat, d, "{}"), chain, nil)
		defer x.Release()
		got, err := x.Answer(call.Answer{ContentType: contentType, Body: []byte(body)})
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	f(wire.OpenAIChat, "application/json", `{"choices":[{"message":{"content":"a@b.org","reasoning_content":"c@d.org","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"e@f.org\"}"}}]},"logprobs":{"content":[]}}]}`,
		`{"choices":[{"message":{"content":"[MAIL]","reasoning_content":"[MAIL]","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"[MAIL]\"}"}}]},"logprobs":null}]}`)
	f(wire.AnthropicMessages, "application/json", `{"content":[{"type":"text","text":"a@b.org"},{"type":"tool_use","name":"f","input":{"a":"e@f.org"}}]}`,
		`{"content":[{"type":"text","text":"[MAIL]"},{"type":"tool_use","name":"f","input":{"a":"[MAIL]"}}]}`)
	f(wire.OpenAITranscription, "text/plain", "write to a@b.org now", "write to [MAIL] now")
	x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, "{}"), chain, nil)
	defer x.Release()
	if _, err := x.Answer(call.Answer{ContentType: "application/json", Body: []byte(`{"choices":[`)}); codeOf(err) != "content_unreadable" {
		t.Errorf("broken JSON: got %v", err)
	}
}

func TestChainPipes(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", ""), native1(t, s, "length", `{"max_prompt_chars":10}`)}
	f := func(text, want string) {
		t.Helper()
		x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"`+text+`"},{"role":"user","content":"ü"}]}`), chain, nil)
		defer x.Release()
		if _, err := x.Request(); codeOf(err) != want {
			t.Errorf("%s: got %v; want %q", text, err, want)
		}
	}
	f("very.long.address@example.com", "") // [MAIL] is short
	f("0123456789", "content_blocked")
	f("012345678", "")
}

func TestQuarantineGoesBack(t *testing.T) {
	s := newSet(t)
	greedy := wasmtest.BuildGo(t, "testdata/greedy")
	if err := s.Load("f", lane.Source{Code: greedy}, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Load("f", lane.Source{Code: wasmtest.BuildGo(t, "testdata/mask")}, ""); err != nil {
		t.Fatal(err)
	}
	link := Link{Handle: s.Handle("f"), Request: true}
	fail := func(key string) string {
		c := newCall(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"(trap)"}]}`)
		c.Principal = &call.Principal{KeyID: key}
		x := s.Begin(c, []Link{link}, nil)
		defer x.Release()
		_, err := x.Request()
		return codeOf(err)
	}
	for range 20 { // one caller's texts do not take it out
		if got := fail("a"); got != "filter_failed" {
			t.Fatalf("got %q", got)
		}
	}
	fail("b")
	fail("c")
	st := s.Handle("f").Stats()
	if st.Quarantined == "" || st.Version == st.Quarantined {
		t.Fatalf("not in quarantine: %+v", st)
	}
	if got := fail("a"); got != "" { // greedy does not know the word
		t.Errorf("the version before is not in use: %q", got)
	}
}

// TestWithoutVersion: a filter all of whose versions are out of use stays closed.
func TestWithoutVersion(t *testing.T) {
	s := newSet(t)
	mask := load(t, s, "mask", "")
	for _, key := range []string{"a", "b", "c"} {
		c := newCall(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"(trap)"}]}`)
		c.Principal = &call.Principal{KeyID: key}
		x := s.Begin(c, []Link{mask}, nil)
		_, _ = x.Request() // it fails
		x.Release()
	}
	x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"fine"}]}`), []Link{mask}, nil)
	defer x.Release()
	if _, err := x.Request(); codeOf(err) != "filter_failed" {
		t.Errorf("got %v; want it closed", err)
	}
}

func TestSchemaOfTheRequest(t *testing.T) {
	s := newSet(t)
	chain := []Link{native1(t, s, "schema", `{}`)}
	f := func(d wire.Dialect, request, answer, want string) {
		t.Helper()
		x := s.Begin(newCall(wire.OpChat, d, request), chain, nil)
		defer x.Release()
		if _, err := x.Request(); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Answer(call.Answer{Body: []byte(answer)}); codeOf(err) != want {
			t.Errorf("%s: got %v; want %q", answer, err, want)
		}
	}
	chat := func(content string) string {
		b, _ := json.Marshal(content)
		return `{"choices":[{"message":{"content":` + string(b) + `}}]}`
	}
	asked := `{"messages":[],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","required":["a"]}}}}`
	f(wire.OpenAIChat, asked, chat(`{"a":1}`), "")
	f(wire.OpenAIChat, asked, chat(`{"b":1}`), "content_blocked")
	f(wire.OpenAIChat, asked, chat(`{"a":1`), "content_blocked")
	f(wire.OpenAIChat, `{"messages":[]}`, chat(`anything`), "")
	f(wire.OpenAIChat, `{"response_format":{"json_schema":{"schema":{"$ref":"http://x/y"}}}}`, chat(`{}`), "content_blocked")
	f(wire.AnthropicMessages, `{"output_config":{"format":{"type":"json_schema","schema":{"type":"array"}}}}`, `{"content":[{"type":"text","text":"{}"}]}`, "content_blocked")
	f(wire.OpenAIResponses, `{"text":{"format":{"type":"json_schema","schema":{"type":"array"}}}}`, `{"output":[{"type":"message","content":[{"type":"output_text","text":"[]"}]}]}`, "")
	f(wire.GeminiGenerate, `{"generationConfig":{"responseSchema":{"type":"OBJECT","required":["a"]}}}`, `{"candidates":[{"content":{"parts":[{"text":"{}"}]}}]}`, "content_blocked")
}

func TestCanaryAndShadow(t *testing.T) {
	s := newSet(t)
	compile := func(name string) *lane.Version {
		v, err := s.Compile("f", lane.Source{Code: wasmtest.BuildGo(t, "testdata/"+name)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	mask, greedy := compile("mask"), compile("greedy")
	s.Put("f", lane.Lanes{Active: mask, Shadow: greedy})
	link := Link{Handle: s.Handle("f"), Request: true}
	ask := func(text string) string {
		x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"`+text+`"}]}`), []Link{link}, nil)
		defer x.Release()
		got, err := x.Request()
		if err != nil {
			return err.Code
		}
		return string(got)
	}
	ask("nothing to see")
	if got := ask("a@b.org"); !strings.Contains(got, "[MAIL]") {
		t.Errorf("the shadow acts: %s", got)
	}
	if got := s.Handle("f").Stats().Shadow; got == nil || *got != (ShadowStats{Calls: 2, Differs: 1}) {
		t.Errorf("the shadow counts %+v", got)
	}
	s.Put("f", lane.Lanes{Active: greedy, Shadow: mask})
	ask("nothing to see")
	if got := s.Handle("f").Stats().Shadow; got == nil || got.Calls != 1 {
		t.Errorf("another shadow counts on from the one before it: %+v", got)
	}
	s.Put("f", lane.Lanes{Active: greedy, Canary: mask, Share: 1, Guard: lane.DefaultGuard})
	if got := ask("a@b.org"); !strings.Contains(got, "[MAIL]") {
		t.Errorf("the canary does not act: %s", got)
	}
	if got := ask("(trap)"); !strings.Contains(got, "(trap)") {
		t.Errorf("nobody stands in for a canary that fails: %s", got)
	}
	s.Put("f", lane.Lanes{})
	if got := ask("a@b.org"); got != "filter_failed" {
		t.Errorf("without a version: %s", got)
	}
}
