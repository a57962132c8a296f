package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/call"
)

// feeder is a feed by hand.
type feeder struct {
	roots map[string][]string
	first map[string][]byte
	to    Receiver
	errs  map[string]error
}

func (f *feeder) Start(to Receiver) error {
	f.to, f.errs = to, map[string]error{}
	to.Expect(f.roots)
	for name, tarball := range f.first {
		f.errs[name] = to.Offer(name, tarball)
	}
	return nil
}

func (*feeder) Tried(context.Context) {}
func (*feeder) Stop()                 {}

// tarball packs f as it is.
func (f files) tarball(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	f.write(t, dir)
	body, err := Pack(dir)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// orgBundle permits, and denies team boom; teamBundle denies model m.
var (
	orgBundle = files{"base.rego": permitAll, "org_u": `deny contains {"code": "org"} if data.org.known[input.principal.team]`,
		"org/data.json": `{"known": {"boom": true}}`, ".manifest": `{"revision": "o1", "roots": ["signalbox/units/base", "signalbox/units/org_u", "org"]}`,
		"probes.json": `[{"name": "others pass", "input": {"principal": {"team": "x"}}, "allow": true, "codes": []}]`}
	teamBundle = files{"team_u": "deny contains {\"code\": \"team\"} if input.request.model == \"m\"\n\nobligations[\"max_tokens\"] := 10\n",
		".manifest":   `{"revision": "t1", "roots": ["signalbox/units/team_u", "team"]}`,
		"probes.json": `[{"name": "m", "input": {"request": {"model": "m"}}, "allow": false, "codes": ["team"]}]`}
)

func fed2(t testing.TB, o Options) (*Engine, *feeder) {
	t.Helper()
	f := &feeder{roots: map[string][]string{"org": nil, "team": {"signalbox/units/team_u", "team"}},
		first: map[string][]byte{"org": orgBundle.tarball(t), "team": teamBundle.tarball(t)}}
	o.Feed, o.Deadline = f, slack
	return openWith(t, o), f
}

func TestBundlesDecideTogether(t *testing.T) {
	e, _ := fed2(t, Options{})
	c := sampleCall()
	d := e.Decide(c)
	wantAllowed(t, d)
	a := e.Active()
	if d.MaxTokens != 10 || a.Bundles["org"] != "o1" || a.Bundles["team"] != "t1" || !strings.HasPrefix(d.Revision, "org=o1-") || !strings.Contains(d.Revision, ",team=t1-") {
		t.Errorf("got %+v, %+v", d, a)
	}
	c.Principal.Team, c.Model = "boom", &call.Model{Name: "m"}
	wantDenied(t, e.Decide(c), "org,team")
}

// TestBundlesLoosenNothing: whatever the organisation's bundle refuses alone is
// refused with any other beside it, and obligations only get stricter.
func TestBundlesLoosenNothing(t *testing.T) {
	org := files{"base.rego": permitAll, "u": `
deny contains {"code": "net"} if not "corp" in input.net.zones
deny contains {"code": "model"} if startswith(input.request.model, "b")
obligations["max_tokens"] := 100 if input.principal.team == "a"
obligations["targets"] := ["x/1", "x/2"] if input.principal.team == "b"
`, "signalbox/zones/data.json": `{"corp": ["10.0.0.0/8"]}`,
		".manifest": `{"roots": ["signalbox/units/base", "signalbox/units/u", "signalbox/zones"]}`}
	alone := openWith(t, Options{Deadline: slack, Feed: &feeder{roots: map[string][]string{"org": nil}, first: map[string][]byte{"org": org.tarball(t)}}})
	rnd := rand.New(rand.NewPCG(1, 2))
	for i, body := range []string{"permit := true", "obligations[\"max_tokens\"] := 1000", "obligations[\"targets\"] := [\"x/1\", \"x/3\"]", "default permit := true",
		"deny contains {\"code\": \"t\"} if input.request.stream", "deny := set() if false\n\npermit if true"} {
		if strings.Contains(body, "set()") {
			body = "obligations[\"cache\"] := \"allow\""
		}
		team := files{"t": body, ".manifest": `{"roots": ["signalbox/units/t"]}`}
		both := openWith(t, Options{Deadline: slack, Feed: &feeder{roots: map[string][]string{"org": nil, "team": nil},
			first: map[string][]byte{"org": org.tarball(t), "team": team.tarball(t)}}})
		for range 300 {
			c := sampleCall()
			c.Principal.Team = string(rune('a' + rnd.IntN(3)))
			c.Model = &call.Model{Name: string(rune('a'+rnd.IntN(3))) + "/m"}
			c.Remote = sampleAddr([]string{"10.1.1.1", "192.0.2.1"}[rnd.IntN(2)])
			c.Facts.Stream = rnd.IntN(2) == 0
			looser(t, fmt.Sprintf("%d: %s", i, body), alone.Decide(c), both.Decide(c))
		}
	}
}

func looser(t *testing.T, what string, org, both *call.Decision) {
	t.Helper()
	if both.Allow && !org.Allow || org.MaxTokens > 0 && (both.MaxTokens == 0 || both.MaxTokens > org.MaxTokens) || org.Restricted && !both.Restricted {
		t.Fatalf("%s: %+v is looser than %+v", what, both, org)
	}
	for _, target := range both.Targets {
		if org.Restricted && !strings.Contains(strings.Join(org.Targets, " ")+" ", target+" ") {
			t.Fatalf("%s: target %s is not one of %v", what, target, org.Targets)
		}
	}
}

// TestBundleIsRefused: what decided goes on deciding, and the reason is told.
func TestBundleIsRefused(t *testing.T) {
	var limit time.Duration // of tests, 0: the usual one
	f := func(name, want string, bundle files, change ...func([]byte) []byte) {
		t.Run(name, func(t *testing.T) {
			e, feed := fed2(t, Options{TestsLimit: limit})
			revision := e.Revision()
			tarball := bundle.tarball(t)
			for _, c := range change {
				tarball = c(tarball)
			}
			err := feed.to.Offer("team", tarball)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if st := e.Stats(); e.Revision() != revision || st.LastError == nil || st.ReloadErrors == 0 {
				t.Errorf("got %+v", st)
			}
			c := sampleCall()
			c.Model = &call.Model{Name: "m"}
			wantDenied(t, e.Decide(c), "team")
			if err := feed.to.Offer("team", teamBundle.tarball(t)); err != nil || e.Stats().LastError != nil {
				t.Errorf("the good one is refused: %v", err)
			}
		})
	}
	manifest := teamBundle[".manifest"]
	with := func(extra files) files {
		out := files{".manifest": manifest}
		for name, body := range extra {
			out[name] = body
		}
		return out
	}
	f("cut", "EOF", teamBundle, func(b []byte) []byte { return b[:len(b)/2] })
	f("syntax", "team_u.rego", with(files{"team_u": "deny contains"}))
	f("outside of its manifest's roots", "do not permit", with(files{"team_u": "deny contains {\"code\": \"x\"} if false", "other": "deny contains {\"code\": \"x\"} if false"}))
	f("roots that it may not have", "may own", files{"team_u": "deny contains {\"code\": \"x\"} if input.net.tls", ".manifest": `{"roots": ["signalbox/units"]}`})
	f("no manifest: all of data", "may own", files{"team_u": "deny contains {\"code\": \"x\"} if input.net.tls"})
	f("nothing to decide by", "defines none of", with(files{"team_u": "x := 1"}))
	f("conflicting rules", "conflict", with(files{"team_u": "obligations := {\"max_tokens\": 1}\n\nobligations := {\"max_tokens\": 2} if input.net.tls != input.request.stream\n\nobligations := {\"max_tokens\": 3} if input.request.op\n"}))
	f("impure", "undefined function http.send", with(files{"team_u": "deny contains {\"code\": \"x\"} if http.send({})"}))
	f("probe", `probe "team: p"`, with(files{"team_u": "deny contains {\"code\": \"x\"} if input.net.tls", "probes.json": `[{"name": "p", "input": {"net": {"tls": true}}, "allow": true}]`}))
	f("a test fails", "test_it failed", with(files{"team_u": "deny contains {\"code\": \"x\"} if input.net.tls", "team_test.rego": "package team\n\ntest_it if false\n"}))
	f("a test is skipped", "is skipped", with(files{"team_u": "deny contains {\"code\": \"x\"} if input.net.tls", "team_test.rego": "package team\n\ntodo_test_it if true\n"}))
	limit = 100 * time.Millisecond
	f("a test never ends", "did not end within 100ms", with(files{"team_u": "deny contains {\"code\": \"x\"} if input.net.tls",
		"team_test.rego": "package team\n\ntest_it if {\n\tsome i in numbers.range(1, 100000)\n\tsome j in numbers.range(1, 100000)\n\ti + j == -1\n}\n"}))
	limit = 0
	f("too large", "larger than", teamBundle, func([]byte) []byte { return hugeBundle(t) })
	f("log rules", "system.log", files{"team_u": "deny contains {\"code\": \"x\"} if input.net.tls", ".manifest": `{"roots": ["signalbox/units/team_u", "team"]}`,
		"team/x.rego": "package team\n\nx := 1\n", "log.rego": "package system.log\n\nmask contains \"/input/x\"\n"})
	if err := func() error { _, feed := fed2(t, Options{}); return feed.to.Offer("stranger", teamBundle.tarball(t)) }(); err == nil || !strings.Contains(err.Error(), "not asked for") {
		t.Errorf("got %v", err)
	}
}

// hugeBundle has many files, none of them too large.
func hugeBundle(t *testing.T) []byte {
	t.Helper()
	all := map[string][]byte{".manifest": []byte(`{"roots": ["team", "signalbox/units/team_u"]}`)}
	body := []byte(`{"x": "` + strings.Repeat("a", 8<<20) + `"}`)
	for i := range 9 {
		all[fmt.Sprintf("team/%d/data.json", i)] = body
	}
	tarball, err := pack("", all)
	if err != nil {
		t.Fatal(err)
	}
	return tarball
}

func TestTestsMayWarnOrBeOff(t *testing.T) {
	failing := files{"u": `deny contains {"code": "x"} if input.principal.team == "boom"`, "u_test.rego": "package u_test\n\ntest_it if false\n"}
	f := func(tests Tests, want error, warned string) {
		t.Helper()
		var log bytes.Buffer
		e, err := Open(context.Background(), Options{Path: failing.folder(t), Deadline: slack, Tests: tests, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if (err != nil) != (want != nil) || !strings.Contains(log.String(), warned) {
			t.Errorf("%d: got %v and %s", tests, err, log.String())
		}
		if err == nil {
			e.Close()
		}
	}
	f(TestsRequired, errors.New("test_it"), "")
	f(TestsWarn, nil, "test_it failed")
	f(TestsOff, nil, "")
}

// TestFedBundlesAreKept for a start without the service.
func TestFedBundlesAreKept(t *testing.T) {
	keep := filepath.Join(t.TempDir(), "kept.tar.gz")
	e, _ := fed2(t, Options{Keep: keep, Path: "https://bundles.example.com"})
	revision := e.Revision()
	away := &feeder{roots: map[string][]string{"org": nil, "team": nil}}
	e = openWith(t, Options{Keep: keep, Path: "https://bundles.example.com", Feed: away, Deadline: slack})
	if st := e.Stats(); !st.Kept || st.Revision != revision || st.LastError == nil || !strings.Contains(st.LastError.Error(), "org, team") {
		t.Fatalf("got %+v", st)
	}
	c := sampleCall()
	c.Principal.Team, c.Model = "boom", &call.Model{Name: "m"}
	wantDenied(t, e.Decide(c), "org,team")
	if err := e.SetCatalogue(sampleCatalogue); err != nil || !e.Stats().Kept || e.Stats().LastError == nil {
		t.Errorf("another catalogue is refused while the service is away: %v, %+v", err, e.Stats())
	}
	for name, b := range map[string]files{"org": orgBundle, "team": teamBundle} {
		if err := away.to.Offer(name, b.tarball(t)); err != nil {
			t.Fatal(err)
		}
	}
	if st := e.Stats(); st.Kept || st.LastError != nil || st.Revision != revision {
		t.Errorf("got %+v", st)
	}
	_, err := Open(context.Background(), Options{Keep: keep, Path: "https://other.example.com", Feed: &feeder{roots: map[string][]string{"org": nil}}})
	if err == nil || !strings.Contains(err.Error(), "is a copy of") {
		t.Errorf("it stands in for another service's: %v", err)
	}
}

func TestStoredBundle(t *testing.T) {
	var tarball []byte
	var fails error
	e := openWith(t, Options{Deadline: slack, Stored: func(context.Context) ([]byte, error) { return tarball, fails }})
	d := e.Decide(sampleCall())
	wantDenied(t, d, "no_policy,not_permitted")
	if got := e.Message(d.Reasons[0]); !strings.Contains(got, "signalbox policy push") {
		t.Errorf("the caller is told %q", got)
	}
	tarball = files{"base.rego": permitAll}.tarball(t)
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	wantAllowed(t, e.Decide(sampleCall()))
	fails = fs.ErrPermission
	if err := e.Reload(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
	wantAllowed(t, e.Decide(sampleCall()))
}

func TestExpectationsChange(t *testing.T) {
	e, feed := fed2(t, Options{})
	feed.to.Expect(map[string][]string{"org": nil})
	c := sampleCall()
	c.Model = &call.Model{Name: "m"}
	wantAllowed(t, e.Decide(c))
	feed.to.Expect(map[string][]string{"org": nil, "team": {"signalbox/units/team_u", "team"}})
	wantAllowed(t, e.Decide(c)) // the other has to come again
	if err := feed.to.Offer("team", teamBundle.tarball(t)); err != nil {
		t.Fatal(err)
	}
	wantDenied(t, e.Decide(c), "team")
}

// TestRefusedBundleIsNotProvedAgain, until something else has changed.
func TestRefusedBundleIsNotProvedAgain(t *testing.T) {
	e, feed := fed2(t, Options{TestsLimit: time.Minute})
	bad := files{"team_u": "deny contains {\"code\": \"x\"} if data.signalbox.catalogue.models[\"a/b\"].price.input > 1",
		".manifest": teamBundle[".manifest"], "probes.json": `[{"name": "p", "allow": false}]`}.tarball(t)
	first := feed.to.Offer("team", bad)
	if again := feed.to.Offer("team", bad); first == nil || again != first {
		t.Fatalf("got %v, then %v", first, again)
	}
	if err := e.SetCatalogue(Catalogue{Models: map[string]CatalogueModel{"a/b": {Provider: "a", Model: "b", Price: PriceOf(&call.Price{Input: 5})}}}); err != nil {
		t.Fatal(err)
	}
	if err := feed.to.Offer("team", bad); err != nil {
		t.Errorf("with other models it is good: %v", err)
	}
}

func TestDiscover(t *testing.T) {
	f := func(name, decision, want string, bundle files) {
		t.Helper()
		found, ignored, err := Discover(bundle.tarball(t), decision)
		got := fmt.Sprint(len(found), ignored)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	f("data", "", "1 []", files{"data.json": `{"bundles": {"org": {"resource": "x"}}}`})
	f("a rule", "disco/conf", "1 [labels]", files{"d.rego": "package disco.conf\n\nbundles := {\"org\": {\"resource\": lower(\"X\"), \"polling\": {\"min_delay_seconds\": 1}}}\n\nlabels := {}\n"})
	f("nothing", "disco", "undefined", files{"data.json": `{"x": 1}`})
	f("no bundles", "", "names no bundles", files{"data.json": `{"bundles": {}}`})
	f("requests", "d", "undefined function http.send", files{"d.rego": "package d\n\nbundles := http.send({})\n"})
	f("environment", "d", "undefined function opa.runtime", files{"d.rego": "package d\n\nbundles := opa.runtime().env\n"})
	endless := "package d\n\nbundles contains x if {\n\tsome i in numbers.range(1, 100000)\n\tsome x in numbers.range(1, 100000)\n\ti + x == -1\n}\n"
	src, err := parse("", map[string][]byte{"d.rego": []byte(endless)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evaluate(src, "d", 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "cancel") {
		t.Errorf("endless: got %v", err)
	}
	t.Setenv("SECRET_OF_TEST", "s3cret")
	found, _, err := Discover(files{"data.json": `{"bundles": {"org": {"resource": "${SECRET_OF_TEST}"}}}`}.tarball(t), "")
	if err != nil || found["org"].Resource != "${SECRET_OF_TEST}" {
		t.Errorf("the environment is read: %+v, %v", found, err)
	}
}

func FuzzDiscover(f *testing.F) {
	f.Add(files{"data.json": `{"bundles": {"org": {"resource": "x"}}}`}.tarball(f))
	f.Fuzz(func(t *testing.T, tarball []byte) {
		found, _, err := Discover(tarball, "")
		if err == nil && len(found) == 0 {
			t.Error("neither bundles nor an error")
		}
	})
}
