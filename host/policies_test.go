package host

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/policy/opatest"
	"github.com/signalbox-ai/signalbox/host/policy/trail"
)

// patience is how long these tests wait for what must happen.
const patience = time.Minute

func signedConfig(url string, key opatest.Key) config.Policy {
	return config.Policy{Bundle: "builtin:default", Tests: "require", Service: config.PolicyService{URL: url, Bearer: "s3cret"},
		Bundles: map[string]config.PolicyBundle{"org": {Resource: "b/org.tar.gz", Polling: config.Polling{Min: time.Second, Max: time.Second, Long: 20 * time.Second},
			Signing: config.PolicySigning{KeyID: "ours", Algorithm: key.Algorithm, PublicKey: key.Public, Scope: "write"}}}}
}

// TestServedPolicy takes signed bundles of the real opa from a server: a good
// one, a bad one, another good one, and none at the next start.
func TestServedPolicy(t *testing.T) {
	h, _ := testHost(t)
	h.log = slog.New(slog.DiscardHandler)
	ctx, key, server := context.Background(), opatest.EC(t), opatest.NewServer(t, true)
	build := func(revision, rules string) []byte {
		return opatest.Build(t, bundle(t, t.TempDir(), rules), revision, key.Sign(t, "ours", "write")...)
	}
	server.Set("b/org.tar.gz", build("r1", `deny contains {"code": "one"} if input.principal.key_name == "x"`))
	g := &generation{cfg: &config.Config{Policy: signedConfig(server.URL, key)}, catalogue: priced(5)}
	var err error
	if g.policy, err = h.openPolicy(ctx, g, nil); err != nil {
		t.Fatal(err)
	}
	defer g.policy.Close()
	h.gen.Store(g)
	shown := func() string {
		t.Helper()
		v, err := h.showPolicy(ctx)
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	until := func(want ...string) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(patience); ; <-tick.C {
			have, all := shown(), true
			for _, w := range want {
				all = all && strings.Contains(have, w)
			}
			if all {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("it stays at %s, want %q", have, want)
			}
		}
	}
	until(`"bundles":{"org":"r1"}`, `"source":"`+server.URL, `"active_revision":"r1"`)
	f := testFlight(g.policy)
	if d := g.policy.Decide(&f.Call); !d.Allow {
		t.Fatalf("refused: %v", d.Reasons)
	}
	server.Set("b/org.tar.gz", build("r2", `deny contains {"code": "two"} if data.nowhere.at_all`))
	until(`"active_revision":"r1"`, "nowhere")
	server.Set("b/org.tar.gz", build("r3", `deny contains {"code": "three"}`))
	until(`"bundles":{"org":"r3"}`, `"active_revision":"r3"`)
	if d := g.policy.Decide(&f.Call); d.Allow || d.Reasons[0].Code != "three" {
		t.Fatalf("got %+v", d)
	}
	for _, a := range server.Asked() {
		if a.Authorization != "Bearer s3cret" {
			t.Errorf("asked without the token: %+v", a)
		}
	}
	if strings.Contains(shown(), "s3cret") {
		t.Error("the token is shown")
	}
	g.policy.Close()

	server.Fault(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true })
	next := &generation{cfg: g.cfg, catalogue: priced(5)}
	if next.policy, err = h.openPolicy(ctx, next, nil); err != nil || !next.policy.Stats().Kept || !strings.HasPrefix(next.policy.Revision(), "r3-") {
		t.Fatalf("what was accepted last does not stand in: %v", err)
	}
	next.policy.Close()

	other := *g.cfg
	other.Policy = signedConfig(server.URL, opatest.EC(t))
	if _, err = h.openPolicy(ctx, &generation{cfg: &other, catalogue: priced(5)}, nil); err == nil || !strings.Contains(err.Error(), "nor can the kept one be used") {
		t.Fatalf("what another key has signed stands in: %v", err)
	}
}

// discoveryBundle packs what a discovery bundle decides.
func discoveryBundle(t *testing.T, data string) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Name: "data.json", Mode: 0o600, Size: int64(len(data))}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDiscoveryKeepsToTheConfiguration(t *testing.T) {
	signing := config.PolicySigning{KeyID: "ours", PublicKey: "-----BEGIN PUBLIC KEY-----"}
	var own config.PolicySigning // of discovery itself
	f := func(listed map[string]config.PolicyBundle, data, want string) {
		t.Helper()
		s := &served{cfg: config.Policy{Discovery: config.PolicyDiscovery{Resource: "d", Bundles: listed, Signing: own}}, log: slog.New(slog.DiscardHandler)}
		got, err := s.discovered(discoveryBundle(t, data))
		text := ""
		if err != nil {
			text = err.Error()
		}
		for _, name := range sortedNames(got) {
			text += name + "=" + got[name].Resource + " "
			if got[name].Signing != nil {
				text += "signed by " + got[name].Signing.KeyID + " "
			}
			if got[name].Min > 0 {
				text += got[name].Min.String()
			}
		}
		if !strings.Contains(text, want) || want == "" {
			t.Errorf("%s: got %q, want %q", data, text, want)
		}
	}
	org := map[string]config.PolicyBundle{"org": {Signing: signing}}
	f(nil, `{"bundles": {"org": {"resource": "/x/org"}, "team": {}}}`, "org=x/org team=bundles/team")
	f(nil, `{"bundles": {"org": {"polling": {"min_delay_seconds": 7}}}}`, "org=bundles/org 7s")
	f(org, `{"bundles": {"org": {"resource": "x"}}, "services": {}, "keys": {}}`, "org=x signed by ours")
	f(org, `{"bundles": {"org": {"signing": {"keyid": "ours"}}}}`, "signed by ours")
	f(org, `{"bundles": {"team": {}}}`, `does not name bundle "org"`)
	f(org, `{"bundles": {"org": {}, "team": {}}}`, `names bundle "team", which policy.discovery.bundles does not list`)
	f(org, `{"bundles": {"org": {"signing": {"keyid": "theirs"}}}}`, `signed by "theirs"`)
	f(nil, `{"bundles": {"org": {"signing": {"keyid": "k"}}}}`, "give the key under")
	f(nil, `{"bundles": {"discovery": {}}}`, "its own name")
	f(nil, `{"bundles": {"org": {"resource": "d"}}}`, `and it is that of "discovery"`)
	f(nil, `{"bundles": {"org": {"resource": "x"}, "team": {"resource": "/x/"}}}`, `and it is that of "org"`)
	f(nil, `{"bundles": {"org": {"resource": "b/%6frg"}}}`, "a path has letters")
	f(nil, `{"bundles": {"org": {"resource": "../admin"}}}`, "a path has letters")
	own = signing
	f(nil, `{"bundles": {"org": {}}}`, "signed by ours")
	f(map[string]config.PolicyBundle{"org": {Roots: []string{"acme"}}}, `{"bundles": {"org": {}}}`, "signed by ours")
}

// stuck is a console that takes nothing until it is let go.
type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) {
	<-s
	return len(p), nil
}

// TestDecisionsThatMustBeLogged: with no room for them, requests are refused,
// where a unit or the configuration wants that, and pass where not.
func TestDecisionsThatMustBeLogged(t *testing.T) {
	h, _ := testHost(t)
	h.log = slog.New(slog.DiscardHandler)
	e := openBundle(t, h, `obligations["log_required"] := true if input.principal.key_name == "audited"`)
	console := make(stuck)
	var err error
	if h.trail, err = trail.Open(trail.Options{Console: console, Sample: 1, Buffer: 64, Log: h.log}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		close(console)
		if err := h.trail.Close(); err != nil {
			t.Error(err)
		}
	}()
	ask := func(name string, required bool) string {
		f := testFlight(e)
		f.gen.cfg = &config.Config{Policy: config.Policy{Decisions: config.PolicyDecisions{Required: required}}}
		f.Principal.KeyName = name
		if err := h.decide(f); err != nil {
			return err.Code
		}
		return "passes"
	}
	log := h.trail
	h.trail = nil
	if got := ask("audited", false) + ", " + ask("dev", false); got != "decision_not_logged, passes" {
		t.Errorf("without a log: %s", got)
	}
	h.trail = log
	for i := 0; ask("audited", false) == "passes"; i++ {
		if i > 1000 {
			t.Fatal("the log takes everything")
		}
	}
	for _, c := range []struct {
		name     string
		required bool
		want     string
	}{{"audited", false, "decision_not_logged"}, {"dev", false, "passes"}, {"dev", true, "decision_not_logged"}} {
		if got := ask(c.name, c.required); got != c.want {
			t.Errorf("%s, required %v: %s, want %s", c.name, c.required, got, c.want)
		}
	}
}
