package filter

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestRegexConfig(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		_, err := newRegex([]byte(config))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", config, err, want)
		}
	}
	f(`{"patterns":[{"name":"ticket","pattern":"\\bTICKET-[0-9]{1,8}\\b"}]}`, "")
	f(`{"patterns":[{"name":"any","pattern":"a.*b"}]}`, "bound its repetitions")
	f(`{"patterns":[{"name":"any","pattern":"a+"}]}`, "bound its repetitions")
	f(`{"patterns":[{"name":"long","pattern":"世{100}"}]}`, "bound its repetitions")
	f(`{"patterns":[{"name":"none","pattern":"a?"}]}`, "matches nothing")
	f(`{"patterns":[{"name":"bad","pattern":"("}]}`, "missing closing")
	f(`{"patterns":[{"name":"x","pattern":"a","action":"warn"}]}`, "replace or block")
	f(`{"patterns":[{"pattern":"a"}]}`, "no name")
	f(`{"patern":[]}`, "unknown field")
	f(`{}`, "no patterns")
}

// TestRegexAnyCut: matches are the same however the text is cut.
func TestRegexAnyCut(t *testing.T) {
	s := newSet(t)
	chain := []Link{native1(t, s, "regex", `{"patterns":[{"name":"ticket","pattern":"\\bT-[0-9]{1,20}\\b"},{"name":"word","pattern":"(?i)geheim(nis)?","with":"*"},
		{"name":"first","pattern":"^Top[a-z]{0,30}"},{"name":"pair","pattern":"aa"}]}`)}
	words := []string{"T-123", "xT-9", "T-12345678901234567890", "GEHEIMNIS", "geheim", "Topmost", "aa", "aaa", "aaaa", " ", "ä", "世", strings.Repeat("w", 120)}
	run := func(text string, r *rand.Rand) string {
		x := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, "{}"), chain, nil)
		defer x.Release()
		x.turn(true)
		ch := &channel{}
		ch.reset(ch.key, 1)
		pieces := []string{text}
		if r != nil {
			pieces = cut(r, text, 20)
		}
		for i, p := range pieces {
			if err := x.feed(ch, 0, []byte(p), i == len(pieces)-1); err != nil {
				t.Fatal(err)
			}
			if len(ch.stages[0].tail) > maxHeld {
				t.Fatalf("%d bytes are held back", len(ch.stages[0].tail))
			}
		}
		return string(ch.out)
	}
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 7))
		var b strings.Builder
		for range 1 + r.IntN(60) {
			b.WriteString(words[r.IntN(len(words))])
		}
		want := run(b.String(), nil)
		if got := run(b.String(), r); got != want {
			t.Fatalf("seed %d: got %q; want %q of %q", seed, got, want, b.String())
		}
	}
	if got := run("Topmost T-1 xT-2 T-3x Geheim aaa", nil); got != "[FIRST] [TICKET] xT-2 T-3x * [PAIR]a" {
		t.Errorf("got %q", got)
	}
}

func TestRegexBlocks(t *testing.T) {
	s := newSet(t)
	chain := []Link{native1(t, s, "regex", `{"patterns":[{"name":"one","pattern":"abc"},{"name":"secret","pattern":"x{3}","action":"block"}]}`)}
	c := newCall(wire.OpChat, wire.OpenAIChat, `{"messages":[{"role":"user","content":"abc xxx"}]}`)
	x := s.Begin(c, chain, nil)
	defer x.Release()
	_, err := x.Request()
	if codeOf(err) != "content_blocked" || !strings.Contains(err.Message, "called secret (code 2)") {
		t.Errorf("got %v", err)
	}
	y := s.Begin(newCall(wire.OpChat, wire.OpenAIChat, "{}"), chain, nil)
	defer y.Release()
	got, err := y.Answer(call.Answer{Body: []byte(`{"choices":[{"message":{"content":"abc"}}]}`)})
	if err != nil || string(got) != `{"choices":[{"message":{"content":"[ONE]"}}]}` {
		t.Errorf("got %s, %v", got, err)
	}
}
