package host

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-ai/signalbox/host/budget"
	"github.com/signalbox-ai/signalbox/host/call"
	"github.com/signalbox-ai/signalbox/host/config"
	"github.com/signalbox-ai/signalbox/host/live"
	"github.com/signalbox-ai/signalbox/host/policy"
	"github.com/signalbox-ai/signalbox/sdk/wire"
)

const permit = "package signalbox.units.u\n\ndefault permit := false\n\npermit if input.principal.key_id != \"\"\n\n"

// bundle writes a unit that permits, and has rules, into dir.
func bundle(t *testing.T, dir, rules string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "u.rego"), []byte(permit+rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openBundle(t *testing.T, h *Host, rules string) *policy.Engine {
	t.Helper()
	e, err := policy.Open(context.Background(), policy.Options{Path: bundle(t, t.TempDir(), rules), Log: h.log, Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// testHost has what a decision needs: a log, which is returned, and a budget.
func testHost(t testing.TB) (*Host, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	dir, ctx := t.TempDir(), context.Background()
	h := &Host{log: slog.New(slog.NewTextHandler(&log, nil)), dir: dir, passing: live.New(rowOf)}
	var err error
	if err = h.openStore(ctx, config.Store{URL: config.Secret("sqlite:" + filepath.Join(dir, "signalbox.db"))}); err != nil {
		t.Fatal(err)
	}
	h.budget, err = budget.Open(ctx, dir, h.store.Bank(), budget.Options{})
	if err != nil {
		t.Fatal(errors.Join(err, h.store.Close()))
	}
	t.Cleanup(func() {
		if err := errors.Join(h.budget.Close(), h.store.Close()); err != nil {
			t.Error(err)
		}
		h.lock.Unlock()
	})
	return h, &log
}

func testFlight(e *policy.Engine) *flight {
	f := &flight{gen: &generation{policy: e}}
	f.ID, f.Received, f.Op, f.Model = 7, time.Now(), wire.OpChat, &call.Model{Name: "a/b"}
	f.Principal = &call.Principal{KeyID: "k-1", KeyName: "dev"}
	return f
}

// TestLimitsThatNobodyCanHold: a limit of policy that the budget cannot count
// refuses the request, and the log says what it was.
func TestLimitsThatNobodyCanHold(t *testing.T) {
	h, log := testHost(t)
	limit := func(scope, unit string) *policy.Engine {
		return openBundle(t, h, `obligations["limits"] := [{"scope": "`+scope+`", "unit": "`+unit+`", "window": {"unit": "day", "tz": "Europe/Berlin"}, "max": 5}]`)
	}
	for _, scope := range []string{"model/other", "model/b"} {
		log.Reset()
		e := limit(scope, "tokens")
		for range 2 { // nor is it forgotten the second time
			f := testFlight(e)
			err := h.decide(f)
			if err == nil || err.Status != 403 || err.Code != "policy_error" || err.Class != wire.ClassPolicy || f.chain != nil {
				t.Fatalf("a limit on %s: got %+v", scope, err)
			}
		}
		if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), scope) ||
			!strings.Contains(log.String(), "request=req_") || strings.Count(log.String(), "\n") != 2+1 {
			t.Errorf("logged %s", log)
		}
	}
	for _, scope := range []string{"key/k-1", "team/any", "model/a/b"} {
		for _, unit := range []string{"usd_nano", "tokens", "requests"} {
			f := testFlight(limit(scope, unit))
			if err := h.decide(f); err != nil || f.chain == nil {
				t.Errorf("a limit of %s on %s: got %v", unit, scope, err)
			}
		}
	}
}

func TestDescribe(t *testing.T) {
	up, down := &call.Provider{Name: "up"}, &call.Provider{Name: "down"}
	price := &call.Price{Input: 2, Output: 3, Context: 1000, MaxOutput: 100, LongFrom: 500, Long: &call.Price{Input: 4, Output: 6}}
	target := func(p *call.Provider, model string, price *call.Price) *call.Target {
		return &call.Target{Name: p.Name + "/" + model, Provider: p, Model: model, Price: price}
	}
	g := &generation{cfg: &config.Config{Models: map[string]config.Model{
		"fast": {Targets: []config.Target{{Model: "up/m", Region: "eu", Tags: []string{"z", "a"}}, {Model: "down/m"}}},
		"safe": {Targets: []config.Target{{Model: "up/m", Tags: []string{"a", "b"}}}},
	}}, models: map[string]*call.Model{
		"fast":   {Targets: []*call.Target{target(up, "m", price), target(down, "m", nil)}},
		"safe":   {Targets: []*call.Target{target(up, "m", price)}},
		"up/own": {Targets: []*call.Target{target(up, "own", nil)}},
	}}
	got, err := g.describe()
	want := policy.Catalogue{Models: map[string]policy.CatalogueModel{
		"up/m": {Provider: "up", Model: "m", Region: "eu", Tags: []string{"a", "b", "z"}, Context: 1000, MaxOutput: 100,
			Price: &policy.CataloguePrice{Input: 2, Output: 3, LongFrom: 500, LongInput: 4, LongOutput: 6}},
		"down/m": {Provider: "down", Model: "m"},
		"up/own": {Provider: "up", Model: "own"},
	}, Aliases: map[string][]string{"fast": {"down/m", "up/m"}, "safe": {"up/m"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	g.cfg.Models["safe"] = config.Model{Targets: []config.Target{{Model: "up/m", Region: "us"}}}
	if _, err := g.describe(); err == nil || !strings.Contains(err.Error(), `models.safe.targets[0].region: up/m is in "us" here and in "eu" elsewhere`) {
		t.Errorf("got %v", err)
	}
}

const dear = `deny contains {"code": "dear"} if data.signalbox.catalogue.models[input.request.model].price.output > 10`

func priced(output int64) policy.Catalogue {
	return policy.Catalogue{Models: map[string]policy.CatalogueModel{"a/b": {Price: policy.PriceOf(&call.Price{Output: output})}}}
}

// TestPolicyOfGenerations: one engine goes from generation to generation, with
// the catalogue of the one that is in use.
func TestPolicyOfGenerations(t *testing.T) {
	h, _ := testHost(t)
	ctx, dir := context.Background(), t.TempDir()
	cfg := &config.Config{Policy: config.Policy{Path: bundle(t, dir, dear)}}
	old := &generation{cfg: cfg, catalogue: priced(5)}
	var err error
	if old.policy, err = h.openPolicy(ctx, old, nil); err != nil {
		t.Fatal(err)
	}
	defer old.policy.Close()
	allowed := func(want bool) {
		t.Helper()
		if d := old.policy.Decide(&testFlight(nil).Call); d.Allow != want {
			t.Errorf("got %+v", d)
		}
	}
	allowed(true)
	g := &generation{cfg: cfg, catalogue: priced(50)}
	if g.policy, err = h.openPolicy(ctx, g, old); err != nil || g.policy != old.policy {
		t.Fatalf("another engine for another catalogue: %v", err)
	}
	allowed(false)
	g.discard(old)
	allowed(true)

	// A reload to a bundle that is not good is refused, kept copy or not.
	other := bundle(t, t.TempDir(), "")
	g = &generation{cfg: &config.Config{Policy: config.Policy{Path: other}}, catalogue: priced(5)}
	if g.policy, err = h.openPolicy(ctx, g, old); err != nil || g.policy == old.policy {
		t.Fatal(err)
	}
	g.discard(old)
	bundle(t, other, "deny contains")
	if e, err := h.openPolicy(ctx, g, old); err == nil || e != nil {
		t.Error("a reload took a kept bundle")
	}
	e, err := h.openPolicy(ctx, g, nil) // a start does
	if err != nil || !e.Stats().Kept {
		t.Fatalf("the kept bundle is not served: %v", err)
	}
	e.Close()
	bundle(t, dir, "deny contains")
	if e, err := h.openPolicy(ctx, &generation{cfg: cfg}, nil); err == nil {
		e.Close()
		t.Error("a copy of another bundle was served")
	}
}
