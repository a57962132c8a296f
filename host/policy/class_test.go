package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/signalbox-ai/signalbox/host/call"
)

type classHeaderOf string

// Peek implements call.Header.
func (h classHeaderOf) Peek(name string) []byte {
	if name == classHeader {
		return []byte(h)
	}
	return nil
}

func TestDataClass(t *testing.T) {
	e := files{"u": `deny contains {"code": "x", "v": input.request.data_class} if input.request.data_class != "no such"`,
		"data.json": `{"signalbox": {"classes": {"public": {"level": 0}, "internal": {"level": 1}, "personal": {"level": 2}}}}`}.open(t)
	f := func(key, header, want string) {
		t.Helper()
		c := sampleCall()
		c.Principal.Attrs = map[string]string{"data_class": key}
		if header != "-" {
			c.Header = classHeaderOf(header)
		}
		for range 2 {
			if got := e.Decide(c).Reasons[0].Value; got != want {
				t.Errorf("key %q, header %q: got %q, want %q", key, header, got, want)
			}
		}
	}
	f("", "-", "")
	f("", "", "")
	f("internal", "-", "internal")
	f("", "internal", "internal")
	f("internal", "personal", "personal")
	f("personal", "public", "personal") // a caller cannot lower its key's
	f("", "made up", unknownClass)
	f("personal", "made up", unknownClass)
	f("made up", "public", unknownClass)
	f("made up", "", unknownClass)
}

func TestClassesRefused(t *testing.T) {
	f := func(classes string) {
		t.Helper()
		_, err := Check(files{"data.json": `{"signalbox": {"classes": ` + classes + `}}`}.folder(t), Options{})
		if err == nil || !strings.Contains(err.Error(), "cannot read data.signalbox.classes") {
			t.Errorf("%s: got %v", classes, err)
		}
	}
	f(`["public"]`)
	f(`{"public": 1}`)
	f(`{"public": {}}`)
	f(`{"public": {"level": "high"}}`)
	f(`{"public": {"level": 1.5}}`)
	f(`{"unknown": {"level": 1}}`)
	f(`{"": {"level": 1}}`)
}

// TestMadeUpClassesAreOneKey: what callers make up does not fill the memory.
func TestMadeUpClassesAreOneKey(t *testing.T) {
	e := files{"u": `deny contains {"code": "x"} if input.request.data_class == "unknown"`}.open(t)
	for i := range 100 {
		c := sampleCall()
		c.Header = classHeaderOf(fmt.Sprint("class-", i))
		wantDenied(t, e.Decide(c), "x")
	}
	if got := e.Stats().Units[1].Misses; got != 1 {
		t.Errorf("%d evaluations", got)
	}
}

func TestTokensAreRounded(t *testing.T) {
	f := func(n, want int64) {
		t.Helper()
		if got := roundTokens(n); got != want {
			t.Errorf("%d: got %d, want %d", n, got, want)
		}
	}
	for _, n := range []int64{0, 1, 16, 17, 99, 100, 256, 500, 512, 1000, 1024, 4000, 4096, 8192, 100_000, 131_072} {
		f(n, n)
	}
	f(101, 104)
	f(4001, 4096)
	f(4097, 4100)
	f(1<<50, 1<<40)
	values := map[int64]bool{}
	for n := range int64(1 << 20) {
		got := roundTokens(n)
		if values[got] = true; got < n || got > n+n/8 {
			t.Fatalf("%d: got %d", n, got)
		}
	}
	if len(values) > 1000 {
		t.Errorf("%d values", len(values))
	}
}

func TestWhatTheHostSays(t *testing.T) {
	e := files{"u": `deny contains {"code": "x", "v": v} if v := concat(" ", [input.principal.auth, input.request.priority, input.principal.user])`}.open(t)
	f := func(auth, priority, user, want string) {
		t.Helper()
		c := sampleCall()
		c.Principal.Auth, c.Principal.User, c.Priority = auth, user, priority
		if got := e.Decide(c).Reasons[0].Value; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("", "", "u", "key normal u")
	f("jwt", "high", "u", "jwt high u")
	f("jwt", "low", "", "jwt low ")
}

// TestEveryDefaultCodeHasAMessage, with something to do about it.
func TestEveryDefaultCodeHasAMessage(t *testing.T) {
	e := openWith(t, Options{})
	src, err := load("")
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{CodePolicyError: true, CodeNotPermitted: true, CodeNoTarget: true}
	for _, m := range src.modules {
		for _, r := range m.Rules {
			if ruleName(r) != "deny" {
				continue
			}
			var head struct{ Code string }
			text, _, _ := strings.Cut(r.Head.Key.String(), `, "v"`)
			if err := json.Unmarshal([]byte(strings.TrimSuffix(text, "}")+"}"), &head); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			codes[head.Code] = true
		}
	}
	if len(codes) < 20 {
		t.Errorf("only %d codes", len(codes))
	}
	for code := range codes {
		text := e.Message(call.Reason{Code: code, Value: "VALUE"})
		if strings.HasPrefix(text, "Refused by policy") || strings.Count(text, ". ")+strings.Count(text, ": ") == 0 {
			t.Errorf("%s: %q says not what to do", code, text)
		}
	}
	for code := range e.snap.Load().messages {
		if !codes[code] {
			t.Errorf("there is a message for %s, which nothing gives", code)
		}
	}
}
