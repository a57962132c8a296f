package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
)

// What the golden files say is checked against types that the vendors wrote.

// oracle reads a dialect with types that its vendor wrote.
type oracle struct {
	// request decodes a request and encodes it again.
	request func(body []byte) (back []byte, err error)
	// known has the paths of a request that the vendor's type lacks for a reason.
	known []string
	// answer and stream fail the test when the vendor's type does not know what it is given.
	answer func(t *testing.T, file string, body []byte)
	stream func(t *testing.T, file, sse string)
}

// oracles has a dialect a line. The transport adds stream to a request;
// reasoning goes by fields of other vendors.
var oracles = map[Dialect]oracle{
	OpenAIChat: {requestAs[openai.ChatCompletionNewParams], []string{".stream", ".reasoning_content", ".reasoning_details", ".tool_choice.function.name"},
		openAIAnswerOracle, openAIStreamOracle},
	AnthropicMessages: {requestAs[anthropic.MessageNewParams], []string{".stream"}, anthropicAnswerOracle, anthropicStreamOracle},
	GeminiGenerate: {geminiRequestOracle, []string{".thoughtSignature", ".parts[].text", ".response.output", ".functionCall.args"},
		geminiAnswerOracle, geminiStreamOracle},
	OpenAIResponses: {responsesRequest, []string{".stream", ".tool_choice.name"}, responsesAnswerOracle, responsesStreamOracle},
}

func requestAs[P any](body []byte) (back []byte, err error) {
	var p P
	if err = json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

// TestGoldenRequestsAreTheVendors decodes every translated request with the
// vendor's own type; whatever that type does not know is lost on the way back.
func TestGoldenRequestsAreTheVendors(t *testing.T) {
	for _, g := range goldens(t) {
		want, o := g.section("want.json"), oracles[g.to]
		if g.what != "request" || want == "" || o.request == nil {
			continue
		}
		back, err := o.request([]byte(want))
		if err != nil {
			t.Errorf("%s: %v", g.file, err)
			continue
		}
		for _, path := range difference("", decode(t, []byte(want)), decode(t, back)) {
			if !slices.ContainsFunc(o.known, func(k string) bool { return strings.Contains(path, k) }) {
				t.Errorf("%s: the vendor's type does not know %s\nin  %s\nout %s", g.file, path, want, back)
			}
		}
	}
}

func decode(t testing.TB, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

// difference lists the paths of a that b lacks or has otherwise.
func difference(path string, a, b any) (out []string) {
	switch a := a.(type) {
	case map[string]any:
		b, _ := b.(map[string]any)
		for k := range a {
			out = append(out, difference(path+"."+k, a[k], b[k])...)
		}
	case []any:
		b, _ := b.([]any)
		for i := range a {
			var other any
			if i < len(b) {
				other = b[i]
			}
			out = append(out, difference(path+"[]", a[i], other)...)
		}
	default:
		if !reflect.DeepEqual(a, b) {
			out = append(out, path)
		}
	}
	return out
}

func TestGoldenAnswersAreTheVendors(t *testing.T) {
	for _, g := range goldens(t) {
		if o := oracles[g.from]; g.what == "response" && g.section("want.json") != "" && o.answer != nil {
			o.answer(t, g.file, []byte(g.section("want.json")))
		}
	}
}

func anthropicAnswerOracle(t *testing.T, file string, body []byte) {
	var m anthropic.Message
	if err := json.Unmarshal(body, &m); err != nil {
		t.Errorf("%s: %v", file, err)
	}
	noExtra(t, file, m.JSON.ExtraFields)
	noExtra(t, file, m.Usage.JSON.ExtraFields)
	for _, c := range m.Content {
		if c.AsAny() == nil {
			t.Errorf("%s: content of unknown type %q", file, c.Type)
		}
	}
}

func openAIAnswerOracle(t *testing.T, file string, body []byte) {
	var c openai.ChatCompletion
	if err := json.Unmarshal(body, &c); err != nil {
		t.Errorf("%s: %v", file, err)
	}
	noExtra(t, file, c.JSON.ExtraFields)
	noExtra(t, file, c.Usage.JSON.ExtraFields)
	for _, choice := range c.Choices {
		noExtra(t, file, choice.JSON.ExtraFields)
		noExtra(t, file, choice.Message.JSON.ExtraFields, "reasoning_content", "reasoning_details")
	}
}

func noExtra[F any](t *testing.T, file string, extra map[string]F, but ...string) {
	t.Helper()
	for _, k := range but {
		delete(extra, k)
	}
	for k := range extra {
		t.Errorf("%s: the vendor's type does not know %q", file, k)
	}
}

// failer is what the helpers need of a test, *rapid.T included.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// accumulateAnthropic reads a stream with the vendor's own accumulator.
func accumulateAnthropic(t failer, sse string) anthropic.Message {
	t.Helper()
	var m anthropic.Message
	for _, e := range events(sse) {
		var ev anthropic.MessageStreamEventUnion
		if err := json.Unmarshal([]byte(e.data), &ev); err != nil {
			t.Fatalf("%s: %v", e.data, err)
		}
		if e.name != ev.Type || ev.AsAny() == nil {
			t.Fatalf("event %q has the type %q, which the vendor's type does not know", e.name, ev.Type)
		}
		if err := m.Accumulate(ev); err != nil {
			t.Fatalf("%s: %v", e.data, err)
		}
	}
	return m
}

func accumulateOpenAI(t failer, sse string) openai.ChatCompletion {
	t.Helper()
	var acc openai.ChatCompletionAccumulator
	list := events(sse)
	for i, e := range list {
		if e.data == "[DONE]" {
			if i != len(list)-1 {
				t.Fatal("events after [DONE]")
			}
			return acc.ChatCompletion
		}
		var c openai.ChatCompletionChunk
		if err := json.Unmarshal([]byte(e.data), &c); err != nil {
			t.Fatalf("%s: %v", e.data, err)
		}
		if !acc.AddChunk(c) {
			t.Fatalf("the vendor's accumulator refuses %s", e.data)
		}
	}
	t.Fatal("no [DONE]")
	return acc.ChatCompletion
}

func TestGoldenStreamsAreTheVendors(t *testing.T) {
	for _, g := range goldens(t) {
		if o := oracles[g.from]; g.what == "stream" && g.section("error") == "" && o.stream != nil {
			o.stream(t, g.file, g.section("want.sse"))
		}
	}
}

func anthropicStreamOracle(t *testing.T, file, sse string) {
	m := accumulateAnthropic(t, sse)
	if m.StopReason == "" || m.ID == "" || m.Model != "alias" {
		t.Errorf("%s: accumulates to %+v", file, m)
	}
	for _, c := range m.Content {
		if use, ok := c.AsAny().(anthropic.ToolUseBlock); ok && !json.Valid(use.Input) {
			t.Errorf("%s: tool input %s", file, use.Input)
		}
	}
}

func openAIStreamOracle(t *testing.T, file, sse string) {
	c := accumulateOpenAI(t, sse)
	if c.Choices[0].FinishReason == "" || c.Model != "alias" {
		t.Errorf("%s: accumulates to %+v", file, c)
	}
	for _, call := range c.Choices[0].Message.ToolCalls {
		if !json.Valid([]byte(call.Function.Arguments)) {
			t.Errorf("%s: arguments %q", file, call.Function.Arguments)
		}
	}
}

// TestUsageOfTranslatedAnswers reads the usage of what was translated in the
// caller's dialect, as the host does: it must be what the upstream reported.
func TestUsageOfTranslatedAnswers(t *testing.T) {
	for _, g := range goldens(t) {
		if g.section("error") != "" || g.section("usage") == "" {
			continue
		}
		tr := fixed(t, g.from, g.to)
		var got, want Usage
		switch g.what {
		case "response":
			out, u, err := tr.Response(nil, []byte(g.section("in.json")), "alias")
			if err != nil {
				t.Fatal(err)
			}
			got, _ = ReadUsage(g.from, out)
			want = u
		case "stream":
			st := tr.Stream("alias", true)
			var out []byte
			for _, e := range events(g.section("in.sse")) {
				out, _ = st.Event(out, e.name, []byte(e.data))
			}
			out, _ = st.Finish(out)
			for _, e := range events(string(out)) {
				ReadUsageEvent(g.from, []byte(e.data), &got)
			}
			want, _ = st.Usage()
		}
		if want = asWritten(g.from, want); got != want {
			t.Errorf("%s: reads as %+v; want %+v", g.file, got, want)
		}
	}
}

// asWritten is u as far as a dialect tells its buckets apart.
func asWritten(d Dialect, u Usage) Usage {
	switch d {
	case GeminiGenerate: // writes to a cache are input
		u.Input += u.CacheWrite5m + u.CacheWrite1h
		u.CacheWrite5m, u.CacheWrite1h = 0, 0
		return u
	case OpenAIChat, OpenAIResponses: // which have one kind of cache write
		u.CacheWrite5m, u.CacheWrite1h = u.CacheWrite5m+u.CacheWrite1h, 0
		return u
	}
	u.Input += u.AudioInput + u.ImageInput
	u.CacheRead += u.CacheReadAudio + u.CacheReadImage
	u.Output += u.AudioOutput + u.ImageOutput
	u.AudioInput, u.ImageInput, u.CacheReadAudio, u.CacheReadImage, u.AudioOutput, u.ImageOutput = 0, 0, 0, 0, 0, 0
	return u
}

// TestReasoningGoesBack hands a translated answer back in the next turn, as
// clients do: the upstream must get its own reasoning, seals included.
func TestReasoningGoesBack(t *testing.T) {
	f := func(from, to Dialect, file, model string, take func(answer map[string]any) any, member string) {
		t.Helper()
		tr := fixed(t, from, to)
		for _, g := range goldens(t) {
			if !strings.HasSuffix(g.file, file) || g.from != from || g.to != to {
				continue
			}
			message, _ := json.Marshal(take(decode(t, []byte(g.section("want.json"))).(map[string]any)))
			body := `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"q"},` + string(message) + `]}`
			out, dropped, err := tr.Request(nil, []byte(body), model)
			if err != nil || len(dropped) > 0 {
				t.Fatalf("%s: %v %v", body, err, dropped)
			}
			if !bytes.Contains(out, []byte(member)) {
				t.Errorf("%s: sent back as %s; want %s in it", g.file, out, member)
			}
		}
	}
	choice := func(a map[string]any) any { return a["choices"].([]any)[0].(map[string]any)["message"] }
	message := func(a map[string]any) any { return map[string]any{"role": "assistant", "content": a["content"]} }
	f(OpenAIChat, AnthropicMessages, "response_tools.txtar", "claude-sonnet-4-5", choice,
		`{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"ZW5j"},{"type":"tool_use"`)
	f(AnthropicMessages, OpenAIChat, "response_details.txtar", "m", message,
		`"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"c2ln","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"eA==","id":"rs_1","format":"openai-responses-v1","index":1}`)
	f(AnthropicMessages, OpenAIChat, "response_reasoning.txtar", "m", message, `"reasoning_content":"hm"`)
}
