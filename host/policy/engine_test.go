package policy

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/signalbox-ai/signalbox/host/call"
)

func TestDefaultPermits(t *testing.T) {
	e := openWith(t, Options{})
	d := e.Decide(sampleCall())
	wantAllowed(t, d)
	if d.Revision != e.Revision() || d.Restricted || d.MaxTokens != 0 || len(d.Limits) != 0 {
		t.Errorf("the default bundle adds something: %+v", d)
	}
	nobody := sampleCall()
	nobody.Principal = &call.Principal{}
	wantDenied(t, e.Decide(nobody), CodeNotPermitted)
	nobody.Principal = nil
	wantDenied(t, e.Decide(nobody), CodePolicyError)
}

func TestDefaultBundleWithData(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(defaultFolder)); err != nil {
		t.Fatal(err)
	}
	files{"data.json": `{"signalbox": {"zones": {"office": ["203.0.113.0/24"]}, "classes": {}, "access": {
		"default": {"max_tokens": 4096, "limits": {"day": {"usd_nano": 9, "window": {"unit": "day"}}}},
		"teams": {"core": {"models": {"fast": true, "openai/*": true}, "targets": {"openai/b": true, "openai/a": true}}},
		"keys": {"ci": {"zones": {"office": true}, "tls": true, "max_tokens": 100, "limits": {
			"month": {"usd_nano": 5000000000, "window": {"unit": "month", "tz": "Europe/Berlin"}}, "day": {"usd_nano": 7, "window": {"unit": "day"}}}}},
		"orgs": {}, "projects": {}, "roles": {}, "envs": {}}}}`}.write(t, dir)
	e := openWith(t, Options{Path: dir, Deadline: slack})
	c := sampleCall()
	d := e.Decide(c)
	wantAllowed(t, d)
	if want := []string{"openai/a", "openai/b"}; d.MaxTokens != 4096 || !d.Restricted || !reflect.DeepEqual(d.Targets, want) {
		t.Errorf("got %+v", d)
	}
	c.Model = &call.Model{Name: "anthropic/opus"}
	d = e.Decide(c)
	wantDenied(t, d, "model_not_allowed")
	if d.Reasons[0].Value != "anthropic/opus" || d.Reasons[0].Unit != "model" {
		t.Errorf("got %+v", d.Reasons)
	}
	c.Principal.KeyName, c.Principal.Team = "ci", ""
	wantDenied(t, e.Decide(c), "network_not_allowed,tls_required")
	c.TLS = true
	c.Remote = sampleAddr("203.0.113.9")
	d = e.Decide(c)
	wantAllowed(t, d)
	want := []call.Limit{
		{Scope: "key/k-1", Window: call.Window{Unit: "day", Size: 1}, Max: 7},
		{Scope: "key/k-1", Window: call.Window{Unit: "month", Size: 1, TZ: "Europe/Berlin"}, Max: 5_000_000_000},
	}
	if d.MaxTokens != 100 || !reflect.DeepEqual(d.Limits, want) {
		t.Errorf("got %d and %+v", d.MaxTokens, d.Limits)
	}
}

func TestOnlyTheUnitThatReadsItIsEvaluated(t *testing.T) {
	e := openWith(t, Options{Deadline: slack})
	c := sampleCall()
	e.Decide(c)
	c.Model = &call.Model{Name: "another"}
	e.Decide(c)
	for _, u := range e.Stats().Units {
		want := uint64(1)
		if u.Name == "model" || u.Name == "residency" {
			want = 2
		}
		if u.Misses != want {
			t.Errorf("unit %s was evaluated %d times, want %d", u.Name, u.Misses, want)
		}
	}
}

func TestCallBytesAreNotKept(t *testing.T) {
	e := files{"u": "deny contains {\"code\": \"x\", \"v\": t} if some t in input.request.tools"}.open(t)
	c := sampleCall()
	body := []byte("tool-a")
	c.Facts.Tools = [][]byte{body}
	d := e.Decide(c)
	copy(body, "XXXXXX")
	if d.Reasons[0].Value != "tool-a" {
		t.Errorf("the decision changed with the caller's buffer: %v", d.Reasons)
	}
	if d := e.Decide(c); d.Reasons[0].Value != "XXXXXX" {
		t.Errorf("the key did not see the new bytes: %v", d.Reasons)
	}
}

type headers map[string]string

func (h headers) Peek(name string) []byte { return []byte(h[name]) }

func TestVolatileUnits(t *testing.T) {
	e := files{"u": "deny contains {\"code\": \"x\"} if input.call.headers[\"x-tag\"] == \"bad\"\ndeny contains {\"code\": \"y\"} if input.call.headers[\"x-other\"] != \"\""}.open(t)
	c := sampleCall()
	wantAllowed(t, e.Decide(c)) // no headers at all: empty, not undefined
	c.Header = headers{"x-tag": " bad ", "x-unread": "1"}
	wantDenied(t, e.Decide(c), "x")
	c.Header = headers{"x-tag": "good"}
	wantAllowed(t, e.Decide(c))
	if u := e.Stats().Units[1]; u.Cached || u.Misses != 3 {
		t.Errorf("got %+v", u)
	}
}

func TestLongKeysAreNotRemembered(t *testing.T) {
	e := files{"u": `deny contains {"code": "x"} if "no" in input.request.tools`}.open(t)
	c := sampleCall()
	c.Facts.Tools = [][]byte{bytes.Repeat([]byte("t"), maxKey+1)}
	for range 2 {
		wantAllowed(t, e.Decide(c))
	}
	if u := e.Stats().Units[1]; u.Entries != 0 || u.Misses != 2 {
		t.Errorf("got %+v", u)
	}
}

func TestMaxTokensAreComparedExactly(t *testing.T) {
	e := files{"u": `deny contains {"code": "too_long", "v": input.request.max_tokens} if input.request.max_tokens > 5000`}.open(t)
	for n, denied := range map[int64]bool{0: false, 4999: false, 5000: false, 5001: true, 1 << 40: true} {
		c := sampleCall()
		c.Facts.MaxTokens = n
		if d := e.Decide(c); d.Allow == denied {
			t.Errorf("max_tokens %d: allow %v", n, d.Allow)
		}
	}
}

func TestMessageOfTheBundle(t *testing.T) {
	e := files{"data.json": `{"signalbox": {"messages": {"mine": "No {v} here."}}}`}.open(t)
	if got := e.Message(call.Reason{Code: "mine", Value: "cats"}); got != "No cats here." {
		t.Errorf("got %q", got)
	}
	if got, want := e.Message(call.Reason{Code: CodeNoTarget}), Message(call.Reason{Code: CodeNoTarget}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	long := Message(call.Reason{Unit: "u", Code: "odd", Value: strings.Repeat("ü", 500)})
	if !strings.HasPrefix(long, "Refused by policy u: odd (ü") || len(long) > 400 {
		t.Errorf("got %q", long)
	}
}

// TestDeadline gives policies that would run for minutes.
func TestDeadline(t *testing.T) {
	f := func(name, body string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			body := strings.ReplaceAll("deny contains {\"code\": \"x\"} if {\n input.principal.team == \"boom\"\n"+body+"\n}", "BIG", "numbers.range(1, 4000)")
			e := openWith(t, Options{Path: files{"u": body}.folder(t)})
			c := sampleCall()
			c.Principal.Team = "boom"
			c.Principal.Attrs = map[string]string{}
			for i := range 40 {
				c.Principal.Attrs[strings.Repeat("a", i)] = "v"
			}
			start := time.Now()
			wantDenied(t, e.Decide(c), CodePolicyError)
			t.Logf("stopped after %v", time.Since(start))
			if e.Stats().Units[1].Errors != 1 {
				t.Error("the overrun was not counted")
			}
		})
	}
	f("nested loops", " some a in BIG\n some b in BIG\n some c in BIG\n a + b + c == -1")
	f("a great range", " count(numbers.range(1, 100000000)) == 1")
	f("walks", " walk(input, [_, a])\n walk(input, [_, b])\n walk(input, [_, c])\n walk(input, [_, d])\n count([a, b, c, d]) == 5")
}

func TestDeadlineCountsTheEvaluationsOwnTime(t *testing.T) {
	const limit = 5 * time.Millisecond
	start := time.Now()
	f := func(want time.Duration, gap time.Duration) {
		t.Helper()
		d := newDeadline(limit)
		d.looked, d.end = start, start.Add(wallShare*limit)
		now := start
		for !d.over {
			now = now.Add(gap)
			d.look(now)
		}
		if got := now.Sub(start); got < want || got > want+gap {
			t.Errorf("with looks %v apart it ended after %v, want %v", gap, got, want)
		}
	}
	f(limit, 20*time.Microsecond)
	f(limit, 200*time.Microsecond)
	f(26*10*time.Millisecond, 10*time.Millisecond) // stalls are charged 0.2 ms each
	f(wallShare*limit, time.Second)
	d := newDeadline(time.Hour)
	if d.Cancel(); !d.Cancelled() {
		t.Error("not cancelled from outside")
	}
}

func TestErrorsAreLoggedOnceASecond(t *testing.T) {
	events := make(chan string, 1024)
	e := openWith(t, Options{Path: files{"u": `permit if input.principal.team != "boom"`}.folder(t), Deadline: slack, Log: slog.New(&tap{events: events})})
	<-events
	c := sampleCall()
	c.Principal.Team = "boom"
	start := time.Now()
	for range 100 {
		wantDenied(t, e.Decide(c), CodePolicyError)
	}
	if limit := int(time.Since(start)/time.Second) + 2; len(events) == 0 || len(events) > limit {
		t.Errorf("%d lines for 100 errors within %v", len(events), time.Since(start))
	}
}

// TestPatternsAreBounded lets callers decide which patterns are compiled.
func TestPatternsAreBounded(t *testing.T) {
	e := files{"u": `deny contains {"code": "x"} if regex.match(input.principal.team, "no")
deny contains {"code": "y"} if glob.match(input.principal.team, ["/"], "no")`}.open(t)
	u := e.snap.Load().units[1]
	for i := range maxPatterns + 500 {
		c := sampleCall()
		c.Principal.Team = fmt.Sprintf("team-%d", i)
		wantAllowed(t, e.Decide(c))
	}
	if n := u.values.Insert(ast.String("one more"), nil); n == 0 {
		t.Error("nothing was dropped to make room")
	}
}
