package hint

import (
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

var noon = time.Date(2026, time.March, 14, 12, 0, 0, 0, time.UTC)

type headers map[string]string

func (h headers) Peek(name string) []byte { return []byte(h[name]) }

func someCall(d wire.Dialect, body string, h headers) *call.Call {
	return &call.Call{Received: noon, Op: wire.OpChat, Dialect: d, Body: []byte(body), Header: h,
		Model: &call.Model{Name: "fast"}, Principal: &call.Principal{KeyID: "k-1"}}
}

// found is what Find says of a call.
func found(h *Hints, c *call.Call) *call.Wants {
	c.Wants.Reset()
	c.Find = func(c *call.Call, _ call.Needs) { h.Find(c) }
	c.Need(call.NeedSession)
	return &c.Wants
}

func TestWhatTiesRequests(t *testing.T) {
	h := New([]byte("secret"))
	chat, responses := wire.OpenAIChat, wire.OpenAIResponses
	f := func(same bool, a, b *call.Call) {
		t.Helper()
		x, y := found(h, a).Session, found(h, b).Session
		if x == 0 || y == 0 || (x == y) != same {
			t.Errorf("sessions %x and %x; want the same: %v", x, y, same)
		}
	}
	one := someCall(chat, `{"user":"u"}`, headers{HeaderSession: "s"})
	f(true, one, someCall(chat, `{"prompt_cache_key":"s"}`, nil))
	f(true, one, someCall(chat, `{"prompt_cache_key":"k"}`, headers{HeaderSession: "s"}))
	f(true, one, someCall(chat, `{"user":"u"}`, headers{"X-Session-Id": "s"}))
	f(true, one, someCall(responses, `{"metadata":{"session_id":"s"}}`, nil))
	f(false, one, someCall(chat, `{"user":"s"}`, nil))
	f(false, one, someCall(responses, `{"previous_response_id":"s"}`, nil))
	f(false, one, someCall(chat, `{}`, headers{HeaderSession: "t"}))
	f(true, someCall(chat, `{"user":"u"}`, nil), someCall(wire.AnthropicMessages, `{"metadata":{"user_id":"u"}}`, nil))

	other := someCall(chat, `{}`, headers{HeaderSession: "s"})
	other.Principal = &call.Principal{KeyID: "k-2"}
	f(false, one, other)
	team := func(key, name string) *call.Call {
		c := someCall(chat, `{}`, headers{HeaderSession: "s"})
		c.Principal = &call.Principal{KeyID: key, Org: "acme", Team: name}
		return c
	}
	f(true, team("k-1", "core"), team("k-2", "core"))
	f(false, team("k-1", "core"), team("k-1", "edge"))

	here := found(h, one).Session
	if found(New([]byte("another")), one).Session == here {
		t.Error("another gateway makes the same hashes")
	}
	if w := found(h, someCall(chat, `{}`, nil)); w.Session != 0 || w.Prefix != 0 {
		t.Errorf("session %x and prefix %x of nothing", w.Session, w.Prefix)
	}
}

func TestPrefix(t *testing.T) {
	h := New(nil)
	f := func(same bool, a, b string) {
		t.Helper()
		x, y := found(h, someCall(wire.OpenAIChat, a, nil)).Prefix, found(h, someCall(wire.OpenAIChat, b, nil)).Prefix
		if x == 0 || (x == y) != same {
			t.Errorf("prefixes %x and %x; want the same: %v", x, y, same)
		}
	}
	long := strings.Repeat("x", maxPrefix)
	first := `{"tools":[1],"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}`
	f(true, first+`]}`, first+`,{"role":"assistant","content":"b"},{"role":"user","content":"c"}]}`)
	f(true, first+`]}`, `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}],"tools":[1],"user":"u"}`)
	f(false, first+`]}`, `{"tools":[2],"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}`)
	f(false, first+`]}`, `{"tools":[1],"messages":[{"role":"system","content":"s"},{"role":"user","content":"z"}]}`)
	f(true, `{"messages":[{"role":"user","content":"`+long+`a"}]}`, `{"messages":[{"role":"user","content":"`+long+`b"}]}`)
}

func TestSticks(t *testing.T) {
	h := New(nil)
	answer := func(c *call.Call, target string) {
		found(h, c)
		c.Target = &call.Target{Name: target}
		h.Answered(c)
	}
	f := func(want string, c *call.Call) {
		t.Helper()
		if got := found(h, c).Last; got != want {
			t.Errorf("last is %q; want %q", got, want)
		}
	}
	session := func() *call.Call { return someCall(wire.OpenAIChat, `{}`, headers{HeaderSession: "s"}) }
	f("", session())
	answer(session(), "a/b")
	f("a/b", session())
	answer(session(), "c/d")
	f("c/d", session())
	other := session()
	other.Model = &call.Model{Name: "another"}
	f("", other)
	later := session()
	later.Received = noon.Add(time.Hour)
	f("", later)

	prompt := `{"messages":[{"role":"user","content":"a"}]}`
	answer(someCall(wire.OpenAIChat, prompt, nil), "p/q")
	f("p/q", someCall(wire.OpenAIChat, prompt, nil))
	f("", someCall(wire.OpenAIChat, prompt, headers{HeaderSession: "new"}))

	unasked := someCall(wire.OpenAIChat, `{}`, headers{HeaderSession: "unasked"})
	unasked.Target = &call.Target{Name: "a/b"}
	h.Answered(unasked)
	h.Responded(unasked, "resp_0")
	f("", someCall(wire.OpenAIChat, `{}`, headers{HeaderSession: "unasked"}))
}

// TestChainsOfResponses: what goes on with a response belongs with the first.
func TestChainsOfResponses(t *testing.T) {
	h := New(nil)
	turn := func(previous, id string) uint64 {
		c := someCall(wire.OpenAIResponses, `{"input":"x","previous_response_id":`+previous+`}`, nil)
		w := found(h, c)
		if previous != "null" && w.Last != "a/b" {
			t.Errorf("after %s: last is %q", previous, w.Last)
		}
		c.Target = &call.Target{Name: "a/b"}
		h.Answered(c)
		h.Responded(c, id)
		return w.Session
	}
	turn("null", "resp_1")
	second, third := turn(`"resp_1"`, "resp_2"), turn(`"resp_2"`, "resp_3")
	if second == 0 || second != third {
		t.Errorf("sessions %x and %x; want the same", second, third)
	}
	c := someCall(wire.OpenAIResponses, `{"previous_response_id":"resp_1"}`, nil)
	c.Principal = &call.Principal{KeyID: "k-2"}
	if w := found(h, c); w.Last != "" || w.Session == second {
		t.Errorf("another key's chain: %+v", w)
	}
}

func TestTableIsBounded(t *testing.T) {
	var tb table
	tb.init()
	for i := range uint64(5 * 2 * shards * most) {
		tb.put(i, last{at: noon.Unix()})
	}
	n := 0
	for i := range tb.shards {
		n += len(tb.shards[i].young) + len(tb.shards[i].old)
	}
	if n > 2*shards*most || n < shards*most {
		t.Errorf("%d entries", n)
	}
	if _, ok := tb.get(5*2*shards*most-1, noon); !ok {
		t.Error("the newest is gone")
	}
	if _, ok := tb.get(0, noon); ok {
		t.Error("the oldest is there")
	}
}

func TestTags(t *testing.T) {
	names := []string{"beta", "eu", "gpu"}
	f := func(text string, need, deny uint64, wrong string) {
		t.Helper()
		c := someCall(wire.OpenAIChat, `{}`, headers{HeaderTags: text})
		err := Tags(c, names)
		if wrong != "" {
			if err == nil || err.Status != 400 || !strings.Contains(err.Message, wrong) || !strings.Contains(err.Message, "beta, eu, gpu") {
				t.Errorf("%q: got %v; want %q", text, err, wrong)
			}
			return
		}
		if err != nil || c.Wants.NeedTags != need || c.Wants.DenyTags != deny {
			t.Errorf("%q: got %b, %b, %v", text, c.Wants.NeedTags, c.Wants.DenyTags, err)
		}
	}
	f("", 0, 0, "")
	f("eu", 0b10, 0, "")
	f(" eu , !beta,! gpu,", 0b10, 0b101, "")
	f("us", 0, 0, `"us"`)
	f("eu,!", 0, 0, `""`)
	f("EU", 0, 0, `"EU"`)
	c := someCall(wire.OpenAIChat, `{}`, headers{HeaderTags: "eu,!beta"})
	if err := Tags(c, names); err != nil {
		t.Fatal(err)
	}
	for tags, want := range map[uint64]bool{0: false, 0b10: true, 0b110: true, 0b11: false, 0b1: false} {
		if got := Tagged(c, &call.Target{Tags: tags}); got != want {
			t.Errorf("tags %b: %v; want %v", tags, got, want)
		}
	}
	c = someCall(wire.OpenAIChat, `{}`, headers{HeaderTags: "eu"})
	if err := Tags(c, nil); err == nil || !strings.Contains(err.Message, "no target has any") {
		t.Errorf("got %v", err)
	}
}

func TestMetadata(t *testing.T) {
	f := func(attrs map[string]string, header, body, want string) {
		t.Helper()
		c := someCall(wire.OpenAIChat, body, headers{HeaderMetadata: header})
		c.Principal = &call.Principal{Attrs: attrs}
		Metadata(c)
		if got := string(c.Wants.Meta); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	f(nil, "", `{}`, "")
	f(map[string]string{"tier": "gold", "a": "1"}, "", `{}`, "a=1\ntier=gold")
	f(map[string]string{"tier": "gold"}, "tier=free, zone = eu", `{"metadata":{"tier":"x","zone":"us","b":"2","n":1}}`, "b=2\ntier=gold\nzone=eu")
	f(nil, "novalue,=x,ok=1,bad name=2,empty=", `{"metadata":{"line":"a\nb","tab":"a\tb","ü":"x"}}`, "empty=\nok=1")
	f(nil, "a="+strings.Repeat("x", maxValue)+",b="+strings.Repeat("x", maxValue)+",c=1", `{}`, "a="+strings.Repeat("x", maxValue)+"\nc=1")
	f(nil, "a="+strings.Repeat("x", maxValue+1), `not json`, "")
}

func BenchmarkFind(b *testing.B) {
	h := New(nil)
	body := `{"model":"m","messages":[{"role":"system","content":"` + strings.Repeat("be kind. ", 500) + `"},{"role":"user","content":"x"}],"user":"u"}`
	c := someCall(wire.OpenAIChat, body, nil)
	b.ReportAllocs()
	for b.Loop() {
		c.Wants.Reset()
		h.Find(c)
	}
}
