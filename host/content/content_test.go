package content

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/logfile"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func redactor(t testing.TB, names ...string) *Redactor {
	t.Helper()
	r, err := NewRedactor(names, map[string]string{"ticket": `\bT-[0-9]{4}\b`})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRedactor(t *testing.T) {
	r := redactor(t, Kinds()...)
	f := func(in, want string) {
		t.Helper()
		n := 0
		if got := r.Apply(in, &n); got != want || (n == 0) != (in == want) {
			t.Errorf("%q became %q, %d replaced; want %q", in, got, n, want)
		}
	}
	f("write to ann.lee+x@mail.example.co.uk, please", "write to [email], please")
	f("key sk-proj-abcdefghijkl1234 and ghp_abcdefghijklmnop1234", "key [key] and [key]")
	f("Authorization: Bearer abcdefghijklmnop123", "Authorization: [key]")
	f("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[key]")
	f("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", "[key]\nrest")
	f("AKIAIOSFODNN7EXAMPLE", "[key]")
	f("4111 1111 1111 1111 is a card, 4111 1111 1111 1112 is none", "[card] is a card, 4111 1111 1111 1112 is none")
	f("DE89 3704 0044 0532 0130 00", "[iban]")
	f("call +49 (30) 1234567 or 0171-1234567", "call [phone] or [phone]")
	f("call 212-555-0199", "call [phone]")
	f("see T-1234", "see [ticket]")
	f("in 2026 there were 1200 cats, pi is 3.14159", "in 2026 there were 1200 cats, pi is 3.14159")
	if _, err := NewRedactor([]string{"emial"}, nil); err == nil || !strings.Contains(err.Error(), "email") {
		t.Errorf("an unknown kind: %v", err)
	}
	if _, err := NewRedactor(nil, map[string]string{"x": "("}); err == nil {
		t.Error("a pattern that is none is no error")
	}
}

func asked(body, policy string) *call.Call {
	return &call.Call{ID: 9 << 30, Received: time.Unix(1, 0), Op: wire.OpChat, Dialect: wire.OpenAIChat, Body: []byte(body),
		Principal: &call.Principal{KeyName: "dev", Team: "core"}, Decision: &call.Decision{Log: policy}, Model: &call.Model{Name: "fast"}}
}

const prompt = `{"model":"fast","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"I am ann@exam\u0070le.com"}]}`

// written is the line of a request that say tells of.
func written(t *testing.T, opt Options, c *call.Call, say func(*Entry)) map[string]any {
	t.Helper()
	opt.File = logfile.Options{Path: filepath.Join(t.TempDir(), "content.jsonl")}
	opt.Redactor, opt.Buffer, opt.Log = redactor(t, Kinds()...), 4, slog.New(slog.DiscardHandler)
	if opt.Max == 0 {
		opt.Max = 1 << 16
	}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := l.Begin(c)
	if e == nil {
		return nil
	}
	say(e)
	l.Send(e, c, &call.Record{ID: c.ID, Op: c.Op, Dialect: c.Dialect, Asked: "fast", Status: 200})
	l.Close()
	text, err := os.ReadFile(opt.File.Path)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func said(m map[string]any) string {
	b, _ := json.Marshal([]any{m["input"], m["output"]}) // was read as JSON
	return string(b)
}

func TestWholeAnswer(t *testing.T) {
	m := written(t, Options{}, asked(prompt, ""), func(e *Entry) {
		e.Answer([]byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello +49 30 1234567"},"finish_reason":"stop"}]}`))
	})
	want := `[[{"role":"system","text":"be kind"},{"role":"user","text":"I am [email]"}],[{"role":"assistant","text":"Hello [phone]"}]]`
	if said(m) != want || m["redacted"] != 2. || m["left_out"] != nil {
		t.Errorf("got %s of %v", said(m), m)
	}
}

// TestStream: what is split over events is found all the same.
func TestStream(t *testing.T) {
	m := written(t, Options{}, asked(prompt, "full"), func(e *Entry) {
		for _, piece := range []string{"write to bob@", "example", ".org now"} {
			e.Event([]byte(`{"choices":[{"index":0,"delta":{"content":"` + piece + `"}}]}`))
		}
		e.Event([]byte("[DONE]"))
	})
	if got := said(m); !strings.HasSuffix(got, `[{"role":"assistant","text":"write to [email] now"}]]`) {
		t.Errorf("got %s", got)
	}
}

func TestPolicyBounds(t *testing.T) {
	if m := written(t, Options{}, asked(prompt, "none"), func(*Entry) {}); m != nil {
		t.Errorf("policy said none: %v", m)
	}
	m := written(t, Options{}, asked(prompt, "metadata"), func(e *Entry) { e.Answer([]byte(prompt)) })
	if m["input"] != nil || m["output"] != nil || m["left_out"] != "policy" || m["bytes_in"] != float64(len(prompt)) {
		t.Errorf("policy said metadata: %v", m)
	}
}

func TestWhoIsLogged(t *testing.T) {
	f := func(want bool, opt Options) {
		t.Helper()
		if m := written(t, opt, asked(prompt, ""), func(*Entry) {}); (m != nil) != want {
			t.Errorf("%+v: got %v", opt, m)
		}
	}
	f(true, Options{Models: []string{"f*"}, Teams: []string{"other", "core"}})
	f(false, Options{Models: []string{"slow"}})
	f(false, Options{Teams: []string{"other"}})
	f(false, Options{Keys: []string{"prod-*"}})
	var none *Log
	if none.Begin(asked(prompt, "full")) != nil {
		t.Error("no log wants a request")
	}
	none.Close()
}

func TestSizesAreBounded(t *testing.T) {
	m := written(t, Options{Max: 200}, asked(prompt, ""), func(e *Entry) { e.Answer(make([]byte, 201)) })
	if m["left_out"] != "size" || m["output"] != nil || m["input"] == nil {
		t.Errorf("got %v", m)
	}
}

// TestLongStream: of a stream that is too long nothing is left, least of all
// half of what is to be redacted.
func TestLongStream(t *testing.T) {
	m := written(t, Options{Max: 200}, asked(prompt, ""), func(e *Entry) {
		for range 5 {
			e.Event([]byte(`{"choices":[{"index":0,"delta":{"content":"abcdefghijklmnopqrstuvwxyz"}}]}`))
		}
	})
	if m["left_out"] != "size" || m["output"] != nil || m["input"] == nil {
		t.Errorf("got %v", m)
	}
}

// TestMemoryIsBounded: bodies of all requests together take so much and no more,
// and what they took is given back.
func TestMemoryIsBounded(t *testing.T) {
	l, err := Open(Options{File: logfile.Options{Path: filepath.Join(t.TempDir(), "c.jsonl")}, Max: 16 << 20, Redactor: redactor(t), Buffer: 64, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.room = 64 << 10
	c := asked(`{"messages":[{"role":"user","content":"`+strings.Repeat("x", 15<<10)+`"}]}`, "")
	var all []*Entry
	full := 0
	for range 8 {
		e := l.Begin(c)
		if all = append(all, e); e.full {
			full++
		}
	}
	if held := l.held.Load(); full != 4 || held > l.room {
		t.Errorf("%d of 8 found no room, %d bytes are held; want 4, and at most %d", full, held, l.room)
	}
	for _, e := range all {
		l.Send(e, c, &call.Record{Op: c.Op, Dialect: c.Dialect})
	}
	l.Close()
	if s := l.Stats(); l.held.Load() != 0 || s.Written != 8 {
		t.Errorf("%d bytes are held at the end, %+v", l.held.Load(), s)
	}
}
