package host

import (
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/queue"
	"github.com/signalbox-ai/signalbox/sdk/wire"
	"github.com/signalbox-ai/signalbox/sdk/wire/scan"
)

// admitted makes a flight with candidates of these names, separated by spaces.
func admitted(names string) *flight {
	f := &flight{gen: &generation{cfg: &config.Config{}}}
	f.Op, f.Received, f.Facts.Size = wire.OpChat, time.Now(), 4000
	f.Principal, f.Model = &call.Principal{KeyID: "k-1"}, &call.Model{Name: "m"}
	for name := range strings.FieldsSeq(names) {
		t := &call.Target{Name: "p/" + name, Provider: &call.Provider{Name: "p", Credentials: []*call.Credential{{}}}, State: call.NewTargetState()}
		f.Candidates = append(f.Candidates, call.Candidate{Target: t})
		f.Model.Targets = append(f.Model.Targets, t)
	}
	return f
}

func (f *flight) names() string {
	var out []string
	for _, c := range f.Candidates {
		out = append(out, strings.TrimPrefix(c.Target.Name, "p/"))
	}
	return strings.Join(out, " ")
}

// TestOpen: what cannot take the request is no candidate, unless none can.
func TestOpen(t *testing.T) {
	later := time.Now().Add(time.Minute).UnixMilli()
	f := func(want string, shut func(a, b *call.Target)) {
		t.Helper()
		fl := admitted("a b c")
		shut(fl.Candidates[0].Target, fl.Candidates[1].Target)
		if !fl.open(fl.Received.UnixMilli()) || fl.names() != want {
			t.Errorf("left are %q; want %q", fl.names(), want)
		}
		if want != "a b c" && len(fl.eligible) != 3 {
			t.Errorf("%d are remembered; want all", len(fl.eligible))
		}
	}
	cred := func(t *call.Target) *call.Credential { return t.Provider.Credentials[0] }
	f("a b c", func(a, b *call.Target) {})
	f("b c", func(a, b *call.Target) { a.State.CooldownUntil.Store(later) })
	f("a c", func(a, b *call.Target) { b.MaxInFlight = 1; b.State.InFlight.Store(1) })
	f("c", func(a, b *call.Target) { cred(a).BenchedUntil.Store(later); cred(b).CooldownUntil.Store(later) })
	f("b c", func(a, b *call.Target) {
		cred(a).Rate.Note(call.TokensRemaining, 999)
		cred(a).Rate.Note(call.TokensReset, later)
		cred(b).Rate.Note(call.TokensRemaining, 1000)
		cred(b).Rate.Note(call.TokensReset, later)
	})
	f("b c", func(a, b *call.Target) { var w call.Waker = queue.New(queue.Options{}); a.State.Watch(&w) })
	f("b c", func(a, b *call.Target) {
		a.Breaker = &call.Breaker{Errors: .1, Attempts: 1, Window: time.Minute, Rest: time.Minute, MaxRest: time.Minute}
		p, _ := a.Enter(time.Now().UnixMilli())
		p.Judge(wire.ClassServer, time.Now().UnixMilli())
		p.Leave()
	})

	none := admitted("a b")
	for _, c := range none.Candidates {
		c.Target.State.CooldownUntil.Store(later)
	}
	if none.open(time.Now().UnixMilli()) || none.names() != "a b" {
		t.Errorf("none can: left are %q", none.names())
	}
}

func TestFit(t *testing.T) {
	f := func(size int, in scan.Modality, want string) {
		t.Helper()
		fl := admitted("a b")
		fl.Candidates[0].Target.Price = &call.Price{Context: 1000}
		fl.Candidates[1].Target.Price = &call.Price{Context: 10000}
		fl.Facts.Size, fl.Facts.In = size, in
		err := fl.fit()
		if got := fl.names(); got != want || (err != nil) != (want == "") {
			t.Errorf("%d bytes: left are %q, %v; want %q", size, got, err, want)
		}
		if err != nil && (err.Status != 400 || err.Code != "context_length_exceeded" || !strings.Contains(err.Message, "10000 tokens")) {
			t.Errorf("got %+v", err)
		}
	}
	f(32_000, scan.Text, "a b")
	f(33_000, scan.Text, "b")
	f(330_000, scan.Text, "")
	f(330_000, scan.Image, "a b") // its bytes are no measure
}

type headers map[string]string

func (h headers) Peek(name string) []byte { return []byte(h[name]) }

func TestClassOf(t *testing.T) {
	f := func(attr, header string, want queue.Class) {
		t.Helper()
		c := &call.Call{Principal: &call.Principal{Attrs: map[string]string{"priority": attr}}, Header: headers{"X-Signalbox-Priority": header}}
		if got := classOf(c); got != want {
			t.Errorf("%q and %q: got %d; want %d", attr, header, got, want)
		}
	}
	f("", "", queue.Normal)
	f("high", "", queue.High)
	f("high", "low", queue.Low)
	f("low", "high", queue.Low)
	f("", "high", queue.Normal)
	f("wild", "wild", queue.Normal)
}

func TestTurnedAway(t *testing.T) {
	now := time.Now()
	f := func(why queue.Reason, status int, code string, after time.Duration) {
		t.Helper()
		fl := admitted("a b")
		fl.Candidates[0].Target.State.CooldownUntil.Store(now.Add(time.Minute).UnixMilli())
		fl.Candidates[1].Target.State.CooldownUntil.Store(now.Add(20 * time.Second).UnixMilli())
		e := turnedAway(fl, &queue.Refusal{Reason: why, RetryAfter: 3 * time.Second}, now)
		if e.Status != status || e.Code != code || e.RetryAfter.Round(time.Second) != after {
			t.Errorf("got %d %s after %s", e.Status, e.Code, e.RetryAfter)
		}
	}
	f(queue.Hopeless, 429, "provider_rate_limited", 20*time.Second)
	f(queue.Left, 499, "client_closed_request", 0)
	f(queue.Stopped, 503, "shutting_down", 3*time.Second)
}

func TestNarrow(t *testing.T) {
	f := func(rule config.Rule, candidates, want string) {
		t.Helper()
		fl := admitted("a b c")
		rs, err := compileRules([]config.Rule{{When: config.When{Teams: []string{"no"}}, Targets: []string{"p/a"}}, rule}, fl.Model)
		if err != nil {
			t.Fatal(err)
		}
		fl.gen.rules = map[*call.Model]*rules{fl.Model: rs}
		all := fl.Candidates
		fl.Candidates = nil
		for _, c := range all {
			if strings.Contains(candidates, strings.TrimPrefix(c.Target.Name, "p/")) {
				fl.Candidates = append(fl.Candidates, c)
			}
		}
		e := fl.narrow()
		if fl.names() != want || (e != nil) != (want == "") || fl.Rule != 2 {
			t.Errorf("rule %d, left are %q, %v; want %q", fl.Rule, fl.names(), e, want)
		}
		for i, c := range fl.Candidates {
			if len(rule.Targets) > 0 && int(c.Target.Priority) < i {
				t.Errorf("%s has priority %d", c.Target.Name, c.Target.Priority)
			}
		}
		if rule.Route != "" && fl.route() != rule.Route {
			t.Errorf("the route is %q", fl.route())
		}
	}
	f(config.Rule{Targets: []string{"p/c", "p/a"}}, "a b c", "c a")
	f(config.Rule{Targets: []string{"p/c", "p/a"}}, "a b", "a")
	f(config.Rule{Targets: []string{"p/c"}}, "a b", "")
	f(config.Rule{Route: "r"}, "a b", "a b")
	if _, err := compileRules([]config.Rule{{Targets: []string{"p/a", "p/b", "p/a"}}}, &call.Model{Name: "m"}); err == nil ||
		!strings.HasPrefix(err.Error(), `models.m.rules[0].targets[2]: "p/a" is listed twice`) {
		t.Errorf("got %v", err)
	}
	if _, err := compileRules([]config.Rule{{When: config.When{Hours: "no"}}}, &call.Model{Name: "m"}); err == nil ||
		!strings.HasPrefix(err.Error(), "models.m.rules[0].when.hours:") {
		t.Errorf("got %v", err)
	}
}

func TestMirrorable(t *testing.T) {
	f := func(want bool, change func(f *flight, t *call.Target)) {
		t.Helper()
		fl := admitted("a")
		tgt := fl.Model.Targets[0]
		fl.Dialect, fl.Decision = wire.OpenAIChat, &call.Decision{Allow: true}
		tgt.Provider.Publish(call.NewEndpoints([]*call.Endpoint{{Op: wire.OpChat, Dialect: wire.OpenAIChat}}))
		change(fl, tgt)
		if got := fl.mirrorable(tgt); got != want {
			t.Errorf("got %v; want %v", got, want)
		}
	}
	f(true, func(*flight, *call.Target) {})
	f(false, func(f *flight, _ *call.Target) { f.Op = wire.OpImages })
	f(false, func(f *flight, _ *call.Target) { f.Dialect = wire.AnthropicMessages })
	f(false, func(f *flight, _ *call.Target) { f.Facts.Unbounded = true })
	f(false, func(f *flight, _ *call.Target) { f.Facts.Refs = []scan.Ref{{}} })
	f(false, func(f *flight, _ *call.Target) { f.Body = make([]byte, mirrorBody+1) })
	f(false, func(f *flight, _ *call.Target) { f.Decision = &call.Decision{Restricted: true} })
	f(false, func(f *flight, t *call.Target) { t.Tags, f.Wants.DenyTags = 2, 2 })
}

func TestUnstreamed(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := string(unstreamed([]byte(in))); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
	}
	f(`{"model":"m","stream":true,"stream_options":{"include_usage":true}}`, `{"model":"m"}`)
	f(`{"store":true,"n":1}`, `{"n":1,"store":false}`)
	f(`[]`, `[]`)
	f(`{`, `{`)
}

// TestMirrorDrops: what the mirror cannot keep up with is dropped at once.
func TestMirrorDrops(t *testing.T) {
	m := &mirror{who: internal("mirror"), jobs: make(chan innerCall, 1)} // nobody works
	fl := admitted("a")
	tgt := fl.Model.Targets[0]
	tgt.Provider.Publish(call.NewEndpoints([]*call.Endpoint{{Op: wire.OpChat, Dialect: wire.OpenAIChat}}))
	fl.Dialect, fl.Decision, fl.Body = wire.OpenAIChat, &call.Decision{Allow: true}, []byte("{}")
	fl.SentUp = true
	m.take(fl) // the model has no mirror
	fl.Model.Mirror = call.Mirror{Target: tgt, Share: 1}
	fl.SentUp = false
	m.take(fl) // no target was sent it: its caller's money does not reach
	fl.SentUp = true
	m.take(fl)
	m.take(fl)
	tgt.State.CooldownUntil.Store(time.Now().Add(time.Minute).UnixMilli())
	m.take(fl)
	fl.Op = wire.OpSpeech
	m.take(fl)
	if len(m.jobs) != 1 || m.overflow.Load() != 2 || m.skipped.Load() != 1 || m.bytes.Load() != 2 {
		t.Errorf("%d wait, %d dropped, %d skipped, %d bytes", len(m.jobs), m.overflow.Load(), m.skipped.Load(), m.bytes.Load())
	}
}

func BenchmarkOpen(b *testing.B) {
	f := admitted("a b c d e f g h")
	now := f.Received.UnixMilli()
	b.ReportAllocs()
	for b.Loop() {
		f.open(now)
	}
}

func TestLimitsOf(t *testing.T) {
	got := limitsOf(&config.Config{Models: map[string]config.Model{
		"a": {Targets: []config.Target{{Model: "p/x", MaxInFlight: 8}, {Model: "p/y"}}},
		"b": {Targets: []config.Target{{Model: "p/x", MaxInFlight: 5}, {Model: "p/z", MaxInFlight: 1}}},
		"c": {Targets: []config.Target{{Model: "p/x"}}},
	}})
	if len(got) != 2 || got["p/x"] != 5 || got["p/z"] != 1 {
		t.Errorf("got %v", got)
	}
}
