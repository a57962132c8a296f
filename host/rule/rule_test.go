package rule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

var noon = time.Date(2026, time.March, 13, 12, 30, 0, 0, time.UTC) // a Friday

func request() *call.Call {
	c := &call.Call{Received: noon}
	c.Principal = &call.Principal{KeyID: "k-1", KeyName: "dev", Org: "acme", Team: "core", Project: "p", User: "ann"}
	c.Facts.Stream, c.Facts.Size, c.Facts.MaxTokens, c.Facts.In = true, 4000, 100, scan.Image
	c.Wants.Filled = call.NeedMetadata | call.NeedSession
	c.Wants.Meta = []byte("env=prod\ntier=gold\ntier2=silver")
	return c
}

func ptr[T any](v T) *T { return &v }

func TestWhen(t *testing.T) {
	f := func(w When, want bool) {
		t.Helper()
		s, err := Compile([]When{w})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Match(request()) == 1; got != want {
			t.Errorf("%+v: got %v; want %v", w, got, want)
		}
	}
	f(When{}, true)
	f(When{Orgs: []string{"other", "acme"}}, true)
	f(When{Orgs: []string{"acm"}}, false)
	f(When{Orgs: []string{"acme"}, Teams: []string{"sales"}}, false)
	f(When{Teams: []string{"core"}, Projects: []string{"p"}, Users: []string{"ann"}}, true)
	f(When{Users: []string{"bob"}}, false)
	f(When{Keys: []string{"k-1"}}, true)
	f(When{Keys: []string{"dev"}}, true)
	f(When{Keys: []string{"prod"}}, false)

	f(When{Metadata: map[string][]string{"tier": {"silver", "gold"}}}, true)
	f(When{Metadata: map[string][]string{"tier": {"silver"}}}, false)
	f(When{Metadata: map[string][]string{"tier": {"gold"}, "env": {"prod"}}}, true)
	f(When{Metadata: map[string][]string{"tier": {"gold"}, "env": {"test"}}}, false)
	f(When{Metadata: map[string][]string{"tier": {"go"}}}, false)

	f(When{Stream: ptr(true)}, true)
	f(When{Stream: ptr(false)}, false)
	f(When{Tools: ptr(false)}, true)
	f(When{Tools: ptr(true)}, false)
	f(When{Images: ptr(true), Audio: ptr(false), Files: ptr(false)}, true)
	f(When{Audio: ptr(true)}, false)
	f(When{Files: ptr(true)}, false)

	f(When{Input: Range{Over: 999}}, true)
	f(When{Input: Range{Over: 1000}}, false)
	f(When{Input: Range{Under: 1001}}, true)
	f(When{Input: Range{Under: 1000}}, false)
	f(When{Input: Range{Over: 999, Under: 1001}}, true)
	f(When{Output: Range{Over: 99, Under: 101}}, true)
	f(When{Output: Range{Under: 100}}, false)

	f(When{Hours: "12:30-12:31"}, true)
	f(When{Hours: "08:00-12:30"}, false)
	f(When{Hours: "00:00-24:00"}, true)
	f(When{Hours: "22:00-06:00"}, false)
	f(When{Hours: "12:00-06:00"}, true)
	f(When{Hours: "13:00-14:00", TZ: "Europe/Berlin"}, true)
	f(When{Hours: "12:00-13:00", TZ: "Europe/Berlin"}, false)
	f(When{Days: []string{"mon", "Fri"}}, true)
	f(When{Days: []string{"sat", "sun"}}, false)
	f(When{Days: []string{"sat"}, TZ: "Pacific/Kiritimati"}, true)

	f(When{Share: ptr(0.0)}, false)
	f(When{Share: ptr(1.0)}, true)
}

func TestNoLimitOnTheAnswerIsMoreThanAny(t *testing.T) {
	s, err := Compile([]When{{Output: Range{Under: 1000}}, {Output: Range{Over: 1 << 40}}})
	c := request()
	c.Facts.MaxTokens = 0
	if got := s.Match(c); err != nil || got != 2 {
		t.Errorf("rule %d holds, %v; want the second", got, err)
	}
}

func TestFirstMatchWins(t *testing.T) {
	s, err := Compile([]When{{Users: []string{"bob"}}, {Teams: []string{"core"}}, {}})
	if got := s.Match(request()); err != nil || got != 2 {
		t.Errorf("rule %d holds, %v; want the second", got, err)
	}
	none, err := Compile([]When{{Users: []string{"bob"}}})
	if got := none.Match(request()); err != nil || got != 0 {
		t.Errorf("rule %d holds, %v; want none", got, err)
	}
	if got := none.Match(&call.Call{Received: noon}); got != 0 {
		t.Errorf("rule %d holds for nobody", got)
	}
}

// TestShare: the share is kept, a session stays where it is, and two rules
// divide differently.
func TestShare(t *testing.T) {
	s, err := Compile([]When{{Share: ptr(0.2), Salt: "a"}, {Share: ptr(0.5), Salt: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	var n [3]int
	c := request()
	for i := range 20000 {
		c.Wants.Session = uint64(i) + 1
		at := s.Match(c)
		if s.Match(c) != at {
			t.Fatal("a session moves")
		}
		n[at]++
	}
	if n[1] < 3800 || n[1] > 4200 || n[2] < 7700 || n[2] > 8300 {
		t.Errorf("of 20000 sessions %v went to none, the first, the second; want about 8000, 4000, 8000", n)
	}
	c.Wants.Session = 0
	in := 0
	for i := range 1000 {
		c.Principal = &call.Principal{KeyID: fmt.Sprint("k-", i)}
		if s.Match(c) == 1 {
			in++
		}
	}
	if in < 150 || in > 250 {
		t.Errorf("of 1000 keys %d were in the share of 0.2", in)
	}
}

func TestCompileErrors(t *testing.T) {
	f := func(w When, want string) {
		t.Helper()
		_, err := Compile([]When{{}, w})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q", err, want)
		}
	}
	f(When{Hours: "8-18"}, `rules[1].when.hours: "8-18" is no range`)
	f(When{Hours: "25:00-26:00"}, `rules[1].when.hours`)
	f(When{Days: []string{"someday"}}, `rules[1].when.days: "someday" is no day`)
	f(When{Hours: "08:00-09:00", TZ: "Moon/Base"}, `rules[1].when.tz: "Moon/Base" is not a time zone`)
}

// ten are rules of which the last one holds.
func ten(t testing.TB) *Set {
	s, err := Compile([]When{
		{Orgs: []string{"x", "y"}}, {Teams: []string{"sales"}}, {Keys: []string{"prod"}}, {Tools: ptr(true)},
		{Input: Range{Over: 100000}}, {Metadata: map[string][]string{"tier": {"silver", "bronze"}}}, {Hours: "20:00-06:00", TZ: "Europe/Berlin"},
		{Days: []string{"sat", "sun"}, TZ: "Europe/Berlin"}, {Share: ptr(0.0)}, {Metadata: map[string][]string{"tier": {"gold"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func BenchmarkTenRules(b *testing.B) {
	s, c := ten(b), request()
	b.ReportAllocs()
	for b.Loop() {
		if s.Match(c) != 10 {
			b.Fatal("another rule holds")
		}
	}
}
