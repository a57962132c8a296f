package policy

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/signalbox-ai/signalbox/host/call"
)

// pitted are calls that differ in what policies see.
func pitted() []*call.Call {
	other := sampleCall()
	other.Model = &call.Model{Name: "anthropic/opus"}
	other.Principal = &call.Principal{KeyID: "k-2", KeyName: `odd "name"`, Team: "ops", Attrs: map[string]string{"b": "2", "a": "1\n"}}
	other.Facts.Tools = [][]byte{[]byte("web.search"), []byte("calc")}
	other.Facts.Stream, other.Facts.MaxTokens, other.TLS = true, 77, true
	return []*call.Call{sampleCall(), other}
}

// TestTrialDecidesAsTheEngine: on what was written down a trial comes to what
// the engine has decided on the call itself.
func TestTrialDecidesAsTheEngine(t *testing.T) {
	e := files{"tools": `
deny contains {"code": "no_search", "v": input.principal.key_name} if "web.search" in input.request.tools

obligations["max_tokens"] := 5 if input.principal.attrs.a == "1\n"

deny contains {"code": "off_zone"} if input.call.headers["x-zone"] == "far"
`}.open(t)
	for _, c := range pitted() {
		want := e.Decide(c)
		input := e.AppendInput(nil, c)
		got, err := e.Current().Decide(input)
		if err != nil {
			t.Fatal(err)
		}
		if change := Compare(want, got, nil, true); change.Kind != ChangeNone || !slices.Equal(want.Reasons, got.Reasons) {
			t.Errorf("%s: got %+v; want %+v", input, got, want)
		}
	}
}

func TestTryChecksAsAnActivation(t *testing.T) {
	e := files{}.open(t)
	f := func(bundle files, want string) {
		t.Helper()
		body, err := Pack(bundle.folder(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Try(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	f(files{"a": "deny contains {"}, "parse")
	f(files{"a": `deny contains {"code": "x"} if input.request.modle == "y"`}, "modle")
	f(files{"base.rego": "package signalbox.units.base\n\ndefault permit := true\n"}, "empty input is allowed")
	if _, err := e.Try([]byte("no tarball")); err == nil {
		t.Error("what is no tarball was read")
	}
}

// TestTrialZonesAndTimes: what depends on the bundle is made anew.
func TestTrialZonesAndTimes(t *testing.T) {
	e := files{}.open(t)
	input := e.AppendInput(nil, sampleCall()) // from 10.1.2.3, at 12:30 UTC
	body, err := Pack(files{"data.json": `{"signalbox": {"tz": "Asia/Tokyo", "zones": {"lab": ["10.1.0.0/16"]}}}`, "place": `
deny contains {"code": "lab", "v": input.time.hour} if "lab" in input.net.zones
`}.folder(t))
	if err != nil {
		t.Fatal(err)
	}
	trial, err := e.Try(body)
	if err != nil {
		t.Fatal(err)
	}
	d, err := trial.Decide(input)
	if err != nil || len(d.Reasons) != 1 || d.Reasons[0].Value != "21" {
		t.Errorf("%+v, %v; want a denial at 21 o'clock in Tokyo", d, err)
	}
}

func TestExplainShowsWhatFailed(t *testing.T) {
	e := files{"model": `
deny contains {"code": "not_opus", "v": input.request.model} if input.request.model == "anthropic/opus"

obligations["max_tokens"] := 9
`, "broken": "deny contains {\"code\": \"x\"} if {\n\tinput.principal.team == \"ops\"\n\tto_number(input.principal.team) > 3\n}"}.open(t)
	input := e.AppendInput(nil, pitted()[1])
	units, err := e.Current().Explain(input, DetailFull)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]UnitExplanation{}
	for _, u := range units {
		by[u.Unit] = u
	}
	if u := by["model"]; !u.Denied || u.Reasons[0].Value != "anthropic/opus" || u.Obligations != `{"max_tokens": 9}` || len(u.Trace) == 0 {
		t.Errorf("got %+v", u)
	}
	if u := by["broken"]; u.Answered || !strings.Contains(u.Error, "to_number") {
		t.Errorf("got %+v", u)
	}
	fails, err := e.Current().Explain(input, DetailFails)
	if err != nil || len(fails[0].Trace) != 0 { // nothing of base has failed
		t.Errorf("got %q, %v", fails[0].Trace, err)
	}
	if u := by["base"]; u.Denied || !u.Answered {
		t.Errorf("got %+v", u)
	}
	quiet, err := e.Current().Explain(input, DetailNone)
	if err != nil || len(quiet[0].Trace) != 0 {
		t.Errorf("a trace that nobody asked for: %v, %v", quiet[0].Trace, err)
	}
}

func TestCompare(t *testing.T) {
	allow := func(change func(*call.Decision)) *call.Decision {
		d := &call.Decision{Allow: true}
		change(d)
		return d
	}
	plain := allow(func(*call.Decision) {})
	deny := &call.Decision{Reasons: []call.Reason{{Code: "a"}}}
	f := func(old, now *call.Decision, want ChangeKind, terms string) {
		t.Helper()
		c := Compare(old, now, nil, true)
		if c.Kind != want || strings.Join(c.Terms, "; ") != terms {
			t.Errorf("got %+v; want %s, %q", c, want, terms)
		}
	}
	f(plain, plain, ChangeNone, "")
	f(plain, deny, ChangeDenied, "")
	f(deny, plain, ChangeAllowed, "")
	f(deny, deny, ChangeNone, "")
	f(deny, &call.Decision{Reasons: []call.Reason{{Code: "b"}}}, ChangeReasons, "")
	f(plain, allow(func(d *call.Decision) { d.MaxTokens = 5 }), ChangeTerms, "max_tokens none → 5")
	f(plain, allow(func(d *call.Decision) { d.Restricted, d.Targets = true, []string{"a/b"} }), ChangeTerms, "targets all → [a/b]")
	f(plain, allow(func(d *call.Decision) { d.Filters = []string{"pii"} }), ChangeTerms, "filters [] → [pii]")
	f(plain, allow(func(d *call.Decision) { d.Limits = []call.Limit{{Scope: "team/a"}} }), ChangeTerms, "limits 0 → 1")
	if c := Compare(plain, nil, errUndefined, true); c.Kind != ChangeFailed {
		t.Errorf("got %+v", c)
	}
}

func TestShadowCountsDifferences(t *testing.T) {
	e := files{}.open(t)
	body, err := Pack(files{"model": `deny contains {"code": "not_opus"} if input.request.model == "anthropic/opus"`}.folder(t))
	if err != nil {
		t.Fatal(err)
	}
	trial, err := e.Try(body)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := NewShadow(trial, 1)
		for i, c := range append(pitted(), pitted()...) {
			if !s.Wants(c.ID) {
				t.Fatal("not wanted")
			}
			s.Observe(call.ID(i), e.AppendInput(nil, c), e.Decide(c))
		}
		s.Observe(9, make([]byte, maxSample+1), &call.Decision{})
		synctest.Wait()
		r := s.Report()
		if r.Seen != 4 || r.TooLarge != 1 || r.Counts[ChangeNone] != 2 || r.Counts[ChangeDenied] != 2 || r.Codes["not_opus"] != 2 || r.Units["model"] != 2 {
			t.Errorf("got %+v", r)
		}
		if len(r.Latest) != 2 || r.Latest[0].ID != 3 {
			t.Errorf("latest %+v", r.Latest)
		}
		s.Close()
		s.Close()
		s.Observe(10, nil, &call.Decision{})
	})
	var none *Shadow
	if none.Wants(1) {
		t.Error("no shadow wants something")
	}
	none.Close()
}

// TestShadowDropsRatherThanWaits: its queue is bounded, and nobody waits for it.
func TestShadowDropsRatherThanWaits(t *testing.T) {
	e := files{}.open(t)
	synctest.Test(t, func(t *testing.T) {
		s := &Shadow{trial: e.Current(), queue: make(chan *sample, 1), free: make(chan *sample, 1), done: make(chan struct{})} // nobody works
		for range 3 {
			s.Observe(1, []byte("{}"), &call.Decision{})
		}
		if n := s.Report().Dropped; n != 2 {
			t.Errorf("%d dropped; want 2", n)
		}
	})
}

func TestDryRunTellsAndDoesNotCount(t *testing.T) {
	unit := files{"strict": `
deny contains {"code": "nobody"} if input.principal.key_id != ""

obligations["max_tokens"] := 1
`, "broken": "deny contains {\"code\": \"x\"} if {\n\tinput.principal.team == \"core\"\n\tto_number(input.principal.team) > 3\n}"}
	e := openWith(t, Options{Path: unit.folder(t), Deadline: slack, DryRun: []string{"strict", "broken"}})
	for range 2 { // evaluated, and remembered
		d := e.Decide(sampleCall())
		wantAllowed(t, d)
		if d.MaxTokens != 0 || len(d.Dry) != 2 || d.Dry[0].Code != CodePolicyError || d.Dry[1].Code != "nobody" {
			t.Errorf("got %+v", d)
		}
	}
	all := openWith(t, Options{Path: unit.folder(t), Deadline: slack, DryRun: []string{"*"}})
	d := all.Decide(sampleCall())
	wantAllowed(t, d)
	nobody := sampleCall()
	nobody.Principal = nil
	wantDenied(t, all.Decide(nobody), CodePolicyError)
	if _, err := Open(t.Context(), Options{Path: unit.folder(t), DryRun: []string{"strickt"}}); err == nil || !strings.Contains(err.Error(), "strickt") {
		t.Errorf("a dry run of an unknown unit: %v", err)
	}
}

// TestTrialHasTheTimeOfADecision: what would be stopped in earnest is stopped
// on trial, and a shadow says so.
func TestTrialHasTheTimeOfADecision(t *testing.T) {
	e := openWith(t, Options{Path: files{"u": `deny contains {"code": "x"} if {
	input.principal.team == "ops"
	count([1 | some i in numbers.range(1, 1000000); i > 5]) == 0
}`}.folder(t)})
	c := pitted()[1]
	wantDenied(t, e.Decide(c), CodePolicyError)
	if d, err := e.Current().Decide(e.AppendInput(nil, c)); err == nil {
		t.Errorf("on trial it comes to %+v", d)
	}
}

func TestWhatAShadowKnowsIsBounded(t *testing.T) {
	s := &Shadow{known: map[string]said{}, room: shadowKnown}
	key := make([]byte, maxSample)
	for i := range 3 * shadowKnown / maxSample {
		key[0], key[1] = byte(i), byte(i>>8)
		s.remember(key, said{d: noPolicy})
		if n := len(s.known); n*maxSample > shadowKnown || n == 0 {
			t.Fatalf("it knows %d inputs of %d bytes", n, maxSample)
		}
	}
}

func TestDryRunLeavesAPermit(t *testing.T) {
	f := func(want string, names ...string) {
		t.Helper()
		_, err := Open(t.Context(), Options{Path: files{"u": `deny contains {"code": "x"} if input.net.tls == false`}.folder(t), DryRun: names})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: got %v", names, err)
		}
	}
	f("", "u")
	f("", "*")
	f("every unit that has a permit", "base")
	f("every unit that has a permit", "base", "u")
}
