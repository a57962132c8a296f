package filter

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/lane"
	"github.com/signalbox-ai/signalbox/host/wasm/wasmtest"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/text"
)

func someTexts(r *rand.Rand) texts {
	words := []string{"jo.do+x@mail.example.com", "hello", "wörld", "😀", "a@", "\"quoted\"", "back\\slash", "line\n", strings.Repeat("long", 50), ",", "x.y"}
	text := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(words[r.IntN(len(words))] + " ")
		}
		return b.String() + "jo.do+x@mail.example.com"
	}
	b, _ := json.Marshal(map[string]any{"text": text(4)})
	return texts{text(1 + r.IntN(30)), text(1 + r.IntN(10)), string(b)}
}

// maxHeld is how much a filter may hold back.
const maxHeld = 256

// pass sends events through a chain, some at a time, and watches that no more
// than maxHeld bytes are held back.
func pass(t *testing.T, s *Set, chain []Link, d wire.Dialect, events []string, r *rand.Rand) string {
	t.Helper()
	out, held := through(t, s, chain, d, events, r)
	if held > maxHeld {
		t.Fatalf("%s: %d bytes are held back; want at most %d", d, held, maxHeld)
	}
	return out
}

func through(t *testing.T, s *Set, chain []Link, d wire.Dialect, events []string, r *rand.Rand) (out string, held int) {
	t.Helper()
	x := s.Begin(newCall(wire.OpChat, d, "{}"), chain, nil)
	defer x.Release()
	if err := x.Expect(); err != nil {
		t.Fatal(err)
	}
	var dst []byte
	for len(events) > 0 {
		n := 1
		if r != nil {
			n = 1 + r.IntN(min(3, len(events)))
		}
		var err *wire.Error
		if dst, err = x.Events(dst, []byte(strings.Join(events[:n], ""))); err != nil {
			t.Fatal(err)
		}
		for _, ch := range x.live {
			sum := len(ch.half)
			for i := range x.links {
				sum += len(ch.stages[i].tail)
			}
			held = max(held, sum)
		}
		events = events[n:]
	}
	dst, err := x.End(dst)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.live) > 0 {
		t.Errorf("%d channels are open at the end", len(x.live))
	}
	return string(dst), held
}

// TestWideCharacters: a filter may want all of a window, which characters of
// several bytes need not fill.
func TestWideCharacters(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "greedy", "")}
	say := texts{answer: "x" + strings.Repeat("世", 6000), reasoning: "r", args: "{}"}
	out, _ := through(t, s, chain, wire.OpenAIChat, chatEvents(rand.New(rand.NewPCG(1, 1)), say, 500), nil)
	if got, _ := gather(t, wire.OpenAIChat, out); got != say {
		t.Errorf("got %d bytes of %d", len(got.answer), len(say.answer))
	}
}

func TestUntouchedEventsStay(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	f := func(d wire.Dialect, stream string) {
		t.Helper()
		if got, _ := through(t, s, chain, d, []string{stream}, nil); got != stream {
			t.Errorf("got %q; want %q", got, stream)
		}
	}
	f(wire.OpenAIChat, ": comment\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi \\u00e9 \"}}]}\n\n")
	f(wire.OpenAIChat, "data:{\"choices\":[]}\r\n\r\ndata: {\"error\":{\"message\":\"a\"}}\n\n")
	f(wire.AnthropicMessages, "event: ping\ndata: {\"type\":\"ping\"}\n\n")
	f(wire.OpenAIResponses, "event: response.output_text.delta\nid: 3\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"delta\":\"hi. \"}\n\n")
}

func TestDataOfSeveralLines(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	got, _ := through(t, s, chain, wire.OpenAIChat, []string{"data: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"a@b.org \"}}]}\n\n"}, nil)
	if want := "data: {\"choices\":[{\"index\":0, \"delta\":{\"content\":\"[MAIL] \"}}]}\n\n"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestCutCharacters(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	chunk := func(s string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"` + s + `"}}]}` + "\n\n"
	}
	f := func(want string, pieces ...string) {
		t.Helper()
		var events []string
		for _, p := range pieces {
			events = append(events, chunk(p))
		}
		out, _ := through(t, s, chain, wire.OpenAIChat, append(events, "data: [DONE]\n\n"), nil)
		if got, _ := gather(t, wire.OpenAIChat, out); got.answer != want {
			t.Errorf("%q: got %q; want %q", pieces, got.answer, want)
		}
	}
	f("x😀y", `x\ud83d`, `\ude00y`)
	f("x😀", `x\uD83D`, ``, `\ude00`)
	f("x\ufffdy", `x\ud83d`, `y`)
	f("x\ufffd", `x\ud83d`)
	f(`\ud83d `, `\\ud83d `)
	f("é!", "\xc3", "\xa9!")
	f("€!", "\xe2", "\x82", "\xac!")
}

func TestBlockWithinAStream(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	chunk := func(s string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"` + s + `"}}]}` + "\n\n"
	}
	f := func(text, want string) {
		t.Helper()
		x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, "{}"), chain, nil)
		defer x.Release()
		_ = x.Expect()
		out, err := x.Events(nil, []byte(chunk("fine ")+chunk(text)+chunk("more ")))
		if codeOf(err) != want || string(out) != chunk("fine ") {
			t.Errorf("got %q, %v; want %s", out, err, want)
		}
	}
	f("(block)", "content_blocked")
	f("(trap)", "filter_failed")
	f("(bad)", "filter_failed")
	x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, "{}"), chain, nil)
	defer x.Release()
	_ = x.Expect()
	if _, err := x.Events(nil, []byte("data: {\"choices\":[\n\n")); codeOf(err) != "content_unreadable" {
		t.Errorf("an event that is no JSON: got %v", err)
	}
	many := ""
	for i := range maxChannels + 1 {
		many += fmt.Sprintf(`data: {"choices":[{"index":%d,"delta":{"content":"x"}}]}`+"\n\n", i)
	}
	if _, err := x.Events(nil, []byte(many)); codeOf(err) != "filter_failed" {
		t.Errorf("too many texts: got %v", err)
	}
}

func TestSchemaOfStreams(t *testing.T) {
	s := newSet(t)
	chain := []Link{native1(t, s, "schema", `{"schema":{"type":"object","required":["a"]},"max_bytes":2000}`)}
	r := rand.New(rand.NewPCG(1, 1))
	f := func(answer, want string) {
		t.Helper()
		for d, write := range writers {
			x := s.Begin(newCall(wire.OpChat, d, "{}"), chain, nil)
			_ = x.Expect()
			out, err := x.Events(nil, []byte(strings.Join(write(r, texts{answer, "thoughts", "{}"}, 9), "")))
			if codeOf(err) != want {
				t.Errorf("%s: %s: got %v; want %q", d, answer[:min(20, len(answer))], err, want)
			}
			if got, _ := gather(t, d, string(out)); want == "" && got.answer != answer || want != "" && got.answer != "" {
				t.Errorf("%s: got %q", d, got.answer)
			}
			x.Release()
		}
	}
	f(`{"a":"some value that is long enough to be cut"}`, "")
	f(`{"b":"some value that is long enough to be cut"}`, "content_blocked")
	f(`no JSON`, "content_blocked")
	f(`{"a":"`+strings.Repeat("x", 2000)+`"}`, "content_blocked")
}

// FuzzEvents: whatever an upstream sends, nothing panics, and what goes on is
// the same however the events arrive.
func FuzzEvents(f *testing.F) {
	for _, write := range writers {
		r := rand.New(rand.NewPCG(1, 1))
		f.Add([]byte(strings.Join(write(r, someTexts(r), 20), "")))
	}
	f.Add([]byte("data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\ndata: {\"type\":\"response.output_text.done\",\"text\":\"a\"}\n\n"))
	s := newSet(f)
	chain := []Link{native1(f, s, "regex", `{"patterns":[{"name":"some","pattern":"e.{0,3}"},{"name":"quote","pattern":"o","with":"\"\\"}]}`)}
	f.Fuzz(func(t *testing.T, stream []byte) {
		for d := range writers {
			if at, by := run(s, chain, d, stream, false), run(s, chain, d, stream, true); at != by {
				t.Fatalf("%s: at once %q; one by one %q", d, at, by)
			}
		}
	})
}

// run sends a stream through a chain, all of it or an event at a time.
func run(s *Set, chain []Link, d wire.Dialect, stream []byte, each bool) string {
	x := s.Begin(newCall(wire.OpChat, d, "{}"), chain, nil)
	defer x.Release()
	_ = x.Expect()
	var out []byte
	for len(stream) > 0 {
		n := len(stream)
		if each {
			n = eventLen(stream)
		}
		var err *wire.Error
		if out, err = x.Events(out, stream[:n]); err != nil {
			return string(out) + err.Code
		}
		stream = stream[n:]
	}
	out, err := x.End(out)
	return string(out) + codeOf(err)
}

// FuzzBodies: what is rewritten is still JSON.
func FuzzBodies(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"one \u00e9 \ud83d"},{"role":"assistant","tool_calls":[{"function":{"arguments":"{\"e\":1}"}}]}]}`))
	f.Add([]byte(`{"content":[{"type":"tool_use","input":{"one":"two"}},{"text":"o"}],"choices":[{"message":{"content":"one"},"logprobs":{}}]}`))
	s := newSet(f)
	chain := []Link{native1(f, s, "regex", `{"patterns":[{"name":"some","pattern":"e.{0,3}"},{"name":"quote","pattern":"o","with":"\"\\"}]}`)}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !text.Valid(body) {
			return
		}
		for d := range writers {
			x := s.Begin(newCall(wire.OpChat, d, string(body)), chain, nil)
			if got, err := x.Request(); err == nil && !text.Valid(got) {
				t.Fatalf("%s becomes %s", body, got)
			}
			if got, err := x.Answer(call.Answer{Body: append([]byte(nil), body...)}); err == nil && !text.Valid(got) {
				t.Fatalf("answer %s becomes %s", body, got)
			}
			x.Release()
		}
	})
}

// TestInsertedChunks: what is held back comes in a chunk that has the form of
// those before it.
func TestInsertedChunks(t *testing.T) {
	s := newSet(t)
	chain := []Link{load(t, s, "mask", "")}
	f := func(d wire.Dialect, choice, finish, want string) {
		t.Helper()
		head := `data: {"id":"c","object":"o","created":1,"model":"m","usage":{"prompt_tokens":1},`
		if d == wire.GeminiGenerate {
			head = `data: {"responseId":"c","usageMetadata":{},`
		}
		last := head + finish + "}\n\n"
		out, _ := through(t, s, chain, d, []string{head + choice + "}\n\n", last}, nil)
		at := strings.Index(out, "\n\n") + 2
		if got := strings.TrimSuffix(out[at:], last); got != "data: "+want+"\n\n" {
			t.Errorf("%s: got %s; want %s", choice, got, want)
		}
	}
	chat := func(delta string) string {
		return `"choices":[{"index":2,"delta":{` + delta + `},"finish_reason":null}]`
	}
	const finish = `"choices":[{"index":2,"delta":{},"finish_reason":"stop"}]`
	const begin = `{"id":"c","object":"o","created":1,"model":"m",`
	f(wire.OpenAIChat, chat(`"content":"a@b.org"`), finish, begin+chat(`"content":"[MAIL]"`)+"}")
	f(wire.OpenAIChat, chat(`"refusal":"a@b.org"`), finish, begin+chat(`"refusal":"[MAIL]"`)+"}")
	f(wire.OpenAIChat, chat(`"reasoning":"a@b.org"`), finish, begin+chat(`"reasoning":"[MAIL]"`)+"}")
	f(wire.OpenAIChat, chat(`"reasoning_details":[{"type":"reasoning.text","index":3,"text":"a@b.org","id":"x"}]`), finish,
		begin+chat(`"reasoning_details":[{"type":"reasoning.text","index":3,"text":"[MAIL]"}]`)+"}")
	f(wire.OpenAIChat, chat(`"tool_calls":[{"index":1,"id":"i","type":"function","function":{"name":"f","arguments":"a@b.org"}}]`), finish,
		begin+chat(`"tool_calls":[{"index":1,"function":{"arguments":"[MAIL]"}}]`)+"}")
	f(wire.OpenAIChat, chat(`"tool_calls":[{"index":1,"id":"i","type":"custom","custom":{"name":"f","input":"a@b.org"}}]`), finish,
		begin+chat(`"tool_calls":[{"index":1,"custom":{"input":"[MAIL]"}}]`)+"}")
	f(wire.OpenAIChat, chat(`"function_call":{"name":"f","arguments":"a@b.org"}`), finish, begin+chat(`"function_call":{"arguments":"[MAIL]"}`)+"}")
	f(wire.OpenAIChat, chat(`"audio":{"id":"x","transcript":"a@b.org"}`), finish, begin+chat(`"audio":{"transcript":"[MAIL]"}`)+"}")
	f(wire.OpenAICompletions, `"choices":[{"index":2,"text":"a@b.org","logprobs":{"tokens":["a@b.org"]},"finish_reason":null}]`,
		`"choices":[{"index":2,"text":"","finish_reason":"stop"}]`, begin+`"choices":[{"index":2,"text":"[MAIL]","logprobs":null,"finish_reason":null}]}`)
	f(wire.GeminiGenerate, `"candidates":[{"index":1,"content":{"parts":[{"text":"a@b.org","thought":true}]}}]`,
		`"candidates":[{"index":1,"content":{"parts":[]},"finishReason":"STOP"}]`,
		`{"responseId":"c","candidates":[{"index":1,"content":{"role":"model","parts":[{"text":"[MAIL]","thought":true}]}}]}`)
}

// TestSwapWithinAStream: another version takes over between two events, and
// nothing that was held back is lost.
func TestSwapWithinAStream(t *testing.T) {
	s := newSet(t)
	mask := load(t, s, "mask", "")
	x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, "{}"), []Link{mask}, nil)
	defer x.Release()
	_ = x.Expect()
	chunk := func(s string) []byte {
		return []byte(`data: {"choices":[{"index":0,"delta":{"content":"` + s + `"}}]}` + "\n\n")
	}
	var out []byte
	for i, piece := range []string{"write to jo@ex", "ample.", "com or not, (trap", ") ", "jo@", "example.com"} {
		if i%2 == 1 {
			for _, name := range []string{"greedy", "mask"} {
				if err := s.Load("mask", lane.Source{Code: wasmtest.BuildGo(t, "testdata/"+name)}, ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		var err *wire.Error
		if out, err = x.Events(out, chunk(piece)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := x.Events(out, []byte("data: [DONE]\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := gather(t, wire.OpenAIChat, string(out)); got.answer != "write to [MAIL] or not, (trap) [MAIL]" {
		t.Errorf("got %q", got.answer)
	}
}

// TestGuardWithinAStream: a stream waits for the guard.
func TestGuardWithinAStream(t *testing.T) {
	s := newSet(t)
	mask := load(t, s, "mask", "")
	mask.Guard = "judge"
	chunk := func(s string) string {
		return `data: {"choices":[{"index":0,"delta":{"content":"` + s + `"}}]}` + "\n\n"
	}
	f := func(flagged bool, want string) {
		t.Helper()
		asked := ""
		x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, "{}"), []Link{mask}, guard(func(text string) (bool, error) {
			asked += text
			return flagged, nil
		}))
		defer x.Release()
		_ = x.Expect()
		out, err := x.Events(nil, []byte(chunk("fine ")+chunk("(ask) ")))
		if codeOf(err) != want || asked != "(ask) " || (err == nil) != strings.Contains(string(out), "(ask)") {
			t.Errorf("got %s, %v; the guard saw %q", out, err, asked)
		}
	}
	f(false, "")
	f(true, "content_blocked")
}
