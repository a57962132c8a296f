package host

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

func TestNoCacheCostsNothing(t *testing.T) {
	h, f := &Host{}, &flight{gen: &generation{}}
	if n := testing.AllocsPerRun(100, func() {
		if err := h.recall(f); err != nil || f.recall.hit != nil || f.recall.keeps() {
			t.Fatal("something was recalled")
		}
	}); n != 0 {
		t.Errorf("without a cache a request allocates %v times; want 0", n)
	}
}

func TestScopeOf(t *testing.T) {
	full := &call.Principal{KeyID: "k-1", Org: "a/b", Project: "p", Team: "t", User: "u"}
	bare := &call.Principal{KeyID: "k-1"}
	f := func(scope string, p *call.Principal, want string) {
		t.Helper()
		if got := scopeOf(scope, p); got != want {
			t.Errorf("%s: got %s; want %s", scope, got, want)
		}
	}
	f("key", full, "key/k-1")
	f("user", full, "user/a%2Fb/p/t/u")
	f("team", full, "unit/a%2Fb/p/t")
	f("project", full, "project/a%2Fb/p")
	f("org", full, "org/a%2Fb")
	for _, scope := range []string{"key", "user", "team", "project", "org"} {
		f(scope, bare, "key/k-1")
	}
	f("org", &call.Principal{KeyID: "k", Team: "t"}, "unit///t") // no organisation: no wider than the tenant
}

// TestScopesNeverMeet: under no scope do two organisations share.
func TestScopesNeverMeet(t *testing.T) {
	names := []string{"", "a", "b", "a/b", "a%2Fb"}
	for _, scope := range []string{"key", "user", "team", "project", "org"} {
		seen := map[string]string{}
		for i := range 5 * 5 * 5 * 5 {
			p := &call.Principal{KeyID: fmt.Sprint("k", i), Org: names[i%5], Project: names[i/5%5], Team: names[i/25%5], User: names[i/125]}
			if p.Org == "" {
				continue
			}
			got := scopeOf(scope, p)
			if was, there := seen[got]; there && was != p.Org {
				t.Errorf("%s: %q and %q share %s", scope, was, p.Org, got)
			}
			seen[got] = p.Org
		}
	}
}

// asHeaders are a request's.
type asHeaders map[string]string

func (h asHeaders) Peek(name string) []byte { return []byte(h[name]) }

func TestDirectives(t *testing.T) {
	f := func(h asHeaders, want directive, code string) {
		t.Helper()
		got, err := directives(h)
		if err != nil && err.Code != code || err == nil && (code != "" || got != want) {
			t.Errorf("%v: got %+v, %v; want %+v, %q", h, got, err, want, code)
		}
	}
	f(asHeaders{}, directive{}, "")
	f(asHeaders{"X-Signalbox-Cache": "Bypass "}, directive{bypass: true}, "")
	f(asHeaders{"X-Signalbox-Cache": "refresh"}, directive{refresh: true}, "")
	f(asHeaders{"X-Signalbox-Cache": "on"}, directive{}, "invalid_cache")
	f(asHeaders{"X-Signalbox-Cache-Ttl": "90s"}, directive{ttl: 90 * time.Second}, "")
	f(asHeaders{"X-Signalbox-Cache-Ttl": "90"}, directive{}, "invalid_cache_ttl")
	f(asHeaders{"X-Signalbox-Cache-Ttl": "1ms"}, directive{}, "invalid_cache_ttl")
	f(asHeaders{"Cache-Control": "no-transform, NO-STORE"}, directive{bypass: true}, "")
	f(asHeaders{"Cache-Control": "no-cache"}, directive{refresh: true}, "")
	f(asHeaders{"Cache-Control": "max-age=60"}, directive{age: time.Minute}, "")
	f(asHeaders{"Cache-Control": `max-age="0"`}, directive{refresh: true}, "")
	f(asHeaders{"Cache-Control": "max-age=x, s-maxage=1"}, directive{}, "")
	f(asHeaders{"Cache-Control": "max-age=5m"}, directive{}, "")     // it is no age, not one of 5 ms
	f(asHeaders{"Cache-Control": "max-age=0.0001"}, directive{}, "") // nor one below a millisecond
}

func TestUnsummed(t *testing.T) {
	f := func(in, want string, at int) {
		t.Helper()
		if got, n := unsummed([]byte(in)); string(got) != want || n != at {
			t.Errorf("%q: got %q at %d; want %q at %d", in, got, n, want, at)
		}
	}
	f("data: a\n\n: signalbox {\"x\":1}\n\ndata: [DONE]\n\n", "data: a\n\ndata: [DONE]\n\n", 9)
	f("data: a\n\n", "data: a\n\n", -1)
	f(": signalbox {}\n\ndata: b\n\n", "data: b\n\n", 0)
	f("data: : signalbox {}\n\n", "data: : signalbox {}\n\n", -1)
	f(": signalbox {}\n\nx\n\n: signalbox {2}\n\ny\n\n", ": signalbox {}\n\nx\n\ny\n\n", 19)
}

func TestRemembers(t *testing.T) {
	f := func(want bool, dialect wire.Dialect, body string, change func(*flight)) {
		t.Helper()
		fl := &flight{}
		fl.Op, fl.Dialect, fl.Body, fl.Decision = wire.OpChat, dialect, []byte(body), &call.Decision{Allow: true}
		if err := scan.Operation(&fl.Facts, fl.Op, dialect, fl.Body); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(fl)
		}
		a := &asked{}
		_, ok := a.canon.Append(nil, fl.Body, a.member)
		if got := fl.remembers() && ok && !a.stored; got != want {
			t.Errorf("%s: got %v; want %v", body, got, want)
		}
	}
	const plain = `{"model":"m","messages":[{"role":"user","content":"x"}]}`
	f(true, wire.OpenAIChat, plain, nil)
	f(false, wire.OpenAIChat, plain, func(f *flight) { f.Decision = &call.Decision{Allow: true, Cache: "deny"} })
	f(true, wire.OpenAIChat, plain, func(f *flight) { f.Decision = &call.Decision{Allow: true, Cache: "allow"} })
	f(false, wire.OpenAIChat, plain, func(f *flight) { f.Body = append(f.Body, make([]byte, cachedBody)...) })
	f(false, wire.OpenAIChat, plain, func(f *flight) { f.inner = &innerCall{Decision: permitted} })
	f(true, wire.OpenAIChat, plain, func(f *flight) { f.inner = &innerCall{} })
	f(false, wire.OpenAIChat, plain, func(f *flight) { f.inner = &innerCall{Target: &call.Target{}} })
	f(false, wire.OpenAIChat, `{"model":"m","store":true,"messages":[]}`, nil)
	f(true, wire.OpenAIChat, `{"model":"m","store":false,"messages":[]}`, nil)
	f(false, wire.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}`, nil)
	f(false, wire.OpenAIResponses, `{"model":"m","input":"x"}`, nil)
	f(true, wire.OpenAIResponses, `{"model":"m","input":"x","store":false}`, nil)
	f(false, wire.OpenAIResponses, `{"model":"m","input":"x","store":false,"background":true}`, nil)
	f(false, wire.OpenAIResponses, `{"model":"m","input":"x","store":false,"previous_response_id":"r"}`, nil)
	f(false, wire.GeminiGenerate, `{"contents":[],"cachedContent":"c"}`, nil)
}

// TestSaid finds the words that are compared, and leaves all else.
func TestSaid(t *testing.T) {
	f := func(dialect wire.Dialect, body, want, rest string) {
		t.Helper()
		fl := &flight{}
		fl.Op, fl.Dialect, fl.Body = wire.OpChat, dialect, []byte(body)
		if err := scan.Operation(&fl.Facts, fl.Op, dialect, fl.Body); err != nil {
			t.Fatal(err)
		}
		a := &asked{}
		got, ok := fl.said(a)
		if ok != (want != "") || got != want || ok && string(a.body) != strings.ReplaceAll(rest, "_", "\x00") {
			t.Errorf("%s: got %q, %v, left %q; want %q, left %q", body, got, ok, a.body, want, rest)
		}
	}
	f(wire.OpenAIChat, `{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"a \u0062"}]}`, "a b",
		`{"messages":[{"content":"s","role":"system"},{"content":_,"role":"user"}],"model":"m"}`)
	f(wire.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}`, "a",
		`{"messages":[{"content":[{"text":_,"type":"text"}],"role":"user"}],"model":"m"}`)
	f(wire.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`, "", "")
	f(wire.OpenAIChat, `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"tool","content":"b","tool_call_id":"c"}]}`, "", "")
	f(wire.OpenAIChat, `{"model":"m","messages":[]}`, "", "")
	f(wire.AnthropicMessages, `{"messages":[{"role":"user","content":"a"}],"model":"m","system":"s"}`, "a",
		`{"messages":[{"content":_,"role":"user"}],"model":"m","system":"s"}`)
	f(wire.GeminiGenerate, `{"contents":[{"role":"user","parts":[{"text":"a"}]}]}`, "a", `{"contents":[{"parts":[{"text":_}],"role":"user"}]}`)
	f(wire.OpenAIResponses, `{"model":"m","input":"a"}`, "a", `{"input":_,"model":"m"}`)
}

func TestWithPurge(t *testing.T) {
	var list []call.Purge
	for i, p := range []call.Purge{{Model: "a", Before: 1}, {Tenant: "t", Before: 2}, {Model: "a", Before: 3}} {
		list = withPurge(list, p)
		if want := min(i+1, 2); len(list) != want {
			t.Errorf("after %+v: %+v", p, list)
		}
	}
	if want := []call.Purge{{Tenant: "t", Before: 2}, {Model: "a", Before: 3}}; !slices.Equal(list, want) {
		t.Errorf("got %+v; want %+v", list, want)
	}
	for i := range maxPurges + 5 {
		list = withPurge(list, call.Purge{Key: fmt.Sprint(i), Before: 4})
	}
	if len(list) > 10 || list[0] != (call.Purge{Before: 4}) {
		t.Errorf("%d purges are kept, the first is %+v", len(list), list[0])
	}
	if list = withPurge(list, call.Purge{Before: 5}); len(list) != 1 {
		t.Errorf("after all was purged: %+v", list)
	}
	if list = withPurge(list, call.Purge{Model: "a", Before: 6 + purgeLife.Milliseconds()}); len(list) != 1 {
		t.Errorf("what is long ago is kept: %+v", list)
	}
}

// TestCachingFollowsConfiguration: what a change of would change answers has
// another revision.
func TestCachingFollowsConfiguration(t *testing.T) {
	make := func(change func(*config.Config)) *caching {
		cfg := &config.Config{Providers: map[string]config.Provider{"p": {Config: config.Settings{"base_url": "a"}, Credentials: []config.Credential{{Name: "main"}}}},
			Models:  map[string]config.Model{"fast": {Targets: []config.Target{{Model: "p/m"}}}},
			Filters: map[string]config.Filter{"f": {Module: "builtin:length", Config: config.Settings{"max": 1}}},
			Cache:   config.Cache{Exact: &config.ExactCache{Models: "all", TTL: time.Hour, Operations: []string{"chat"}}}}
		change(cfg)
		return newCaching(cfg)
	}
	was := make(func(*config.Config) {})
	f := func(name string, provider, model, filter bool, change func(*config.Config)) {
		t.Helper()
		is := make(change)
		if (is.providers["p"] != was.providers["p"]) != provider || (is.models["fast"] != was.models["fast"]) != model || (is.filters["f"] != was.filters["f"]) != filter {
			t.Errorf("%s: providers %v, models %v, filters %v", name, is.providers, is.models, is.filters)
		}
	}
	f("another credential", false, false, false, func(c *config.Config) {
		p := c.Providers["p"]
		p.Credentials = nil
		c.Providers["p"] = p
	})
	f("another address", true, false, false, func(c *config.Config) { c.Providers["p"].Config["base_url"] = "b" })
	f("another filter", false, false, true, func(c *config.Config) { c.Filters["f"].Config["max"] = 2 })
	f("another target", false, true, false, func(c *config.Config) { c.Models["fast"].Targets[0].Model = "p/n" })
	f("another time to live", false, false, false, func(c *config.Config) {
		m := c.Models["fast"]
		m.Cache.TTL = time.Minute
		c.Models["fast"] = m
	})
	if newCaching(&config.Config{}) != nil {
		t.Error("there is a cache that nobody has asked for")
	}
}

func FuzzVectorOf(f *testing.F) {
	f.Add(`{"data":[{"embedding":[0.1,2]}]}`)
	f.Add(`{"data":[{"embedding":"AACAPwAAAEA="}]}`)
	f.Add(`{"data":[{"embedding":"AAC"},{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if v := vectorOf([]byte(body)); len(v) > len(body) {
			t.Errorf("%d numbers of %d bytes", len(v), len(body))
		}
	})
}
